"""What is measured: pairs of engines in namespaces, with everything between them alike.

A contender is set up once and stays up; a bench asks it for the host that sends, the host that
receives and the address in between, and for the processes whose CPU time and memory count.

To add one (a client and a gateway of the whole system, say), write a class with the attributes of
Contender and put an instance into bench.py's list for its topology.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))

from chain import Chain  # noqa: E402
from wgpeers import MTU, GoPeer, OurPeer  # noqa: E402

SERVER_NET = "10.20.0.0/24"
SERVER = "10.20.0.10"


def tune(host):
    """The same for everyone: TCP buffers that do not limit. (Cubic is iperf3's option: some kernels do
    not let a namespace change its default.)"""
    host.sysctl(net__ipv4__tcp_rmem="4096 131072 16777216", net__ipv4__tcp_wmem="4096 131072 16777216")


class Contender:
    """name; client: host that iperf3 runs on; server: host of its peer; address: the peer's;
    processes: engines whose CPU time and memory are counted (none for the raw link)."""

    def __init__(self, name):
        self.name = name
        self.client = self.server = self.address = None
        self.processes = []

    def ladder(self):
        """A line on what the engine found and chose, or None."""
        return None


class Raw(Contender):
    """The link without a tunnel."""

    def __init__(self):
        super().__init__("raw link")

    def set_up(self, bed, prefix):
        self.client, self.server = bed.host(f"{prefix}c"), bed.host(f"{prefix}s")
        bed.link(self.client, "10.0.0.1/24", self.server, "10.0.0.2/24")
        self.address = "10.0.0.2"


class RawChain(Contender):
    """Client, gateway with NAT, server, without a tunnel."""

    def __init__(self):
        super().__init__("raw link")

    def set_up(self, bed, prefix):
        self.client, self.server = bed.host(f"{prefix}c"), bed.host(f"{prefix}s")
        gateway = bed.host(f"{prefix}g")
        bed.link(self.client, "10.0.0.1/24", gateway, "10.0.0.2/24")
        add_server(bed, gateway, self.server, "10.0.0.0/24")
        self.client.ip("route", "add", SERVER_NET, "via", "10.0.0.2")
        self.address = SERVER


def add_server(bed, gateway, server, masqueraded):
    """A server behind `gateway`, which forwards and masquerades."""
    bed.link(gateway, "10.20.0.1/24", server, f"{SERVER}/24", a_name="lan")
    gateway.sysctl(net__ipv4__ip_forward=1)
    gateway.nft("table ip bench {\n  chain post {\n    type nat hook postrouting priority srcnat;\n"
                f"    ip saddr {masqueraded} oifname \"lan\" masquerade\n  }}\n}}\n")


class WireGuard(Contender):
    """Two WireGuard engines of one kind, directly or with a server behind the second."""

    def __init__(self, name, make_peer, has_server):
        super().__init__(name)
        self._make_peer, self._has_server = make_peer, has_server
        self._peers = []

    def set_up(self, bed, prefix):
        self.client, gateway = bed.host(f"{prefix}c"), bed.host(f"{prefix}g")
        bed.link(self.client, "10.0.0.1/24", gateway, "10.0.0.2/24")
        number = 2 * len(bed.hosts)
        a, b = self._make_peer(bed, self.client, number), self._make_peer(bed, gateway, number + 1)
        self._peers = [a, b]
        self.server, self.address = gateway, b.v4
        if self._has_server:
            self.server, self.address = bed.host(f"{prefix}s"), SERVER
            add_server(bed, gateway, self.server, f"{a.v4}/32")
        self._connect(a, b)
        self.processes = [a.process, b.process]
        if self._has_server:
            self.client.ip("route", "replace", SERVER_NET, "dev", a.device)

    def _connect(self, a, b):
        networks = [SERVER_NET] if self._has_server else []
        if isinstance(a, GoPeer):
            a.start()
            b.start()
            b.add(a)
            a.add(b, "10.0.0.2", networks=networks)
        else:
            b.add(a)
            a.add(b, "10.0.0.2", networks=networks)
            b.start()
            a.start()

    def ladder(self):
        peer = self._peers[0]
        if isinstance(peer, GoPeer):
            return None
        return peer.process.wait_for_log(r'"message":"(dataplane: [^"]*)"').group(1)


class WholeChain(Contender):
    """The product: client, portal, coturn, gateway with NAT and policy, a router between them."""

    def __init__(self, build):
        super().__init__("firezone-c, whole chain")
        self._build = build
        self._chain = self._token = None

    def set_up(self, bed, prefix):
        self._chain = chain = Chain(bed, self._build)
        chain.start_portal()
        chain.start_relay()
        chain.start_web(with_iperf=False)
        gateway_token, self._token = chain.administer()
        chain.start_gateway(gateway_token)
        chain.start_client(self._token)
        self.client, self.server, self.address = chain.client_host, chain.web_host, SERVER
        self.processes = [chain.client, chain.gateway]

    def start_cold(self, ask_first):
        """Seconds from the start of a client's process to the first answer through its tunnel.
        `ask_first`: the argument list of a program that says when that was."""
        self._chain.client.stop()
        time.sleep(1.1)  # the portal lets one token in once a second
        asker = self.client.spawn("first", *ask_first)
        asker.wait_for_log("asking")
        offset = len(asker.log())
        started = time.monotonic()
        self._chain.start_client(self._token)
        self.processes[0] = self._chain.client
        took = float(asker.wait_for_log(r"answered ([\d.]+)", timeout=35, after=offset).group(1)) - started
        asker.popen.wait()
        return took


def ours(program, has_server, *options, name="firezone-c"):
    return WireGuard(name, lambda bed, host, number: OurPeer(bed, host, number, program, *options), has_server)


def wireguard_go(program, version, has_server):
    return WireGuard(f"wireguard-go {version}",
                     lambda bed, host, number: GoPeer(bed, host, number, program), has_server)


__all__ = ["MTU", "Raw", "RawChain", "WholeChain", "ours", "tune", "wireguard_go"]
