#!/usr/bin/python3
"""Order within each flow and what becomes of every packet, at 1, 2 and 4 lanes, on whatever CPUs there are.

Usage: test_lanes.py --fz-wg PROGRAM --build BUILD [CASE …]

A hub and four spokes, all of them the bare engine; 64 flows each way between them, every datagram numbered
(tests/bench/fz-stream.c). Reordered and doubled datagrams are never right. A lost one must be among those that a
counter of ours or of the kernel has: a slow machine may lose, but not in silence.
"""

import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

import cases  # noqa: E402
from bed import Bed, BedError, skip  # noqa: E402
from stream import Stream  # noqa: E402
from wgpeers import OurPeer  # noqa: E402

N_SPOKES = 4
FLOWS = 16  # of each spoke, each way
PORT = 7000
LOSSES = re.compile(r"(drop_(?!none)|_lost|overflowed|truncated|no_address|bad_frames)")


def expect(condition, text):
    if not condition:
        raise BedError(text)


class Star:
    """The hub has 10.(1…4).0.1, its spokes 10.(1…4).0.2."""

    def __init__(self, bed, options, n_lanes, *hub_options):
        self.bed, self.n_lanes = bed, n_lanes
        self.stream = Stream(options.build)
        host = bed.host("hub")
        self.hub = OurPeer(bed, host, 1, options.fz_wg, "--lanes", n_lanes, *hub_options)
        self.spokes = []
        for i in range(1, N_SPOKES + 1):
            spoke = bed.host(f"spoke{i}")
            bed.link(host, f"10.{i}.0.1/24", spoke, f"10.{i}.0.2/24", f"wan{i}", "wan")
            # some spokes have one lane and some as many as the hub
            self.spokes.append(OurPeer(bed, spoke, i + 1, options.fz_wg, "--lanes", n_lanes if i % 2 else 1))
        for i, spoke in enumerate(self.spokes, 1):
            self.hub.add(spoke)
            spoke.add(self.hub, f"10.{i}.0.1")
        self.peers = [self.hub, *self.spokes]
        for peer in self.peers:
            peer.start()
        for spoke in self.spokes:
            spoke.host.run("ping", "-c", 1, "-W", 60, self.hub.v4)
        self.socket_drops = 0
        self.sinks = []  # (from, sink)
        for i, spoke in enumerate(self.spokes):
            self.sinks.append((spoke.host, self.stream.sink(self.hub.host, self.hub.v4, PORT + i)))
            self.sinks.append((self.hub.host, self.stream.sink(spoke.host, spoke.v4, PORT)))

    def carry(self, what, rate, seconds, action=None, size=400):
        """`rate` datagrams per second each way and spoke; `action` in their midst. Returns how many were lost."""
        senders = [sink.start(source, rate, seconds=seconds, flows=FLOWS, size=size) for source, sink in self.sinks]
        if action is not None:
            time.sleep(seconds / 3)
            action()
        results = [sender.wait(seconds + 60) for sender in senders]
        for result in results:
            expect(result.reordered == 0 and result.doubled == 0, f"{what}, {self.n_lanes} lanes: {result}")
            expect(result.received > 0, f"{what}: nothing came: {result}")
        self.socket_drops = sum(result.socket_drops for result in results)
        lost = sum(result.lost for result in results)
        sent = sum(result.sent for result in results)
        print(f"  {what}, {self.n_lanes} lanes: {sent} sent, {lost} lost, none reordered", flush=True)
        return lost

    def accounted(self):
        """All losses that were counted since the start: by us, by the devices, by the sinks."""
        counters = {"sinks": self.socket_drops}
        for peer in self.peers:
            for name, value in peer.metrics().items():
                if LOSSES.search(name) and not re.match(r"lane\d+_", name):
                    counters[f"{peer.device} {name}"] = value
            for line in peer.host.run("cat", "/proc/net/dev").stdout.splitlines()[2:]:
                device, values = line.split(":")
                fields = values.split()
                counters[f"{peer.host.name} {device.strip()} dropped"] = int(fields[3]) + int(fields[11])
        return {name: value for name, value in counters.items() if value > 0}

    def carry_all(self, what, rate, seconds, action=None):
        lost = self.carry(what, rate, seconds, action)
        if lost > 0:
            counters = self.accounted()
            print(f"  counted since the start: {counters}", flush=True)
            expect(lost <= sum(counters.values()), f"{what}, {self.n_lanes} lanes: {lost} lost in silence")

    def finish(self):
        for peer in self.peers:
            metrics = peer.final_metrics()
            expect(metrics.get("rx_foreign", 0) == 0, f"datagrams came to other lanes than their own: {metrics}")
            if peer is self.hub and self.n_lanes > 1:
                self.check_hub(metrics)

    def check_hub(self, metrics):
        """Four sessions go to their lanes evenly, and flows out of the device to all."""
        with_rx = [i for i in range(self.n_lanes) if metrics.get(f"lane{i}_rx_packets", 0) > 0]
        with_tx = [i for i in range(self.n_lanes) if metrics.get(f"lane{i}_tx_packets", 0) > 0]
        everyone = list(range(self.n_lanes))
        expect(with_rx == everyone, f"only lanes {with_rx} of {self.n_lanes} received")
        expect(with_tx == everyone, f"only lanes {with_tx} of {self.n_lanes} sent")
        for way in ("rx", "tx"):
            parts = sum(metrics.get(f"lane{i}_{way}_packets", 0) for i in everyone)
            expect(parts == metrics[f"{way}_packets"], f"the lanes' {way} packets are not the sum: {metrics}")
        ladder = re.search(r"lanes=(\d+) threads=1 reuseport_cbpf=(\S+?)\"", self.hub.process.log())
        expect(ladder is not None and ladder.groups() == (str(self.n_lanes), "yes"), "the ladder's line does not say so")


