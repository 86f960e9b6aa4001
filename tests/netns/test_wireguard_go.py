#!/usr/bin/python3
"""The bare engine against wireguard-go, with real devices and sockets.

Usage: test_wireguard_go.py --fz-wg PROGRAM [CASE …]      (all cases but the slow ones without CASE)
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
from bed import PATIENCE, Bed, BedError, lose  # noqa: E402
from wgpeers import GoPeer, OurPeer, wg  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = sys.executable
REKEY_TIMEOUT_S = 5  # a handshake is tried again no sooner
PSK = "dGhpcyBpcyBub3QgYSBzZWNyZXQgYXQgYWxsISEhISE="


def expect(condition, text):
    if not condition:
        raise BedError(text)


def wait_for(condition, what, timeout=PATIENCE):
    deadline = time.monotonic() + timeout
    while not condition():
        expect(time.monotonic() < deadline, f"no {what} within {timeout:g} s")
        time.sleep(0.02)


class Pair:
    """Ours on the left, wireguard-go on the right, a router between them:
    left 10.1.0.2 – 10.1.0.1 router 10.2.0.1 – 10.2.0.2 right."""

    def __init__(self, bed, program, *options, go_program=None):
        self.bed = bed
        self.n_transfers = self.n_excused = 0
        self.left, self.router, self.right = bed.host("left"), bed.host("router"), bed.host("right")
        bed.link(self.left, ["10.1.0.2/24", "fd01::2/64"], self.router, ["10.1.0.1/24", "fd01::1/64"], "wan", "side1")
        bed.link(self.right, ["10.2.0.2/24", "fd02::2/64"], self.router, ["10.2.0.1/24", "fd02::1/64"], "wan", "side2")
        self.router.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        for host, side in ((self.left, 1), (self.right, 2)):
            host.ip("route", "add", "default", "via", f"10.{side}.0.1")
            host.ip("-6", "route", "add", "default", "via", f"fd0{side}::1")
        self.ours = OurPeer(bed, self.left, 1, program, *options)
        self.go = GoPeer(bed, self.right, 2, go_program or os.environ.get("FZ_WIREGUARD_GO", "wireguard-go"))

    def start(self, dialler="ours", psk=None, keepalive=0, ours_to=None, go_to=None):
        """The dialler knows the other's address and not the other way round, unless told."""
        if ours_to is None and dialler == "ours":
            ours_to = "10.2.0.2"
        if go_to is None and dialler == "go":
            go_to = "10.1.0.2"
        self.go.start()
        self.ours.add(self.go, ours_to, psk, keepalive if dialler == "ours" else 0)
        self.ours.start()
        self.go.add(self.ours, go_to, psk, keepalive if dialler == "go" else 0)
        self.dialler = self.ours if dialler == "ours" else self.go
        self.other = self.go if dialler == "ours" else self.ours

    def ping(self, *options, count=5, from_peer=None, target=None, interval=0.02, wait=15, timeout=120):
        """Returns (sent, received); each is waited for so many seconds."""
        source = from_peer or self.dialler
        if target is None:
            target = (self.go if source is self.ours else self.ours).v4
        result = source.host.run(PYTHON, os.path.join(HERE, "pings.py"), target, "--count", count, "--interval", interval,
                                 "--wait", wait, *options, timeout=timeout)
        found = json.loads(result.stdout)
        return found["sent"], found["received"]

    def expect_all(self, sent, received, what, excuses="drop_codel"):
        """All came back, but for those that we say we dropped for such a reason: a machine without CPU to spare has queues
        that stand."""
        lost = sent - received
        if lost > 0:
            counted = {name: value for name, value in self.ours.metrics().items()
                       if re.search(excuses, name) and type(value) is int and not re.match(r"lane\d", name)}
            self.n_excused += lost
            expect(self.n_excused <= sum(counted.values()), f"{what}: {received} of {sent} answered; counted: {counted}")

    def ping_all(self, *options, what="ping", **more):
        self.expect_all(*self.ping(*options, **more), what)

    def transfer(self, megabytes, from_peer, port=7000, seed=1, v6=False, timeout=300):
        """Bit-exact over TCP; returns seconds."""
        to_peer = self.go if from_peer is self.ours else self.ours
        address = to_peer.v6 if v6 else to_peer.v4
        script = os.path.join(HERE, "transfer.py")
        self.n_transfers += 1
        receiver = to_peer.host.spawn(f"receive-{self.n_transfers}", PYTHON, script, "receive", address, port, megabytes, seed)
        receiver.wait_for_log("ready")
        started = time.monotonic()
        from_peer.host.run(PYTHON, script, "send", address, port, megabytes, seed, timeout=timeout)
        expect(receiver.popen.wait(PATIENCE) == 0, f"the receiver says: {receiver.log()}")
        return time.monotonic() - started

    def finish(self):
        """Both are alive, ours counted nothing that may not be."""
        expect(self.go.process.popen.poll() is None, "wireguard-go died")
        return self.ours.final_metrics()


