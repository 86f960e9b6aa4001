"""What is measured: one function a test (dataplane.md §23.3), each for one contender once.

A test says where it runs, what it costs in seconds, and adds samples under keys that report.py names. `measure.counts`
sums over all tests what must never happen (datagrams out of order) and what is told per GB.
"""

import contextlib
import json
import math
import os
import re
import statistics
import sys
import threading
import time

import knobs
from bed import BedError
from stream import Stream
from tools import Requests
from topologies import CHAIN, HOPS_MS, N_INITIATORS, NO_AQM, OURS, RAW, RIVAL

HERE = os.path.dirname(os.path.abspath(__file__))
RR = os.path.join(HERE, "rr.py")

IPERF_PORT, SINK_PORT, ECHO_PORT, FIRST_PORT, TRAINS_PORT, WEB_PORT = 5201, 5300, 5301, 5302, 5303, 8080
SLOW_START_S = 3
WARM_S = 0.6  # of a load before anything is measured beside it
FLOWS_START_S = 1.5  # of slow start, in which eight flows find out how much there is: a row of its own
LOSS_MAX = 0.001  # dataplane.md §23.3
HANDSHAKES_BESIDE = 2000  # a second
CPU_SHARE = 0.5
CHAIN_SETTLE_S = 60  # until both ends of a path are idle, and their checks have fallen into one step
CHAIN_IDLE_S = 100  # four rounds of checks
SETTLE_S = 20  # until what handshakes leave to be done has been done
N_COLD = 3  # starts a round

TESTS = []


class Test:
    """kinds: contenders that it is for; topologies; quick: topologies of the short form; once, quick_once: in the first
    round only, always or in the short form; cost(options): seconds for one contender, for the estimate."""

    def __init__(self, name, title, run, topologies, quick, kinds, once, quick_once, cost):
        self.name, self.title, self.run = name, title, run
        self.topologies, self.quick, self.kinds, self.cost = topologies, quick, kinds, cost
        self._once, self._quick_once = once, quick_once

    def is_once(self, options):
        return self._once or (self._quick_once and options.quick)


def test(name, title, topologies=("direct",), quick=(), kinds=(RAW, OURS, CHAIN, RIVAL, NO_AQM), once=False,
         quick_once=False, cost=lambda o: o.seconds + 0.5):
    def register(function):
        TESTS.append(Test(name, title, function, topologies, quick, kinds, once, quick_once, cost))
        return function
    return register


