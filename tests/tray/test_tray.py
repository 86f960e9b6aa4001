"""firezone-client-tray under a stub panel and under xfce4-panel, against a stub of the app.

Usage: test_tray.py [CLASS[.TEST]]   environment: FZ_BUILD
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(SOURCE, "tests", "gui"))

from desk import CALL_MS, MISSING, PATIENCE_S, Desk, until  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402

BUILD = os.environ.get("FZ_BUILD", os.path.join(SOURCE, "build"))
ITEM_PATH = "/org/ayatana/NotificationItem/firezone_client"
TRAY = "dev.firezone.Client.Tray"

MENU = [
    {"section": [{"label": "Connected to acme", "action": "status-line"}, {"label": "Disconnect", "action": "disconnect"}]},
    {"section": [{"label": "Internet resource", "action": "internet-resource"}]},
    {"label": "Resources", "section": [
        {"label": "wiki", "submenu": [{"label": "Copy 10.0.0.1", "action": "copy-address", "target": "r1"}]},
        {"label": "All resources…", "action": "show-window"}]},
    {"section": [{"label": "Small", "action": "size", "target": "small"}, {"label": "Large", "action": "size", "target": "large"}]},
    {"section": [{"label": "Open", "action": "show-window"}, {"label": "Quit", "action": "quit"}]},
]
ACTIONS = {
    "status-line": {"enabled": False}, "disconnect": {}, "show-window": {}, "quit": {},
    "internet-resource": {"state": True}, "copy-address": {"type": "s"}, "size": {"type": "s", "state": "small"},
    "tray-host": {"type": "b"}, "tray-status": {"state": ["connected", "Connected to acme"]},
}


class Talker:
    """A process that says JSON lines; those that were said are kept."""

    def __init__(self, desk, program, name):
        self.desk = desk
        self.heard = []
        self.rest = b""
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, program)], env=desk.env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, start_new_session=True)
        desk.processes.append(self.process)
        self.wait(lambda said: said == "ready", f"{name} on the bus")

    def listen(self):
        while select.select([self.process.stdout], [], [], 0)[0]:
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                break
            self.rest += more
            *lines, self.rest = self.rest.split(b"\n")
            self.heard += [json.loads(line) for line in lines]
        return self.heard

    def wait(self, matches, what):
        """The first thing said since the last wait that matches."""
        def found():
            for i, said in enumerate(self.listen()):
                if matches(said):
                    del self.heard[:i + 1]
                    return [said]
            return None
        return until(found, what)[0]

    def tell(self, **what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()
        self.wait(lambda said: said == "done", "the stub has understood")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()


class TrayCase(unittest.TestCase):
    def setUp(self):
        self.desk = Desk(BUILD, width=640, height=480)
        self.addCleanup(self.desk.close)
        self.desk.env["FIREZONE_ICON_PATH"] = os.path.join(SOURCE, "data", "icons")
        self.app = self.host = self.tray = None

    def start_app(self, menu=MENU, actions=ACTIONS):
        self.app = Talker(self.desk, "stub_app.py", "the stub of the app")
        self.app.tell(menu=menu, actions=actions)

    def start_host(self):
        self.host = Talker(self.desk, "stub_host.py", "the stub panel")

    def start_tray(self):
        self.tray = self.desk.spawn([os.path.join(BUILD, "src", "tray", "firezone-client-tray")], "tray")
        until(lambda: self.desk.has_owner(self.desk.session, TRAY), "the tray on the bus")

    def wait_registered(self):
        return self.host.wait(lambda said: said[0] == "registered", "the item's registration")[1]

    # -- the item as panels see it --

    def call(self, path, interface, method, arguments=None):
        return self.desk.session.call_sync(TRAY, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE, CALL_MS,
                                           None).unpack()

    def item(self, name):
        return self.call(ITEM_PATH, "org.freedesktop.DBus.Properties", "Get",
                         GLib.Variant("(ss)", ("org.kde.StatusNotifierItem", name)))[0]

    def layout(self):
        """The menu as (id, label, kind, mark, enabled, children), separators as None."""
        def read(node):
            number, properties, children = node
            if properties.get("type") == "separator":
                return None
            return (number, properties.get("label", ""), properties.get("toggle-type", ""),
                    properties.get("toggle-state", 0) == 1, properties.get("enabled", True),
                    [read(child) for child in children])
        return read(self.call(ITEM_PATH + "/Menu", "com.canonical.dbusmenu", "GetLayout",
                              GLib.Variant("(iias)", (0, -1, [])))[1])[5]

    def rows(self):
        """Labels at the top with their marks: "[x] on", "[ ] off", "(disabled)"; "-" for a line."""
        def show(row):
            if row is None:
                return "-"
            _, label, kind, is_marked, is_enabled, _ = row
            mark = {"": "", "checkmark": "[x] " if is_marked else "[ ] ", "radio": "(o) " if is_marked else "( ) "}[kind]
            return mark + (label if is_enabled else f"({label})")
        return [show(row) for row in self.layout()]

    def wait_rows(self, wanted):
        last = []

        def is_so():
            last[:] = self.rows()
            return last == wanted
        try:
            until(is_so, "the menu")
        except AssertionError:
            self.assertEqual(last, wanted)

    def click(self, label):
        def find(rows):
            for row in filter(None, rows):
                if row[1] == label:
                    return row[0]
                inner = find(row[5])
                if inner is not None:
                    return inner
            return None
        number = until(lambda: find(self.layout()), f"the row “{label}”")
        self.call(ITEM_PATH + "/Menu", "com.canonical.dbusmenu", "Event",
                  GLib.Variant("(isvu)", (number, "clicked", GLib.Variant("s", ""), 0)))


ROWS = ["(Connected to acme)", "Disconnect", "-", "[x] Internet resource", "-", "(Resources)", "wiki", "All resources…", "-",
        "(o) Small", "( ) Large", "-", "Open", "Quit"]


class Menu(TrayCase):
    def setUp(self):
        super().setUp()
        self.start_host()
        self.start_app()
        self.start_tray()
        self.wait_registered()
        self.wait_rows(ROWS)

    def test_clicks_reach_the_actions(self):
        self.click("Disconnect")
        self.app.wait(lambda said: said == ["disconnect", None], "the click")
        self.click("Copy 10.0.0.1")
        self.app.wait(lambda said: said == ["copy-address", "r1"], "the click with its target")

    def test_marks_follow_the_state_not_the_click(self):
        self.click("Internet resource")
        self.app.wait(lambda said: said == ["internet-resource", None], "the click")
        # the stub does not change its state, so the mark must come back
        self.wait_rows(ROWS)
        self.app.tell(actions={"internet-resource": {"state": False}})
        self.wait_rows([row.replace("[x]", "[ ]") for row in ROWS])
        self.app.tell(actions={"size": {"state": "large"}, "internet-resource": {"state": True}})
        self.wait_rows([{"(o) Small": "( ) Small", "( ) Large": "(o) Large"}.get(row, row) for row in ROWS])

    def test_disabled_actions_are_grey(self):
        self.app.tell(actions={"disconnect": {"enabled": False}})
        self.wait_rows([row if row != "Disconnect" else "(Disconnect)" for row in ROWS])

    def test_rows_keep_their_ids(self):
        before = {row[1]: row[0] for row in filter(None, self.layout())}
        menu = json.loads(json.dumps(MENU))
        menu[0]["section"][1]["label"] = "Connect"
        self.app.tell(menu=menu)
        self.wait_rows([row if row != "Disconnect" else "Connect" for row in ROWS])
        after = {row[1]: row[0] for row in filter(None, self.layout())}
        self.assertEqual(after["Connect"], before["Disconnect"])
        self.assertEqual(after["Quit"], before["Quit"])

    def test_submenus_change_while_the_menu_stays(self):
        menu = json.loads(json.dumps(MENU))
        menu[2]["section"][0]["submenu"] += [{"label": f"row {i}", "action": "copy-address", "target": str(i)} for i in range(30)]
        self.app.tell(menu=menu)
        until(lambda: len(next(row for row in filter(None, self.layout()) if row[1] == "wiki")[5]) == 31, "the longer submenu")
        self.click("row 29")
        self.app.wait(lambda said: said == ["copy-address", "29"], "the click")

    def test_bursts_do_not_lose_the_last_change(self):
        for i in range(200):
            self.app.tell(actions={"tray-status": {"state": ["connecting", f"step {i}"]}, "internet-resource": {"state": i % 2 == 0}})
        self.wait_rows([row.replace("[x]", "[ ]") for row in ROWS])
        until(lambda: self.item("Title").endswith("step 199"), "the last status")

    def test_app_crashes_and_comes_back(self):
        self.app.kill()
        self.wait_rows(["Start Firezone", "Quit"])
        until(lambda: self.item("IconName") == "dev.firezone.Client-disconnected-symbolic", "the icon of an app that is away")
        self.start_app()
        self.wait_rows(ROWS)
        self.click("Disconnect")
        self.app.wait(lambda said: said == ["disconnect", None], "a click after the restart")

    def test_absurd_calls_do_no_harm(self):
        """Whatever a program of the session asks the menu for, the tray stays."""
        far = (-1, 0x7fffffff, -0x80000000, 999)
        calls = [("GetLayout", "(iias)", (n, depth, [])) for n in far for depth in (-1, -7, 0x7fffffff)]
        calls += [("Event", "(isvu)", (n, what, GLib.Variant("s", ""), 0)) for n in (0, *far) for what in ("clicked", "opened", "no-such")]
        calls += [("AboutToShow", "(i)", (n,)) for n in far] + [("GetProperty", "(is)", (n, "label")) for n in (0, *far)]
        calls += [("GetGroupProperties", "(aias)", (list(far), ["no-such"])), ("AboutToShowGroup", "(ai)", (list(far),)),
                  ("EventGroup", "(a(isvu))", ([(n, "clicked", GLib.Variant("s", ""), 0) for n in far],))]
        for method, kind, arguments in calls:
            try:
                self.call(ITEM_PATH + "/Menu", "com.canonical.dbusmenu", method, GLib.Variant(kind, arguments))
            except GLib.Error as error:
                self.assertNotIn("NoReply", error.message, f"{method}{arguments}")
            self.assertIsNone(self.tray.poll(), f"{method}{arguments}")
        for method, arguments in (("Activate", (-9, 1 << 30)), ("SecondaryActivate", (0, 0))):
            try:
                self.call(ITEM_PATH, "org.kde.StatusNotifierItem", method, GLib.Variant("(ii)", arguments))
            except GLib.Error:
                pass
        self.wait_rows(ROWS)
        self.assertIsNone(self.tray.poll())

    def test_quit_without_the_app(self):
        self.app.kill()
        self.wait_rows(["Start Firezone", "Quit"])
        self.click("Quit")
        self.assertEqual(self.tray.wait(PATIENCE_S), 0)


class Item(TrayCase):
    def test_states_are_icons_and_words(self):
        self.start_host()
        self.start_app()
        self.start_tray()
        self.wait_registered()
        for state, sentence in (("connected", "Connected to acme"), ("connecting", "Connecting"),
                                ("attention", "Sign in again"), ("disconnected", "Not connected")):
            self.app.tell(actions={"tray-status": {"state": [state, sentence]}})
            until(lambda: self.item("IconName") == f"dev.firezone.Client-{state}-symbolic", f"the icon of {state}")
            until(lambda: self.item("Title") == f"Firezone – {sentence}", "the title")
            until(lambda: self.item("IconAccessibleDesc") == f"Firezone – {sentence}", "the icon's words")
        self.app.tell(actions={"tray-status": {"state": ["of-tomorrow", "?"]}})
        until(lambda: self.item("IconName") == "dev.firezone.Client-attention-symbolic", "the icon of an unknown state")
        self.assertEqual(self.item("Id"), "firezone-client")
        self.assertEqual(self.item("Status"), "Active")

    def test_without_a_host_the_app_is_told_and_later_again(self):
        self.start_app()
        self.start_tray()
        self.app.wait(lambda said: said == ["tray-host", False], "news that no panel shows the icon")
        self.start_host()
        self.wait_registered()
        self.app.wait(lambda said: said == ["tray-host", True], "news of the late panel")
        self.host.kill()
        self.app.wait(lambda said: said == ["tray-host", False], "news that the panel is gone")
        self.start_host()
        self.wait_registered()
        self.app.wait(lambda said: said == ["tray-host", True], "news that it is back")

    def test_an_app_that_comes_later_is_told_too(self):
        self.start_host()
        self.start_tray()
        self.wait_registered()
        self.wait_rows(["Start Firezone", "Quit"])
        self.start_app()
        self.app.wait(lambda said: said == ["tray-host", True], "news of the panel")
        self.wait_rows(ROWS)

    def test_the_second_one_leaves_quietly(self):
        self.start_tray()
        second = self.desk.spawn([os.path.join(BUILD, "src", "tray", "firezone-client-tray")], "second")
        self.assertEqual(second.wait(PATIENCE_S), 0)
        self.assertIsNone(self.tray.poll())

    def test_it_ends_with_the_session(self):
        self.start_tray()
        bus = next(p for p in self.desk.processes if p.args[0] == "dbus-daemon" and "session" in p.args[1])
        self.desk.session.set_exit_on_close(False)
        bus.kill()
        self.tray.wait(PATIENCE_S)


class Panel(TrayCase):
    """xfce4-panel: a host and a watcher that we did not write."""

    CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<channel name="xfce4-panel" version="1.0"><property name="configver" type="int" value="2"/>
  <property name="panels" type="array"><value type="int" value="1"/><property name="panel-1" type="empty">
    <property name="position" type="string" value="p=6;x=0;y=0"/><property name="length" type="uint" value="100"/>
    <property name="size" type="uint" value="32"/><property name="icon-size" type="uint" value="24"/>
    <property name="plugin-ids" type="array"><value type="int" value="1"/></property></property></property>
  <property name="plugins" type="empty"><property name="plugin-1" type="string" value="systray">
    <property name="square-icons" type="bool" value="true"/><property name="known-items" type="array">
      <value type="string" value="firezone-client"/></property></property></property></channel>
"""

    def start_panel(self):
        folder = os.path.join(self.desk.home, ".config/xfce4/xfconf/xfce-perchannel-xml")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "xfce4-panel.xml"), "w", encoding="utf-8") as file:
            file.write(self.CONFIG)
        shutil.copy("/usr/share/dbus-1/services/org.xfce.Xfconf.service", self.desk.services)
        panel = self.desk.spawn(["xfce4-panel", "--disable-wm-check"], "panel")
        until(lambda: self.desk.has_owner(self.desk.session, "org.kde.StatusNotifierWatcher"), "the panel's watcher")
        return panel

    def shoot(self, name):
        folder = os.path.join(BUILD, "screenshots")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name + ".png")
        subprocess.run(["import", "-silent", "-window", "root", path], env=self.desk.env, check=True)
        return path

    def n_colours(self, path):
        result = subprocess.run(["identify", "-format", "%k", path], capture_output=True, text=True, check=True)
        return int(result.stdout)

    def test_icon_and_menu_in_a_real_panel(self):
        self.start_panel()
        self.start_app()
        self.start_tray()
        self.app.wait(lambda said: said == ["tray-host", True], "news that the panel shows the icon")
        self.wait_rows(ROWS)
        counts = []

        def is_painted():
            counts.append(self.n_colours(self.shoot("tray-panel")))
            return counts[-1] > 8 and counts[-3:] == counts[-1:] * 3
        until(is_painted, "something in the panel")
        # a click opens the menu: a window of the panel's that was not there
        def is_open():
            return self.n_colours(self.shoot("tray-menu")) > counts[-1] + 20

        def opens():
            """A second click would close what the first is about to open, so it waits; an icon may not be ready for the first."""
            subprocess.run(["xdotool", "mousemove", "16", "16", "click", "1"], env=self.desk.env, check=True)
            end = time.monotonic() + 10
            while not is_open() and time.monotonic() < end:
                time.sleep(0.1)
            return is_open()
        until(opens, "the menu on the screen")

    def test_panel_restarts(self):
        panel = self.start_panel()
        self.start_app()
        self.start_tray()
        self.app.wait(lambda said: said == ["tray-host", True], "news that the panel shows the icon")
        self.desk.end(panel, signal.SIGKILL)
        self.app.wait(lambda said: said == ["tray-host", False], "news that the panel is gone")
        self.start_panel()
        self.app.wait(lambda said: said == ["tray-host", True], "news that it is back")
        self.wait_rows(ROWS)


