"""fz-stream from Python: numbered datagrams between two hosts of a bed, and what became of them.

    stream = Stream(build)
    sink = stream.sink(server, "10.9.0.2", 5300)
    result = sink.measure(client, rate=20000, seconds=3, flows=4, size=1200)
    assert result.reordered == 0 and result.lost == 0
"""

import json
import os
import re

from bed import BedError


class Result:
    """What one run sent and what arrived: counts of datagrams, all flows together."""

    def __init__(self, sent, sunk, size):
        everything = sunk["all"]
        self.sent, self.size = sent["sent"], size
        self.received, self.lost = everything["received"], everything["lost"]
        self.reordered, self.doubled = everything["reordered"], everything["doubled"]
        self.refused, self.forfeited = sent["refused"], sent["forfeited"]
        self.longest_loss = everything["longest_loss"]
        self.longest_silence_ms = everything["longest_silence_ms"]
        self.socket_drops = sunk["socket_drops"]  # the sink had no time to read: not the path's fault
        self.sent_pps = sent["pps"]
        self.received_pps = self.received / max(sent["seconds"], 1e-9)
        self.delay_us = {key[:-3]: sunk[key] for key in sunk if key.endswith("_us")}  # p50, p90, p99, p999, max
        self.flows = sunk.get("each")

    @property
    def lost_share(self):
        return self.lost / max(self.sent, 1)

    def __str__(self):
        return (f"sent {self.sent} at {self.sent_pps:.0f}/s, received {self.received}, lost {self.lost}, "
                f"reordered {self.reordered}, doubled {self.doubled}, p50 {self.delay_us['p50']:.0f} us")


class Sender:
    """A run that is under way beside something else."""

    def __init__(self, sink, process, size):
        self._sink, self._process, self._size = sink, process, size

    def wait(self, timeout):
        """Until all is sent and counted; returns the Result."""
        self._process.wait_until(lambda: self._process.popen.poll() is not None, "end of the sender", timeout)
        match = re.search(r"^\{.*\}$", self._process.log(), re.M)
        if match is None:
            self._process.fail("no result")
        return self._sink.result_of(json.loads(match.group(0)), self._size)


class Sink:
    def __init__(self, stream, process, address, port):
        self._stream, self.process, self.address, self.port = stream, process, address, port

    def start(self, client, rate, seconds=None, count=None, flows=1, size=64, trains=False):
        """Starts a run from `client`, a Host; returns a Sender to wait for."""
        argv = ["send", self.address, self.port, "--rate", rate, "--flows", flows, "--size", size]
        argv += ["--count", count] if count else ["--seconds", seconds]
        argv += ["--trains"] if trains else []
        process = self._stream.spawn(client, *argv)
        return Sender(self, process, size)

    def measure(self, client, rate, seconds=None, count=None, flows=1, size=64, trains=False):
        sender = self.start(client, rate, seconds, count, flows, size, trains)
        return sender.wait((seconds if not count else count / rate) + 30)

    def result_of(self, sent, size):
        """The sink's half of a run whose sender is done."""
        if not sent["heard"]:
            raise BedError(f"fz-stream: the sink at {self.address} never heard the end of the run: {sent}")
        line = self.process.wait_for_log(r'\{"run":%d,.*\}\n' % sent["run"]).group(0)
        return Result(sent, json.loads(line), size)

    def stop(self):
        return self.process.stop()


class Stream:
    n_started = 0  # of all: each has a log of its own

    def __init__(self, build):
        self.program = os.path.join(os.path.abspath(build), "tests", "bench", "fz-stream")
        if not os.access(self.program, os.X_OK):
            raise BedError(f"{self.program} is not built")

    def spawn(self, host, job, *argv):
        Stream.n_started += 1
        return host.spawn(f"stream-{job}-{Stream.n_started}", self.program, job, *argv)

    def sink(self, host, address, port, trains=False):
        """Listens on `host` for any number of runs, one after the other."""
        argv = ["--runs", 0, "--flows-told"] + (["--trains"] if trains else [])
        process = self.spawn(host, "sink", address, port, *argv)
        process.wait_for_log("ready")
        return Sink(self, process, address, port)

    def echo(self, host, address, port):
        process = self.spawn(host, "echo", address, port)
        process.wait_for_log("ready")
        return process

    def ask_command(self, address, port, count=None, seconds=None, rate=0, pause=0, size=64):
        argv = [self.program, "ask", address, port, "--rate", rate, "--pause", pause, "--size", size]
        return argv + (["--count", count] if count else ["--seconds", seconds])

    def ask(self, host, address, port, timeout=120, **options):
        """Questions and echoes, see fz-stream-ask.c; a dictionary with p50_us, asked, answered …"""
        return json.loads(host.run(*self.ask_command(address, port, **options), timeout=timeout).stdout)
