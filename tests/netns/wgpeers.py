"""Two kinds of WireGuard peer for a bed: ours (fz-wg) and wireguard-go, with the same shape.

    ours, go = OurPeer(bed, left, 1, program), GoPeer(bed, right, 2)
    go.start(); ours.start()
    ours.add(go, endpoint="10.0.0.2"); go.add(ours)
"""

import json
import os
import re
import signal
import subprocess

from bed import PATIENCE, BedError

MTU = 1280


def wg(*argv, input=None):
    return subprocess.run(["wg", *argv], input=input, capture_output=True, text=True, check=True).stdout.strip()


class Peer:
    """Key, tunnel addresses and port of number `number` (1 … 250) on `host`."""

    def __init__(self, bed, host, number):
        self.bed, self.host, self.number = bed, host, number
        self.private_key = wg("genkey")
        self.public_key = wg("pubkey", input=self.private_key)
        self.v4, self.v6 = f"10.9.0.{number}", f"fd09::{number}"
        self.port = 51800 + number
        self.process = None

    @property
    def allowed(self):
        return [f"{self.v4}/32", f"{self.v6}/128"]

    def stop(self):
        return self.process.stop()

    def command(self, *argv):
        """Runs inside this peer's namespace."""
        return self.host.run(*argv)


class OurPeer(Peer):
    """fz-wg: peers are named before it starts."""

    def __init__(self, bed, host, number, program, *options):
        super().__init__(bed, host, number)
        self.program, self.options, self.peers = program, list(options), []
        self.device = f"fz{number}"

    def add(self, peer, endpoint=None, psk=None, keepalive=0, networks=()):
        parts = [f"key={peer.public_key}", "allowed=" + "+".join([*peer.allowed, *networks]),
                 f"keepalive={keepalive}"]
        if endpoint is not None:
            parts.append(f"endpoint={endpoint if ':' in endpoint else f'{endpoint}:{peer.port}'}")
        if psk is not None:
            parts.append(f"psk={psk}")
        self.peers += ["--peer", ",".join(parts)]

    def start(self, wrapper=(), timeout=PATIENCE):
        self.process = self.host.spawn(
            f"fz-wg-{self.number}", self.program, "--tun", self.device, "--private-key", self.private_key,
            "--listen-port", self.port, "--address", self.v4, "--address", self.v6,
            *self.peers, *self.options, notify=True, wrapper=wrapper)
        self.process.wait_ready(timeout)

    def metrics(self):
        """All counters as they are now."""
        after = len(self.process.log())
        self.process.send_signal(signal.SIGUSR1)
        line = self.process.wait_for_log(r'\{[^\n]*"event":"metrics"[^\n]*\}\n', after=after).group(0)
        return json.loads(line)

    def final_metrics(self):
        """Ends it; what it counted."""
        status = self.stop()
        if status != 0:
            self.process.fail(f"ended with status {status}")
        return json.loads(re.findall(r'\{[^\n]*"event":"metrics"[^\n]*\}', self.process.log())[-1])

    def skip_time(self):
        after = len(self.process.log())
        self.process.send_signal(signal.SIGUSR2)
        self.process.wait_for_log('"event":"clock-skipped"', after=after)


class GoPeer(Peer):
    """wireguard-go, configured with wg and ip."""

    def __init__(self, bed, host, number, program="wireguard-go"):
        super().__init__(bed, host, number)
        self.program = program
        self.device = f"wg{os.getpid() % 1000000}-{number}"  # its control socket is one per machine

    def start(self, wrapper=()):
        self.process = self.host.spawn(
            f"wireguard-go-{self.number}", self.program, "-f", self.device,
            env={"WG_PROCESS_FOREGROUND": "1", "LOG_LEVEL": "error"}, wrapper=wrapper)
        self.process.wait_until(self._answers, "answer to wg show")
        self._set("private-key", "/dev/stdin", "listen-port", self.port, input=self.private_key)
        for address in (f"{self.v4}/32", f"{self.v6}/128"):
            self.host.ip("addr", "add", address, "dev", self.device)
        self.host.ip("link", "set", self.device, "mtu", MTU, "up")

    def _answers(self):
        return self.host.run("wg", "show", self.device, check=False).returncode == 0

    def _set(self, *argv, input=None):
        self.host.run("wg", "set", self.device, *argv, input=input)

    def add(self, peer, endpoint=None, psk=None, keepalive=0, networks=()):
        argv = ["peer", peer.public_key, "allowed-ips", ",".join([*peer.allowed, *networks])]
        if endpoint is not None:
            argv += ["endpoint", endpoint if ":" in endpoint else f"{endpoint}:{peer.port}"]
        if keepalive:
            argv += ["persistent-keepalive", keepalive]
        if psk is not None:
            argv += ["preshared-key", "/dev/stdin"]
        self._set(*argv, input=psk)
        for network in [*peer.allowed, *networks]:
            self.host.ip("route", "replace", network, "dev", self.device)

    def show(self, peer):
        """(endpoint, latest handshake in unix seconds, received bytes, sent bytes)."""
        for line in self.host.run("wg", "show", self.device, "dump").stdout.splitlines()[1:]:
            fields = line.split("\t")
            if fields[0] == peer.public_key:
                return fields[2], int(fields[4]), int(fields[5]), int(fields[6])
        raise BedError(f"wireguard-go does not know peer {peer.number}")