def is_known(spoke):
    """Whether pings come back."""
    return spoke.host.run("ping", "-c", 1, "-W", 1, "10.9.0.1", check=False).returncode == 0


def has_renewed(star, n_handshakes):
    """Whether there were so many; traffic is what starts one that is still missing."""
    for spoke in star.spokes:
        is_known(spoke)
    return star.hub.metrics()["engine_handshakes_completed"] >= n_handshakes


def each(bed_name, options, function, lanes=(1, 2, 4), *hub_options):
    for n_lanes in lanes:
        with Bed(f"{bed_name}-{n_lanes}") as bed:
            star = Star(bed, options, n_lanes, *hub_options)
            function(star)
            star.finish()


# -- cases --

def case_order(options):
    """Plain traffic, and a new session for every spoke in its midst."""
    def carry(star):
        star.carry_all("steady", 1000, 1)
        before = star.hub.metrics()["engine_handshakes_completed"]
        time.sleep(1.1)  # stamps of handshakes must grow
        star.carry_all("rekey", 1000, 3, lambda: [peer.skip_time() for peer in star.peers])
        star.hub.process.wait_until(lambda: has_renewed(star, before + N_SPOKES), "new sessions")

    each("order", options, carry)


def case_rebind(options):
    """New sockets under traffic, on the spokes and on the hub: what is under way may be lost, nothing else."""
    def reopen(peer):
        after = len(peer.process.log())
        peer.process.send_signal(signal.SIGHUP)
        peer.process.wait_for_log('"event":"lanes-restarted"', after=after)

    def carry(star):
        star.carry("spokes rebind", 1000, 3, lambda: [reopen(spoke) for spoke in star.spokes])
        star.carry("hub rebinds", 1000, 3, lambda: reopen(star.hub))
        star.carry_all("afterwards", 1000, 1)

    each("rebind", options, carry, (4,))


