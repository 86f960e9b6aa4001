#!/usr/bin/python3
"""A fresh Debian 12, installed as a newcomer would: from first sign-in to first byte, and what must not happen.

Three machines with systemd, each in a network namespace of its own, a relay and a private web server beside them:

    laptop ───┐                   ┌── portal
              ├── the Internet ───┼── relay (coturn)
              └                   └── gateway ──── web server 10.20.0.10 (private)

Portal, gateway and client run as the units that are installed, as their users, in their sandboxes. The person at the
laptop is an ordinary user with a session at its seat; she has no password to give to anybody and is in no group.
"""

import os
import re
import shutil
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../netns"))

import debian  # noqa: E402
from bed import Bed  # noqa: E402
from chain import PAGE, PORTAL_PORT, PRIVATE_NET_V4, PRIVATE_V4, RELAY_SECRET, Chain  # noqa: E402
from common import BUILD, SOURCE, install_into, read, require_prefix, run, skip_all  # noqa: E402

SCRIPTS = os.path.join(SOURCE, "platform/linux")
TOOLS = os.path.join(BUILD, "tests/install")
PORTAL = "198.51.100.2"
PORTAL_WS = f"ws://{PORTAL}:{PORTAL_PORT}/"
EMAIL = "ada@example.org"
NAME = "wiki.corp.example"  # known to the gateway's machine alone
HERE = os.path.dirname(os.path.abspath(__file__))


class Steps:
    """Says what happens and how long it took."""

    def __init__(self):
        self._last = self.started = time.monotonic()

    def done(self, what):
        now = time.monotonic()
        print(f"  {what:<66}{(now - self._last) * 1000:7.0f} ms", flush=True)
        self._last = now

    def total(self):
        return self._last - self.started


def install_as_newcomer(machine):
    """The files, and what a package's triggers do."""
    install_into(machine.root)
    machine.run("bash", "-s", input=read(os.path.join(SCRIPTS, "after-install")))


def require_programs_that_run(root):
    """A build with a sanitizer links what no Debian has."""
    for folder, name in (("server", "firezone-portal"), ("gateway", "firezone-gateway")):
        path = os.path.join(BUILD, "src", folder, name)
        missing = [line.split()[0] for line in run("ldd", path).stdout.splitlines()
                   if "=>" in line and not os.path.exists(root + line.split("=>")[1].split()[0])]
        if missing:
            skip_all(f"{name} is linked with {', '.join(missing)}, which the fresh Debian does not have")


class World:
    """Everything but the laptop, at work."""

    def __init__(self, add_cleanup):
        self.bed = Bed("install")
        add_cleanup(self.bed.close)
        self.root = debian.fetch_root()
        require_programs_that_run(self.root)
        self.chain = Chain(self.bed, BUILD)
        self._add_cleanup = add_cleanup
        self.chain.start_relay()
        self.chain.start_web(with_iperf=False)
        self.portal = self.boot("portal", self.chain.portal_host)
        self.gateway = self.boot("gateway", self.chain.gateway_host)

    def boot(self, name, host):
        machine = debian.Machine(name, self.root, host.netns)
        machine.__enter__()
        self._add_cleanup(machine.close)
        return machine

    def command(self, *words):
        """What the administrator types at the portal."""
        return self.portal.run("firezone-portal", *words).stdout

    def start_portal(self):
        install_as_newcomer(self.portal)
        self.portal.write("/etc/firezone/portal-env",
                          f'FIREZONE_PORTAL_OPTIONS="--listen 0.0.0.0:{PORTAL_PORT} '
                          f'--external-url http://{PORTAL}:{PORTAL_PORT}"\n', 0o640)
        self.portal.run("systemctl", "start", "firezone-portal.service")
        self.portal.write("/root/relay.secret", RELAY_SECRET + "\n", 0o600)
        self.command("relay", "add", "--name", "relay", "--address", "203.0.113.2:3478",
                     "--secret-file", "/root/relay.secret")
        self.command("site", "add", "--name", "office")
        self.command("resource", "add", "--name", "web", "--address", PRIVATE_NET_V4, "--site", "office")
        self.command("resource", "add", "--name", "wiki", "--address", NAME, "--site", "office")
        for resource in ("web", "wiki"):
            self.command("policy", "add", "--group", "Everyone", "--resource", resource)  # that is: every person
        self.command("actor", "add", "--name", "Ada", "--email", EMAIL)
        self.password = self.command("actor", "password", "set", "Ada", "--generate").split()[-1]
        self.command("group", "add", "--name", "servers")
        self.command("policy", "add", "--group", "servers", "--resource", "web")

    def start_gateway(self):
        install_as_newcomer(self.gateway)
        token = self.command("token", "create", "--gateway", "--site", "office").strip()
        self.gateway.write("/etc/firezone/gateway-token", token + "\n", 0o400)
        self.gateway.write("/etc/firezone/gateway-env", f"FIREZONE_API_URL=ws://{PORTAL}:{PORTAL_PORT}/\n", 0o640)
        with open(os.path.join(self.gateway.root, "etc/hosts"), "a", encoding="ascii") as file:
            file.write(f"{PRIVATE_V4} {NAME}\n")
        self.gateway.run("systemctl", "start", "firezone-gateway.service")
        self.portal.wait_until(lambda: "online.gateways: 1" in self.command("status"), "gateway at the portal")

    def fetch(self, machine, host=PRIVATE_V4):
        return machine.run("curl", "-s", "--max-time", "2", f"http://{host}/", check=False).stdout.strip()


