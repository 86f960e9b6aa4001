"""The C programs of this folder from Python: delay line, requests, handshakes."""

import json
import os
import re

from bed import BedError

LINE_QUEUE = 10000  # frames that a delay line's devices hold while it has no CPU


def program(build, name):
    path = os.path.join(os.path.abspath(build), "tests", "bench", name)
    if not os.access(path, os.X_OK):
        raise BedError(f"{path} is not built")
    return path


class DelayLine:
    """A wire in user space between two hosts, see fz-delay-line.c; addresses as in Bed.link."""

    n_made = 0

    def __init__(self, bed, build, a, a_address, b, b_address, name, *options):
        DelayLine.n_made += 1
        self.process = bed.spawn(f"delay-line-{DelayLine.n_made}", program(build, "fz-delay-line"),
                                 "--a", f"{a.netns}:{name}", "--b", f"{b.netns}:{name}", *options)
        self.process.wait_for_log("ready")
        for host, address in ((a, a_address), (b, b_address)):
            host.ip("addr", "add", address, "dev", name)
            host.ip("link", "set", name, "txqueuelen", LINE_QUEUE, "up")
            # the kernel's lockless default may let a sender that changes CPUs overtake itself
            host.run("tc", "qdisc", "replace", "dev", name, "root", "noqueue")

    def stop(self):
        """Ends it; what it did, by direction: a_to_b, b_to_a."""
        self.process.stop()
        return json.loads(re.findall(r"^\{.*\}$", self.process.log(), re.M)[-1])


class Requests:
    """A web server on `host`; get() asks it."""

    def __init__(self, build, host, address, port):
        self._program, self.address, self.port = program(build, "fz-requests"), address, port
        self.process = host.spawn(f"requests-{host.name}", self._program, "serve", address, port)
        self.process.wait_for_log("ready")

    def get(self, client, at_once, seconds):
        """A dictionary with done, failed, per_second, p50_ms, p99_ms."""
        return json.loads(client.run(self._program, "get", self.address, self.port, "--at-once", at_once,
                                     "--seconds", seconds, timeout=seconds + 30).stdout)


class Initiators:
    """Many peers that shake hands from `host`, each from an address of its own in 10.50.0.0/16."""

    NETWORK = "10.50.0.0/16"

    def __init__(self, bed, build, host, n_peers):
        self._program, self._host = program(build, "fz-handshakes"), host
        self._file = bed.path(f"initiators-{host.name}")
        text = bed.tool(self._program, "--make", n_peers)
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        self.public_keys = [line.split()[2] for line in text.splitlines()]
        host.ip("route", "add", "local", self.NETWORK, "dev", "lo")

    def command(self, public_key, address, port, seconds, *options):
        return [self._program, "--peers", self._file, "--responder", public_key, "--seconds", seconds, *options,
                address, port]

    def shake(self, public_key, address, port, seconds, *options, may_exhaust=False):
        """A dictionary with done, lost, cookies, per_second, p50_us, p99_us. `may_exhaust`: until each prepared message
        is used, rather than for all of `seconds`."""
        result = json.loads(self._host.run(*self.command(public_key, address, port, seconds, *options),
                                           timeout=seconds + 60).stdout)
        if result["exhausted"] and not may_exhaust:
            raise BedError(f"fz-handshakes: its messages were used up, make more: {result}")
        return result