class RealApp(TrayCase):
    """The app itself instead of its stub, with a mock of the tunnel service behind it."""

    def labels(self):
        return [row.strip("()") for row in self.rows()]

    def test_menu_and_icon_follow_the_tunnel(self):
        self.start_host()
        self.desk.start_service("connected")
        self.desk.start_app("--background")
        self.start_tray()
        self.wait_registered()
        until(lambda: "Disconnect" in self.rows(), "the menu of somebody who is connected")
        self.assertIn("Quit", " ".join(self.labels()))
        until(lambda: self.item("IconName") == "dev.firezone.Client-connected-symbolic", "the icon of being connected")
        internet = until(lambda: next((row for row in self.rows() if row.startswith("[ ]") and "nternet" in row), None),
                         "the Internet resource, off")
        self.click(internet[4:])
        until(lambda: any(call.startswith("SetInternetResource") for call in self.desk.mock.Calls()), "the switch at the service")
        until(lambda: any(row.startswith("[x]") for row in self.rows()), "the mark, once the service says so")
        self.click("Disconnect")
        until(lambda: any(call.startswith("Disconnect") for call in self.desk.mock.Calls()), "the click at the service")
        until(lambda: "Connect" in self.rows(), "the menu of somebody who is not connected")
        until(lambda: self.item("IconName") == "dev.firezone.Client-disconnected-symbolic", "its icon")
        self.desk.stop_app()
        self.wait_rows(["Start Firezone", "Quit"])


if __name__ == "__main__":
    if MISSING or shutil.which("xfce4-panel") is None:
        print("SKIP: missing:", *MISSING, "xfce4-panel")
        sys.exit(77)
    unittest.main(verbosity=2)
