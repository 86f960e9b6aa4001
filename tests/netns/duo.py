"""Two bare engines on one wire, numbered datagrams and TCP both ways between them, and what became of every packet.

    duo = Duo(bed, options)
    duo.start()
    before = duo.left.metrics()
    duo.carry("while something happens", action)

Reordered and doubled datagrams are never right. A lost one must be among those that a counter of ours or of the kernel
has: a slow machine may lose, but not in silence.
"""

import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

from bed import BedError  # noqa: E402
from faults import Faults  # noqa: E402
from stream import Stream  # noqa: E402
from wgpeers import OurPeer  # noqa: E402

LOSSES = re.compile(r"(drop_(?!none)|_lost|overflowed|truncated|no_address|bad_frames)")
# a wrong copy of a datagram is refused; that is no loss of one
NO_LOSSES = re.compile(r"engine_.*drop_|drop_replay")


def expect(condition, text):
    if not condition:
        raise BedError(text)


def losses(metrics):
    return {name: value for name, value in metrics.items()
            if type(value) is int and value > 0 and LOSSES.search(name) and not NO_LOSSES.search(name) and not re.match(r"lane\d+_", name)}


def delta(after, before):
    return {name: value - before.get(name, 0) for name, value in after.items() if type(value) is int}


def gaps_ms(log):
    """How long the lanes stood still for each change that a log tells of."""
    found = re.findall(r'"event":"lanes-restarted"[^\n]*"gap_us":(\d+)', log)
    return [int(text) / 1000 for text in found]


class Duo:
    """10.1.0.1 (left, whose kernel can be made to refuse) and 10.1.0.2, engines fz1 and fz2 with 10.9.0.1 and .2."""

    RATE = 6000  # datagrams per second of each stream; two streams of different sizes each way
    SIZES = (300, 1000)
    FLOWS = 2  # of each stream

    def __init__(self, bed, options, *fz_options, link=None):
        self.bed = bed
        self.hosts = [bed.host("left"), bed.host("right")]
        (link or self._link)(*self.hosts)
        self.left, self.right = (OurPeer(bed, host, number, options.fz_wg, *fz_options)
                                 for number, host in enumerate(self.hosts, 1))
        self.faults = Faults(bed, "left", options.build)
        self.stream = Stream(options.build)
        self.sinks = []
        self.n_transfers = 0
        self.endpoints = ("10.1.0.2", None)

    def _link(self, left, right):
        self.bed.link(left, "10.1.0.1/24", right, "10.1.0.2/24", "wan", "wan")

    def start(self):
        self.left.add(self.right, self.endpoints[0])
        self.right.add(self.left, self.endpoints[1])
        self.left.start(wrapper=self.faults.wrapper)
        self.right.start()
        self.left.host.run("ping", "-c", 1, "-W", 60, self.right.v4)
        for i, size in enumerate(self.SIZES):
            for source, target in ((self.left, self.right), (self.right, self.left)):
                self.sinks.append((source, self.stream.sink(target.host, target.v4, 5300 + i), size))

    def begin(self, seconds, rate=None):
        """Lets the numbered datagrams flow; returns what finish_streams takes."""
        self.counted_before = self.counted()
        return [sink.start(source.host, rate or self.RATE, seconds=seconds, flows=self.FLOWS, size=size)
                for source, sink, size in self.sinks]

    def end(self, what, senders, seconds, may_reorder=False, exactly=False):
        """Waits for them; returns (sent, lost, longest silence of a flow in ms)."""
        results = [sender.wait(seconds + 60) for sender in senders]
        for result in results:
            expect(result.received > 0 and result.doubled == 0, f"{what}: {result}")
            expect(may_reorder or result.reordered == 0, f"{what}: {result}")
        sent, lost = (sum(getattr(result, name) for result in results) for name in ("sent", "lost"))
        silence = max(result.longest_silence_ms for result in results)
        counted = delta(self.counted(), self.counted_before)
        counted["sinks"] = sum(result.socket_drops for result in results)
        counted = {name: value for name, value in counted.items() if value > 0}
        expect(lost <= (0 if exactly else sum(counted.values())), f"{what}: {lost} of {sent} lost; counted are {counted}")
        reordered = sum(result.reordered for result in results)
        print(f"  {what}: {sent} sent, {lost} lost, {reordered} reordered, longest silence {silence:.1f} ms"
              + (f"; counted: {counted}" if counted else ""), flush=True)
        return sent, lost, silence

    def carry(self, what, action=None, seconds=1.2, **options):
        senders = self.begin(seconds)
        if action is not None:
            time.sleep(seconds / 4)  # in the midst of the run; nothing depends on where
            action()
        return self.end(what, senders, seconds, **options)

    def counted(self):
        """All losses since the start that somebody counted: we, the devices."""
        counters = {}
        for peer in (self.left, self.right):
            for name, value in losses(peer.metrics()).items():
                counters[f"{peer.device} {name}"] = value
            for line in peer.host.run("cat", "/proc/net/dev").stdout.splitlines()[2:]:
                device, values = line.split(":")
                fields = values.split()
                counters[f"{device.strip()} dropped"] = int(fields[3]) + int(fields[11])
        return counters

    def start_transfer(self, source, megabytes, v6=False):
        """TCP whose every byte is compared; returns a function that waits for its end."""
        target = self.right if source is self.left else self.left
        address, script = target.v6 if v6 else target.v4, os.path.join(HERE, "transfer.py")
        self.n_transfers += 1
        number = self.n_transfers
        arguments = [address, 7000 + number, megabytes, number]
        receiver = target.host.spawn(f"receive-{number}", sys.executable, script, "receive", *arguments)
        receiver.wait_for_log("ready")
        sender = source.host.spawn(f"send-{number}", sys.executable, script, "send", *arguments)

        def wait():
            for process in (sender, receiver):
                expect(process.popen.wait(300) == 0, f"transfer: {process.log()}")

        return wait

    def transfers(self, megabytes):
        """Both ways and both families at once."""
        waits = [self.start_transfer(source, megabytes, v6)
                 for source in (self.left, self.right) for v6 in (False, True)]
        for wait in waits:
            wait()

    def finish(self):
        return self.left.final_metrics(), self.right.final_metrics()
