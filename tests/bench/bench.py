#!/usr/bin/python3
"""make bench: our engine and wireguard-go side by side on this machine.

Prints a table in Markdown and writes it with all figures as JSON. Rounds are interleaved (each
round measures every contender once), the figure is the median, its range stands beside it.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "netns"))

import rival  # noqa: E402
import topologies  # noqa: E402
from bed import Bed, BedError, require_rights  # noqa: E402

PORT = 5201
UDP_RATE = "300M"
RR = os.path.join(HERE, "rr.py")

# key, title, iperf3 options
FLOWS = [
    ("tcp1_up", "TCP, 1 flow up", []),
    ("tcp1_down", "TCP, 1 flow down", ["-R"]),
    ("tcp8_up", "TCP, 8 flows up", ["-P", "8"]),
    ("tcp8_down", "TCP, 8 flows down", ["-P", "8", "-R"]),
    ("tcp1_both", "TCP, 1 flow each way", ["--bidir"]),
    ("tcp8_both", "TCP, 8 flows each way", ["-P", "8", "--bidir"]),
]


def machine_busy_s():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def out_of_order(host):
    """Segments that TCP received out of order, and that it lost and sent again, so far."""
    text = host.run("nstat", "-asz", "TcpExtTCPOFOQueue", "TcpRetransSegs").stdout
    return {name: int(value) for name, value in re.findall(r"^(\w+)\s+(\d+)", text, re.M)}


class Measure:
    """One contender's samples of everything."""

    def __init__(self, contender):
        self.contender = contender
        self.samples = {}

    def add(self, key, value):
        self.samples.setdefault(key, []).append(value)

    def summary(self):
        return {key: {"median": statistics.median(values), "min": min(values), "max": max(values),
                      "samples": values} for key, values in self.samples.items()}


def run_iperf(measure, key, options, seconds):
    contender = measure.contender
    before = [process.cpu_seconds() for process in contender.processes]
    busy, order = machine_busy_s(), out_of_order(contender.server)
    result = contender.client.run("iperf3", "-c", contender.address, "-p", PORT, "-J", "-t", seconds, "-C", "cubic",
                                  *options, timeout=seconds + 30)
    busy = machine_busy_s() - busy
    cpu = sum(process.cpu_seconds() for process in contender.processes) - sum(before)
    after = out_of_order(contender.server)
    end = json.loads(result.stdout)["end"]
    n_bytes = end["sum_received"]["bytes"]
    bits = end["sum_received"]["bits_per_second"]
    if "sum_received_bidir_reverse" in end:
        n_bytes += end["sum_received_bidir_reverse"]["bytes"]
        bits += end["sum_received_bidir_reverse"]["bits_per_second"]
    measure.add(f"{key}_gbit", bits / 1e9)
    measure.add(f"{key}_retransmits", end["sum_sent"].get("retransmits", 0))
    if "-R" not in options:
        measure.add(f"{key}_out_of_order", after["TcpExtTCPOFOQueue"] - order["TcpExtTCPOFOQueue"])
    if n_bytes > 0:
        measure.add(f"{key}_machine_s_per_gb", busy / (n_bytes / 1e9))
        if contender.processes:
            measure.add(f"{key}_cpu_s_per_gb", cpu / (n_bytes / 1e9))


def run_udp(measure, seconds):
    """A paced stream that all can carry: is anything lost or out of order?"""
    contender = measure.contender
    result = contender.client.run("iperf3", "-c", contender.address, "-p", PORT, "-J", "-t", seconds, "-u", "-b",
                                  UDP_RATE, "-l", 1200, timeout=seconds + 30)
    end = json.loads(result.stdout)["end"]
    measure.add("udp_out_of_order", sum(stream["udp"]["out_of_order"] for stream in end["streams"]))
    measure.add("udp_lost_percent", end["sum"]["lost_percent"])


def run_rr(measure, count):
    contender = measure.contender
    result = contender.client.run(sys.executable, RR, "ask", contender.address, PORT + 1, count, timeout=120)
    times = json.loads(result.stdout)
    measure.add("rr_p50_us", times["p50_us"])
    measure.add("rr_p99_us", times["p99_us"])


