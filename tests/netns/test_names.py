#!/usr/bin/python3
"""DNS resources through the whole chain: names on the client's sentinels, pages behind proxy addresses."""

import ipaddress
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from bed import PATIENCE, Bed, BedError, require_rights  # noqa: E402
from chain import PAGE, Chain  # noqa: E402

BUILD = os.environ.get("FZ_BUILD", "build")
NAMES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.py")
PROXIES = [ipaddress.ip_network("100.96.0.0/11"), ipaddress.ip_network("fd00:2021:1111:8000::/107")]
OUTSIDE = "198.51.100.2"
INSIDE = "10.20.0.10"


class Names(unittest.TestCase):
    """The private network has a DNS server of its own, which the gateway's machine asks."""

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed("names", keep_logs=os.environ.get("FZ_KEEP_LOGS"))
        cls.addClassCleanup(cls.bed.close)
        cls.chain = chain = Chain(cls.bed, BUILD)
        chain.start_portal()
        chain.start_relay()
        chain.start_web(with_iperf=False)
        cls.private = cls.serve(chain.web_host, "private-dns", INSIDE,
                                f"web.corp.example={INSIDE},fd20::10", "old.corp.example=10.20.0.10",
                                "inside.example.org=192.0.2.99")
        cls.public = cls.serve(chain.portal_host, "public-dns", OUTSIDE, "www.example.org=198.51.100.80")
        cls.watch = cls.watch_for(chain.net, "corp.example")

        gateway_token, client_token = chain.administer()
        do = chain.portal.command
        do("resource", "add", "--name", "intranet", "--address", "*.corp.example", "--site", "office")
        do("policy", "add", "--group", "engineers", "--resource", "intranet")
        do("account", "update", "--dns", "custom", "--dns-server", OUTSIDE)
        chain.start_gateway(gateway_token, wrapper=cls.with_resolver(INSIDE))
        chain.start_client(client_token)
        cls.sentinel = "100.100.111.1"

    # -- what the tests are made of --

    @classmethod
    def serve(cls, host, name, address, *zone):
        server = host.spawn(name, "/usr/bin/python3", NAMES, "serve", address, *zone)
        server.wait_for_log("serving")
        return server

    @classmethod
    def watch_for(cls, host, name):
        wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
        watch = host.spawn(f"watch-{name}", "/usr/bin/python3", NAMES, "watch", wire.hex())
        watch.wait_for_log("watching")
        return watch

    @classmethod
    def with_resolver(cls, address):
        """A program's start with a resolv.conf of its own."""
        path = cls.bed.path("resolv.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"nameserver {address}\n")
        return "unshare", "-m", "sh", "-c", f'mount --bind {path} /etc/resolv.conf && exec "$@"', "sh"

    def ask(self, name, kind="A", server=None, timeout=30):
        """(code, addresses or names); None without answer."""
        result = self.chain.client_host.run(
            "/usr/bin/python3", NAMES, "ask", server or self.sentinel, name, kind, timeout, check=False)
        if result.returncode != 0:
            return None
        reply = json.loads(result.stdout)
        return reply["code"], [record["data"] for record in reply["answers"]]

    def wait_answer(self, name, server, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        while (answer := self.ask(name, server=server, timeout=3)) is None:
            if time.monotonic() > deadline:
                raise BedError(f"{server} says nothing about {name}")
        return answer

    # -- tests --

    def test_page_by_name(self):
        for kind in ("A", "AAAA"):
            with self.subTest(kind=kind):
                code, addresses = self.ask("Web.corp.example", kind)
                self.assertEqual(code, 0)
                self.assertEqual(len(set(addresses)), 4)
                for text in addresses:
                    address = ipaddress.ip_address(text)
                    self.assertTrue(any(address in net for net in PROXIES if net.version == address.version), text)
                    self.assertEqual(self.chain.fetch(text), PAGE)
                self.assertEqual(self.ask(ipaddress.ip_address(addresses[0]).reverse_pointer, "PTR"),
                                 (0, ["web.corp.example"]))
                self.chain.ping(addresses[1], count=5)

    def test_private_names_stay_private(self):
        """Seen neither by the resolver outside nor on any link between client and gateway."""
        _, (address, *_) = self.ask("web.corp.example")
        self.assertEqual(self.chain.fetch(address), PAGE)
        self.assertIn("web.corp.example", self.private.log())
        self.assertNotIn("corp.example", self.public.log())
        self.assertNotIn("seen", self.watch.log())
        # but the watch works: a name of nobody's goes out as it is
        other = self.watch_for(self.chain.net, "example.org")
        self.assertEqual(self.ask("fresh.example.org"), (3, []))  # one that is not remembered
        other.wait_for_log("seen")

    def test_other_answers(self):
        self.assertEqual(self.ask("use-application-dns.net"), (3, []))
        self.assertEqual(self.ask("nowhere.example.org"), (3, []))
        self.assertEqual(self.ask("web.corp.example", "HTTPS"), (0, []))
        code, addresses = self.ask("nowhere.corp.example")  # whether it exists, the gateway finds out
        self.assertEqual((code, len(addresses)), (0, 4))
        self.assertIsNone(self.chain.fetch(addresses[0], timeout=3))

    def test_text_from_the_site(self):
        """Records that have no proxy address come from the resolver of the gateway's machine."""
        self.assertEqual(self.ask("web.corp.example", "TXT"), (0, ["web.corp.example"]))
        self.assertEqual(self.ask("missing.corp.example", "TXT"), (3, []))
        self.assertIn("web.corp.example 16", self.private.log())
        self.assertNotIn("corp.example", self.public.log())

    def test_bulk_is_bit_exact_both_ways(self):
        """Super-packets are translated as well as small ones."""
        _, (address, *_) = self.ask("web.corp.example")
        _, (address6, *_) = self.ask("web.corp.example", "AAAA")
        source = os.path.join(self.bed.path("www"), "blob")
        with open(source, "wb") as file:
            file.write(os.urandom(16 << 20))
        want = self.chain.web_host.run("sha256sum", source).stdout.split()[0]
        for target in (address, f"[{address6}]"):
            with self.subTest(target=target):
                got = self.chain.client_host.run(
                    "sh", "-c", f"curl -s http://{target}/blob | sha256sum", timeout=300).stdout.split()[0]
                self.assertEqual(got, want)

        receiver = self.chain.web_host.spawn(
            "receiver", "sh", "-c", "socat -u TCP-LISTEN:9000,reuseaddr STDOUT | sha256sum")
        receiver.wait_until(
            lambda: ":9000" in self.chain.web_host.run("ss", "-ltn").stdout, "listening socket")
        self.chain.client_host.run("socat", "-u", source, f"TCP:{address}:9000", timeout=300)
        receiver.popen.wait(PATIENCE)
        self.assertEqual(receiver.log().split()[0], want)

    def test_refused_port_is_told(self):
        """The server's own "port unreachable" comes back through the translation, for the proxy address."""
        _, (address, *_) = self.ask("web.corp.example")
        script = ("import socket, sys\n"
                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  "s.settimeout(30)\n"
                  "s.connect((sys.argv[1], 9))\n"
                  "s.send(b'x')\n"
                  "try:\n    s.recv(10)\n"
                  "except ConnectionRefusedError:\n    print('refused')\n")
        result = self.chain.client_host.run("/usr/bin/python3", "-c", script, address)
        self.assertEqual(result.stdout.strip(), "refused")

    def test_policy_goes_and_comes(self):
        portal = self.chain.portal
        _, (address, *_) = self.ask("web.corp.example")
        self.chain.wait_fetch(True, address, timeout=PATIENCE)
        portal.command("policy", "remove", "--group", "engineers", "--resource", "intranet")
        self.chain.wait_fetch(False, address, timeout=PATIENCE)
        portal.command("policy", "add", "--group", "engineers", "--resource", "intranet")
        self.chain.wait_fetch(True, address, timeout=PATIENCE)

    def test_resolver_behind_the_gateway(self):
        """The account's resolver is itself a resource: it is asked through the tunnel, under another sentinel."""
        portal = self.chain.portal
        self.addCleanup(self.wait_answer, "www.example.org", "100.100.111.1")
        self.addCleanup(portal.command, "account", "update", "--dns", "custom", "--dns-server", OUTSIDE)
        portal.command("account", "update", "--dns", "custom", "--dns-server", INSIDE)
        self.assertEqual(self.wait_answer("inside.example.org", "100.100.111.2"), (0, ["192.0.2.99"]))
        self.assertIn("inside.example.org", self.private.log())
        self.assertNotIn("inside.example.org", self.public.log())
        self.assertIsNone(self.ask("www.example.org", server="100.100.111.1", timeout=3))


if __name__ == "__main__":
    require_rights()
    unittest.main(verbosity=2)
