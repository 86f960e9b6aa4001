"""What is measured: pairs of engines in namespaces, with everything between them alike.

A contender is set up once and stays up; a bench asks it for the host that sends, the host that
receives and the address in between, and for the processes whose CPU time and memory count.

To add one, write a class with the attributes of Contender and put an instance into the list of its
topology in contenders().
"""

import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns"))

import knobs  # noqa: E402
from chain import Chain  # noqa: E402
from tools import DelayLine, Initiators  # noqa: E402
from wgpeers import GoPeer, OurPeer  # noqa: E402

SERVER_NET = "10.20.0.0/24"
SERVER = "10.20.0.10"
N_INITIATORS = 4000  # so many that no limit by source is met: each sends a few times a second
N_MANY = 10000
READY_S = 120.0  # with so many
HOPS_MS = {"delay01": 0.05, "delay20": 10, "delay100": 50}  # one way

RAW, OURS, CHAIN, RIVAL, NO_AQM = "raw", "ours", "chain", "rival", "no-aqm"

TITLES = {
    "direct": "Two ends on one link",
    "gateway": "Through a gateway with NAT to a server behind it",
    "peers": "Two clients of one gateway: one flow of A beside 16 of B",
    "handshakes": f"Handshakes of {N_INITIATORS} peers",
    "many": f"{N_MANY} peers",
    "cold": "A cold tunnel",
    "lanes": "Several lanes",
    "delay01": "A wire with a round trip of 0.1 ms",
    "delay20": "A wire with a round trip of 20 ms",
    "delay100": "A wire with a round trip of 100 ms",
}


class Contender:
    """name; kind: RAW, OURS …; client: host that the load comes from; server: host of its peer;
    address: the server's, client_address: the client's; processes: engines whose CPU time and memory
    are counted (none for the raw link), the client's first; devices: tunnels as (host, name)."""

    def __init__(self, name, kind):
        self.name, self.kind = name, kind
        self.client = self.server = self.address = self.client_address = None
        self.processes, self.devices = [], []

    def hosts(self):
        return {self.client, self.server}

    def ladder(self):
        """A line on what the engine found and chose, or None."""
        return None

    def check(self):
        """The knobs that only hold once everything is up."""
        for host, device in self.devices:
            knobs.check_mtu(host, device)
        for host in self.hosts():
            knobs.check_offloads(host)


class Raw(Contender):
    """The link without a tunnel."""

    def __init__(self):
        super().__init__("raw link", RAW)

    def set_up(self, bed, prefix):
        self.client, self.server = bed.host(f"{prefix}c"), bed.host(f"{prefix}s")
        bed.link(self.client, "10.0.0.1/24", self.server, "10.0.0.2/24")
        self.address, self.client_address = "10.0.0.2", "10.0.0.1"


class RawChain(Contender):
    """Client, gateway with NAT, server, without a tunnel."""

    def __init__(self):
        super().__init__("raw link", RAW)

    def set_up(self, bed, prefix):
        self.client, self.server = bed.host(f"{prefix}c"), bed.host(f"{prefix}s")
        gateway = bed.host(f"{prefix}g")
        bed.link(self.client, "10.0.0.1/24", gateway, "10.0.0.2/24")
        add_server(bed, gateway, self.server, "10.0.0.0/24")
        self.client.ip("route", "add", SERVER_NET, "via", "10.0.0.2")
        self.address = SERVER


class RawLine(Contender):
    """A wire with delay, without a tunnel."""

    def __init__(self, build, delay_ms):
        super().__init__("raw wire", RAW)
        self._build, self._delay_ms = build, delay_ms

    def set_up(self, bed, prefix):
        self.client, self.server = bed.host(f"{prefix}c"), bed.host(f"{prefix}s")
        DelayLine(bed, self._build, self.client, "10.0.0.1/24", self.server, "10.0.0.2/24", "line0", "--delay",
                  self._delay_ms)
        self.address, self.client_address = "10.0.0.2", "10.0.0.1"