class ContainerCase(unittest.TestCase):
    """The world stands once for all tests of this program."""

    @classmethod
    def setUpClass(cls):
        if not hasattr(ContainerCase, "world"):
            steps = Steps()
            ContainerCase.world = World(unittest.addModuleCleanup)
            steps.done("portal's and gateway's machine booted, relay and web server started")
            cls.world.start_portal()
            steps.done("portal installed, started, told who may reach what")
            cls.world.start_gateway()
            steps.done("gateway installed, started, seen by the portal")

    def boot_laptop(self):
        """A fresh one for each test, with the person's account."""
        laptop = debian.Machine("laptop", self.world.root, self.world.chain.client_host.netns)
        laptop.__enter__()
        self.addCleanup(laptop.close)
        laptop.run("useradd", "--create-home", "--shell", "/bin/bash", "ada")
        # the resolver of the network it is in; nobody answers there
        laptop.write("/etc/systemd/resolved.conf.d/network.conf", "[Resolve]\nDNS=198.18.0.1\nLLMNR=no\n")
        laptop.run("systemctl", "restart", "systemd-resolved.service")
        return laptop

    def add_tool(self, laptop, name):
        """A program of the tests' own; nothing that is installed."""
        shutil.copy(os.path.join(TOOLS, name), os.path.join(laptop.root, "usr/local/bin", name))

    def routing(self, laptop):
        """Rules and routes of the machine, but for the order in which the kernel lists them."""
        out = []
        for family in ("-4", "-6"):
            out += laptop.run("ip", family, "rule").stdout.splitlines()
            out += laptop.run("ip", family, "route", "show", "table", "all").stdout.splitlines()
        # a neighbour's reachability comes and goes
        return sorted(re.sub(r" (expires|metric) \S+", "", line) for line in out if "proto ra" not in line)

    def wait_page(self, laptop, unit):
        try:
            laptop.wait_until(lambda: self.world.fetch(laptop) == PAGE, "private page")
        except debian.MachineError as error:
            self.fail(f"{error}\n{laptop.journal(unit)}\n-- gateway:\n"
                      f"{self.world.gateway.journal('firezone-gateway')}")


class Headless(ContainerCase):
    """The client for a machine that nobody sits at, as its unit."""

    UNIT = "firezone-headless-client.service"

    def start(self, laptop):
        install_as_newcomer(laptop)
        self.world.command("actor", "add", "--name", "build-server", "--type", "service_account")
        self.world.command("group", "add-member", "--group", "servers", "--actor", "build-server")
        token = self.world.command("token", "create", "--client", "--actor", "build-server").strip()
        laptop.write("/etc/dev.firezone.client/token", token + "\n", 0o400)
        laptop.write("/etc/default/firezone-headless-client",
                     f"FIREZONE_API_URL=ws://{PORTAL}:{PORTAL_PORT}/\nFIREZONE_DNS_CONTROL=disabled\n")
        laptop.run("systemctl", "start", self.UNIT)

    def test_from_token_to_page_and_away(self):
        laptop = self.boot_laptop()
        before = self.routing(laptop)
        self.start(laptop)
        self.wait_page(laptop, self.UNIT)
        pid = laptop.run("systemctl", "show", "-P", "MainPID", self.UNIT).stdout.strip()
        status = laptop.run("cat", f"/proc/{pid}/status").stdout
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            mask = int(re.search(rf"{kind}:\s+(\w+)", status).group(1), 16)
            self.assertEqual(mask & ~(1 << 12), 0, kind)  # CAP_NET_ADMIN
        self.assertNotRegex(status, r"Uid:\s+0\b")

        laptop.run("systemctl", "kill", "--signal=KILL", self.UNIT)
        laptop.wait_until(lambda: laptop.run("systemctl", "show", "-P", "NRestarts", self.UNIT).stdout.strip() == "1",
                          "restart after kill -9")
        self.wait_page(laptop, self.UNIT)
        laptop.run("systemctl", "stop", self.UNIT)
        self.assertEqual(self.routing(laptop), before)