class Wire:
    """wire.py on the router."""

    def __init__(self, pair, b_ip, b_port, *options):
        self.popen = subprocess.Popen(
            pair.router.command(PYTHON, os.path.join(HERE, "wire.py"), "0.0.0.0", "6000", b_ip, b_port, *options),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        expect(self.popen.stdout.readline() == "ready\n", "wire.py did not start")

    def ask(self, command):
        self.popen.stdin.write(command + "\n")
        self.popen.stdin.flush()
        return self.popen.stdout.readline().strip()

    def n_too_late(self):
        """Datagrams that came where the wire's end has been before."""
        return int(self.ask("show").split()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.stdin.close()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()


# -- cases --

def everyday_traffic(pair, psk=None):
    """What every combination must carry."""
    pair.ping_all(what="IPv4")
    pair.ping_all(what="IPv4 from the other side", from_peer=pair.other)
    for target, who in ((pair.other.v6, pair.dialler), (pair.dialler.v6, pair.other)):
        pair.ping_all(what="IPv6", target=target, from_peer=who)
    pair.ping_all("--size", 1252, "--whole", what="exactly the MTU")
    pair.ping_all("--size", 1253, what="one byte more: two fragments")
    pair.ping_all("--size", 8000, what="seven fragments")
    pair.ping_all("--size", 8000, what="IPv6 fragments", target=pair.other.v6)
    pair.ping_all("--size", 0, what="no payload", count=20, interval=0.005)
    pair.transfer(10, pair.ours, seed=3)
    pair.transfer(10, pair.go, seed=4)
    pair.transfer(5, pair.ours, seed=5, v6=True)
    pair.transfer(5, pair.go, seed=6, v6=True)


def case_we_dial(program):
    with Bed("dial") as bed:
        pair = Pair(bed, program)
        started = time.monotonic()
        pair.start("ours", psk=PSK)
        everyday_traffic(pair)
        metrics = pair.finish()
        most = 1 + (time.monotonic() - started) // REKEY_TIMEOUT_S
        expect(1 <= metrics["engine_handshakes_completed"] <= most, f"handshakes: {metrics}")


def case_go_dials(program):
    with Bed("answer") as bed:
        pair = Pair(bed, program)
        pair.start("go", psk=PSK)
        everyday_traffic(pair)
        pair.finish()


def case_over_ipv6(program):
    with Bed("v6") as bed:
        pair = Pair(bed, program)
        pair.start("ours", ours_to="[fd02::2]:51802")
        everyday_traffic(pair)
        pair.finish()


def case_lowest_step(program):
    with Bed("lowest") as bed:
        pair = Pair(bed, program, "--no-offloads")
        pair.start("ours")
        everyday_traffic(pair)
        pair.finish()


def case_two_threads(program):
    with Bed("threads") as bed:
        pair = Pair(bed, program, "--two-threads")
        pair.start("go")
        everyday_traffic(pair)
        pair.finish()


def case_wrong_key(program):
    """A peer with another preshared key gets nothing through."""
    with Bed("wrong") as bed:
        pair = Pair(bed, program)
        pair.go.start()
        pair.ours.add(pair.go, "10.2.0.2", PSK)
        pair.ours.start()
        pair.go.add(pair.ours, "10.1.0.2", wg("genpsk"))
        pair.dialler, pair.other = pair.ours, pair.go
        expect(pair.ping(count=3, wait=1)[1] == 0, "traffic with a wrong preshared key")
        expect(pair.ping(count=3, wait=1, from_peer=pair.go)[1] == 0, "traffic with a wrong preshared key")
        pair.finish()


def during_pings(pair, action, count=120, interval=0.02, **options):
    """Runs `action` in the midst of a ping; returns (sent, received)."""
    results = []
    thread = threading.Thread(target=lambda: results.append(
        pair.ping(count=count, interval=interval, **options)))
    thread.start()
    try:
        time.sleep(count * interval / 4)
        action()
    finally:
        thread.join()
    expect(results, "ping failed")
    return results[0]


def case_rekey(program):
    """Our clock jumps over two minutes: a new session without a lost packet, several times, with
    traffic both ways and either side as initiator of the first handshake."""
    for dialler in ("ours", "go"):
        with Bed(f"rekey-{dialler}") as bed:
            pair = Pair(bed, program)
            pair.start(dialler)
            pair.ping_all()
            before = pair.go.show(pair.ours)[1]
            for _ in range(3):
                time.sleep(1.1)  # TAI64N stamps must grow, and wireguard-go shows whole seconds
                found = during_pings(pair, pair.ours.skip_time, from_peer=pair.ours)
                if dialler == "ours":  # only the initiator renews by time when it sends
                    pair.expect_all(*found, "a rekey that we began")
                    wait_for(lambda: pair.ping(count=1)[1] == 1 and pair.go.show(pair.ours)[1] > before,
                             "new handshake after 121 s")
                    before = pair.go.show(pair.ours)[1]
                else:  # an answer that is under way when the clock jumps past the end of its key comes too late
                    pair.expect_all(*found, "a rekey that wireguard-go began", "drop_(codel|expired_key|unknown_index)")
            pair.ping_all(from_peer=pair.go, target=pair.ours.v4)
            metrics = pair.finish()
            # as responder we renew only when what we sent stayed unanswered, and then we are initiator
            expect(metrics["engine_handshakes_completed"] >= (4 if dialler == "ours" else 2), f"{dialler}: {metrics}")


def case_rekey_real(program):
    """The real two minutes, by both clocks."""
    with Bed("rekey-real") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()
        first = pair.go.show(pair.ours)[1]
        pair.ping_all(count=1350, interval=0.1, timeout=600, what="a rekey after two minutes")
        expect(pair.go.show(pair.ours)[1] >= first + 115, "no rekey after 120 s")
        pair.finish()


def case_loss(program):
    for dialler in ("ours", "go"):
        with Bed(f"loss-{dialler}") as bed:
            pair = Pair(bed, program)
            lose(pair.router, 20)
            pair.start(dialler)
            # a third of all handshakes fail, and are tried again five seconds later
            wait_for(lambda: pair.ping(count=3, wait=1)[1] > 0, "way through 20 % loss", 3 * PATIENCE)
            sent, received = pair.ping(count=300, interval=0.005, wait=3)
            # both ways are lossy: 64 % come back; five standard deviations around it
            expect(0.50 < received / sent < 0.78, f"{received} of {sent} pings through 20 % loss each way")
            pair.transfer(0.1, pair.dialler)
            pair.transfer(0.1, pair.other)
            pair.ours.skip_time()  # and a rekey through the loss
            wait_for(lambda: pair.ping(count=3, wait=1)[1] > 0, "way through 20 % loss after a rekey", 3 * PATIENCE)
            lose(pair.router, 0)
            pair.ping_all(count=50)
            pair.finish()


def case_reorder(program):
    with Bed("reorder") as bed:
        pair = Pair(bed, program, "--no-aqm")  # a busy machine's queues are not the wire's doing
        with Wire(pair, "10.2.0.2", "51802", "--reorder", "15", "--duplicate", "5") as wire:
            pair.start("ours", ours_to="10.1.0.1:6000")
            pair.ping_all(count=200, interval=0.005)
            pair.transfer(20, pair.ours)
            pair.transfer(20, pair.go)
            _, _, reordered, duplicated, _ = map(int, wire.ask("show").split())
            expect(reordered > 500 and duplicated > 100, "the wire did not do its work")
        metrics = pair.finish()
        drops = {key: value for key, value in metrics.items() if key.startswith("rx_drop_")}
        # late is fine, twice is not: every doubled data packet and nothing else was refused
        expect(set(drops) == {"rx_drop_replay"}, f"drops on a reordering wire: {drops}")
        expect(drops["rx_drop_replay"] <= duplicated, f"{drops} of {duplicated} doubles")


def case_roam(program):
    """Each side moves to a new port and a new address under traffic; the other follows."""
    with Bed("roam") as bed:
        pair = Pair(bed, program)
        pair.router.ip("addr", "add", "10.1.0.9/24", "dev", "side1")
        pair.router.ip("addr", "add", "10.2.0.9/24", "dev", "side2")
        with Wire(pair, "10.2.0.2", "51802") as wire:
            pair.start("ours", ours_to="10.1.0.1:6000")
            pair.ping_all()
            for command, who in (("move-b 10.2.0.1", "we move to a new port"),
                                 ("move-b 10.2.0.9", "we move to a new address"),
                                 ("move-a 10.1.0.1", "wireguard-go moves to a new port"),
                                 ("move-a 10.1.0.9", "wireguard-go moves to a new address")):
                # whoever moves speaks first, as after a real move
                source = pair.ours if command.startswith("move-b") else pair.go
                too_late = wire.n_too_late()
                sent, received = during_pings(pair, lambda: wire.ask(command), count=150, interval=0.01,
                                              from_peer=source)
                # what was under way to the old address is gone, as in life
                too_late = wire.n_too_late() - too_late
                pair.expect_all(sent, min(sent, received + too_late), f"{who}, and {too_late} came to the old address")
                pair.ping_all(count=20, from_peer=pair.go)
                pair.ping_all(count=20, from_peer=pair.ours)
            expect(pair.go.show(pair.ours)[0].startswith("10.2.0.9:"), "wireguard-go did not follow")
            pair.ours.process.wait_for_log(r'"event":"peer-moved"[^\n]*"remote":"10\.1\.0\.9:')

            # and for real: our own address and socket change, no wire in between
            pair.left.ip("addr", "del", "10.1.0.2/24", "dev", "wan")
            pair.left.ip("addr", "add", "10.1.0.7/24", "dev", "wan")
            pair.left.ip("route", "replace", "default", "via", "10.1.0.1")
            pair.ours.process.send_signal(signal.SIGHUP)
            pair.ours.process.wait_for_log('"event":"network-changed"')
            wait_for(lambda: pair.ping(count=3, wait=1, from_peer=pair.ours)[1] == 3, "traffic from the new address")
        pair.finish()


def case_keepalive(program):
    with Bed("keepalive") as bed:
        pair = Pair(bed, program)
        pair.start("ours", keepalive=1)
        pair.ping_all(count=1)
        started, received = time.monotonic(), pair.go.show(pair.ours)[2]
        wait_for(lambda: pair.go.show(pair.ours)[2] - received >= 4 * 32, "four keepalives")
        gained, seconds = pair.go.show(pair.ours)[2] - received, time.monotonic() - started
        # 32 bytes each, and never two within a second; one may have been on its way
        expect(gained <= (seconds + 2) * 32, f"{gained} bytes in {seconds:.1f} s of keepalives every second")
        pair.finish()
    with Bed("passive") as bed:
        pair = Pair(bed, program)
        pair.start("go")
        pair.ping_all(count=1)
        # one-way traffic to us: we must answer with an empty packet after 10 s or be thought dead
        pair.left.nft("table inet silent {\n chain out { type filter hook output priority 0; policy accept;\n"
                      "  meta l4proto { icmp, ipv6-icmp } drop\n }\n}\n")
        before = pair.go.show(pair.ours)
        pair.right.spawn("one-way", PYTHON, "-c", "import socket, time\n"
                         "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                         "while True:\n"
                         f"    s.sendto(b'x' * 100, ('{pair.ours.v4}', 9)); time.sleep(0.5)\n")
        wait_for(lambda: pair.go.show(pair.ours)[2] > before[2], "keepalive for one-way traffic")
        expect(pair.go.show(pair.ours)[1] == before[1], "one-way traffic led to a new handshake")
        pair.finish()


def is_sanitized(peer):
    with open(f"/proc/{peer.process.pid}/maps", encoding="utf-8") as file:
        return re.search(r"lib[at]san\.so", file.read()) is not None


def case_bulk(program):
    """1 GB each way at once, every byte compared."""
    megabytes = int(os.environ.get("FZ_BULK_MB", "1000"))
    with Bed("bulk") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()
        failures = []

        def carry(source, port):
            try:
                seconds = pair.transfer(megabytes, source, port=port, seed=port, timeout=300)
                print(f"  {megabytes} MB from {source.device} in {seconds:.1f} s", flush=True)
            except (BedError, subprocess.SubprocessError) as error:
                failures.append(str(error))

        threads = [threading.Thread(target=carry, args=(pair.ours, 7001)),
                   threading.Thread(target=carry, args=(pair.go, 7002))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(not failures, "; ".join(failures))
        peak = pair.ours.process.peak_resident_kb()
        expect(peak <= 32 * 1024 or is_sanitized(pair.ours), f"{peak} kB resident, at most 32 MB are allowed")
        metrics = pair.finish()
        # what CoDel takes is a signal to TCP, as often as this machine is busy
        drops = {key: value for key, value in metrics.items()
                 if re.search("drop|lost", key) and not key.startswith("engine") and not key.endswith("drop_codel")}
        expect(not drops, f"dropped: {drops}")


def case_garbage(program):
    """Whatever comes to the port, what is good goes on."""
    with Bed("garbage") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()

        def throw():
            pair.right.run(PYTHON, "-c", "import random, socket\n"
                           "r = random.Random(7)\n"
                           "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           "for i in range(4000):\n"
                           "    head = r.choice([b'', bytes([r.randrange(1, 5), 0, 0, 0]), b'\\x00\\x01\\x00\\x10\\x21\\x12\\xa4\\x42'])\n"
                           "    s.sendto(head + r.randbytes(r.choice([0, 1, 12, 28, 60, 88, 144, 500, 1312, 9000])),\n"
                           f"             ('10.1.0.2', {pair.ours.port}))\n")

        def was_counted():
            metrics = pair.ours.metrics()
            return metrics.get("rx_drop_unknown_index", 0) + metrics.get("rx_drop_not_wireguard", 0) > 500

        # what does not fit into the socket is gone, good or not
        pair.expect_all(*during_pings(pair, throw), "pings under garbage", "drop_codel|overflowed")
        while not was_counted():
            throw()
        pair.ping_all()
        pair.finish()


def case_tun_removed(program):
    """Somebody deletes our device: it is made again, without a person."""
    with Bed("tun-gone") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()
        for _ in range(3):
            after = len(pair.ours.process.log())
            pair.left.ip("link", "del", pair.ours.device)
            pair.ours.process.wait_for_log('"event":"lanes-restarted"', after=after)
            wait_for(lambda: pair.ping(count=3, wait=1)[1] == 3, "traffic after the device was removed")
        pair.finish()


def case_device_down(program):
    """Somebody takes our device down and up again: no spinning, and it goes on."""
    with Bed("tun-down") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()
        pair.left.ip("link", "set", pair.ours.device, "down")
        pair.ping(count=5, wait=1, from_peer=pair.go)  # into the void
        before = pair.ours.process.cpu_seconds()
        time.sleep(1)
        expect(pair.ours.process.cpu_seconds() - before < 0.1, "it spins while the device is down")
        pair.left.ip("link", "set", pair.ours.device, "up")
        for network in pair.go.allowed:  # the kernel forgot the routes
            pair.left.ip("route", "replace", network, "dev", pair.ours.device)
        wait_for(lambda: pair.ping(count=3, wait=1)[1] == 3, "traffic after the device was down")
        pair.finish()


def case_port_taken(program):
    """The port asked for is in use: a clear word and status 1."""
    with Bed("port") as bed:
        pair = Pair(bed, program)
        pair.left.spawn("squatter", PYTHON, "-c", "import socket, time\n"
                        "for f in (socket.AF_INET, socket.AF_INET6):\n"
                        "    s = socket.socket(f, socket.SOCK_DGRAM); globals()[f'k{f}'] = s\n"
                        "    if f == socket.AF_INET6: s.setsockopt(41, 26, 1)\n"
                        f"    s.bind(('', {pair.ours.port}))\n"
                        "print('ready', flush=True); time.sleep(3600)").wait_for_log("ready")
        process = pair.left.spawn("fz-wg", program, "--tun", "fz1", "--listen-port", pair.ours.port,
                                  "--address", "10.9.0.1")
        expect(process.popen.wait(PATIENCE) == 1, "a taken port was accepted")
        expect("Address already in use" in process.log(), f"unclear: {process.log()}")


def case_idle(program):
    """With one idle peer we sleep: nothing wakes us but what the protocol asks for."""
    with Bed("idle") as bed:
        pair = Pair(bed, program)
        pair.start("ours")
        pair.ping_all()
        time.sleep(11)  # the passive keepalive of the last packet
        before, cpu = pair.ours.process.voluntary_switches(), pair.ours.process.cpu_seconds()
        time.sleep(10)
        switches = pair.ours.process.voluntary_switches() - before
        expect(switches <= 10, f"{switches} wake-ups in 10 idle seconds")
        expect(pair.ours.process.cpu_seconds() - cpu <= 0.02, "busy while idle")
        print(f"  {switches} wake-ups in 10 s, {pair.ours.process.resident_kb()} kB resident")
        pair.finish()


cases.run(globals(), needs=("wireguard-go", "wg"), slow={"rekey-real"}, given=lambda options: options.fz_wg)
