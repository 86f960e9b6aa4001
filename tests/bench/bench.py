#!/usr/bin/python3
"""make bench: our engine and the newest wireguard-go side by side on this machine.

Prints a report in Markdown, writes it with all figures as JSON and pictures as PNG. Rounds are interleaved (each round
measures every contender once, one beside the other), the figure is the median, its range stands beside it.

No figure is held against a limit here. The status is 1 if a row could not be measured, or if a datagram of ours was out
of order.
"""

import argparse
import datetime
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "netns"))

import measures  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import rival  # noqa: E402
import topologies  # noqa: E402
from bed import Bed, require_rights  # noqa: E402

SET_UP_S = {"gateway": 6, "handshakes": 5, "many": 15}  # for the estimate; others take about two


class Progress:
    """What is measured now, and how long everything will take."""

    def __init__(self, total_s):
        self.total_s = self.left_s = total_s
        self.started = time.monotonic()

    def say(self, text):
        passed = time.monotonic() - self.started
        spent = max(self.total_s - self.left_s, 1e-9)
        # the estimate learns from how long things really took
        left = self.left_s * (passed / spent if spent > 20 else 1)
        line = f"[{clock(passed)}, {clock(left)} to go] {text}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def done(self, seconds):
        self.left_s = max(0, self.left_s - seconds)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


# -- the run --

class Run:
    def __init__(self, options, rival_found):
        self.options = options
        self.contenders = topologies.contenders(options.build, rival_found)
        self.names = [name for name in self.contenders if self.tests(name)]
        self.failures, self.results = [], {}
        self.n_ours = 0  # failures that are not the rival's own
        self.progress = Progress(sum(self.cost(name) for name in self.names))

    def tests(self, topology):
        options = self.options
        if options.topology and topology not in options.topology:
            return []
        found = [test for test in measures.TESTS if topology in test.topologies]
        if options.only:
            return [test for test in found if re.search(rf"^(?:{options.only})$", test.name)]
        if options.quick:
            found = [test for test in found if topology in test.quick]
        return [test for test in found if test.name != "soak" or options.soak_minutes]

    def takers(self, topology, test):
        return [contender for contender in self.contenders[topology] if contender.kind in test.kinds]

    def cost(self, topology):
        total = SET_UP_S.get(topology, 2)
        for test in self.tests(topology):
            rounds = 1 if test.is_once(self.options) else self.options.rounds
            total += len(self.takers(topology, test)) * rounds * (test.cost(self.options) + 0.3)
        return total

    def fail(self, topology, what, contender, error):
        """`contender`: None where it concerns all. What only the rival cannot do is told, and is no failure of ours."""
        name = contender.name if contender else "all"
        self.n_ours += contender is None or contender.kind != topologies.RIVAL
        text = f"{type(error).__name__}: {' '.join(str(error).split())}"
        self.failures.append(f"{topology}, {what}, {name}: {text[:600]}")
        print(f"\nbench: FAILED: {self.failures[-1]}", file=sys.stderr, flush=True)

    def measure_all(self):
        for name in self.names:
            try:
                self.measure_topology(name)
            except Exception as error:
                self.fail(name, "set-up", None, error)

    def measure_topology(self, name):
        with Bed(f"bench-{name}") as bed:
            alive = []
            for i, contender in enumerate(self.contenders[name]):
                if not any(contender in self.takers(name, test) for test in self.tests(name)):
                    continue
                self.progress.say(f"{name}: setting up {contender.name}")
                try:
                    contender.set_up(bed, f"{name[0]}{i}")
                    measure = measures.Measure(name, contender, self.options)
                    measure.prepare()
                    alive.append(measure)
                except Exception as error:
                    self.fail(name, "set-up", contender, error)
            self.results[name] = alive
            self.progress.done(SET_UP_S.get(name, 2))
            self.note_memory(alive, "idle_mb")
            for number in range(self.options.rounds):
                for test in self.tests(name):
                    if number == 0 or not test.is_once(self.options):
                        self.measure_test(name, test, alive, number)
            self.note_memory(alive, "peak_mb", peak=True)
            self.note_memory(alive, "after_mb")
            for measure in alive:
                self.note_counts(measure)

    def measure_test(self, topology, test, alive, number):
        for measure in [measure for measure in alive if measure.contender.kind in test.kinds]:
            self.progress.say(f"{topology}, round {number + 1} of {self.options.rounds}: {test.title} – "
                              f"{measure.contender.name}")
            try:
                self.attempt(test, measure)
            except Exception as error:
                self.fail(topology, test.name, measure.contender, error)
            self.progress.done(test.cost(self.options) + 0.3)

    @staticmethod
    def attempt(test, measure):
        """What could not be measured is tried once more: a slow moment of this machine is no result."""
        try:
            test.run(measure)
        except Exception as error:
            print(f"\nbench: {test.name}, {measure.contender.name}, once more: {error}", file=sys.stderr, flush=True)
            test.run(measure)

    @staticmethod
    def note_memory(alive, key, peak=False):
        for measure in alive:
            if measure.contender.processes:
                measure.add(key, measures.resident_mb(measure.contender, peak))

    def note_counts(self, measure):
        counts = measure.counts
        if counts["datagrams"]:
            measure.add("reordered", counts["reordered"])
            measure.add("doubled", counts["doubled"])
        if counts["gigabytes"] > 0:
            measure.add("retransmits_per_gb", counts["retransmits"] / counts["gigabytes"])
        if counts["reordered"] and measure.contender.kind not in (topologies.RAW, topologies.RIVAL):
            self.fail(measure.topology, "order", measure.contender,
                      ValueError(f"{counts['reordered']} datagrams out of order"))