def add_server(bed, gateway, server, masqueraded):
    """A server behind `gateway`, which forwards and masquerades."""
    bed.link(gateway, "10.20.0.1/24", server, f"{SERVER}/24", a_name="lan")
    gateway.sysctl(net__ipv4__ip_forward=1)
    gateway.nft("table ip bench {\n  chain post {\n    type nat hook postrouting priority srcnat;\n"
                f"    ip saddr {masqueraded} oifname \"lan\" masquerade\n  }}\n}}\n")


class WireGuard(Contender):
    """Two WireGuard engines of one kind, directly or with a server behind the second; with `delay_ms`, (build, ms),
    on a wire that takes so long each way."""

    def __init__(self, name, kind, make_peer, has_server=False, delay_ms=None):
        super().__init__(name, kind)
        self._make_peer, self._has_server, self._delay_ms = make_peer, has_server, delay_ms
        self._peers = []

    def set_up(self, bed, prefix):
        self.client, gateway = bed.host(f"{prefix}c"), bed.host(f"{prefix}g")
        if self._delay_ms is None:
            self.link, _ = bed.link(self.client, "10.0.0.1/24", gateway, "10.0.0.2/24")
            self.client.sysctl(**{f"net__ipv4__conf__{self.link}__promote_secondaries": 1})  # for move()
        else:
            build, delay_ms = self._delay_ms
            DelayLine(bed, build, self.client, "10.0.0.1/24", gateway, "10.0.0.2/24", "line0", "--delay", delay_ms)
        number = 2 * len(bed.hosts)
        a, b = self._make_peer(bed, self.client, number), self._make_peer(bed, gateway, number + 1)
        self._peers = [a, b]
        self.server, self.address, self.client_address = gateway, b.v4, a.v4
        if self._has_server:
            self.server, self.address = bed.host(f"{prefix}s"), SERVER
            add_server(bed, gateway, self.server, f"{a.v4}/32")
        self.devices = [(self.client, a.device), (gateway, b.device)]
        self._start()

    def _start(self):
        a, b = self._peers
        networks = [SERVER_NET] if self._has_server else []
        if isinstance(a, GoPeer):
            b.start()
            a.start()
            b.add(a)
            a.add(b, "10.0.0.2", networks=networks)
        else:
            a.peers, b.peers = [], self._more_peers()
            b.add(a)
            a.add(b, "10.0.0.2", networks=networks)
            b.start(timeout=READY_S)
            a.start()
        self.processes = [a.process, b.process]
        if self._has_server:
            self.client.ip("route", "replace", SERVER_NET, "dev", a.device)

    def _more_peers(self):
        return []

    def restart(self):
        """New processes without a session; the wire between them is warm."""
        for peer in self._peers:
            peer.stop()
        self._start()
        self.client.run("ping", "-c1", "-W5", "10.0.0.2")

    def move(self):
        """The client's address on the wire becomes another one."""
        addresses = self.client.run("ip", "-4", "-o", "addr", "show", "dev", self.link).stdout
        old = re.search(r"inet (\S+)", addresses).group(1)
        new = "10.0.0.3/24" if old != "10.0.0.3/24" else "10.0.0.1/24"
        self.client.ip("addr", "add", new, "dev", self.link)
        self.client.ip("addr", "del", old, "dev", self.link)

    def ladder(self):
        peer = self._peers[0]
        if isinstance(peer, GoPeer):
            return None
        return peer.process.wait_for_log(r'"message":"(dataplane: [^"]*)"').group(1)


class Responder(WireGuard):
    """A pair whose second end knows many more peers, which shake hands from the client's host."""

    def __init__(self, name, kind, make_peer, build, n_initiators):
        super().__init__(name, kind, make_peer)
        self._build, self.n_initiators = build, n_initiators
        self.initiators = self.alone_kb = None

    def set_up(self, bed, prefix):
        super().set_up(bed, prefix)
        self.alone_kb = self.processes[1].resident_kb()  # before there are many peers
        self.initiators = Initiators(bed, self._build, self.client, self.n_initiators)
        self.server.ip("route", "add", Initiators.NETWORK, "via", "10.0.0.1")
        if isinstance(self.responder, GoPeer):
            config = bed.path(f"peers-{prefix}.conf")
            with open(config, "w", encoding="ascii") as file:
                file.writelines(f"[Peer]\nPublicKey = {key}\nAllowedIPs = {ip}/32\n" for key, ip in self._inner())
            self.server.run("wg", "addconf", self.responder.device, config, timeout=120)
        else:
            self.restart()

    @property
    def responder(self):
        return self._peers[1]

    def _inner(self):
        """(public key, inner address) of every initiator."""
        keys = self.initiators.public_keys if self.initiators else []
        return [(key, f"10.60.{i // 250}.{i % 250 + 1}") for i, key in enumerate(keys)]

    def _more_peers(self):
        return [word for key, ip in self._inner() for word in ("--peer", f"key={key},allowed={ip}/32")]


