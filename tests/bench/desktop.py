#!/usr/bin/python3
"""What the desktop programs cost: time from start to first frame, to the bus, to the tray, and memory at rest; and how
smoothly thousands of resources move.

Usage: desktop.py [--build BUILD] [--rounds N] [--json FILE]

Each round starts everything anew on a display, a session bus and a system bus of its own (tests/gui/desk.py), with the
mock of the tunnel service behind app and tray; the real service is started by itself. The figure is the median, its range
stands beside it. Memory is what the kernel accounts to the process: proportional (PSS) and private. CPU time is the scheduler's count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "gui"))

from desk import APP_ID, Desk, DeskError, until  # noqa: E402

N_MANY = 5000  # resources of a large account
REST_S = 2.0  # before memory is read: what a start leaves over has been freed by then
N_RESOURCES = 50
N_MANY = 5000
PAGE_DOWNS = 60
CHANGES_PER_S = 50
MOVES = ("scroll", "page_down", "scroll_live", "gone_and_back")


def memory(process):
    """(PSS, private) of a process, MB."""
    sizes = {}
    with open(f"/proc/{process.pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words[0].endswith(":") and len(words) == 3:
                sizes[words[0][:-1]] = int(words[1]) / 1024
    return sizes["Pss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def is_drawn(desk):
    """Whether the window shows text and shapes, not just a ground: the first frame has come."""
    for window in desk.windows():
        colours = subprocess.run(["import", "-silent", "-window", window, "-format", "%k", "info:-"], env=desk.env,
                                 capture_output=True, text=True, check=False).stdout
        if colours.isdigit() and int(colours) > 16:
            return True
    return False


def measure_desktop(build):
    desk = Desk(build, width=1000, height=800)
    try:
        desk.start_service("connected", N_RESOURCES)
        begun = time.monotonic()
        app = desk.start_app(wait=False)
        until(lambda: desk.has_owner(desk.session, APP_ID), "the app on the bus")
        on_bus = time.monotonic() - begun
        until(lambda: is_drawn(desk), "the first frame")
        drawn = time.monotonic() - begun
        begun = time.monotonic()
        desk.env["FIREZONE_ICON_PATH"] = os.path.join(HERE, "..", "..", "data", "icons")
        tray = desk.spawn([os.path.join(build, "src", "tray", "firezone-client-tray")], "tray")
        until(lambda: desk.has_owner(desk.session, APP_ID + ".Tray"), "the tray on the bus")
        tray_on_bus = time.monotonic() - begun
        time.sleep(REST_S)
        app_pss, app_private = memory(app)
        tray_pss, tray_private = memory(tray)
        return {"app_on_bus_ms": on_bus * 1e3, "app_first_frame_ms": drawn * 1e3, "app_pss_mb": app_pss,
                "app_private_mb": app_private, "tray_on_bus_ms": tray_on_bus * 1e3, "tray_pss_mb": tray_pss,
                "tray_private_mb": tray_private}
    finally:
        desk.close()


def measure_service(build):
    desk = Desk(build)
    try:
        folder = os.path.join(desk.root, "service")
        os.makedirs(folder)
        begun = time.monotonic()
        service = desk.spawn([os.path.join(build, "src", "helper", "firezone-client-tunnel"), "--log-dir", folder,
                              "--config", os.path.join(folder, "none.conf")], "tunnel")
        until(lambda: desk.has_owner(desk.system, "dev.firezone.Client.Tunnel1") or service.poll() is not None,
              "the tunnel service on the bus")
        if service.poll() is not None:
            raise DeskError("the tunnel service ended: " + desk.read_log("tunnel")[-500:])
        on_bus = time.monotonic() - begun
        time.sleep(REST_S)
        pss, private = memory(service)
        return {"service_on_bus_ms": on_bus * 1e3, "service_pss_mb": pss, "service_private_mb": private}
    finally:
        desk.close()


def cpu_ms(process):
    """(of the main loop's thread, of the whole process) so far."""
    folder = f"/proc/{process.pid}/task"
    spent = {}
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/schedstat", encoding="ascii") as file:
            spent[thread] = int(file.read().split()[0]) / 1e6
    return spent[str(process.pid)], sum(spent.values())


def measure_bus(build):
    """What it costs the bus side of the service to show many resources; the mock has the real one's."""
    desk = Desk(build)
    try:
        name, path = "dev.firezone.Client.Tunnel1", "/dev/firezone/Client/Tunnel1"
        service = desk.spawn([os.path.join(build, "tests", "dbus", "fz-mock-tunnel"), "--connected",
                              f"--resources={N_MANY}"], "mock")
        until(lambda: desk.has_owner(desk.system, name), "the mock of the tunnel service on the bus")

        def ask():
            desk.system.call_sync(name, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", None, None,
                                  0, 60000, None)
        ask()
        main, whole = cpu_ms(service)
        begun = time.monotonic()
        ask()
        answered = time.monotonic() - begun
        main_after, whole_after = cpu_ms(service)
        return {"managed_main_ms": main_after - main, "managed_cpu_ms": whole_after - whole,
                "managed_ms": answered * 1e3}
    finally:
        desk.close()


class View:
    """bench-resources on a desk: the resources' view alone, which tells of its frames."""

    def __init__(self, desk, build):
        self.process = desk.spawn([os.path.join(build, "tests", "bench", "bench-resources"), str(N_MANY)], "view",
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, text, word=None):
        if text:
            self.say(text)
        while True:
            line = self.process.stdout.readline().decode().split()
            if not line:
                raise DeskError("bench-resources ended")
            if word is None or line[0] == word:
                return [float(x) for x in line[1:]]

    def frames(self, name):
        _, p50, p95, longest, cpu95, cpu_longest, missed = self.ask("frames", "frames")
        return {f"{name}_p50_ms": p50, f"{name}_p95_ms": p95, f"{name}_max_ms": longest, f"{name}_cpu95_ms": cpu95,
                f"{name}_cpumax_ms": cpu_longest, f"{name}_missed": missed}


def change_some(desk, stop):
    """Counters, round-trip times and states of resources all over the list, until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        resource = str(uuid.UUID(int=100 + number * 37 % N_MANY))
        desk.mock.SetResource(resource, {"TxBytes": 2**33 + number, "Rtt": 1000 * (number % 90),
                                         "State": ("direct", "relayed", "idle")[number % 3]})
        stop.wait(1 / CHANGES_PER_S)


def measure_resources(build):
    desk = Desk(build, width=1000, height=800)
    try:
        desk.start_service("connected", N_MANY)
        view = View(desk, build)
        figures = dict(zip(("many_ready_ms", "many_stall_ms"), view.ask(None, "ready")))
        for key, order in (("search_ms", "search host-42"), ("search_end_ms", "search "), ("order_ms", "order 2"), ("reorder_ms", "order 0")):
            figures[key] = view.ask(order, "drawn")[0]
        view.frames("")
        view.ask("scroll", "scrolled")
        figures.update(view.frames("scroll"))
        stop = threading.Event()
        changes = threading.Thread(target=change_some, args=(desk, stop))
        changes.start()
        view.ask("scroll", "scrolled")
        stop.set()
        changes.join()
        figures.update(view.frames("scroll_live"))
        view.ask("focus", "focused")
        desk.key("Home")
        view.frames("")
        desk.key("--delay", "60", *["Page_Down"] * PAGE_DOWNS)
        figures.update(view.frames("page_down"))
        begun = time.monotonic()
        desk.mock.Resources(N_MANY)
        view.ask("focus", "focused")  # answered when all has been taken in
        figures["gone_and_back_ms"] = (time.monotonic() - begun) * 1e3
        figures.update(view.frames("gone_and_back"))
        return figures
    finally:
        desk.close()


MOVE_TITLES = {
    "scroll": "from top to bottom in 4 s",
    "scroll_live": f"the same while {CHANGES_PER_S} resources a second change",
    "page_down": f"{PAGE_DOWNS} times Page Down",
    "gone_and_back": "all go and come, one by one",
}
TITLES = {
    "app_on_bus_ms": "app: start to its name on the session bus, ms",
    "app_first_frame_ms": "app: start to the first frame, ms",
    "app_pss_mb": f"app: memory with {N_RESOURCES} resources, PSS, MB",
    "app_private_mb": "app: of that private, MB",
    "tray_on_bus_ms": "tray: start to its name on the session bus, ms",
    "tray_pss_mb": "tray: memory, PSS, MB",
    "tray_private_mb": "tray: of that private, MB",
    "service_on_bus_ms": "tunnel service: start to its name on the system bus, ms",
    "service_pss_mb": "tunnel service: memory at rest, PSS, MB",
    "service_private_mb": "tunnel service: of that private, MB",
    "managed_main_ms": f"bus side: GetManagedObjects with {N_MANY} resources, CPU of the main loop, ms",
    "managed_cpu_ms": "bus side: of the whole process, ms",
    "managed_ms": "bus side: until the caller has it, ms",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    figures = {key: [] for key in TITLES}
    for number in range(arguments.rounds):
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
        for key, value in {**measure_desktop(build), **measure_service(build), **measure_bus(build)}.items():
            figures[key].append(value)
    print("| | median | range |\n|---|---|---|")
    for key, values in figures.items():
        print(f"| {TITLES[key]} | {statistics.median(values):.1f} | {min(values):.1f} – {max(values):.1f} |")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