# -- the program --

def parse_options():
    quick = os.environ.get("QUICK", "") not in ("", "0")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", default=quick, help="the most telling rows, 2 short rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each bulk test; what stands beside a load takes half of it")
    parser.add_argument("--requests", type=int, help="of the latency test")
    parser.add_argument("--soak", dest="soak_minutes", type=float, help="minutes of bulk in which memory is watched")
    parser.add_argument("--only", help="regular expression on a test's whole name, see --list")
    parser.add_argument("--topology", action="append", choices=list(topologies.TITLES))
    parser.add_argument("--list", action="store_true", help="names the tests and where they run")
    parser.add_argument("--out", help="folder for report.md, report.json and pictures; BUILD/bench without it")
    parser.add_argument("--rival-folder", help="where the rival is unpacked and kept")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 6)
    options.short = max(2, options.seconds // 2)
    options.probe_seconds = 0.5 if options.quick else 1
    options.precision = 0.08 if options.quick else 0.03
    options.idle_seconds = 5 if options.quick else 60
    options.requests = options.requests or (1000 if options.quick else 3000)
    if options.soak_minutes is None:
        options.soak_minutes = 0 if options.quick or options.only else 10
    options.out = options.out or os.path.join(options.build, "bench")
    options.rival_folder = options.rival_folder or os.path.join(options.build, "wireguard-go-unstable")
    return options


def list_tests():
    for test in measures.TESTS:
        print(f"{test.name:12} {test.title} [{', '.join(test.topologies)}]")


def find_rival(options):
    """Before the namespaces, which have no way to a mirror."""
    found = rival.find(options.rival_folder)
    if found is None:
        print("bench: THE RIVAL IS NOT TO BE HAD: no wireguard-go, neither from Debian's unstable nor by Go nor of this "
              "machine. Ratios to it are missing.", file=sys.stderr)
        return None, "NOT TO BE HAD: no ratios"
    rival.keep(found)  # over unshare's restart of this program
    return found, f"wireguard-go {found.version} ({found.note})"


def write_report(run, options, facts):
    os.makedirs(options.out, exist_ok=True)
    try:
        facts["plots"] = plots.draw_all(run.results, options.out)
    except ImportError as error:
        facts["plots"] = []
        run.failures.append(f"pictures: {error}; apt-get install python3-matplotlib")
        run.n_ours += 1
    judged = report.judge(run.results)
    text = report.markdown(run.results, judged, facts)
    with open(os.path.join(options.out, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(options.out, "report.json"), "w", encoding="utf-8") as file:
        file.write(report.as_json(run.results, judged, facts))
    print(text)


def main():
    options = parse_options()
    if options.list:
        list_tests()
        return
    rival_found, about_rival = find_rival(options)
    require_rights()
    machine = report.machine()
    run = Run(options, rival_found)
    if not run.names:
        sys.exit("bench: no such test; --list names them")
    run.progress.say(f"{len(run.names)} topologies: {', '.join(run.names)}")
    try:
        run.measure_all()
    except KeyboardInterrupt:
        run.failures.append("interrupted: what follows is incomplete")
        run.n_ours += 1
    print(file=sys.stderr)
    ladders = [measure.ladder for found in run.results.values() for measure in found if measure.ladder]
    facts = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine,
             "rival": about_rival, "has_rival": rival_found is not None, "ladder": ladders[0] if ladders else "–", "rounds": options.rounds,
             "seconds": options.seconds, "short": options.short, "quick": options.quick, "failures": run.failures}
    write_report(run, options, facts)
    if run.n_ours:
        sys.exit(f"bench: {run.n_ours} failures, see above")


main()
