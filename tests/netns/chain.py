"""The whole system in namespaces: portal, relay, gateway with a private network, client.

    client ──┐                 ┌── portal   198.51.100.2
             ├── net (router) ─┼── relay    203.0.113.2   (coturn)
             │                 └── gateway  192.0.2.2 ──── web 10.20.0.10 (private)

The private web server has no route back to the tunnel's addresses: only masquerading at the gateway
makes it answer. Every process is the real program; nothing of the machine outside is touched.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import time

from bed import PATIENCE, Bed, BedError

PORTAL_PORT = 8080
NETS = ("198.51.100", "203.0.113", "192.0.2", "198.18.0", "198.18.1")  # portal, relay, gateway, clients
PRIVATE_V4 = "10.20.0.10"
PRIVATE_V6 = "fd20::10"
PRIVATE_NET_V4 = "10.20.0.0/24"
PRIVATE_NET_V6 = "fd20::/64"
PAGE = "hello from the private network"
RELAY_SECRET = "demo-relay-secret"

# one binding request (RFC 8489), status 0 if a success response comes within a second
STUN_PROBE = """
import os, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(struct.pack("!HHI", 1, 0, 0x2112A442) + os.urandom(12), (sys.argv[1], 3478))
sys.exit(s.recv(2048)[:2] != b"\\x01\\x01")
"""


class Portal:
    """`firezone-portal`: the server and its command line."""

    def __init__(self, host, program):
        self.host = host
        self.program = program
        self.database = host.bed.path("portal.db")
        self.process = None

    def command(self, *words):
        """One management command; returns what it printed as JSON."""
        result = self.host.run(self.program, *words, "--json", "--database", self.database)
        return json.loads(result.stdout) if result.stdout.strip() else None

    def start(self, relay_secret_file):
        self.process = self.host.spawn(
            "portal", self.program, "serve",
            "--listen", f"0.0.0.0:{PORTAL_PORT}", "--database", self.database,
            "--coturn", "203.0.113.2:3478", "--coturn-secret-file", relay_secret_file,
            notify=True)
        self.process.wait_ready()


class Chain:
    """Hosts and programs; each start_… returns when the thing answers."""

    def __init__(self, bed: Bed, build, nat=None, with_ipv6=True):
        self.bed = bed
        self.build = os.path.abspath(build)
        self.with_ipv6 = with_ipv6
        self._n_wires = 0
        self.net = bed.host("net")
        self.portal_host = bed.host("portal")
        self.relay_host = bed.host("relay")
        self.gateway_host = bed.host("gateway")
        self.client_host = bed.host("client")
        self.web_host = bed.host("web")
        self._make_network(nat)
        self.portal = Portal(self.portal_host, self.program("server", "firezone-portal"))
        self.relay = self.gateway = self.client = None

    def program(self, folder, name):
        path = os.path.join(self.build, "src", folder, name)
        if not os.access(path, os.X_OK):
            raise BedError(f"{path} is not built")
        return path

    def _make_network(self, nat):
        self.net.sysctl(net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        for host in (self.portal_host, self.relay_host, self.gateway_host, self.client_host):
            self._connect(host)
        self.bed.link(self.gateway_host, ["10.20.0.1/24", "fd20::1/64"],
                      self.web_host, ["10.20.0.10/24", "fd20::10/64"],
                      a_name="private0", b_name="eth0")
        for host in (self.client_host, self.web_host, self.gateway_host):
            host.run("sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic", check=False)
        if nat:
            self.net.nft("table ip nat {\n chain post { type nat hook postrouting priority srcnat;\n"
                         f'  iifname "to-client" {nat}\n }}\n}}\n')

    def _connect(self, host):
        """A wire from the router to `host`, with a network of its own."""
        self._n_wires += 1
        net = NETS[self._n_wires - 1]
        _, name = self.bed.link(
            self.net, [f"{net}.1/24", f"2001:db8:{self._n_wires}::1/64"],
            host, [f"{net}.2/24", f"2001:db8:{self._n_wires}::2/64"],
            a_name=f"to-{host.name}"[:15], b_name="eth0")
        host.ip("route", "add", "default", "via", f"{net}.1")
        host.ip("-6", "route", "add", "default", "via", f"2001:db8:{self._n_wires}::1")

    def add_client_host(self, name):
        """One more machine on the Internet, for one more client."""
        host = self.bed.host(name)
        self._connect(host)
        return host

    @property
    def api_url(self):
        return f"ws://198.51.100.2:{PORTAL_PORT}/"

    # -- the services --

    def start_portal(self):
        secret_file = self.bed.path("relay.secret")
        with open(secret_file, "w", encoding="ascii") as file:
            file.write(RELAY_SECRET + "\n")
        os.chmod(secret_file, 0o600)
        self.portal.command("init")
        self.portal.start(secret_file)

    def start_relay(self):
        config = self.bed.path("turn.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write("\n".join([
                "listening-ip=203.0.113.2", "listening-ip=2001:db8:2::2",
                "relay-ip=203.0.113.2", "relay-ip=2001:db8:2::2",
                "listening-port=3478", "min-port=49160", "max-port=49200",
                "fingerprint", "use-auth-secret", f"static-auth-secret={RELAY_SECRET}", "realm=firezone",
                "no-tls", "no-dtls", "no-cli", "log-file=stdout", f"pidfile={self.bed.path('turn.pid')}",
                f"userdb={self.bed.path('turn.db')}", ""]))
        self.relay = self.relay_host.spawn("relay", "turnserver", "-c", config)
        self.relay.wait_until(self._relay_answers, "answer of coturn to a binding request")

    def _relay_answers(self):
        probe = self.client_host.run("python3", "-c", STUN_PROBE, "203.0.113.2", check=False)
        return probe.returncode == 0

    def start_web(self, with_iperf=True):
        folder = self.bed.path("www")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
            file.write(PAGE + "\n")
        web = self.web_host.spawn("web", "python3", "-m", "http.server", "80", "--bind", "::", "--directory", folder)
        web.wait_until(
            lambda: self.web_host.run("curl", "-sf", f"http://{PRIVATE_V4}/", check=False).returncode == 0,
            "answer of the web server")
        if with_iperf:
            iperf = self.web_host.spawn("iperf3", "iperf3", "-s", "--forceflush")
            iperf.wait_for_log("Server listening")

    def administration(self):
        """What the administrator does, as (sentence, action) in order."""
        do = self.portal.command
        yield "site 'office'", lambda: do("site", "add", "--name", "office")
        yield "group 'engineers' with the service account 'laptop'", lambda: (
            do("group", "add", "--name", "engineers"),
            do("actor", "add", "--name", "laptop", "--type", "service_account"),
            do("group", "add-member", "--group", "engineers", "--actor", "laptop"))
        for name, network in (("web", PRIVATE_NET_V4), ("web6", PRIVATE_NET_V6)):
            yield f"resource '{name}' {network}, and a policy for engineers", lambda name=name, network=network: (
                do("resource", "add", "--name", name, "--address", network, "--site", "office"),
                do("policy", "add", "--group", "engineers", "--resource", name))

    def make_gateway_token(self):
        return self.portal.command("token", "create", "--gateway", "--site", "office")["token"]

    def make_client_token(self):
        return self.portal.command("token", "create", "--client", "--actor", "laptop", "--expires", "30d")["token"]

    def add_person(self, name="Sam Poe", email="sam@demo.test", group="engineers"):
        """Somebody who can sign in on the portal's page; returns (e-mail, password)."""
        do = self.portal.command
        do("actor", "add", name, "--email", email)
        do("group", "add-member", "--group", group, "--actor", name)
        return email, do("actor", "password", "set", name, "--generate")["generated_password"]

    def sign_in(self, email, password):
        """The token that the portal's page gives whoever signs in on it from the client's host."""
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sign_in.py")
        result = self.client_host.run(
            sys.executable, script, f"http://198.51.100.2:{PORTAL_PORT}/", email, input=password + "\n")
        return result.stdout.strip()

    def administer(self):
        """All of the above; returns (gateway token, client token)."""
        for _, action in self.administration():
            action()
        return self.make_gateway_token(), self.make_client_token()

    def gateway_environment(self, token, **more):
        return {"FIREZONE_TOKEN": token, "FIREZONE_ID": "gateway-1", "FIREZONE_NAME": "gateway-1",
                "FIREZONE_API_URL": self.api_url, "FIREZONE_NO_TELEMETRY": "true",
                "FIREZONE_LOG_FORMAT": "json", **more}

    def start_gateway(self, token, name="gateway", wrapper=(), **more):
        gateway = self.gateway_host.spawn(
            name, *wrapper, self.program("gateway", "firezone-gateway"),
            env=self.gateway_environment(token, **more), notify=True)
        gateway.wait_ready()
        self.gateway = gateway
        return gateway

    def client_environment(self, token, **more):
        return {"FIREZONE_TOKEN": token, "FIREZONE_ID": "client-1", "FIREZONE_NAME": "client-1",
                "FIREZONE_API_URL": self.api_url, "FIREZONE_NO_TELEMETRY": "true",
                "FIREZONE_DNS_CONTROL": "disabled", **more}

    def start_client(self, token, name="client", wrapper=(), **more):
        client = self.client_host.spawn(
            name, *wrapper, self.program("headless", "firezone-headless-client"),
            env=self.client_environment(token, **more), notify=True)
        client.wait_ready()
        self.client = client
        return client

    # -- what a person would do --

    def fetch(self, address=PRIVATE_V4, timeout=30):
        """The private page by curl from the client; None if it cannot be had."""
        target = f"[{address}]" if ":" in address else address
        result = self.client_host.run(
            "curl", "-s", "--max-time", str(timeout), f"http://{target}/", check=False)
        return result.stdout.strip() if result.returncode == 0 else None

    def wait_fetch(self, wanted, address=PRIVATE_V4, timeout=PATIENCE, each=2):
        """Until the page can be had (wanted) or cannot; returns the seconds it took."""
        started = time.monotonic()
        while (self.fetch(address, timeout=each) == PAGE) != wanted:
            if time.monotonic() - started > timeout:
                verb = "reachable" if wanted else "refused"
                raise BedError(f"http://{address}/ is not {verb} after {timeout:g} s")
            time.sleep(0.05)
        return time.monotonic() - started

    def iperf(self, *options, seconds=3):
        """Received bits per second of a TCP test from the client to the private server."""
        result = self.client_host.run(
            "iperf3", "-c", PRIVATE_V4, "-t", str(seconds), "-J", "-C", "cubic", *options,
            timeout=seconds + PATIENCE)
        return json.loads(result.stdout)

    def ping(self, address=PRIVATE_V4, count=20, interval=0.05, size=56):
        """(min, avg, max) round trip in ms; an error if no reply comes."""
        result = self.client_host.run(
            "ping", "-c", str(count), "-i", str(interval), "-s", str(size), "-W", "30", address)
        line = next(line for line in result.stdout.splitlines() if "min/avg/max" in line)
        return tuple(float(value) for value in line.split("=")[1].split()[0].split("/")[:3])


def turn_credentials(name="test", lifetime=3600):
    """User name and password by coturn's REST scheme."""
    username = f"{int(time.time()) + lifetime}:{name}"
    digest = hmac.new(RELAY_SECRET.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