def run_cold(measure):
    """The whole chain only: from the client's start to the first answer through its tunnel."""
    contender = measure.contender
    if hasattr(contender, "start_cold"):
        ask_first = [sys.executable, RR, "first", contender.address, PORT + 1]
        measure.add("cold_ms", contender.start_cold(ask_first) * 1000)


def resident_mb(contender, peak):
    return max((process.peak_resident_kb() if peak else process.resident_kb()) / 1024
               for process in contender.processes)


def note_memory(measures, key, peak):
    for measure in measures:
        if measure.contender.processes:
            measure.add(key, resident_mb(measure.contender, peak))


def prepare(contender):
    for host in {contender.client, contender.server}:
        topologies.tune(host)
    contender.server.spawn(f"iperf3-{contender.server.name}", "iperf3", "-s", "-p", PORT)
    contender.server.spawn(f"rr-{contender.server.name}", sys.executable, RR, "answer", contender.address,
                           PORT + 1).wait_for_log("ready")
    deadline = time.monotonic() + 20
    while contender.client.run("ping", "-c1", "-W1", contender.address, check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise BedError(f"{contender.name}: no way through")


def measure_topology(name, contenders, options):
    """Returns the contenders' measures."""
    with Bed(f"bench-{name}") as bed:
        for i, contender in enumerate(contenders):
            contender.set_up(bed, f"{name[0]}{i}")
            prepare(contender)
        measures = [Measure(contender) for contender in contenders]
        for measure in measures:
            measure.ladder = measure.contender.ladder()
        note_memory(measures, "idle_mb", peak=False)
        for number in range(options.rounds):
            for key, title, flags in FLOWS:
                if options.only and not re.search(options.only, key):
                    continue
                for measure in measures:
                    say(f"{name}: round {number + 1}/{options.rounds}, {title}, {measure.contender.name}")
                    run_iperf(measure, key, flags, options.seconds)
            for measure in measures:
                if not options.only or re.search(options.only, "udp"):
                    run_udp(measure, min(options.seconds, 3))
                if not options.only or re.search(options.only, "rr"):
                    run_rr(measure, options.requests)
        note_memory(measures, "peak_mb", peak=True)
        for _ in range(options.rounds):
            for measure in measures:
                if not options.only or re.search(options.only, "cold"):
                    run_cold(measure)
    say("")
    return measures


def say(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# -- the report --

ROWS = [
    *((f"{key}_gbit", f"{title}, Gbit/s", "{:.2f}", True) for key, title, _ in FLOWS),
    *((f"{key}_cpu_s_per_gb", f"engines' CPU-seconds per GB, {title}", "{:.2f}", False) for key, title, _ in FLOWS[:4]),
    ("tcp1_up_retransmits", "retransmits, TCP, 1 flow up", "{:.0f}", None),
    ("tcp1_up_out_of_order", "segments out of order, TCP, 1 flow up", "{:.0f}", None),
    ("tcp8_up_out_of_order", "segments out of order, TCP, 8 flows up", "{:.0f}", None),
    ("udp_out_of_order", f"UDP at {UDP_RATE}bit/s, datagrams out of order", "{:.0f}", None),
    ("udp_lost_percent", f"UDP at {UDP_RATE}bit/s, lost, %", "{:.3f}", None),
    ("rr_p50_us", "request/response idle, p50, us", "{:.0f}", False),
    ("rr_p99_us", "request/response idle, p99, us", "{:.0f}", False),
    ("cold_ms", "client's start to the first answer, ms", "{:.0f}", None),
    ("idle_mb", "resident, one end, idle, MB", "{:.1f}", False),
    ("peak_mb", "resident, one end, at most, MB", "{:.1f}", False),
]


def cell(summary, key, form):
    value = summary.get(key)
    if value is None:
        return "–"
    text = form.format(value["median"])
    if len(value["samples"]) > 1:
        text += f" ({form.format(value['min'])}–{form.format(value['max'])})"
    return text


def ratio(ours, theirs, key):
    if key not in ours or key not in theirs or not theirs[key]["median"]:
        return "–"
    return f"{ours[key]['median'] / theirs[key]['median']:.2f} ×"


def table(measures):
    """The last two contenders are ours and the rival."""
    summaries = [measure.summary() for measure in measures]
    lines = ["| | " + " | ".join(measure.contender.name for measure in measures) + " | ours : rival |",
             "|---|" + "---|" * (len(measures) + 1)]
    for key, title, form, is_compared in ROWS:
        if any(key in summary for summary in summaries):
            cells = [cell(summary, key, form) for summary in summaries]
            compared = "" if is_compared is None else ratio(summaries[-2], summaries[-1], key)
            lines.append(f"| {title} | " + " | ".join(cells) + f" | {compared} |")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    wanted = ["avx2", "avx512f", "avx512ifma", "vaes", "sha_ni"]
    return {
        "kernel": platform.release(),
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_flags": [flag for flag in wanted if flags and re.search(rf"\b{flag}\b", flags.group(1))],
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "congestion_control": "cubic",
        "mtu": topologies.MTU,
        "iperf3": subprocess.run(["iperf3", "--version"], capture_output=True, text=True).stdout.split("\n")[0],
    }


TITLES = {
    "direct": "Two ends on one link",
    "gateway": "Through a gateway with NAT to a server behind it",
}


def report(results, facts, options):
    lines = [f"# Benchmark, {facts['machine']['date']}", "",
             f"{facts['machine']['cpu']}, {facts['machine']['cpus']} CPUs ({' '.join(facts['machine']['cpu_flags'])}), "
             f"Linux {facts['machine']['kernel']}; MTU {facts['machine']['mtu']}, cubic; "
             f"median (min–max) of {options.rounds} interleaved rounds of {options.seconds} s.",
             f"Rival: wireguard-go {facts['rival']['version']} ({facts['rival']['note']}).",
             f"Ours: {facts['ladder']}"]
    for name, measures in results.items():
        lines += ["", f"## {TITLES.get(name, name)}", "", table(measures)]
    return "\n".join(lines) + "\n"


def parse_options():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", default=quick, help="2 rounds of 2 s")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--requests", type=int, default=2000, help="of the latency test")
    parser.add_argument("--only", help="regular expression on tcp1_up …, udp, rr")
    parser.add_argument("--topology", action="append", choices=list(TITLES))
    parser.add_argument("--out", help="folder for report.md and report.json; BUILD/bench without it")
    parser.add_argument("--rival-folder", help="where the rival is unpacked and kept")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (2 if options.quick else 10)
    options.out = options.out or os.path.join(options.build, "bench")
    options.rival_folder = options.rival_folder or os.path.join(options.build, "wireguard-go-unstable")
    return options


def main():
    options = parse_options()
    found = rival.find(options.rival_folder)  # before the namespaces, which have no way to the mirror
    if found is None:
        sys.exit("bench: no wireguard-go at all: apt-get install wireguard-go")
    os.environ["FZ_WIREGUARD_GO"] = found.program  # kept over unshare's restart of this program
    require_rights()
    program = os.path.abspath(os.path.join(options.build, "tests/netns/fz-wg"))
    contenders = {
        "direct": [topologies.Raw(), topologies.ours(program, False),
                   topologies.wireguard_go(found.program, found.version, False)],
        "gateway": [topologies.RawChain(), topologies.ours(program, True, name="firezone-c, bare engine"),
                    topologies.WholeChain(options.build),
                    topologies.wireguard_go(found.program, found.version, True)],
    }
    results = {name: measure_topology(name, contenders[name], options)
               for name in options.topology or contenders}
    first = next(iter(results.values()))
    facts = {"machine": machine(), "rival": {"version": found.version, "note": found.note},
             "ladder": next((measure.ladder for measure in first if measure.ladder), "?"),
             "rounds": options.rounds, "seconds": options.seconds,
             "results": {name: {measure.contender.name: measure.summary() for measure in measures}
                         for name, measures in results.items()}}
    text = report(results, facts, options)
    os.makedirs(options.out, exist_ok=True)
    with open(os.path.join(options.out, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(options.out, "report.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
    print(text)


main()
