#!/usr/bin/python3
"""The whole chain: portal, coturn, gateway with NAT, private server, client; real programs throughout."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import exposition  # noqa: E402
from bed import PATIENCE, Bed, BedError, lose, require_rights  # noqa: E402
from chain import PAGE, PORTAL_PORT, PRIVATE_V4, PRIVATE_V6, Chain  # noqa: E402

BUILD = os.environ.get("FZ_BUILD", "build")


class ChainCase(unittest.TestCase):
    """One chain for the tests of a class; each test leaves it working."""

    NAT = None

    @classmethod
    def setUpClass(cls):
        cls.bed = Bed(cls.__name__.lower()[:8], keep_logs=os.environ.get("FZ_KEEP_LOGS"))
        cls.addClassCleanup(cls.bed.close)
        cls.chain = chain = Chain(cls.bed, BUILD, nat=cls.NAT)
        chain.start_portal()
        chain.start_relay()
        chain.start_web()
        cls.gateway_token, cls.client_token = chain.administer()

    @classmethod
    def start_both(cls):
        cls.chain.start_gateway(cls.gateway_token)
        cls.chain.start_client(cls.client_token)

    def assert_page(self, address=PRIVATE_V4):
        self.assertEqual(self.chain.fetch(address), PAGE)

    def restore(self):
        """What a test has ended is started again."""
        if self.chain.gateway.popen.poll() is not None:
            self.chain.start_gateway(self.gateway_token)
        if self.chain.client.popen.poll() is not None:
            self.chain.start_client(self.client_token)
        self.chain.wait_fetch(True)


class Traffic(ChainCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_both()

    def test_page_over_ipv4_and_ipv6(self):
        self.assert_page()
        self.assert_page(PRIVATE_V6)

    def test_ping_small_large_fragmented(self):
        for address in (PRIVATE_V4, PRIVATE_V6):
            for size in (16, 1200, 1232, 4000):  # 1232 fills the inner MTU over IPv6; 4000 makes fragments
                with self.subTest(address=address, size=size):
                    self.chain.ping(address, count=5, size=size)

    def test_bulk_is_bit_exact_both_ways(self):
        """64 MiB there and back, compared by hash."""
        name = "blob"
        source = os.path.join(self.bed.path("www"), name)
        with open(source, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(1 << 20))
        want = self.chain.web_host.run("sha256sum", source).stdout.split()[0]
        got = self.chain.client_host.run(
            "sh", "-c", f"curl -s http://{PRIVATE_V4}/{name} | sha256sum", timeout=300).stdout.split()[0]
        self.assertEqual(got, want)

        receiver = self.chain.web_host.spawn(
            "receiver", "sh", "-c", "socat -u TCP-LISTEN:9000,reuseaddr STDOUT | sha256sum")
        receiver.wait_until(
            lambda: ":9000" in self.chain.web_host.run("ss", "-ltn").stdout, "listening socket")
        self.chain.client_host.run("socat", "-u", source, f"TCP:{PRIVATE_V4}:9000", timeout=300)
        receiver.popen.wait(PATIENCE)
        self.assertEqual(receiver.log().split()[0], want)

    def test_no_reordering_within_a_flow(self):
        """Numbered datagrams both ways, fast enough to be sent in trains: none arrives behind a later one."""
        for options in ([], ["-R"]):
            with self.subTest(options=options):
                result = self.chain.client_host.run(
                    "iperf3", "-c", PRIVATE_V4, "-u", "-b", "400M", "-l", "1200", "-t", "2", "-J", *options)
                end = json.loads(result.stdout)["end"]
                stream = end["streams"][0]["udp"]
                self.assertGreater(stream["packets"] - stream["lost_packets"], 1_000)  # how many more is a matter of speed
                self.assertEqual(stream["out_of_order"], 0)

    def test_survives_loss(self):
        try:
            lose(self.chain.net, 20)
            self.chain.wait_fetch(True, timeout=2 * PATIENCE, each=10)
        finally:
            lose(self.chain.net, 0)

    def test_no_open_port(self):
        """No TCP port but the gateway's health endpoint on loopback; UDP answers strangers with silence."""
        self.assertEqual(self.chain.client_host.run("ss", "-Hltn").stdout.strip(), "")
        addresses = [line.split()[3] for line in self.chain.gateway_host.run("ss", "-Hltn").stdout.splitlines()]
        self.assertEqual(addresses, ["127.0.0.1:8080"])
        asks = (
            "import os, socket, struct, sys\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.settimeout(0.3)\n"
            "binding = struct.pack('!HHI', 1, 0, 0x2112A442) + os.urandom(12)\n"
            "for request in (binding, b'\\x01\\0\\0\\0' + os.urandom(144), os.urandom(64)):\n"
            "    s.sendto(request, (sys.argv[1], 52625))\n"
            "try:\n"
            "    print(s.recv(2048).hex())\n"
            "except TimeoutError:\n"
            "    print('silence')\n")
        for target in ("192.0.2.2", "198.18.0.2"):
            self.assertEqual(self.chain.relay_host.run("python3", "-c", asks, target).stdout.strip(), "silence")

    def test_garbage_is_dropped(self):
        """Random and malformed datagrams at both ends' port; traffic goes on, nobody dies."""
        program = (
            "import os, socket, sys\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "for kind in (0, 1, 2, 3, 4, 0x40, 0x7f, 0xff):\n"
            "    for n in list(range(0, 200)) + [1316, 1317, 9000]:\n"
            "        s.sendto((bytes([kind, 0, 0, 0]) + os.urandom(n))[:n], (sys.argv[1], 52625))\n")
        for target in ("192.0.2.2", "198.18.0.2"):
            self.chain.relay_host.run("python3", "-c", program, target)
        self.assert_page()

    def test_logs_read_well(self):
        for process in (self.chain.client, self.chain.gateway):
            for line in process.log().splitlines():
                with self.subTest(process=process.name, line=line):
                    result = self.chain.net.run("jq", "-er", ".time, .severity, .message", input=line)
                    self.assertEqual(len(result.stdout.splitlines()), 3)
                    self.assertNotIn("null", result.stdout.splitlines())

    def test_tokens_and_keys_are_not_in_logs(self):
        for process in (self.chain.client, self.chain.gateway, self.chain.portal.process):
            text = process.log()
            for secret in (self.gateway_token, self.client_token):
                self.assertNotIn(secret, text)
                self.assertNotIn(secret.split(".")[-1], text)