class PersonCase(ContainerCase):
    """Whoever sits at the laptop: an ordinary user with a session at its seat, in no group, without any password."""

    UNIT = "firezone-client-tunnel.service"

    def setUp(self):
        self.laptop = self.boot_laptop()
        self.laptop.log_in("ada")

    def state(self):
        answer = self.laptop.run("busctl", "get-property", "dev.firezone.Client.Tunnel1",
                                 "/dev/firezone/Client/Tunnel1", "dev.firezone.Client.Tunnel1.Manager", "State")
        return answer.stdout.split()[1].strip('"')

    def firezone(self, *words, user="ada", run_as=None, **options):
        """The command line, as the person types it."""
        return (run_as or self.laptop.as_person)(user, "firezone", *words, **options)

    def sign_in(self):
        """The page shows a token, the command line takes it; returns it."""
        address = f"http://{PORTAL}:{PORTAL_PORT}"
        token = self.world.chain.client_host.run(
            os.path.join(HERE, "browser.py"), f"{address}/?as=headless-client", EMAIL, self.world.password).stdout.strip()
        self.firezone("sign-in", "--no-browser", "--no-connect", "--auth-url", address, "--api-url", PORTAL_WS,
                      input=token + "\n")
        return token

    def connect(self):
        self.firezone("connect")
        self.firezone("wait", "connected", "--timeout", "100")

    def show(self, key):
        return self.laptop.run("systemctl", "show", "-P", key, self.UNIT).stdout.strip()

    def wait_name(self):
        """A private name is found: polkit lets the service say who is asked, and the gateway knows the answer."""
        try:
            self.laptop.wait_until(lambda: self.world.fetch(self.laptop, NAME) == PAGE, "private page by its name")
        except debian.MachineError as error:
            self.fail(f"{error}\n{self.laptop.journal(self.UNIT)}\n{self.laptop.run('cat', '/etc/resolv.conf').stdout}")