class TwoClients(Contender):
    """A gateway with the peers A and B, each in a namespace of its own."""

    def __init__(self, name, kind, make_peer):
        super().__init__(name, kind)
        self._make_peer = make_peer
        self.clients = []  # A and B, as Peers

    def set_up(self, bed, prefix):
        self.server = bed.host(f"{prefix}g")
        number = 3 * len(bed.hosts)
        gateway = self._make_peer(bed, self.server, number)
        for i, letter in enumerate("ab"):
            host = bed.host(f"{prefix}{letter}")
            bed.link(host, f"10.{i}.0.1/24", self.server, f"10.{i}.0.2/24")
            self.clients.append(self._make_peer(bed, host, number + 1 + i))
        self._start(gateway)
        self.client, self.address = self.clients[0].host, gateway.v4
        self.processes = [peer.process for peer in (*self.clients, gateway)]
        self.devices = [(peer.host, peer.device) for peer in (*self.clients, gateway)]

    def _start(self, gateway):
        peers = [gateway, *self.clients]
        if isinstance(gateway, GoPeer):
            for peer in peers:
                peer.start()
        for i, client in enumerate(self.clients):
            gateway.add(client)
            client.add(gateway, f"10.{i}.0.2")
        if not isinstance(gateway, GoPeer):
            for peer in peers:
                peer.start()

    def hosts(self):
        return {self.server, *(peer.host for peer in self.clients)}


class WholeChain(Contender):
    """The product: client, portal, coturn, gateway with NAT and policy, a router between them."""

    def __init__(self, build):
        super().__init__("firezone-c, whole chain", CHAIN)
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
        self.devices = [(chain.client_host, "tun-firezone"), (chain.gateway_host, "tun-firezone")]

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


def has_option(program, option):
    """Whether our engine's test program knows --`option` yet."""
    return f"--{option}" in os.popen(f"'{program}' --help").read()


def contenders(build, rival):
    """Topology -> its contenders. `rival`: a Rival, or None if none can be had."""
    program = os.path.abspath(os.path.join(build, "tests/netns/fz-wg"))

    def ours(*options):
        return lambda bed, host, number: OurPeer(bed, host, number, program, *options)

    def theirs(bed, host, number):
        return GoPeer(bed, host, number, rival.program)

    def pair(cls, *more, **named):
        both = [cls("firezone-c", OURS, ours(), *more, **named)]
        if rival is not None:
            both.append(cls(f"wireguard-go {rival.version}", RIVAL, theirs, *more, **named))
        return both

    found = {
        "direct": [Raw(), *pair(WireGuard)],
        "gateway": [RawChain(), WireGuard("firezone-c, bare engine", OURS, ours(), True), WholeChain(build),
                    *pair(WireGuard, True)[1:]],
        "peers": pair(TwoClients),
        "handshakes": pair(Responder, build, N_INITIATORS),
        "many": pair(Responder, build, N_MANY),
        "cold": pair(WireGuard),
    }
    if has_option(program, "lanes"):
        found["lanes"] = [WireGuard(f"firezone-c, lanes: {n}", OURS, ours("--lanes", n)) for n in (1, 2, 4)]
    for name, delay_ms in HOPS_MS.items():
        found[name] = [RawLine(build, delay_ms), *pair(WireGuard, delay_ms=(build, delay_ms))]
        if has_option(program, "no-aqm"):
            found[name].insert(2, WireGuard("firezone-c without AQM", NO_AQM, ours("--no-aqm"),
                                            delay_ms=(build, delay_ms)))
    return found