def case_roam(options):
    """Spokes move to other addresses under traffic; the hub follows them."""
    def move(star):
        for i, spoke in enumerate(star.spokes, 1):
            spoke.host.ip("addr", "del", f"10.{i}.0.2/24", "dev", "wan")
            spoke.host.ip("addr", "add", f"10.{i}.0.77/24", "dev", "wan")
            spoke.process.send_signal(signal.SIGHUP)

    def carry(star):
        star.carry("spokes move", 1000, 3, lambda: move(star))
        for i in range(1, N_SPOKES + 1):
            star.hub.process.wait_for_log(rf'"event":"peer-moved"[^\n]*"remote":"10\.{i}\.0\.77:')
        star.carry_all("afterwards", 1000, 1)

    each("roam", options, carry, (4,))


def case_back_pressure(options):
    """Links far slower than what is sent, and tiny send buffers: sockets refuse, queues drop, order holds."""
    def carry(star):
        for i, spoke in enumerate(star.spokes, 1):
            for host, device in ((star.hub.host, f"wan{i}"), (spoke.host, "wan")):
                limit = host.run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", "2mbit", "burst", "16k",
                                 "limit", "256k", check=False)
                if limit.returncode != 0:
                    skip(f"no tbf in this kernel: {limit.stderr.strip()}")
        lost = star.carry("slow links", 4000, 2)
        expect(lost > 0, "the links were not slow")
        expect(star.hub.metrics().get("udp_send_blocked", 0) > 0, "no socket of the hub ever refused")

    each("pressure", options, carry, (2, 4), "--send-buffer", 8192)


def case_tun_removed(options):
    """The device of the hub is deleted under traffic: it comes back with all its queues."""
    def remove(star):
        after = len(star.hub.process.log())
        star.hub.host.ip("link", "del", star.hub.device)
        star.hub.process.wait_for_log('"event":"lanes-restarted"', after=after)

    def carry(star):
        star.carry("steady", 500, 1)
        remove(star)
        for spoke in star.spokes:
            star.hub.process.wait_until(lambda: is_known(spoke), "traffic after the device was removed")
        star.carry("afterwards", 500, 1)

    each("removed", options, carry, (2,))


def tcp_counters(host):
    lines = host.run("cat", "/proc/net/netstat").stdout.splitlines() + host.run("cat", "/proc/net/snmp").stdout.splitlines()
    counters = {}
    for names, values in zip(lines[::2], lines[1::2]):
        group = names.split(":")[0]
        counters.update({group + name: int(value) for name, value in zip(names.split()[1:], values.split()[1:])})
    return counters


def check_affinity(peer):
    """A connection leaves through the lane that its session comes to."""
    metrics = peer.metrics()
    lanes = range(8)
    home = max(lanes, key=lambda i: metrics.get(f"lane{i}_rx_packets", 0))
    elsewhere = sum(metrics.get(f"lane{i}_tx_packets", 0) for i in lanes if i != home)
    expect(elsewhere < metrics["tx_packets"] / 10, f"{elsewhere} packets left by other lanes than {home}: {metrics}")


def case_tcp(options):
    """TCP flows at full speed: out of order only where something was lost and came again."""
    def carry(star):
        for port, peer in enumerate([star.hub, *star.spokes], 5200):
            peer.host.spawn(f"iperf3-{peer.number}", "iperf3", "-s", "-p", port, "-B", peer.v4).wait_until(
                lambda: peer.host.run("ss", "-Hltn", f"sport = :{port}").stdout.strip() != "", "iperf3")
        spoke = star.spokes[0]
        for source, target, port in ((spoke, star.hub, 5200), (star.hub, spoke, 5201)):
            source.host.run("iperf3", "-c", target.v4, "-p", port, "-P", 8, "-t", 2, "-J")
        for peer in (star.hub, spoke):
            counters = tcp_counters(peer.host)
            queued, again = counters["TcpExtTCPOFOQueue"], sum(
                tcp_counters(other.host)["TcpRetransSegs"] for other in (star.hub, spoke))
            print(f"  tcp, {star.n_lanes} lanes: {peer.device} queued {queued} out of order, {again} sent again", flush=True)
            expect(queued == 0 or again > 0, f"{queued} segments out of order, and none was lost")
            check_affinity(peer)

    each("tcp", options, carry, (1, 4))


cases.run(globals(), needs=("wg", "iperf3"))