class Person(PersonCase):
    """At a terminal: the portal's page in a browser, and the command line."""

    def test_first_sign_in_to_first_byte(self):
        """A newcomer's minute: signed in by the portal's page, connected, the private page there."""
        laptop = self.laptop
        install_as_newcomer(laptop)
        self.assertEqual(laptop.run("id", "-Gn", "ada").stdout.split(), ["ada"])
        self.assertEqual(self.show("ActiveState"), "inactive")  # the first call starts it
        before = self.routing(laptop)
        steps = Steps()
        token = self.sign_in()
        steps.done("the person signs in on the portal's page; the service has the token")
        self.connect()
        steps.done("connected")
        self.wait_page(laptop, self.UNIT)
        steps.done("first byte of the private page")
        print(f"  first sign-in to first byte: {steps.total():.1f} s; passwords asked for by the machine: none", flush=True)
        self.wait_name()
        self.check_process()
        self.check_token_is_nowhere(token)
        self.check_others_are_refused()
        self.check_killed()
        self.check_stopped(before)

    def check_process(self):
        """While it works: not root, one capability, filtered; its folders are its own."""
        status = self.laptop.run("cat", f"/proc/{self.show('MainPID')}/status").stdout
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            mask = int(re.search(rf"{kind}:\s+(\w+)", status).group(1), 16)
            self.assertEqual(mask & ~(1 << 12), 0, kind)  # CAP_NET_ADMIN
        self.assertNotRegex(status, r"Uid:\s+0\b")
        self.assertRegex(status, r"Seccomp:\s+2")
        self.assertRegex(status, r"NoNewPrivs:\s+1")
        modes = self.laptop.run("stat", "-c", "%U %a %n", "/var/lib/dev.firezone.client", "/var/log/dev.firezone.client",
                                "/run/dev.firezone.client").stdout.splitlines()
        self.assertEqual(modes, ["firezone-client 700 /var/lib/dev.firezone.client",
                                 "firezone-client 750 /var/log/dev.firezone.client",
                                 "firezone-client 750 /run/dev.firezone.client"])

    def check_token_is_nowhere(self, token):
        """Neither its secret half nor the whole is in any file that the machine has written."""
        secret = token.split(".")[-1].encode()
        self.assertGreater(len(secret), 20)
        self.assertNotIn(secret.decode(), self.laptop.run("journalctl", "--all", "-o", "export").stdout)
        for folder, _, names in os.walk(self.laptop.upper):
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as file:
                        self.assertNotIn(secret, file.read(), name)

    def check_others_are_refused(self):
        """Somebody else, over SSH: an administrator would have to say yes, and there is nobody to ask."""
        self.laptop.run("useradd", "--create-home", "boris")
        answer = self.firezone("disconnect", user="boris", run_as=self.laptop.as_guest, check=False)
        self.assertEqual(answer.returncode, 4, answer.stderr)  # not authorized
        self.assertEqual(self.state(), "connected")

    def check_killed(self):
        rules = self.laptop.run("ip", "rule").stdout
        pid = self.show("MainPID")
        self.laptop.run("systemctl", "kill", "--signal=KILL", self.UNIT)
        self.laptop.wait_until(lambda: self.show("MainPID") not in ("0", pid), "restart after kill -9")
        self.wait_page(self.laptop, self.UNIT)
        self.assertEqual(self.laptop.run("ip", "rule").stdout, rules)
        self.assertEqual(self.state(), "connected")

    def check_stopped(self, before):
        self.laptop.run("systemctl", "stop", self.UNIT)
        self.assertEqual(self.routing(self.laptop), before)
        self.assertNotEqual(self.world.fetch(self.laptop), PAGE)

    def test_resolv_conf_is_lent_and_given_back(self):
        """A machine where resolv.conf is a plain file: the lender, root in a sandbox of its own, sets and restores it."""
        laptop = self.laptop
        laptop.run("systemctl", "disable", "--now", "systemd-resolved.service")
        laptop.run("rm", "/etc/resolv.conf")
        laptop.write("/etc/resolv.conf", "# by hand\nnameserver 198.18.0.1\n")
        stat = ["stat", "-c", "%i %a %U %G %Y", "/etc/resolv.conf"]
        before = laptop.run(*stat).stdout, laptop.run("cat", "/etc/resolv.conf").stdout
        install_as_newcomer(laptop)
        self.sign_in()
        self.connect()
        self.wait_name()
        self.assertNotEqual(laptop.run("cat", "/etc/resolv.conf").stdout, before[1])
        self.assertEqual(laptop.run("stat", "-c", "%U %a", "/run/dev.firezone.client.resolv").stdout,
                         "firezone-client 600\n")
        laptop.run("systemctl", "kill", "--signal=KILL", self.UNIT)
        self.wait_name()  # lent again to the service that came back
        lender = "firezone-client-resolv.service"
        laptop.run("systemctl", "kill", "--signal=KILL", lender)
        laptop.wait_until(lambda: laptop.run("systemctl", "show", "-P", "NRestarts", lender).stdout.strip() == "1",
                          "the lender again")
        self.wait_name()  # and asked for again by the service
        laptop.cut_power()
        self.assertEqual((laptop.run(*stat).stdout, laptop.run("cat", "/etc/resolv.conf").stdout), before)
        self.assertNotEqual(laptop.run("systemctl", "show", "-P", "ExecMainStartTimestamp",
                                       "firezone-client-resolv-restore.service").stdout.strip(), "")
        laptop.log_in("ada")
        self.sign_in()
        self.connect()
        self.wait_name()
        self.firezone("disconnect")
        laptop.wait_until(lambda: (laptop.run(*stat).stdout, laptop.run("cat", "/etc/resolv.conf").stdout) == before,
                          "resolv.conf as it was, to the byte and the inode")

    def test_the_tunnel_leaves_with_the_person(self):
        install_as_newcomer(self.laptop)
        before = self.routing(self.laptop)
        self.sign_in()
        self.connect()
        self.laptop.log_out("ada")
        self.laptop.wait_until(lambda: self.state() != "connected", "end of the tunnel after log-out")
        self.laptop.wait_until(lambda: self.routing(self.laptop) == before, "routes as they were")