class Measure:
    """One contender's samples of everything, and the servers that wait at its far end."""

    def __init__(self, topology, contender, options):
        self.topology, self.contender, self.options = topology, contender, options
        self.samples = {}
        self.counts = {"datagrams": 0, "reordered": 0, "doubled": 0, "retransmits": 0, "gigabytes": 0.0}
        self.stream = Stream(options.build)
        self.sink = self.trains_sink = self.back_sink = self.requests = self.ladder = None

    def add(self, key, value):
        self.samples.setdefault(key, []).append(value)

    def prepare(self):
        contender = self.contender
        for host in contender.hosts():
            knobs.tune(host)
        deadline = time.monotonic() + 20
        while contender.client.run("ping", "-c1", "-W1", contender.address, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise BedError(f"{contender.name}: no way through")
        contender.check()
        server = contender.server
        for port in (IPERF_PORT, IPERF_PORT + 1):
            server.spawn(f"iperf3-{server.name}-{port}", "iperf3", "-s", "-p", port, "--forceflush").wait_for_log(
                "Server listening")
        self.sink = self.stream.sink(server, contender.address, SINK_PORT)
        self.trains_sink = self.stream.sink(server, contender.address, TRAINS_PORT, trains=True)
        self.stream.echo(server, contender.address, ECHO_PORT)
        self.requests = Requests(self.options.build, server, contender.address, WEB_PORT)
        if contender.client_address:
            self.back_sink = self.stream.sink(contender.client, contender.client_address, SINK_PORT)
        self.ladder = contender.ladder()

    def summary(self):
        return {key: {"median": statistics.median(values), "min": min(values), "max": max(values),
                      "samples": values} for key, values in self.samples.items()}

    # -- the means --

    def count(self, result):
        """`result` of a stream, which every test hands in."""
        self.counts["datagrams"] += result.received
        self.counts["reordered"] += result.reordered
        self.counts["doubled"] += result.doubled
        return result

    def send(self, rate, seconds, flows=1, size=64):
        return self.count(self.sink.measure(self.contender.client, rate=rate, seconds=seconds, flows=flows, size=size))

    def send_trains(self, rate, seconds, flows=1, size=64):
        """Sender and sink with a call for many datagrams: they leave the machine to what is between them."""
        with knobs.cut_before(self.contender.client, self.contender.address):
            return self.count(self.trains_sink.measure(self.contender.client, rate=rate, seconds=seconds, flows=flows,
                                                       size=size, trains=True))

    def iperf(self, seconds, *flags, port=IPERF_PORT):
        result = self.contender.client.run(*self.iperf_command(seconds, *flags, port=port), timeout=seconds + 40)
        return Transfer.parse(result.stdout)

    def iperf_command(self, seconds, *flags, port=IPERF_PORT):
        return ["iperf3", "-c", self.contender.address, "-p", port, "-J", "-t", seconds, "-C", "cubic", *flags]

    @contextlib.contextmanager
    def beside(self, key, seconds, *flags, warm=WARM_S):
        """A load that runs for the whole of the block, which takes `seconds`; its rate is a sample too."""
        client = self.contender.client
        name = f"load-{client.name}-{time.monotonic_ns()}"
        command = self.iperf_command(math.ceil(seconds + warm + 1.2), *flags)
        load = client.spawn(name, *command)
        time.sleep(warm)
        if load.popen.poll() is not None:
            load.fail("the load ended at once")
        yield
        if load.popen.poll() is not None:
            raise BedError(f"{self.contender.name}: the load ended before what was measured beside it")
        load.popen.wait(seconds + 60)
        self.add(f"{key}_load_gbit", Transfer.parse(load.log()).bits / 1e9)

    def ping(self, key, seconds, interval=0.01, start=0):
        """Adds p50 and p99, ms, and what was lost, %; of what is asked in the first `start` seconds p99 alone."""
        text = self.contender.client.run("ping", "-n", "-w", math.ceil(start + seconds), "-i", interval,
                                         self.contender.address, check=False,
                                         timeout=start + seconds + 60).stdout
        found = [(int(number) * interval, float(ms))
                 for number, ms in re.findall(r"icmp_seq=(\d+) .*time=([\d.]+) ms", text)]
        times = sorted(ms for asked_at, ms in found if asked_at > start)
        if not times:
            raise BedError(f"{self.contender.name}: no ping was answered")
        n_sent = int(re.search(r"(\d+) packets transmitted", text).group(1))
        self.add(f"{key}_p50_ms", times[len(times) // 2])
        self.add(f"{key}_p99_ms", times[len(times) * 99 // 100])
        # what the end of ping's time cut off may have been on its way
        self.add(f"{key}_lost_percent", 100 * max(0, n_sent - len(found) - 1) / n_sent)
        first = sorted(ms for asked_at, ms in found if asked_at <= start)
        if first:
            self.add(f"{key}_start_p99_ms", first[len(first) * 99 // 100])

    def ask(self, key, timeout=120, **how):
        result = self.stream.ask(self.contender.client, self.contender.address, ECHO_PORT, timeout=timeout, **how)
        if not result["answered"]:
            raise BedError(f"{self.contender.name}: no question was answered")
        for name in ("p50_us", "p99_us", "p999_us"):
            self.add(f"{key}_{name}", result[name])
        self.add(f"{key}_lost_percent", 100 * (result["asked"] - result["answered"]) / result["asked"])

    def cpu_seconds(self):
        return sum(process.cpu_seconds() for process in self.contender.processes)


class Transfer:
    """What iperf3 says, both directions together."""

    def __init__(self, result):
        if "error" in result:
            raise BedError(f"iperf3: {result['error']}")
        knobs.check_cubic(result)
        end = result["end"]
        ways = [""] + (["_bidir_reverse"] if "sum_received_bidir_reverse" in end else [])
        self.n_bytes = sum(end[f"sum_received{way}"]["bytes"] for way in ways)
        self.bits = sum(end[f"sum_received{way}"]["bits_per_second"] for way in ways)
        self.retransmits = sum(end[f"sum_sent{way}"].get("retransmits", 0) for way in ways)

    @classmethod
    def parse(cls, text):
        try:
            return cls(json.loads(text))
        except json.JSONDecodeError as error:
            raise BedError(f"iperf3 said no JSON: {text[-300:]!r}") from error


def machine_busy_s():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(field) for field in file.readline().split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = fields
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def out_of_order(host):
    """Segments that TCP received out of order so far."""
    text = host.run("nstat", "-asz", "TcpExtTCPOFOQueue").stdout
    return int(re.search(r"^TcpExtTCPOFOQueue\s+(\d+)", text, re.M).group(1))


# -- bulk --

# key, title, iperf3 options, topologies, topologies of the short form
FLOWS = [
    ("tcp1_up", "TCP, 1 flow up", [], ("direct", "gateway", "lanes", "delay01", "delay20", "delay100"),
     ("direct", "gateway")),
    ("tcp1_down", "TCP, 1 flow down", ["-R"], ("direct", "gateway"), ()),
    ("tcp8_up", "TCP, 8 flows up", ["-P", "8"], ("direct", "gateway", "lanes"), ()),
    ("tcp8_down", "TCP, 8 flows down", ["-P", "8", "-R"], ("direct", "gateway"), ()),
    ("tcp1_both", "TCP, 1 flow each way", ["--bidir"], ("direct",), ()),
    ("tcp8_both", "TCP, 8 flows each way", ["-P", "8", "--bidir"], ("direct", "gateway", "lanes"), ("direct",)),
]


def run_bulk(measure, key, flags):
    contender = measure.contender
    cpu, busy, order = measure.cpu_seconds(), machine_busy_s(), out_of_order(contender.server)
    is_delayed = measure.topology in HOPS_MS
    # slow start over a long wire is not what is asked for
    transfer = measure.iperf(measure.options.seconds, *flags, *(["-O", SLOW_START_S] if is_delayed else []))
    busy, cpu = machine_busy_s() - busy, measure.cpu_seconds() - cpu
    gigabytes = transfer.n_bytes / 1e9
    measure.add(f"{key}_gbit", transfer.bits / 1e9)
    if gigabytes == 0:
        raise BedError(f"{contender.name}: nothing arrived")
    measure.add(f"{key}_retransmits_per_gb", transfer.retransmits / gigabytes)
    measure.counts["retransmits"] += transfer.retransmits
    measure.counts["gigabytes"] += gigabytes
    if is_delayed:
        return
    if "-R" not in flags:
        measure.add(f"{key}_out_of_order", out_of_order(contender.server) - order)
    measure.add(f"{key}_machine_s_per_gb", busy / gigabytes)
    if contender.processes:
        measure.add(f"{key}_cpu_s_per_gb", cpu / gigabytes)


for _key, _title, _flags, _topologies, _quick in FLOWS:
    test(_key, _title, _topologies, _quick)(
        lambda measure, key=_key, flags=_flags: run_bulk(measure, key, flags))


# -- packets --

def highest_rate(measure, key, send, size, flows):
    """Datagrams a second with at most LOSS_MAX lost: doubles until that is exceeded, then halves the gap."""
    seconds, precision = measure.options.probe_seconds, measure.options.precision

    def carries(rate):
        for _ in range(2):  # a second chance: one lost moment of this machine is not the path's limit
            result = send(rate, seconds, flows, size)
            if result.lost_share <= LOSS_MAX:
                return min(rate, result.received_pps)
        return None

    low, high, rate = 0, None, 20000.0
    while high is None or (high - low) / high > precision:
        carried = carries(rate)
        if carried is None:
            high = rate
        else:
            low = max(low, carried)
            if carried < 0.95 * rate:  # the generator has no more time: this machine's limit
                high = rate
                measure.add(f"{key}_is_generator_limited", 1)
                break
        rate = (low + high) / 2 if high is not None else rate * 2
        if rate < 500:
            raise BedError(f"{measure.contender.name}: loses datagrams at any rate")
    return low


def run_pps(measure, size, flows, with_overload=False):
    rate = highest_rate(measure, f"pps_{size}_{flows}", measure.send_trains, size, flows)
    measure.add(f"pps_{size}_{flows}_k", rate / 1e3)
    if with_overload:
        result = measure.send_trains(2 * rate, 2 * measure.options.probe_seconds, flows, size)
        measure.add("overload_share", result.received_pps / rate)
        measure.add("overload_offered_share", result.sent_pps / rate)


def pps_cost(options):
    return 9 * (options.probe_seconds + 0.25)


@test("pps_64_1", "64-byte UDP, highest rate, then twice that", quick=("direct",), kinds=(OURS, RIVAL), cost=pps_cost)
def _pps_64_1(measure):
    run_pps(measure, 64, 1, with_overload=True)


@test("calls_64_1", "the same, with a call for each datagram at both ends", kinds=(OURS, RIVAL), cost=pps_cost)
def _calls_64_1(measure):
    measure.add("calls_64_1_k", highest_rate(measure, "calls_64_1", measure.send, 64, 1) / 1e3)


@test("pps_64_8", "64-byte UDP in 8 flows, highest rate", cost=pps_cost)
def _pps_64_8(measure):
    run_pps(measure, 64, 8)


@test("pps_1200_1", "1200-byte UDP, highest rate", cost=pps_cost)
def _pps_1200_1(measure):
    run_pps(measure, 1200, 1)


@test("pps_1200_8", "1200-byte UDP in 8 flows, highest rate", kinds=(OURS, RIVAL), cost=pps_cost)
def _pps_1200_8(measure):
    run_pps(measure, 1200, 8)


@test("order", "order within 8 UDP flows beside TCP both ways", ("direct", "gateway", "lanes"), ("direct",),
      kinds=(OURS, CHAIN, RIVAL), quick_once=True, cost=lambda o: o.short + 3)
def _order(measure):
    seconds = measure.options.short
    with measure.beside("order", seconds, "-P", "4", "--bidir"):
        result = measure.send(10000, seconds, flows=8, size=1000)
        measure.add("order_reordered", result.reordered)
        measure.add("order_lost_percent", 100 * result.lost_share)


# -- latency --

@test("rr", "request/response, idle", ("direct", "gateway"), ("direct",), cost=lambda o: o.requests * 0.0008 + 0.5)
def _rr(measure):
    measure.ask("rr", count=measure.options.requests, pause=0.0005)
    measure.ask("pingpong", count=measure.options.requests)


def beside_cost(options):
    return options.short + 2.2


@test("owd1", "one way beside 1 bulk flow", quick=("direct",), kinds=(OURS, RIVAL), cost=beside_cost)
def _owd1(measure):
    seconds = measure.options.short
    with measure.beside("owd1", seconds):
        result = measure.send(1000, seconds)
    measure.add("owd1_p50_us", result.delay_us["p50"])
    measure.add("owd1_p99_us", result.delay_us["p99"])
    measure.add("owd1_lost_percent", 100 * result.lost_share)


@test("rr1", "requests, 1000/s, beside 1 bulk flow", ("direct", *HOPS_MS), cost=beside_cost)
def _rr1(measure):
    seconds = measure.options.short
    with measure.beside("rr1", seconds):
        measure.ask("rr1", seconds=seconds, rate=1000)
    if measure.topology in HOPS_MS:
        measure.add("rr1_p50_beyond_wire_ms", measure.samples["rr1_p50_us"][-1] / 1e3 - 2 * HOPS_MS[measure.topology])


@test("rr8", "requests, 1000/s, beside 8 bulk flows", cost=beside_cost)
def _rr8(measure):
    seconds = measure.options.short
    with measure.beside("rr8", seconds, "-P", "8"):
        measure.ask("rr8", seconds=seconds, rate=1000)


def ping_cost(options):
    return options.short + FLOWS_START_S + 1.7


def ping_beside_8(measure, key):
    seconds = measure.options.short
    with measure.beside(key, FLOWS_START_S + seconds, "-P", "8", warm=0):
        measure.ping(key, seconds, start=FLOWS_START_S)


@test("ping8", "ping beside 8 bulk flows", ("direct", "gateway"), ("direct",), kinds=(OURS, CHAIN, RIVAL),
      cost=ping_cost)
def _ping8(measure):
    ping_beside_8(measure, "ping8")


@test("cpu8", "the same, the sender limited to half a CPU", quick=("direct",), kinds=(OURS, RIVAL), cost=ping_cost)
def _cpu8(measure):
    sender = measure.contender.processes[0]
    with knobs.CpuQuota(CPU_SHARE) as quota, quota.holding(sender):
        before, started = sender.cpu_seconds(), time.monotonic()
        ping_beside_8(measure, "cpu8")
        used = (sender.cpu_seconds() - before) / (time.monotonic() - started)
    measure.add("cpu8_cpu_share", used)
    if used > CPU_SHARE * 1.15:
        raise BedError(f"{measure.contender.name}: the sender used {used:.2f} of a CPU under a quota of {CPU_SHARE}")


@test("rrul", "4 flows each way, requests and ping at once", ("direct", "gateway"), cost=beside_cost)
def _rrul(measure):
    seconds, asked = measure.options.short, []
    with measure.beside("rrul", seconds, "-P", "4", "--bidir"):
        asker = threading.Thread(target=lambda: asked.append(_try(measure.ask, "rrul_rr", seconds=seconds, rate=200)))
        asker.start()
        measure.ping("rrul_ping", seconds)
        asker.join()
    if asked[0] is not None:
        raise asked[0]


def _try(function, *args, **named):
    try:
        function(*args, **named)
    except Exception as error:  # to be raised where the thread is joined
        return error
    return None


# -- connections --

@test("http", "web requests, 200 at once", ("gateway",), ("gateway",), cost=beside_cost)
def _http(measure):
    result = measure.requests.get(measure.contender.client, 200, measure.options.short)
    measure.add("http_per_second", result["per_second"])
    measure.add("http_p50_ms", result["p50_ms"])
    measure.add("http_p99_ms", result["p99_ms"])
    if result["failed"] > result["done"] / 100:
        raise BedError(f"{measure.contender.name}: {result['failed']} web requests failed, {result['done']} did not")


@test("cold", "first packet through a cold tunnel", ("cold",), ("cold",), cost=lambda o: N_COLD * 0.8)
def _cold(measure):
    contender = measure.contender
    for _ in range(N_COLD):
        contender.restart()
        command = measure.stream.ask_command(contender.address, ECHO_PORT, count=1)
        first = json.loads(contender.client.run(*command).stdout)
        if not first["answered"]:
            raise BedError(f"{contender.name}: the first packet was not answered within a second")
        warm = measure.stream.ask(contender.client, contender.address, ECHO_PORT, count=200, pause=0.0005)
        measure.add("cold_first_ms", first["p50_us"] / 1e3)
        measure.add("cold_beyond_rtt_ms", (first["p50_us"] - warm["p50_us"]) / 1e3)


@test("start", "client's start to the first answer", ("gateway",), kinds=(CHAIN,), cost=lambda o: 3)
def _start(measure):
    contender = measure.contender
    answerer = contender.server.spawn(f"first-{time.monotonic_ns()}", sys.executable, RR, "answer", contender.address,
                                      FIRST_PORT)
    answerer.wait_for_log("ready")
    took = contender.start_cold([sys.executable, RR, "first", contender.address, FIRST_PORT])
    measure.add("start_ms", took * 1000)
    answerer.stop()


@test("hs", "handshakes, 64 outstanding", ("handshakes",), ("handshakes",), cost=lambda o: 2 * o.probe_seconds + 4)
def _hs(measure):
    contender, seconds = measure.contender, 2 * measure.options.probe_seconds
    peer = contender.responder
    result = contender.initiators.shake(peer.public_key, "10.0.0.2", peer.port, seconds, "--outstanding", 64,
                                        "--messages", int(15000 * seconds) + N_INITIATORS)
    if not result["done"]:
        raise BedError(f"{contender.name}: no handshake came about: {result}")
    measure.add("hs_per_second", result["per_second"])
    measure.add("hs_p50_us", result["p50_us"])
    measure.add("hs_lost_percent", 100 * result["lost"] / result["sent"])


@test("hs_bulk", f"1 bulk flow beside {HANDSHAKES_BESIDE} handshakes/s", ("handshakes",), ("handshakes",),
      quick_once=True, cost=lambda o: 2 * o.short + 5)
def _hs_bulk(measure):
    contender, seconds = measure.contender, measure.options.short
    peer = contender.responder
    alone = measure.iperf(seconds).bits
    # made beforehand: it takes some seconds before it begins, and goes on to the end of the bulk
    command = contender.initiators.command(peer.public_key, "10.0.0.2", peer.port, seconds + 1, "--rate",
                                           HANDSHAKES_BESIDE, "--messages", int(HANDSHAKES_BESIDE * (seconds + 2)),
                                           "--tell-begin")
    shaker = contender.client.spawn(f"shaker-{time.monotonic_ns()}", *command)
    shaker.wait_for_log("begins", timeout=60)
    beside = measure.iperf(seconds).bits
    shaker.popen.wait(60)
    result = json.loads(re.search(r"^\{.*\}$", shaker.log(), re.M).group(0))
    measure.add("hs_bulk_share", beside / alone)
    measure.add("hs_bulk_done_per_second", result["per_second"])


@test("many", "memory and wake-ups with 10,000 peers", ("many",), once=True, cost=lambda o: 40 + o.idle_seconds)
def _many(measure):
    contender = measure.contender
    process, n_peers = contender.processes[1], contender.n_initiators
    measure.add("many_kb_per_peer", (process.resident_kb() - contender.alone_kb) / n_peers)
    peer = contender.responder
    result = contender.initiators.shake(peer.public_key, "10.0.0.2", peer.port, 60, "--outstanding", 64, "--messages",
                                        n_peers, may_exhaust=True)
    if result["done"] < 0.99 * n_peers:
        raise BedError(f"{contender.name}: not every peer has a session: {result}")
    measure.add("many_kb_per_session", (process.resident_kb() - contender.alone_kb) / n_peers)
    time.sleep(SETTLE_S)
    before = process.voluntary_switches()
    time.sleep(measure.options.idle_seconds)
    measure.add("many_idle_wakeups_per_s", (process.voluntary_switches() - before) / measure.options.idle_seconds)


# -- peers --

@test("fair", "1 flow of A beside 16 of B", ("peers",), ("peers",), quick_once=True, cost=lambda o: 2 * (o.short + 2))
def _fair(measure):
    for key, flags in (("fair_down", ["-R"]), ("fair_up", [])):
        a, b = measure.contender.clients
        seconds = measure.options.short
        loads = []
        for peer, port, n_flows in ((b, IPERF_PORT + 1, 16), (a, IPERF_PORT, 1)):
            command = measure.iperf_command(seconds + 1, "-P", n_flows, "-O", 1, *flags, port=port)
            loads.append(peer.host.spawn(f"fair-{peer.host.name}-{time.monotonic_ns()}", *command))
        for load in loads:
            load.popen.wait(seconds + 60)
        of_b, of_a = (Transfer.parse(load.log()).bits for load in loads)
        if of_a + of_b == 0:
            raise BedError(f"{measure.contender.name}: nothing arrived")
        measure.add(f"{key}_share", of_a / (of_a + of_b))
        measure.add(f"{key}_gbit", (of_a + of_b) / 1e9)


# -- memory, idleness, movement --

@test("idle", "wake-ups and memory, idle", quick=("direct",), kinds=(OURS, RIVAL), once=True,
      cost=lambda o: o.idle_seconds)
def _idle(measure):
    processes, seconds = measure.contender.processes, measure.options.idle_seconds
    before = [process.voluntary_switches() for process in processes], measure.cpu_seconds()
    time.sleep(seconds)
    counts = [after - now for after, now in zip((p.voluntary_switches() for p in processes), before[0])]
    measure.add("idle_wakeups_per_s", max(counts) / seconds)
    measure.add("idle_cpu_permille", 1000 * (measure.cpu_seconds() - before[1]) / seconds)


@test("idle-chain", "wake-ups of client and gateway, idle, heartbeats and paths' checks included", ("gateway",),
      kinds=(CHAIN,), once=True, cost=lambda o: CHAIN_SETTLE_S + CHAIN_IDLE_S)
def _idle_chain(measure):
    processes = dict(zip(("client", "gateway"), measure.contender.processes))
    time.sleep(CHAIN_SETTLE_S)
    before = {name: process.voluntary_switches() for name, process in processes.items()}
    time.sleep(CHAIN_IDLE_S)
    for name, process in processes.items():
        measure.add(f"idle_{name}_wakeups_per_s", (process.voluntary_switches() - before[name]) / CHAIN_IDLE_S)


@test("roam", "the client's address changes under 1000/s each way", cost=lambda o: 5, kinds=(OURS, RIVAL))
def _roam(measure):
    contender, seconds = measure.contender, 3
    up = measure.sink.start(contender.client, rate=1000, seconds=seconds, size=1000)
    down = measure.back_sink.start(contender.server, rate=1000, seconds=seconds, size=1000)
    time.sleep(seconds / 2)
    contender.move()
    for key, sender in (("up", up), ("down", down)):
        result = measure.count(sender.wait(seconds + 30))
        measure.add(f"roam_{key}_gap_ms", result.longest_silence_ms)
        measure.add(f"roam_{key}_lost", result.lost)


@test("soak", "memory through a long bulk", kinds=(OURS,), once=True, cost=lambda o: 60 * o.soak_minutes)
def _soak(measure):
    minutes = measure.options.soak_minutes
    if not minutes:
        return
    load = measure.contender.client.spawn("soak", *measure.iperf_command(int(60 * minutes), "-P", 8, "--bidir"))
    curve, started = [], time.monotonic()
    while load.popen.poll() is None:
        curve.append((time.monotonic() - started, resident_mb(measure.contender)))
        time.sleep(2)
    Transfer.parse(load.log())
    settled = [mb for at, mb in curve if at > min(60, 15 * minutes)]
    if len(settled) < 2:
        raise BedError("the soak's load ended too early")
    measure.add("soak_growth_mb", settled[-1] - settled[0])
    measure.curve = curve


def resident_mb(contender, peak=False):
    """Of the larger end."""
    return max((process.peak_resident_kb() if peak else process.resident_kb()) / 1024
               for process in contender.processes)