class Rights(ChainCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_both()

    def test_one_capability_and_no_secret_in_proc(self):
        """CAP_NET_ADMIN in every set and nothing else, and no way to more."""
        for process, token in ((self.chain.client, self.client_token), (self.chain.gateway, self.gateway_token)):
            with self.subTest(process=process.name):
                folder = f"/proc/{process.popen.pid}"
                for task in os.listdir(f"{folder}/task"):
                    with open(f"{folder}/task/{task}/status", encoding="ascii") as file:
                        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
                    self.assertEqual(int(status["CapEff"], 16), 1 << 12)
                    self.assertEqual(int(status["CapPrm"], 16), 1 << 12)
                    self.assertEqual(int(status["CapInh"], 16) | int(status["CapAmb"], 16), 0)
                    self.assertEqual(int(status["CapBnd"], 16), 1 << 12)
                    self.assertEqual(status["NoNewPrivs"], "1")
                with open(f"{folder}/limits", encoding="ascii") as file:
                    self.assertRegex(file.read(), r"Max core file size +0 +0 ")
                for name in ("environ", "cmdline"):
                    with open(f"{folder}/{name}", "rb") as file:
                        self.assertNotIn(token.encode(), file.read())

    def test_health_endpoint(self):
        host = self.chain.gateway_host

        def status(path):
            return host.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:8080{path}").stdout

        self.assertEqual(status("/healthz"), "200")
        self.assertEqual(status("/readyz"), "200")
        self.assertEqual(status("/elsewhere"), "404")

    def test_metrics(self):
        """The gateway's counters are valid, follow the traffic, and name nobody."""
        host = self.chain.gateway_host
        self.chain.wait_fetch(True)
        answer = host.run("curl", "-si", "http://127.0.0.1:8080/metrics").stdout
        head, text = answer.replace("\r\n", "\n").split("\n\n", 1)
        self.assertIn("Content-Type: text/plain; version=0.0.4; charset=utf-8", head)
        families = exposition.check(text)
        for direction in ("transmit", "receive"):
            self.assertGreater(exposition.total(families, "firezone_lane_packets_total", direction=direction), 0)
        self.assertGreaterEqual(exposition.total(families, "firezone_handshakes_received_total"), 1)
        self.assertEqual(exposition.total(families, "firezone_peers"), 1)
        self.assertEqual(exposition.total(families, "firezone_lane_drops_total", reason="bad-tag"), 0)
        self.assertGreater(exposition.total(families, "firezone_udp_received_datagrams_total", family="v4"), 0)
        self.assertIn("firezone_tun_kernel_drops_total", families)
        with open(f"{os.path.dirname(__file__)}/../../README.md", encoding="utf-8") as file:
            told = set(re.findall(r"firezone_\w+?(?=_bucket|\b)", file.read().split("## Metrics")[1].split("\n## ")[0]))
        self.assertEqual(len(told), 3)
        self.assertLessEqual(told, set(families))
        self.assertNotRegex(text, r"\b(\d{1,3}\.){3}\d{1,3}\b|web|engineers|[0-9a-f]{8}-[0-9a-f]{4}")

    def test_policy_removed_and_back(self):
        portal = self.chain.portal
        self.chain.wait_fetch(True)
        portal.command("policy", "remove", "--group", "engineers", "--resource", "web")
        self.chain.wait_fetch(False)
        portal.command("policy", "add", "--group", "engineers", "--resource", "web")
        self.chain.wait_fetch(True)

    def test_running_flow_is_cut_when_the_policy_goes(self):
        portal = self.chain.portal
        self.chain.wait_fetch(True)
        flow = self.chain.client_host.spawn("flow", "ping", "-O", "-i", "0.2", PRIVATE_V4)
        flow.wait_for_log("bytes from")
        portal.command("policy", "remove", "--group", "engineers", "--resource", "web")
        # unanswered, or refused, for three seconds
        flow.wait_for_log(r"((no answer yet|From) [^\n]*\n){15}\Z")
        flow.stop(signal.SIGKILL)
        portal.command("policy", "add", "--group", "engineers", "--resource", "web")
        self.chain.wait_fetch(True)

    def test_filters(self):
        """Only TCP port 80 passes: ping is refused at once and says so."""
        portal = self.chain.portal
        self.chain.wait_fetch(True)
        portal.command("resource", "update", "web", "--filter", "tcp/80")
        self.chain.client.wait_until(lambda: self.is_ping_refused(), "refusal of a ping")
        self.chain.wait_fetch(True)
        portal.command("resource", "update", "web", "--no-filters")
        self.chain.client.wait_until(lambda: self.is_ping_refused() is False, "answer to a ping")
        self.chain.wait_fetch(True)

    def is_ping_refused(self):
        """True: told so. None: no word, neither so nor so."""
        result = self.chain.client_host.run("ping", "-c1", "-W2", PRIVATE_V4, check=False)
        if result.returncode == 0:
            return False
        return True if re.search(r"(?i)prohibited|filtered|unreachable", result.stdout) else None

    def test_wrong_token(self):
        """Ends at once, with status 1 and a sentence that says what to do."""
        result = self.chain.relay_host.run(
            self.chain.program("headless", "firezone-headless-client"), check=False,
            env=self.chain.client_environment("nonsense.token", FIREZONE_ID="another"))
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr + result.stdout, r"(?i)token")

    def test_second_client_leaves_the_first_alone(self):
        self.chain.wait_fetch(True)
        result = self.chain.client_host.run(
            self.chain.program("headless", "firezone-headless-client"), check=False,
            env=self.chain.client_environment(self.client_token, FIREZONE_ID="another"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("tun-firezone", result.stderr)
        self.assert_page()

    def test_revoked_client_token(self):
        token = self.chain.portal.command("token", "create", "--client", "--actor", "laptop", "--expires", "1d")
        self.chain.client.stop()
        client = self.chain.start_client(token["token"], name="revoked")
        self.chain.wait_fetch(True)
        self.chain.portal.command("token", "revoke", token["id"])
        self.assertEqual(client.popen.wait(PATIENCE), 1)
        self.assertRegex(client.log(), r"(?i)token")
        self.chain.start_client(self.client_token)
        self.chain.wait_fetch(True)


class Faults(ChainCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_both()

    def setUp(self):
        self.chain.wait_fetch(True)
        self.addCleanup(self.restore)

    def rules(self, host):
        return [line for line in host.ip("rule").splitlines() if re.match(r"(100|200|300):", line)]

    def test_portal_away_and_back(self):
        portal = self.chain.portal
        portal.process.stop(signal.SIGKILL)
        for _ in range(5):
            self.assert_page()
            time.sleep(0.5)
        self.chain.portal.start(self.bed.path("relay.secret"))
        self.assert_page()
        # the client is back when a change of policy reaches it again
        portal.command("policy", "remove", "--group", "engineers", "--resource", "web")
        self.chain.wait_fetch(False)
        portal.command("policy", "add", "--group", "engineers", "--resource", "web")
        self.chain.wait_fetch(True)

    def test_gateway_killed_and_restarted(self):
        self.chain.gateway.stop(signal.SIGKILL)
        self.chain.start_gateway(self.gateway_token, name="gateway-again")
        took = self.chain.wait_fetch(True, timeout=2 * PATIENCE)
        print(f"gateway killed and back: first page after {took:.1f} s")

    def test_gateway_stopped_leaves_nothing(self):
        self.chain.gateway.stop()
        rules = self.chain.gateway_host.run("nft", "list", "ruleset").stdout
        self.assertNotIn("firezone", rules)
        self.assertNotIn("tun-firezone", self.chain.gateway_host.ip("link"))

    def test_client_killed_leaves_nothing_after_next_start(self):
        self.chain.client.stop(signal.SIGKILL)
        self.chain.start_client(self.client_token, name="client-again")
        self.chain.wait_fetch(True)
        self.assertEqual(len(self.rules(self.chain.client_host)), 3)
        self.chain.client.stop()
        self.assertEqual(self.rules(self.chain.client_host), [])
        self.assertNotIn("tun-firezone", self.chain.client_host.ip("link"))

    def test_tun_deleted_under_the_client(self):
        self.chain.client_host.ip("link", "del", "tun-firezone")
        self.chain.wait_fetch(True)

    def test_tun_deleted_under_the_gateway(self):
        self.chain.gateway_host.ip("link", "del", "tun-firezone")
        self.chain.wait_fetch(True, timeout=2 * PATIENCE)

    def test_client_changes_its_address(self):
        """Roaming: the old address goes, a new one comes; no person needed."""
        def move(old, new):
            host = self.chain.client_host
            host.ip("addr", "del", f"{old}/24", "dev", "eth0")
            host.ip("addr", "add", f"{new}/24", "dev", "eth0")
            host.ip("route", "replace", "default", "via", "198.18.0.1")

        move("198.18.0.2", "198.18.0.77")
        self.addCleanup(move, "198.18.0.77", "198.18.0.2")
        took = self.chain.wait_fetch(True, timeout=2 * PATIENCE)
        print(f"client moved to another address: page after {took:.1f} s")

    def test_port_in_use(self):
        """Our preferred UDP port is taken: another one serves."""
        self.chain.client.stop()
        blocker = self.chain.client_host.spawn(
            "blocker", "python3", "-c",
            "import socket, time\n"
            "a = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); a.bind(('', 52625))\n"
            "b = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
            "b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); b.bind(('', 52625))\n"
            "print('bound', flush=True); time.sleep(3600)")
        blocker.wait_for_log("bound")
        self.chain.start_client(self.client_token, name="other-port")
        self.chain.wait_fetch(True)
        blocker.stop(signal.SIGKILL)

    def test_no_net_admin(self):
        """Without the right: status 1 and a sentence that names it."""
        for folder, name, environment in (
                ("headless", "firezone-headless-client", self.chain.client_environment(self.client_token)),
                ("gateway", "firezone-gateway", self.chain.gateway_environment(self.gateway_token))):
            with self.subTest(program=name):
                result = self.chain.net.run(
                    "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
                    self.chain.program(folder, name), env=environment, check=False)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn("CAP_NET_ADMIN", result.stderr + result.stdout)

    def test_portal_away_at_start(self):
        """The client keeps trying for about 15 s, then ends with status 1 for its supervisor."""
        self.chain.client.stop()
        self.chain.portal.process.stop()
        started = time.monotonic()
        result = self.chain.client_host.run(
            self.chain.program("headless", "firezone-headless-client"), check=False,
            env=self.chain.client_environment(self.client_token))
        self.assertEqual(result.returncode, 1)
        self.assertGreater(time.monotonic() - started, 10)
        self.chain.portal.start(self.bed.path("relay.secret"))
        self.chain.start_client(self.client_token, name="client-late")
        self.chain.wait_fetch(True)


class Supervision(ChainCase):
    """What a service manager or a shell does to a program: the client stands for the gateway as well."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chain.start_gateway(cls.gateway_token)
        cls.headless = cls.chain.program("headless", "firezone-headless-client")

    def start(self, *argv, stdout=subprocess.DEVNULL, **more):
        client = subprocess.Popen(
            self.chain.client_host.command(*argv), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stdout,
            env={**os.environ, **self.chain.client_environment(self.client_token, **more)})
        self.addCleanup(lambda: (client.kill(), client.wait()))
        return client

    def assert_ends(self, client):
        client.terminate()
        self.assertEqual(client.wait(PATIENCE), 0)
        self.assertNotIn("tun-firezone", self.chain.client_host.ip("link"))

    def test_closed_descriptors(self):
        """None of ours gets the number of a standard one: log lines would be written into it."""
        for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
            with self.subTest(closed=closed):
                client = self.start("sh", "-c", f"exec {self.headless} {closed}")
                self.chain.wait_fetch(True)
                for number in (0, 1, 2):
                    self.assertEqual(os.readlink(f"/proc/{client.pid}/fd/{number}"), "/dev/null")
                self.assert_ends(client)

    def test_nobody_reads_the_log(self):
        reader, writer = os.pipe()
        client = self.start(self.headless, stdout=writer, RUST_LOG="trace")
        os.close(writer)
        self.chain.wait_fetch(True)
        self.chain.wait_fetch(True)
        self.assert_ends(client)
        os.close(reader)

    def test_reader_of_the_log_is_gone(self):
        reader, writer = os.pipe()
        os.close(reader)
        client = self.start(self.headless, stdout=writer)
        os.close(writer)
        self.chain.wait_fetch(True)
        self.assert_ends(client)

    def test_log_folder_on_a_full_disk(self):
        folder = self.bed.path("full")
        os.mkdir(folder)
        client = self.start("sh", "-c", f"mount -t tmpfs -o size=16k tmpfs {folder} && exec {self.headless}",
                            RUST_LOG="trace", LOG_DIR=folder)
        self.chain.wait_fetch(True)
        self.assert_ends(client)

    def has_begun(self, client):
        """From the first line of main() on: before that the loader is at work, and signals are not ours yet."""
        if os.readlink(f"/proc/{client.pid}/exe") != os.path.realpath(self.headless):
            return False
        with open(f"/proc/{client.pid}/status", encoding="ascii") as file:
            masks = dict(line.split() for line in file if line.startswith(("SigIgn:", "SigCgt:")))
        # under nohup the loader ignores SIGHUP as well
        return (int(masks["SigCgt:"], 16) & 1 << (signal.SIGTERM - 1) != 0 and
                int(masks["SigIgn:"], 16) & 1 << (signal.SIGHUP - 1) != 0)

    def test_asked_to_end_while_starting(self):
        """Status 0 and nothing left behind, whenever it comes."""
        for after in (0, 0.03, 0.05, 0.08, 0.12, 0.2):
            with self.subTest(after=after):
                client = self.start(self.headless)
                while not self.has_begun(client):
                    time.sleep(0.001)
                time.sleep(after)
                client.send_signal(signal.SIGHUP)  # nothing to make anew yet
                self.assert_ends(client)

    def test_missing_device_node(self):
        """In a container without the node it is made, where we may."""
        probe = self.chain.client_host.run(
            "unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && "
            "exec 3<>/dev/net/tun", check=False)
        if probe.returncode != 0:
            self.skipTest("no right to make device nodes")
        result = self.chain.client_host.run(
            "unshare", "-m", "sh", "-c", f"mount -t tmpfs tmpfs /dev/net && exec {self.headless} --exit",
            env=self.chain.client_environment(self.client_token), check=False)
        self.assertEqual(result.returncode, 0, result.stderr)


class BehindNat(ChainCase):
    NAT = "masquerade"

    def test_page_from_behind_a_nat(self):
        self.start_both()
        self.assert_page()
        self.assert_page(PRIVATE_V6)


class Internet(ChainCase):
    """An address that only the gateway can reach, and the Internet resource to it."""

    PUBLIC_V4 = "93.184.216.34"
    PUBLIC_V6 = "2606:2800:220:1::34"

    def test_everything_goes_through_the_gateway_when_switched_on(self):
        chain = self.chain
        for address, family in ((self.PUBLIC_V4 + "/32", "-4"), (self.PUBLIC_V6 + "/128", "-6")):
            chain.web_host.ip("addr", "add", address, "dev", "eth0", *(("nodad",) if family == "-6" else ()))
            chain.gateway_host.ip(family, "route", "add", address, "dev", "private0")
        do = chain.portal.command
        do("resource", "add", "--name", "Internet", "--type", "internet", "--site", "office")
        do("policy", "add", "--group", "engineers", "--resource", "Internet")

        self.start_both()
        self.assertIsNone(chain.fetch(self.PUBLIC_V4, timeout=1), "reachable without the switch")
        chain.client.stop()
        chain.start_client(self.client_token, name="client-on", FIREZONE_ACTIVATE_INTERNET_RESOURCE="true")
        chain.wait_fetch(True, self.PUBLIC_V4)
        chain.wait_fetch(True, self.PUBLIC_V6)
        self.assert_page()
        # private addresses are not the Internet: told at once, and nobody asks the portal again
        refused = chain.client_host.run("ping", "-c", "1", "-W", "30", "10.99.0.1", check=False)
        self.assertIn("Unreachable", refused.stdout)
        self.assertNotIn("filtered", refused.stdout)
        # the engine's own datagrams stay outside: the portal and the relay are still reached directly
        do("resource", "remove", "Internet")
        chain.wait_fetch(False, self.PUBLIC_V4)
        self.assert_page()


def close_direct_way(chain):
    """No datagram passes between client and gateway directly: coturn carries everything."""
    chain.net.nft(
        "table inet firewall {\n  chain block {\n    type filter hook forward priority filter;\n"
        '    iifname "to-client" oifname "to-gateway" counter drop\n'
        '    iifname "to-gateway" oifname "to-client" counter drop\n  }\n}\n')


class Lanes(ChainCase):
    """Several lanes on both sides, directly and through the relay; here nobody asks how many CPUs there are."""

    N_GATEWAY, N_CLIENT = 4, 2

    @classmethod
    def start_both(cls):
        cls.chain.start_gateway(cls.gateway_token, FIREZONE_LANES=str(cls.N_GATEWAY))
        cls.chain.start_client(cls.client_token, FIREZONE_LANES=str(cls.N_CLIENT))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_both()

    test_page_over_ipv4_and_ipv6 = Traffic.test_page_over_ipv4_and_ipv6
    test_bulk_is_bit_exact_both_ways = Traffic.test_bulk_is_bit_exact_both_ways
    test_no_reordering_within_a_flow = Traffic.test_no_reordering_within_a_flow

    def test_as_many_as_asked_for(self):
        for process, n_lanes in ((self.chain.gateway, self.N_GATEWAY), (self.chain.client, self.N_CLIENT)):
            self.assertIn(f"lanes={n_lanes} threads=1 reuseport_cbpf=yes", process.log())
            self.assertIn(f"queues={n_lanes} ", process.log())

    def test_relayed(self):
        try:
            close_direct_way(self.chain)
            self.chain.wait_fetch(True, timeout=2 * PATIENCE, each=5)
            for options in ([], ["-R"]):
                with self.subTest(options=options):
                    result = self.chain.client_host.run(
                        "iperf3", "-c", PRIVATE_V4, "-u", "-b", "20M", "-l", "1200", "-t", "2", "-P", "8", "-J", *options)
                    for stream in json.loads(result.stdout)["end"]["streams"]:
                        self.assertEqual(stream["udp"]["out_of_order"], 0)
        finally:
            self.chain.net.run("nft", "delete", "table", "inet", "firewall")


class Relayed(ChainCase):
    """No datagram passes between client and gateway directly: coturn carries everything."""

    def test_page_and_bulk_through_the_relay(self):
        close_direct_way(self.chain)
        self.start_both()
        self.chain.wait_fetch(True, each=5)
        self.assert_page(PRIVATE_V6)
        self.chain.ping(count=20)
        rate = self.chain.iperf(seconds=2)["end"]["sum_received"]["bits_per_second"]
        self.assertGreater(rate, 0)
        print(f"relayed by coturn: {rate / 1e6:.0f} Mbit/s")

        # after a change of network that leaves the address: the old allocation is given back first
        client, after = self.chain.client, len(self.chain.client.log())
        client.send_signal(signal.SIGHUP)
        client.wait_for_log('"event":"network-reset"', after=after)
        took = self.chain.wait_fetch(True, timeout=60)
        self.assertNotIn('"event":"port-changed"', client.log())
        print(f"network changed, relayed: first page after {took:.1f} s")

        # coturn keeps the allocation of what was killed for ten minutes: at that port it serves nobody else
        self.chain.client.stop(signal.SIGKILL)
        self.chain.start_client(self.client_token, name="client-again")
        took = self.chain.wait_fetch(True, timeout=60)  # by the gateway's allocation
        print(f"client killed and back, relayed: first page after {took:.1f} s")
        self.chain.gateway.stop(signal.SIGKILL)
        gateway = self.chain.start_gateway(self.gateway_token, name="gateway-again")
        took = self.chain.wait_fetch(True, timeout=120)
        gateway.wait_for_log('"event":"port-changed"')
        print(f"gateway killed and back, relayed: first page after {took:.1f} s")


if __name__ == "__main__":
    require_rights()
    unittest.main(verbosity=2)