class Desktop(PersonCase):
    """With the mouse, nearly: the launcher, the app's button, the browser, and back through the desktop's handler.

    The machine is what Debian's desktop is by default: NetworkManager writes resolv.conf, systemd-resolved is not there.
    """

    DISPLAY = ":9"

    def setUp(self):
        super().setUp()
        self.start_network_manager()
        install_as_newcomer(self.laptop)
        # what an administrator would set for a portal of one's own
        self.laptop.write("/etc/firezone/client.conf",
                          f"[portal]\napi-url={PORTAL_WS}\nauth-url=http://{PORTAL}:{PORTAL_PORT}\n")
        self.add_browser()
        self.laptop.as_person("ada", "systemd-run", "--user", "--quiet", "Xvfb", self.DISPLAY, "-screen", "0",
                              "1280x800x24", "-nolisten", "tcp")
        self.laptop.wait_until(lambda: self.laptop.run("test", "-S", f"/tmp/.X11-unix/X{self.DISPLAY[1:]}",
                                                       check=False).returncode == 0, "display")
        self.laptop.as_person("ada", "dbus-update-activation-environment", "--systemd", f"DISPLAY={self.DISPLAY}")

    def start_network_manager(self):
        run_here = self.laptop.run
        run_here("systemctl", "disable", "--now", "systemd-resolved.service")
        run_here("rm", "-f", "/etc/resolv.conf", "/usr/sbin/resolvconf")  # of systemd-resolved
        run_here("systemctl", "start", "NetworkManager.service")
        run_here("nmcli", "connection", "add", "type", "ethernet", "ifname", "eth0", "con-name", "wired",
                 "ipv4.method", "manual", "ipv4.addresses", "198.18.0.2/24", "ipv4.gateway", "198.18.0.1",
                 "ipv4.dns", "198.18.0.1", "ipv6.method", "disabled")
        run_here("nmcli", "connection", "up", "wired")
        self.resolv_conf = run_here("cat", "/etc/resolv.conf").stdout
        self.assertIn("NetworkManager", self.resolv_conf)

    def add_browser(self):
        """One that fills in the form by itself, and hands links that it does not know to the desktop."""
        shutil.copy(os.path.join(HERE, "browser.py"), os.path.join(self.laptop.root, "usr/local/bin"))
        self.laptop.write("/usr/local/bin/browser", "#!/bin/sh\nset -e\n"
                          f"link=$(browser.py \"$1\" {EMAIL} '{self.world.password}')\nexec gio open \"$link\"\n", 0o755)
        self.laptop.write("/usr/share/applications/browser.desktop",
                          "[Desktop Entry]\nType=Application\nName=Browser\nExec=/usr/local/bin/browser %u\n"
                          "MimeType=x-scheme-handler/http;\n")
        self.laptop.run("update-desktop-database")

    def app(self, method, *arguments):
        return self.laptop.as_person("ada", "gdbus", "call", "--session", "-d", "dev.firezone.Client",
                                     "-o", "/dev/firezone/Client", "-m", f"org.gtk.Actions.{method}", *arguments).stdout

    def press(self, action):
        self.laptop.wait_until(lambda: self.app("Describe", action).startswith("((true,"),
                               f"button {action} that can be pressed")
        self.app("Activate", action, "[]", "{}")

    def test_from_the_launcher_to_the_page(self):
        steps = Steps()
        self.laptop.as_person("ada", "gapplication", "launch", "dev.firezone.Client")
        steps.done("the app started from its launcher")
        self.press("sign-in")
        try:
            self.laptop.wait_until(lambda: self.state() in ("offline", "connecting", "connected"), "sign-in")
            steps.done("signed in with the browser, back through the desktop's handler")
            if self.state() == "offline":
                self.press("connect")
            self.laptop.wait_until(lambda: self.state() == "connected", "connection")
            steps.done("connected")
        except debian.MachineError as error:
            self.fail(f"{error}\n" + self.laptop.run("journalctl", "-q", "--no-pager", "-n", 60, "_UID=1000").stdout
                      + self.laptop.journal(self.UNIT))
        self.wait_page(self.laptop, self.UNIT)
        steps.done("first byte of the private page")
        print(f"  launcher to first byte: {steps.total():.1f} s", flush=True)
        self.wait_name()
        self.press("disconnect")
        self.laptop.wait_until(lambda: self.laptop.run("cat", "/etc/resolv.conf").stdout == self.resolv_conf,
                               "resolv.conf as NetworkManager wrote it")


class Sandbox(ContainerCase):
    """What a program that has been taken over could do: nothing, in each unit."""

    def probe(self, laptop, unit):
        """The acts of fz-forbidden inside the unit's own sandbox; {act: (word, error)}."""
        text = read(os.path.join(laptop.root, f"usr/lib/systemd/system/{unit}.service"))
        text = re.sub(r"(?m)^(Type|BusName|ExecStart|ExecStartPre|ExecStopPost|ExecReload|Restart\w*|WatchdogSec|"
                      r"NotifyAccess|LoadCredential|EnvironmentFile|Assert\w+|WantedBy)=.*\n", "", text)
        text = text.replace("[Service]\n", "[Service]\nType=oneshot\nExecStart=/usr/local/bin/fz-forbidden\n"
                                           "StandardOutput=truncate:/run/fz-forbidden.txt\n")
        laptop.write("/run/fz-forbidden.txt", "")
        laptop.write("/etc/systemd/system/fz-probe.service", text)
        laptop.run("systemctl", "daemon-reload")
        laptop.run("systemctl", "start", "fz-probe.service")
        lines = laptop.run("cat", "/run/fz-forbidden.txt").stdout.splitlines()
        return {act: (word, error) for word, act, error in (line.split("\t") for line in lines)}

    def test_forbidden_acts(self):
        laptop = self.boot_laptop()
        install_as_newcomer(laptop)
        laptop.write("/home/ada/secret", "ada's\n", 0o644)
        laptop.write("/root/secret", "root's\n", 0o644)
        self.add_tool(laptop, "fz-forbidden")
        not_needed = {"firezone-portal": {"need: a packet mark", "need: netlink", "need: a TUN device"}}
        for unit in ("firezone-client-tunnel", "firezone-headless-client", "firezone-gateway", "firezone-portal"):
            with self.subTest(unit):
                found = self.probe(laptop, unit)
                refused = [act for act, (word, _) in found.items() if word == "refused"]
                allowed = [act for act, (word, _) in found.items() if word == "allowed"]
                needs = {act for act in found if act.startswith("need: ")} - not_needed.get(unit, set())
                self.assertEqual(sorted(allowed), sorted(needs))
                self.assertGreaterEqual(len(refused), 30)
                print(f"  {unit}: {len(refused)} forbidden acts refused, {len(allowed)} needed ones allowed")


class Removal(ContainerCase):
    def ours(self, laptop):
        found = laptop.run("find", "/", "-xdev", "(", "-iname", "*firezone*", "-o", "-iname", "*fz-*", ")",
                           "-not", "-path", "/proc/*").stdout.split()
        return sorted(found)

    def test_no_trace_outside_peoples_homes(self):
        laptop = self.boot_laptop()
        accounts = {name: laptop.run("cat", name).stdout for name in ("/etc/passwd", "/etc/group")}
        self.assertEqual(self.ours(laptop), [])
        install_as_newcomer(laptop)
        laptop.run("systemctl", "enable", "firezone-client-tunnel.service")
        self.assertGreater(len(self.ours(laptop)), 20)
        laptop.run("bash", "-s", input=read(os.path.join(SCRIPTS, "before-remove")))
        run(os.path.join(SCRIPTS, "uninstall"), "--build", BUILD, "--destdir", laptop.root)
        laptop.run("bash", "-s", "--", "--purge", input=read(os.path.join(SCRIPTS, "after-remove")))
        self.assertEqual(self.ours(laptop), [])
        for name, text in accounts.items():
            self.assertEqual(laptop.run("cat", name).stdout, text, name)
        self.assertEqual(laptop.run("systemctl", "is-system-running", check=False).stdout.strip(), "running")


if __name__ == "__main__":
    debian.require()
    require_prefix()
    debian.in_own_mounts()
    unittest.main(verbosity=2)
