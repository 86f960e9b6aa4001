#!/usr/bin/python3
"""The real service: signing in, connecting, what it shows, what it survives, and what it never tells.

Usage: test_service.py [CLASS[.METHOD] …]

A real portal on loopback, the real bus policy, a mock of polkit, a service manager of our own with a
descriptor store. Only the TUN device is made of memory.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "netns"))
import bus  # noqa: E402
import exposition  # noqa: E402
import service  # noqa: E402

RESOURCES = f"{bus.PATH}/resource/"


class ServiceTest(unittest.TestCase):
    """One place for all tests of a class; each test begins and ends signed out."""

    PROGRAM = service.SERVICE

    @classmethod
    def setUpClass(cls):
        cls.place = service.Place(program=cls.PROGRAM)
        try:
            cls.place.bus.polkit.allow("connect", "disconnect", "credential", "diagnostics")
            cls.place.bus.polkit.allow("take-over", "configure", "diagnostics-other", user="root")
            portal = cls.place.portal
            portal.command("account", "update", "--dns", "custom", "--dns-server", "10.20.0.53")
            portal.command("actor", "add", "--name", "Ada")
            portal.command("site", "add", "--name", "office")
            portal.command("resource", "add", "--name", "intranet", "--address", "10.20.0.0/24", "--site", "office")
            portal.command("policy", "add", "--group", "Everyone", "--resource", "intranet")
            portal.start()
            cls.place.start()
        except BaseException:
            cls.place.close()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.place.close()

    def setUp(self):
        self.callers = []
        if self.place.process.poll() is not None:
            self.place.start()
        if self.place.portal.process.poll() is not None:
            self.place.portal.start()
        self.alice = self.caller("alice")

    def tearDown(self):
        root = self.caller("root")
        if self.place.process.poll() is None:
            root.call("Manager.ClearCredential")
            self.place.wait_state(root, "signed-out")
        for caller in self.callers:
            caller.leave()
        if sys.exc_info()[0] is not None or any(error for _, error in getattr(self._outcome, "errors", []) or []):
            print(self.place.bus.log_of(self.place.process)[-6000:], file=sys.stderr)

    def caller(self, user, **options):
        caller = self.place.bus.caller(user, **options)
        self.callers.append(caller)
        return caller

    def make_token(self):
        return self.place.portal.command("token", "create", "--client", "--actor", "Ada", "--expires", "1d")

    def connect(self, caller=None):
        caller = caller or self.alice
        token = self.make_token()
        self.place.sign_in(caller, token["token"])
        caller.call("Manager.Connect", "(@a{sv} {},)")
        self.assertEqual(self.place.wait_state(caller, "connected"), "connected")
        return token

    def wait_property(self, caller, name, condition):
        return bus.wait_until(lambda: condition(caller.get(name)) and [caller.get(name)], f"{name} of the Manager")[0]

    def assert_error(self, name, function, *arguments, **options):
        with self.assertRaises(bus.CallError) as raised:
            function(*arguments, **options)
        self.assertEqual(raised.exception.name, bus.ERROR + name, raised.exception.message)
        return raised.exception.message

    def export(self, caller):
        """{name of the file in the archive: its text}"""
        path = f"/tmp/{os.path.basename(self.place.folder)}-{caller.uid}.tar.gz"
        try:
            caller.call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:{path}")
            with tarfile.open(path) as archive:
                return {os.path.basename(member.name): archive.extractfile(member).read().decode(errors="replace")
                        for member in archive if member.isfile()}
        finally:
            if os.path.exists(path):
                os.unlink(path)

    def objects(self, caller):
        return caller.call("org.freedesktop.DBus.ObjectManager.GetManagedObjects")


class Life(ServiceTest):
    def test_from_sign_in_to_sign_out(self):
        alice = self.alice
        self.assertEqual(alice.get("State"), "signed-out")
        self.assertEqual(alice.get("Owner"), bus.NO_OWNER)
        self.assertEqual(alice.get("Mode"), "host-helper")
        self.assertEqual(alice.get("PortalUrl"), "")
        self.assert_error("NotSignedIn", alice.call, "Manager.Connect", "(@a{sv} {},)")

        self.place.sign_in(alice, self.make_token()["token"])
        self.assertEqual(alice.get("State"), "offline")
        self.assertEqual(alice.get("Owner"), alice.uid)
        self.assertEqual(alice.get("Actor"), "Ada Lovelace")
        self.assertEqual(alice.get("Account"), "example")
        self.assertEqual(alice.get("PortalUrl"), self.place.portal.url)
        self.assertEqual(alice.get("PortalState"), "off")

        alice.forget_signals()
        alice.call("Manager.Connect", "(@a{sv} {},)")
        self.assertIn(alice.get("State"), ("connecting", "connected"))
        self.place.wait_state(alice, "connected")
        self.assertEqual(alice.get("PortalState"), "connected")
        self.assertEqual(alice.get("Interface"), "tun-firezone")
        self.assertEqual(alice.get("Mtu"), 1280)
        addresses = alice.get("Addresses")
        self.assertRegex(addresses[0], r"^100\.")
        self.assertRegex(addresses[1], r"^fd00:2021:1111:")
        self.assertTrue(any(feature.startswith("aead:") for feature in alice.get("Features")))
        self.assertEqual(alice.get("DnsMode"), "resolved")
        servers = self.wait_property(alice, "DnsServers", bool)
        self.assertTrue(all(server.startswith(("100.100.111.", "fd00:2021:1111:")) for server in servers), servers)
        self.assertGreater(alice.get("StateSince"), 1_600_000_000_000_000)
        changes = [message["arguments"][:2] for message in alice.heard() if message["signal"] == "StateChanged"]
        self.assertEqual(changes[-1][0], "connected")
        self.assertNotIn("signed-out", [change[0] for change in changes])
        events = [message["arguments"][0] for message in alice.heard() if message["signal"] == "Event"]
        self.assertIn("connected", events)

        for _ in range(2):
            alice.call("Manager.Disconnect", "(@a{sv} {},)")
        self.place.wait_state(alice, "offline")
        self.assertEqual(alice.get("Interface"), "")
        self.assertEqual(alice.get("Addresses"), [])
        self.wait_property(alice, "DnsServers", lambda servers: servers == [])
        self.assertEqual(alice.get("PortalState"), "off")
        self.assertEqual(alice.get("Actor"), "Ada Lovelace")

        alice.call("Manager.ClearCredential")
        self.assertEqual(alice.get("State"), "signed-out")
        self.assertEqual(alice.get("StateReason"), "user")
        self.assertEqual(alice.get("Owner"), bus.NO_OWNER)
        self.assertEqual(alice.get("Actor"), "")

    def test_resources_come_and_go(self):
        self.connect()
        found = bus.wait_until(lambda: [p for p in self.objects(self.alice) if p.startswith(RESOURCES)], "a resource")
        properties = self.objects(self.alice)[found[0]][bus.NAME + ".Resource"]
        self.assertEqual(properties["Name"], "intranet")
        self.assertEqual(properties["Kind"], "cidr")
        self.assertEqual(properties["Address"], "10.20.0.0/24")
        self.assertEqual(properties["Sites"], ["office"])
        self.assertEqual(properties["State"], "idle")
        self.assertEqual(properties["Gateway"], "/")

        self.alice.forget_signals()
        self.place.portal.command("resource", "add", "--name", "one", "--address", "10.9.8.7", "--site", "office")
        self.place.portal.command("policy", "add", "--group", "Everyone", "--resource", "one")
        added = self.alice.wait_signal("InterfacesAdded")["arguments"]
        self.assertEqual(added[1][bus.NAME + ".Resource"]["Name"], "one")
        self.assertEqual(added[1][bus.NAME + ".Resource"]["Kind"], "ip")
        self.assertEqual(added[1][bus.NAME + ".Resource"]["Address"], "10.9.8.7")
        self.place.portal.command("resource", "remove", "one")
        removed = self.alice.wait_signal("InterfacesRemoved")["arguments"]
        self.assertEqual(removed[0], added[0])

        self.alice.call("Manager.Disconnect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "offline")
        bus.wait_until(lambda: not [p for p in self.objects(self.alice) if p.startswith(RESOURCES)], "no resources")

    def test_others_see_the_state_and_no_more(self):
        bob = self.caller("bob")
        self.connect()
        bus.wait_until(lambda: [p for p in self.objects(self.alice) if p.startswith(RESOURCES)], "a resource")
        self.assertEqual(bob.get("State"), "connected")
        self.assertEqual(bob.get("Owner"), self.alice.uid)
        self.assertEqual(bob.get("Actor"), "")
        self.assertEqual(bob.get("Account"), "")
        self.assertFalse([p for p in self.objects(bob) if p.startswith(RESOURCES)])
        self.assertTrue([p for p in self.objects(self.caller("root")) if p.startswith(RESOURCES)])

    def test_another_user_takes_over(self):
        bob = self.caller("bob")
        self.connect()
        self.assert_error("NotOwner", bob.call, "Manager.Disconnect", "(@a{sv} {},)")
        token = self.make_token()
        self.assert_error("NotOwner", self.place.sign_in, bob, token["token"])
        self.assertEqual(self.alice.get("State"), "connected")

        self.place.bus.polkit.allow("take-over", user="bob")
        try:
            self.place.sign_in(bob, token["token"], actor="<'Bob'>")
            self.place.wait_state(bob, "offline")
            self.assertEqual(bob.get("Owner"), bob.uid)
            self.assertEqual(bob.get("Actor"), "Bob")
            self.assertEqual(self.alice.get("Actor"), "")
            bob.call("Manager.Connect", "(@a{sv} {},)")
            self.place.wait_state(bob, "connected")
        finally:
            self.place.bus.polkit.set("take-over", "no", "bob")

    def test_a_new_owner_sees_nothing_of_the_former(self):
        bob = self.caller("bob")
        self.connect()
        bus.wait_until(lambda: [p for p in self.objects(self.alice) if p.startswith(RESOURCES)], "a resource")
        self.assertEqual(bob.get("Actor"), "")  # from his first call on he hears what is for him
        self.alice.forget_signals()
        bob.forget_signals()
        self.place.bus.polkit.allow("take-over", user="bob")
        try:
            self.place.sign_in(bob, self.make_token()["token"], actor="<'Bob'>", account="<'other'>")
            self.place.wait_state(bob, "offline")
            heard = json.dumps(bob.heard(), default=str)
            self.assertIn("Bob", heard)
            self.assertNotIn("Ada Lovelace", heard)
            self.assertNotIn("intranet", heard)
            self.assertNotIn("InterfacesAdded", heard)
            heard = json.dumps(self.alice.heard(), default=str)
            self.assertIn("InterfacesRemoved", heard)
            self.assertNotIn("Bob", heard)
        finally:
            self.place.bus.polkit.set("take-over", "no", "bob")

    def test_callers_at_once(self):
        """However they overlap, the last accepted counts."""
        token = self.make_token()
        self.place.sign_in(self.alice, token["token"])
        for last, state in (("Connect", "connected"), ("Disconnect", "offline")):
            other = "Disconnect" if last == "Connect" else "Connect"
            pending = [self.alice.begin(f"Manager.{name}", "(@a{sv} {},)") for name in (last, other) * 5 + (last,)]
            for one in pending:
                one.result()
            self.place.wait_state(self.alice, state)
        self.assertEqual(self.alice.get("State"), "offline")

    def test_another_credential_disconnects(self):
        first = self.connect()
        self.place.sign_in(self.alice, first["token"])
        self.assertEqual(self.alice.get("State"), "connected")
        self.place.sign_in(self.alice, self.make_token()["token"])
        self.place.wait_state(self.alice, "offline")

    def test_bad_credentials(self):
        call = self.alice.call
        self.assert_error("InvalidArgument", call, "Manager.SetCredential", "(handle 0, @a{sv} {})", fd="unsealed:token")
        self.assert_error("InvalidArgument", call, "Manager.SetCredential", "(handle 0, @a{sv} {})", fd="sealed:")
        self.assert_error("InvalidArgument", call, "Manager.SetCredential", "(handle 0, @a{sv} {})", fd="sealed:to ken")
        self.assert_error("InvalidArgument", call, "Manager.SetCredential", "(handle 0, {'api-url': <'ws://'>})",
                          fd="sealed:token")
        self.assert_error("InvalidArgument", call, "Manager.SetCredential", "(handle 0, {'api-url': <'https://x/'>})",
                          fd="sealed:token")
        self.assertEqual(self.alice.get("State"), "signed-out")

    def test_internet_resource(self):
        self.connect()
        self.assertIn(self.alice.get("InternetResource"), ("unavailable", "off"))
        self.alice.call("Manager.SetInternetResource", "(true,)")
        self.alice.call("Manager.SetInternetResource", "(true,)")
        self.assertIn(self.alice.get("InternetResource"), ("unavailable", "on"))

    def test_reconnect_keeps_the_device(self):
        self.connect()
        self.alice.call("Manager.Reconnect")
        self.place.wait_state(self.alice, "connected")
        self.assertEqual(self.alice.get("Interface"), "tun-firezone")

    def test_callers_leave_and_nothing_changes(self):
        self.connect()
        self.alice.leave()
        self.alice = self.caller("alice")
        self.assertEqual(self.alice.get("State"), "connected")


class Portal(ServiceTest):
    def test_portal_dies_and_comes_back(self):
        self.connect()
        self.alice.forget_signals()
        self.place.portal.stop(signal.SIGKILL)
        self.place.wait_state(self.alice, "degraded")
        self.assertEqual(self.alice.get("StateReason"), "portal-unreachable")
        self.assertEqual(self.alice.get("PortalState"), "retrying")
        self.assertEqual(self.alice.get("Interface"), "tun-firezone")
        self.alice.wait_signal("Event", lambda message: message["arguments"][0] == "lost")
        self.place.portal.start()
        self.place.wait_state(self.alice, "connected")
        self.alice.wait_signal("Event", lambda message: message["arguments"][0] == "restored")

    def test_portal_is_away_from_the_start(self):
        token = self.make_token()
        self.place.portal.stop()
        self.place.sign_in(self.alice, token["token"])
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.wait_property(self.alice, "StateReason", lambda reason: reason == "portal-unreachable")
        self.assertEqual(self.alice.get("State"), "connecting")
        self.assertEqual(self.alice.get("Owner"), self.alice.uid)
        self.place.portal.start()
        self.place.wait_state(self.alice, "connected")

    def test_account_is_disabled(self):
        """Nobody of it gets in; the sign-in is kept, and good again as soon as the account is."""
        self.connect()
        self.place.portal.command("account", "update", "--disable")
        try:
            self.wait_property(self.alice, "StateReason", lambda reason: reason == "account-disabled")
            self.assertEqual(self.alice.get("State"), "degraded")
            self.assertIn("the account is disabled", self.alice.get("StateDetail"))
            self.assertEqual(self.alice.get("PortalState"), "retrying")
            self.alice.call("Manager.Disconnect", "(@a{sv} {},)")
            self.place.wait_state(self.alice, "offline")
            self.assertEqual(self.alice.get("StateReason"), "")

            self.alice.call("Manager.Connect", "(@a{sv} {},)")
            self.wait_property(self.alice, "StateReason", lambda reason: reason == "account-disabled")
            self.assertEqual(self.alice.get("State"), "connecting")
        finally:
            self.place.portal.command("account", "update", "--enable")
        self.place.wait_state(self.alice, "connected")
        self.assertEqual(self.alice.get("StateReason"), "")

    def test_what_a_portal_says(self):
        """Each way to be told no, by a portal that says nothing else."""
        for status, code, reason in ((403, "account_disabled", "account-disabled"),
                                     (426, "version_unsupported", "version-unsupported"),
                                     (402, "limits_exceeded", "portal-refused"),
                                     (403, "device_untrusted", "portal-refused"),
                                     (409, "device_identity_conflict", "portal-refused"),
                                     (404, "nothing", "portal-unreachable"),
                                     (500, "unhandled_connect_error", "portal-unreachable")):
            fake = FakePortal(status, code, f"words for {code}")
            try:
                self.place.sign_in(self.alice, f"token-{code}", **{"api-url": f"<'{fake.url}'>"})
                self.alice.call("Manager.Connect", "(@a{sv} {},)")
                self.wait_property(self.alice, "StateDetail", lambda detail: f"words for {code}" in detail)
                self.assertEqual(self.alice.get("StateReason"), reason, code)
                self.assertEqual(self.alice.get("State"), "connecting", code)
            finally:
                fake.close()

    def test_token_is_revoked(self):
        token = self.connect()
        self.alice.forget_signals()
        self.place.portal.command("token", "revoke", token["id"])
        self.place.wait_state(self.alice, "signed-out")
        self.assertEqual(self.alice.get("StateReason"), "session-revoked")
        self.assertEqual(self.alice.get("Owner"), bus.NO_OWNER)
        event = self.alice.wait_signal("Event")
        self.assertEqual(event["arguments"], ["sign-in-needed", {"reason": "session-revoked"}])
        self.assertEqual(self.place.manager.names(), [])

    def test_token_is_nonsense(self):
        self.place.sign_in(self.alice, "nonsense")
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "signed-out")
        self.assertEqual(self.alice.get("StateReason"), "session-revoked")


class FakePortal:
    """Answers every attempt to connect with a problem (RFC 9457)."""

    def __init__(self, status, code, detail):
        body = json.dumps({"type": "about:blank", "title": "no", "status": status, "code": code, "detail": detail})
        self._answer = (f"HTTP/1.1 {status} No\r\nContent-Type: application/problem+json\r\n"
                        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}").encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                peer.recv(65536)
                peer.sendall(self._answer)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Eyes(ServiceTest):
    """Everything that another local user can see, in every state, holds nothing that names a person or a private network."""

    MARKERS = ("Mark-Account", "mark-slug", "MarkActor", "mark-mail", "mark-resource", "mark-host", "mark-site",
               "mark-note", "mark-group", "mark-gateway", "mark-detail", "mark-portal", "10.77.88")

    def look(self, spy):
        """All that is to be had for Bob, as one text."""
        seen = [json.dumps(spy.heard(), default=str), json.dumps(self.objects(spy), default=str),
                "\n".join(self.place.manager.messages)]
        spy.forget_signals()
        for interface in ("Manager", "Diagnostics"):
            seen.append(json.dumps(spy.call("org.freedesktop.DBus.Properties.GetAll",
                                            f"('{bus.NAME}.{interface}',)"), default=str))
        for path in ("", "/resource", "/gateway", "/relay"):
            try:
                seen.append(str(spy.call("org.freedesktop.DBus.Introspectable.Introspect", path=bus.PATH + path)))
            except bus.CallError as error:
                seen.append(error.message)
        for path in self.objects(self.caller("root")):  # he may have guessed where they are
            if path != bus.PATH:
                with self.assertRaises(bus.CallError) as raised:
                    spy.call("org.freedesktop.DBus.Properties.GetAll", "('',)", path=path)
                seen.append(raised.exception.message)
        for method, arguments in (("Manager.Disconnect", "(@a{sv} {},)"), ("Manager.ClearCredential", "()"),
                                  ("Manager.Connect", "(@a{sv} {},)"), ("Diagnostics.OpenLog", "(@a{sv} {},)"),
                                  ("Diagnostics.SelfTest", "()"), ("Diagnostics.Metrics", "()"),
                                  ("Diagnostics.Exposition", "()")):
            if self.alice.get("Owner") != bus.NO_OWNER:
                with self.assertRaises(bus.CallError) as raised:
                    spy.call(method, arguments)
                seen.append(raised.exception.message)
        return "\n".join(seen)

    def assert_blind(self, spy, state):
        seen = self.look(spy)
        self.assertIn("StateReason", seen)
        for marker in self.MARKERS:
            self.assertNotIn(marker.lower(), seen.lower(), state)

    def sign_in(self, token, url):
        self.place.sign_in(self.alice, token, account="<'mark-slug'>", actor="<'MarkActor'>",
                           **{"api-url": f"<'{url}'>"})
        self.alice.call("Manager.Connect", "(@a{sv} {},)")

    def test_markers_are_not_for_others(self):
        bob = self.caller("bob")
        bob.get("State")
        portal = self.place.portal
        portal.command("account", "update", "--name", "Mark-Account")
        portal.command("actor", "add", "--name", "MarkActor", "--email", "mark-mail@example.org")
        portal.command("site", "add", "--name", "mark-site")
        portal.command("resource", "add", "--name", "mark-resource", "--address", "mark-host.corp.example",
                       "--description", "mark-note", "--site", "mark-site")
        portal.command("resource", "add", "--name", "mark-resource-2", "--address", "10.77.88.0/24", "--site", "mark-site")
        for name in ("mark-resource", "mark-resource-2"):
            portal.command("policy", "add", "--group", "Everyone", "--resource", name)
        token = portal.command("token", "create", "--client", "--actor", "MarkActor", "--expires", "1d")["token"]

        self.sign_in(token, portal.url)
        self.place.wait_state(self.alice, "connected")
        own = bus.wait_until(lambda: "mark-host" in json.dumps(self.objects(self.alice), default=str) and
                             json.dumps(self.objects(self.alice), default=str), "the resources")
        for marker in ("mark-resource", "mark-site", "mark-note", "10.77.88"):
            self.assertIn(marker, own)
        self.assert_blind(bob, "connected")

        portal.stop()
        self.place.wait_state(self.alice, "degraded")
        self.assert_blind(bob, "degraded")
        portal.start()
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "offline")
        self.assert_blind(bob, "offline")

        # A portal whose very name is private, and is not to be found.
        self.sign_in("other", "ws://mark-portal.invalid/")
        bus.wait_until(lambda: self.alice.get("StateReason"), "why it takes so long")
        self.assertIn("mark-portal", self.alice.get("PortalUrl"))
        self.assert_blind(bob, "connecting")

        # Portals that say in their own words why not: for a while, for this device, for this token.
        for status, code, state in ((403, "device_untrusted", "connecting"), (401, "unknown", "error"),
                                    (401, "invalid_token", "signed-out")):
            fake = FakePortal(status, code, "mark-detail of Mark-Account, ask MarkActor")
            try:
                self.sign_in(f"token-{code}", fake.url)
                self.place.wait_state(self.alice, state)
                bus.wait_until(lambda: self.alice.get("StateReason"), "a reason")
                if state != "signed-out":
                    bus.wait_until(lambda: "mark-detail" in self.alice.get("StateDetail"), "the portal's words")
                self.assert_blind(bob, code)
            finally:
                fake.close()

        # Nor does what leaves the machine, though nobody is signed in any more who could say what is a name.
        for caller in (self.alice, self.caller("root")):
            for name, text in self.export(caller).items():
                for marker in self.MARKERS:
                    self.assertNotIn(marker.lower(), text.lower(), name)


class Restart(ServiceTest):
    def test_killed_and_connected_again(self):
        self.connect()
        bus.wait_until(lambda: len(self.place.manager.names()) == 1, "the credential with the service manager")
        self.place.stop(signal.SIGKILL)
        self.place.start()
        alice = self.caller("alice")
        self.place.wait_state(alice, "connected")
        self.assertEqual(alice.get("Owner"), alice.uid)
        self.assertEqual(alice.get("Actor"), "Ada Lovelace")
        self.assertEqual(alice.get("PortalUrl"), self.place.portal.url)

        # Disconnected, it stays so.
        alice.call("Manager.Disconnect", "(@a{sv} {},)")
        self.place.wait_state(alice, "offline")
        self.place.stop(signal.SIGKILL)
        self.place.start()
        alice = self.caller("alice")
        self.assertEqual(alice.get("State"), "offline")

        # Signed out, nothing is left to find.
        alice.call("Manager.ClearCredential")
        bus.wait_until(lambda: self.place.manager.names() == [], "an empty descriptor store")
        self.place.stop(signal.SIGKILL)
        self.place.start()
        self.assertEqual(self.caller("alice").get("State"), "signed-out")

    def test_killed_at_any_moment(self):
        """Whatever it was doing: what was accepted last is what the next one does."""
        self.connect()
        for round in range(15):
            caller = self.caller("alice")
            wish = ("Connect", "Disconnect")[round % 2]
            caller.call(f"Manager.{wish}", "(@a{sv} {},)")
            self.kept_wish("true" if wish == "Connect" else "false")
            self.place.stop(signal.SIGKILL)
            caller.leave()
            self.assertLessEqual(len(self.place.manager.names()), 2)
            self.place.start()
            self.place.wait_state(self.caller("alice"), *(["connecting", "connected"], ["offline"])[round % 2])
        self.place.wait_state(self.caller("alice"), "connected")

    def kept_wish(self, value):
        """Waits until the service manager has heard of it, as systemd would read its socket."""
        def is_kept():
            _, fds = self.place.manager.lend()
            try:
                return any(f"wants-connected={value}" in os.pread(fd, 4096, 0).decode(errors="replace") for fd in fds)
            finally:
                for fd in fds:
                    os.close(fd)
        return bus.wait_until(is_kept, f"wants-connected={value} with the service manager")

    def test_stopped_and_started(self):
        """What systemctl restart does."""
        self.connect()
        self.assertEqual(self.place.stop(), 0)
        self.assertTrue(self.place.manager.has("STOPPING=1"))
        self.place.start()
        self.assertTrue(self.place.manager.has("READY=1"))
        self.place.wait_state(self.caller("alice"), "connected")

    def test_second_instance_ends(self):
        first = self.place.process
        uid = str(bus.USERS[bus.SERVICE_USER])
        second = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                                 "--inh-caps=+net_admin", "--ambient-caps=+net_admin", service.SERVICE,
                                 "--config", self.place.config, "--log-dir", self.place.logs, "--firezone-id", "x"],
                                env=self.place.bus.environment, capture_output=True, text=True,
                                timeout=bus.DEADLINE_S)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another tunnel service runs", second.stderr)
        self.assertIsNone(first.poll())

    def test_watchdog_is_petted(self):
        self.place.stop()
        self.place.start(environment={"WATCHDOG_USEC": "400000"})
        bus.wait_until(lambda: self.place.manager.has("WATCHDOG=1"), "a sign of life")


class Diagnostics(ServiceTest):
    def test_samples(self):
        number = self.alice.call("Diagnostics.Subscribe", "(uint32 100,)")
        first = self.alice.wait_signal("Sample")["arguments"]
        second = self.alice.wait_signal("Sample")["arguments"]
        self.assertGreater(second[0], first[0])
        self.alice.call("Diagnostics.Unsubscribe", f"(uint32 {number},)")

    def test_open_log(self):
        log = self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        log = log[0] if isinstance(log, (list, tuple)) else log
        self.assertTrue(log["is_read_only"])
        first = json.loads(log["text"].splitlines()[0])
        self.assertIn("time", first)
        self.assertIn("severity", first)
        modes = {name: os.stat(os.path.join(self.place.logs, name)).st_mode & 0o777
                 for name in os.listdir(self.place.logs) if name.endswith(".log")}
        self.assertEqual(set(modes.values()), {0o640}, modes)

    def read_log(self, caller):
        log = caller.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        return (log[0] if isinstance(log, (list, tuple)) else log)["text"]

    def test_a_log_is_of_one_owner(self):
        bob = self.caller("bob")
        self.place.sign_in(self.alice, self.make_token()["token"])
        marker = f'"owner":{self.alice.uid}'
        self.assertIn(marker, self.read_log(self.alice))
        self.alice.call("Manager.ClearCredential")
        self.assertIn(marker, self.read_log(self.alice))  # why did it end?
        self.assert_error("NotAuthorized", self.read_log, bob)
        self.assert_error("NotAuthorized", bob.call, "Diagnostics.Export", "(handle 0, @a{sv} {})", fd="write:/dev/null")

        self.place.sign_in(bob, self.make_token()["token"])
        try:
            self.assertNotIn(marker, self.read_log(bob))
            self.assertIn(f'"uid":{bob.uid}', self.read_log(bob))
            self.assert_error("NotAuthorized", self.read_log, self.alice)
        finally:
            bob.call("Manager.ClearCredential")
            self.place.sign_in(self.alice, self.make_token()["token"])

    @staticmethod
    def lines_of(text):
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    @staticmethod
    def says_credential(text, owner):
        return any('"event":"credential-set"' in line and f'"owner":{owner.uid}' in line for line in text.splitlines())

    def test_the_end_of_a_session_is_its_owners(self):
        """Bob takes over while Alice's tunnel stands: what it says on its way out is in her log, not in his."""
        bob = self.caller("bob")
        self.connect()
        address = self.alice.get("Addresses")[0]
        bus.wait_until(lambda: address in self.place.all_logs(), "the tunnel in the log")
        self.place.bus.polkit.allow("take-over", user="bob")
        try:
            self.place.sign_in(bob, self.make_token()["token"], actor="<'Bob'>", account="<'other'>")
            self.read_log(bob)  # his at once, though her session has yet to end
            self.place.wait_state(bob, "offline")
            bus.wait_until(lambda: f'"uid":{bob.uid}' in self.read_log(bob), "a call of Bob's in his log")
            bus.wait_until(lambda: self.says_credential(self.read_log(bob), bob), "his credential in his log")
            targets = {line["target"] for line in self.lines_of(self.read_log(bob))}
            self.assertLessEqual(targets, {"helper", "control", "ipc"})
            self.assertNotIn(address, self.read_log(bob))

            exported = self.export(bob)
            self.assertTrue([name for name in exported if f".uid-{bob.uid}.log" in name], exported.keys())
            self.assertFalse([name for name in exported if f".uid-{self.alice.uid}.log" in name], exported.keys())
            for name, text in exported.items():
                self.assertNotIn(f'"owner":{self.alice.uid}', text, name)
                self.assertNotIn("Lovelace", text, name)
                self.assertNotIn("intranet", text, name)

            both = {f".uid-{self.alice.uid}.log", f".uid-{bob.uid}.log"}
            self.assertEqual(both, {end for end in both for name in self.export(self.caller("root")) if end in name})
        finally:
            self.place.bus.polkit.set("take-over", "no", "bob")
            bob.call("Manager.ClearCredential")
            self.place.sign_in(self.alice, self.make_token()["token"])
        own = self.export(self.alice)
        self.assertTrue([name for name in own if f".uid-{self.alice.uid}.log" in name], own.keys())
        self.assertFalse([name for name in own if f".uid-{bob.uid}.log" in name], own.keys())
        self.assertNotIn(f'"owner":{bob.uid}', "".join(own.values()), "what Bob has signed in with is his affair")

    def test_an_earlier_run_is_its_owners_too(self):
        """After a restart nobody is signed in: Bob may export, but not what Alice's days were like."""
        bob = self.caller("bob")
        self.connect()
        self.alice.call("Manager.ClearCredential")
        self.place.wait_state(self.alice, "signed-out")
        self.place.stop()
        self.place.start()
        exported = self.export(bob)
        self.assertTrue([name for name in exported if ".log" in name], exported.keys())
        self.assertFalse([name for name in exported if f".uid-{self.alice.uid}.log" in name], exported.keys())
        self.assertNotIn(f'"owner":{self.alice.uid}', "".join(exported.values()))
        self.assertIn(f".uid-{self.alice.uid}.log", " ".join(self.export(self.alice)))

        # Whoever may see others' logs gets them all.
        self.place.sign_in(self.alice, self.make_token()["token"])
        self.place.bus.polkit.allow("diagnostics-other", user="bob")
        try:
            self.assertIn(f".uid-{self.alice.uid}.log", " ".join(self.export(bob)))
        finally:
            self.place.bus.polkit.set("diagnostics-other", "no", "bob")

    def test_a_session_that_goes_on_is_its_owners(self):
        """A killed service goes on where it was: from its first line on in the owner's log."""
        self.connect()
        address = self.alice.get("Addresses")[0]
        self.place.stop(signal.SIGKILL)
        self.place.start()
        self.place.wait_state(self.alice, "connected")
        bus.wait_until(lambda: address in self.read_log(self.alice), "the tunnel in Alice's log")
        for name in os.listdir(self.place.logs):
            if ".uid-" not in name and not name.endswith(".latest"):
                with open(os.path.join(self.place.logs, name), encoding="utf-8") as file:
                    self.assertNotIn(address, file.read(), name)

    def test_log_filter(self):
        root = self.caller("root")
        root.call("Diagnostics.SetLogFilter", "('warn,portal=trace',)")
        self.assertEqual(root.get("LogFilter"), "warn,portal=trace")
        message = self.assert_error("InvalidArgument", root.call, "Diagnostics.SetLogFilter", "('info,=x',)")
        self.assertIn("=x", message)
        self.assertEqual(root.get("LogFilter"), "warn,portal=trace")
        root.call("Diagnostics.SetLogFilter", "('',)")
        self.assertEqual(root.get("LogFilter"), "debug")  # RUST_LOG's

    def test_metrics(self):
        self.assertEqual(self.alice.call("Diagnostics.Metrics"), {})
        self.connect()
        counters = bus.wait_until(lambda: self.alice.call("Diagnostics.Metrics"), "counters")
        self.assertTrue(all(isinstance(value, int) for value in counters.values()), counters)

    def test_exposition(self):
        """Valid with and without a tunnel."""
        self.assertIn("process_cpu_seconds_total", exposition.check(self.alice.call("Diagnostics.Exposition")))
        self.connect()
        families = bus.wait_until(
            lambda: (lambda all: all if "firezone_peers" in all else None)(
                exposition.check(self.alice.call("Diagnostics.Exposition"))), "the tunnel's metrics")
        self.assertIn("firezone_lane_drops_total", families)

    def test_self_test(self):
        rows = {name: (holds, advice) for name, holds, advice in self.alice.call("Diagnostics.SelfTest")}
        self.assertFalse(rows["signed-in"][0])
        self.assertIn("sign in", rows["signed-in"][1])
        self.connect()
        rows = {name: (holds, advice) for name, holds, advice in self.alice.call("Diagnostics.SelfTest")}
        for name in ("rights", "device", "udp", "portal", "clock", "signed-in", "tunnel", "dns", "configuration",
                     "log"):
            self.assertEqual(rows[name], (True, ""), name)

        self.place.portal.stop()
        rows = {name: (holds, advice) for name, holds, advice in self.alice.call("Diagnostics.SelfTest")}
        self.assertFalse(rows["portal"][0])
        self.assertIn("does not answer", rows["portal"][1])

    def test_export(self):
        self.connect()
        target = os.path.join(self.place.folder, "export.tar.gz")
        self.alice.call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:/tmp/{os.path.basename(self.place.folder)}.tar.gz")
        os.rename(f"/tmp/{os.path.basename(self.place.folder)}.tar.gz", target)
        with tarfile.open(target) as archive:
            names = [os.path.basename(name) for name in archive.getnames()]
            texts = "\n".join(archive.extractfile(member).read().decode(errors="replace")
                              for member in archive if member.isfile())
        self.assertIn("state.txt", names)
        self.assertIn("counters.txt", names)
        self.assertTrue(any(name.startswith("tunnel-service.") for name in names), names)
        self.assertIn("State: connected", texts)
        self.assertNotIn("Ada Lovelace", texts)
        self.assert_error("InvalidArgument", self.alice.call, "Diagnostics.Export", "(handle 0, @a{sv} {})",
                          fd="file:/etc/hostname")

    def count_descriptors(self):
        return len(os.listdir(f"/proc/{self.place.process.pid}/fd"))

    def test_descriptors_that_are_no_good(self):
        """Each is refused in words, nothing waits for it, and none is kept."""
        disk = os.path.join(self.place.folder, "small-disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=777", "tmpfs", disk], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        with open(os.path.join(disk, "filler"), "wb") as file:
            file.write(bytes(4096))
        targets = {"file:/etc/hostname": "not open for writing", "path:/etc/hostname": "not open for writing",
                   "file:/tmp": "not open for writing", "path:/tmp": "not open for writing",
                   "pipe": "not open for writing", "device:/dev/full": "neither a file", "device:/dev/null": "neither",
                   "dead-pipe": "Broken pipe", "dead-socket": "Broken pipe", "lonely-socket": "not connected",
                   f"write:{disk}/export": "No space left", "sealed:x": "not permitted"}
        self.connect()
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)")  # nothing comes and goes by itself
        self.place.wait_state(self.alice, "offline")
        self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)")
        before = self.count_descriptors()
        for spec, said in targets.items():
            with self.subTest(spec):
                words = self.assert_error("InvalidArgument", self.alice.call, "Diagnostics.Export",
                                          "(handle 0, @a{sv} {})", fd=spec)
                self.assertIn(said, words)
        for spec in (*targets, "socket", "full-pipe"):
            if spec != "sealed:x":
                with self.subTest(credential=spec):
                    self.assert_error("InvalidArgument", self.alice.call, "Manager.SetCredential",
                                      "(handle 0, @a{sv} {})", fd=spec)
        # Methods that were not asked to take one.
        self.alice.call("Diagnostics.OpenLog", "(@a{sv} {},)", fd="socket")
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)", fd="dead-pipe")
        self.alice.get("State")
        bus.wait_until(lambda: self.count_descriptors() == before, "all descriptors to be closed")
        self.assertEqual(self.alice.get("State"), "offline")

    def test_an_export_into_a_socket(self):
        """Of a kind that the service could wait for; when its reader goes, the export fails."""
        before = self.count_descriptors()
        stuck = self.caller("alice")
        stuck.begin("Diagnostics.Export", "(handle 0, @a{sv} {})", fd="socket").result()
        stuck.leave()
        bus.wait_until(lambda: self.count_descriptors() == before, "the socket to be closed")

    def test_an_export_that_nobody_reads_holds_up_nobody_else(self):
        stuck = self.alice.begin("Diagnostics.Export", "(handle 0, @a{sv} {})", fd="full-pipe")
        again = self.caller("alice")
        message = self.assert_error("Busy", again.call, "Diagnostics.Export", "(handle 0, @a{sv} {})", fd="full-pipe")
        self.assertIn("of yours", message)
        target = f"/tmp/{os.path.basename(self.place.folder)}-root.tar.gz"
        try:
            self.caller("root").call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:{target}")
            with tarfile.open(target) as archive:
                self.assertTrue(archive.getnames())
        finally:
            os.unlink(target)
        self.assertFalse(stuck.is_done())


class Configuration(ServiceTest):
    def write(self, name, text):
        path = os.path.join(self.place.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def tearDown(self):
        super().tearDown()
        for path in (self.place.config, os.path.join(self.place.config + ".d", "10-test.conf")):
            if os.path.exists(path):
                os.remove(path)

    def test_files_are_noticed(self):
        self.write("client.conf", "[portal]\naccount-slug=corp\n[session]\nconnect-on-start=true\n")
        managed = self.wait_property(self.alice, "Managed", bool)
        self.assertEqual(managed, {"account-slug": "corp", "connect-on-start": True})
        self.write("client.conf.d/10-test.conf", "[portal]\naccount-slug=other\n")
        self.wait_property(self.alice, "Managed", lambda managed: managed.get("account-slug") == "other")
        self.write("client.conf.d/10-test.conf", "[portal]\naccount-slug=b a d\n")
        bus.wait_until(lambda: "configuration-problem" in self.place.all_logs(), "the problem in the log")
        self.assertEqual(self.alice.get("Managed")["account-slug"], "other")
        os.remove(os.path.join(self.place.config + ".d", "10-test.conf"))
        os.remove(self.place.config)
        self.wait_property(self.alice, "Managed", lambda managed: managed == {})

    def test_hangup(self):
        before = self.place.all_logs().count("configuration-read")
        self.place.process.send_signal(signal.SIGHUP)
        bus.wait_until(lambda: self.place.all_logs().count("configuration-read") > before, "the files read again")

    def test_portal_is_fixed(self):
        self.write("client.conf", f"[portal]\napi-url={self.place.portal.url}\n")
        self.wait_property(self.alice, "Managed", bool)
        token = self.make_token()["token"]
        self.assert_error("NotAuthorized", self.place.sign_in, self.alice, token, **{"api-url": "<'ws://127.0.0.1:9/'>"})
        self.assertEqual(self.alice.get("State"), "signed-out")
        self.place.sign_in(self.alice, token, **{"api-url": None})
        self.assertEqual(self.alice.get("PortalUrl"), self.place.portal.url)
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "connected")

        self.place.bus.polkit.allow("configure", user="alice")
        try:
            self.place.sign_in(self.alice, token, **{"api-url": "<'ws://127.0.0.1:9/'>"})
            self.assertEqual(self.alice.get("PortalUrl"), "ws://127.0.0.1:9/")
        finally:
            self.place.bus.polkit.set("configure", "no", "alice")

    def hold_configure(self):
        """Alice signs in to another portal than the administrator's; polkit thinks about it."""
        polkit = self.place.bus.polkit
        self.write("client.conf", f"[portal]\napi-url={self.place.portal.url}\n")
        self.wait_property(self.alice, "Managed", bool)
        polkit.asked.clear()
        polkit.set("configure", "hold", "alice")
        self.addCleanup(polkit.set, "configure", "no", "alice")
        pending = self.alice.begin("Manager.SetCredential", "(handle 0, {'api-url': <'ws://127.0.0.1:9/'>})",
                                   fd=f"sealed:{self.make_token()['token']}")
        bus.wait_until(lambda: polkit.held, "the question about the portal")
        self.assertEqual([asked["action"] for asked in polkit.asked], ["credential", "configure"])
        return pending

    def actions_asked_about(self, caller):
        return [asked["action"] for asked in self.place.bus.polkit.asked if asked["uid"] == caller.uid]

    def test_late_yes_and_the_tunnel_is_anothers(self):
        pending, bob = self.hold_configure(), self.caller("bob")
        self.place.sign_in(bob, self.make_token()["token"], **{"api-url": None})
        self.place.bus.polkit.release("yes")
        self.assert_error("NotOwner", pending.result)
        self.assertEqual(self.actions_asked_about(self.alice), ["credential", "configure", "take-over"])
        self.assertEqual(bob.get("Owner"), bob.uid)
        self.assertEqual(bob.get("PortalUrl"), self.place.portal.url)

    def test_late_yes_and_there_is_a_connection(self):
        polkit = self.place.bus.polkit
        pending, other = self.hold_configure(), self.caller("alice")
        self.place.sign_in(other, self.make_token()["token"], **{"api-url": None})
        other.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(other, "connected")
        polkit.set("disconnect", "no", "alice")
        try:
            polkit.release("yes")
            self.assert_error("NotAuthorized", pending.result)
        finally:
            polkit.set("disconnect", "yes", "alice")
        self.assertEqual(self.actions_asked_about(self.alice)[-1], "disconnect")
        self.assertEqual(other.get("State"), "connected")

    def test_late_yes_and_nobody_is_there(self):
        pending = self.hold_configure()
        self.alice.leave()
        bus.wait_until(lambda: self.place.bus.polkit.cancelled, "the question to be withdrawn")
        self.place.bus.polkit.release("yes")
        self.assertFalse(pending.is_done())
        self.assertEqual(self.caller("root").get("Owner"), bus.NO_OWNER)

    def test_late_yes_and_another_portal_is_fixed(self):
        """The administrator makes up his mind while polkit is asked about the credential alone."""
        polkit = self.place.bus.polkit
        polkit.set("credential", "hold", "alice")
        self.addCleanup(polkit.set, "credential", "yes", "alice")
        pending = self.alice.begin("Manager.SetCredential", "(handle 0, {'api-url': <'ws://127.0.0.1:9/'>})",
                                   fd=f"sealed:{self.make_token()['token']}")
        bus.wait_until(lambda: polkit.held, "the question about the credential")
        self.write("client.conf", f"[portal]\napi-url={self.place.portal.url}\n")
        self.wait_property(self.alice, "Managed", bool)
        polkit.release("yes")
        self.assert_error("NotAuthorized", pending.result)
        self.assertEqual(self.alice.get("Owner"), bus.NO_OWNER)

    def test_late_yes_and_nobody_is_signed_in(self):
        """Each method that needs a credential finds out after polkit's answer, not before."""
        polkit = self.place.bus.polkit
        for method, arguments in (("Connect", "(@a{sv} {},)"), ("SetInternetResource", "(true,)")):
            with self.subTest(method):
                self.place.sign_in(self.alice, self.make_token()["token"], **{"api-url": f"<'{self.place.portal.url}'>"})
                polkit.set("connect", "hold", "alice")
                try:
                    pending = self.alice.begin("Manager." + method, arguments)
                    bus.wait_until(lambda: polkit.held, "the question")
                    self.caller("alice").call("Manager.ClearCredential")
                    polkit.release("yes")
                    self.assert_error("NotSignedIn", pending.result)
                finally:
                    polkit.set("connect", "yes", "alice")
                self.assertEqual(self.alice.get("State"), "signed-out")

    def test_late_yes_and_the_log_is_anothers(self):
        """What was the caller's own, or nobody's, needs another right now."""
        polkit, bob = self.place.bus.polkit, self.caller("bob")
        self.place.sign_in(self.alice, self.make_token()["token"], **{"api-url": f"<'{self.place.portal.url}'>"})
        polkit.set("diagnostics", "hold", "alice")
        polkit.allow("take-over", user="bob")
        self.addCleanup(polkit.set, "take-over", "no", "bob")
        self.addCleanup(polkit.set, "diagnostics", "yes", "alice")
        polkit.asked.clear()
        calls = {"OpenLog": ("(@a{sv} {},)", None), "Export": ("(handle 0, @a{sv} {})", "socket"), "SelfTest": ("()", None),
                 "Metrics": ("()", None), "Exposition": ("()", None), "SetLogFilter": ("('trace',)", None)}
        pending = [self.alice.begin("Diagnostics." + name, arguments, fd=fd) for name, (arguments, fd) in calls.items()]
        bus.wait_until(lambda: len(polkit.held) == len(calls), "all questions")
        before = bob.get("LogFilter")
        self.place.sign_in(bob, self.make_token()["token"], **{"api-url": f"<'{self.place.portal.url}'>"})
        polkit.release("yes")
        for name, call in zip(calls, pending):
            with self.subTest(name):
                self.assert_error("NotAuthorized", call.result)
        self.assertEqual(sorted(self.actions_asked_about(self.alice)),
                         sorted(["diagnostics"] * 6 + ["diagnostics-other"] * 5 + ["configure"]))
        self.assertEqual(bob.get("LogFilter"), before)

    def test_check(self):
        path = os.path.join(self.place.folder, "check.conf")
        for text, status, said in (("[log]\nlog-filter=debug\n", 0, "log-filter=debug"),
                                   ("[portal]\nnews=1\n", 0, "unknown"), ("[portal]\napi-url=x\n", 1, "api-url")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            result = subprocess.run([service.SERVICE, "--check-config", path], capture_output=True, text=True,
                                    timeout=bus.DEADLINE_S)
            self.assertEqual(result.returncode, status, result)
            self.assertIn(said, result.stdout + result.stderr)
        os.remove(path)
        result = subprocess.run([service.SERVICE, "--check-config", path], capture_output=True, text=True,
                                timeout=bus.DEADLINE_S)
        self.assertEqual(result.returncode, 1)
        self.assertIn(path, result.stderr)


class Logs(ServiceTest):
    def test_bounded(self):
        """However long it talks, a run keeps so many pages of such a size."""
        self.place.stop()
        self.place.start("--log-file-bytes", "20000", environment={"RUST_LOG": "trace"})
        alice = self.caller("alice")

        def pages():
            latest = os.path.realpath(os.path.join(self.place.logs, "tunnel-service.latest"))
            return [latest + end for end in ("", ".1", ".2", ".3", ".4") if os.path.exists(latest + end)]

        def is_full():
            try:
                self.place.sign_in(alice, "nonsense")
                alice.call("Manager.ClearCredential")
            except bus.CallError as error:
                self.assertEqual(error.name, bus.ERROR + "Busy")  # the next second has calls again
            return len(pages()) >= 4
        bus.wait_until(is_full, "four pages")
        for _ in range(60):
            is_full()
        self.assertEqual(len(pages()), 4)
        for page in pages():
            self.assertLessEqual(os.stat(page).st_size, 20000)


class Journal(ServiceTest):
    """Standard output leads into a journal of the test's own."""

    @classmethod
    def setUpClass(cls):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
        os.mkdir("/run/systemd/journal")
        cls.journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        cls.journal.bind("/run/systemd/journal/socket")
        os.chmod("/run/systemd/journal/socket", 0o777)
        cls.journal.settimeout(bus.DEADLINE_S)
        try:
            super().setUpClass()
        except BaseException:
            cls.leave()
            raise

    @classmethod
    def leave(cls):
        cls.journal.close()
        subprocess.run(["umount", "/run/systemd"], check=True)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.leave()

    def read_until(self, event):
        while True:
            entry = dict(line.split(b"=", 1) for line in self.journal.recv(65536).split(b"\n") if b"=" in line)
            if entry.get(b"FZ_EVENT") == event:
                return entry

    def test_same_fields(self):
        self.place.stop()
        self.place.start(journal=True, environment={"RUST_LOG": "info"})
        entry = self.read_until(b"started")
        self.assertEqual(entry[b"PRIORITY"], b"6")
        self.assertEqual(entry[b"MESSAGE"], b"tunnel service started")
        self.assertEqual(entry[b"FZ_TARGET"], b"helper")
        self.assertIn(b"FZ_KERNEL", entry)
        self.assertEqual(entry[b"SYSLOG_IDENTIFIER"], b"fz-fake-tunnel")

        self.place.sign_in(self.caller("alice"), "marker-for-the-journal")
        entry = self.read_until(b"credential-set")
        self.assertEqual(entry[b"FZ_OWNER"], str(bus.USERS["alice"]).encode())
        self.assertIn("credential-set", self.place.all_logs())     # the file as well
        self.assertNotIn("{", self.place.bus.log_of(self.place.process))  # and nothing twice
        self.place.stop()  # nobody reads any more, and a journal that is full makes its writers wait
        self.place.start()


class Owner(ServiceTest):
    """Sessions made up for logind's readers, in this test's own /run/systemd."""

    @classmethod
    def setUpClass(cls):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
        for name in ("sessions", "seats", "users", "machines"):
            os.mkdir("/run/systemd/" + name)
        try:
            super().setUpClass()
        except BaseException:
            subprocess.run(["umount", "/run/systemd"], check=True)
            raise

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        subprocess.run(["umount", "/run/systemd"], check=True)

    @staticmethod
    def write(path, text):
        with open("/run/systemd/.new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename("/run/systemd/.new", "/run/systemd/" + path)

    def log_in(self, *sessions, state="active"):
        """Alice has these sessions and no others."""
        uid = bus.USERS["alice"]
        for name in os.listdir("/run/systemd/sessions"):
            if name not in sessions:
                os.remove("/run/systemd/sessions/" + name)
        for name in sessions:
            self.write(f"sessions/{name}", f"UID={uid}\nUSER=alice\nACTIVE=1\nSTATE={state}\nREMOTE=0\nTYPE=x11\n"
                                           f"CLASS=user\nSCOPE={name}.scope\n")
        if sessions:
            self.write(f"users/{uid}", f"UID={uid}\nNAME=alice\nSTATE=active\nSESSIONS={' '.join(sessions)}\n")
        elif os.path.exists(f"/run/systemd/users/{uid}"):
            os.remove(f"/run/systemd/users/{uid}")

    def tearDown(self):
        self.log_in()
        super().tearDown()
        if os.path.exists(self.place.config):
            os.remove(self.place.config)

    def test_last_session_ends(self):
        self.log_in("c1", "c2")
        self.connect()
        self.log_in("c2")
        self.alice.call("Manager.Reconnect")
        self.assertEqual(self.place.wait_state(self.alice, "connected"), "connected")
        self.log_in()
        self.place.wait_state(self.alice, "signed-out")
        self.assertEqual(self.alice.get("StateReason"), "owner-left")
        self.assertEqual(self.place.manager.names(), [])

    def test_last_session_is_closing(self):
        self.log_in("c1")
        self.connect()
        self.log_in("c1", state="closing")
        self.place.wait_state(self.alice, "signed-out")

    def test_owner_leaves_while_the_service_is_down(self):
        self.log_in("c1")
        self.connect()
        bus.wait_until(lambda: "owner-was-here=true" in self.kept_text(), "the owner's being here kept")
        self.place.stop(signal.SIGKILL)
        self.log_in()
        self.place.start()
        self.place.wait_state(self.caller("alice"), "signed-out")

    def kept_text(self):
        _, fds = self.place.manager.lend()
        try:
            return "".join(os.pread(fd, 4096, 0).decode(errors="replace") for fd in fds)
        finally:
            for fd in fds:
                os.close(fd)

    def test_owner_without_a_session_cannot_leave(self):
        self.connect()
        self.write("sessions/x1", f"UID={bus.USERS['bob']}\nUSER=bob\nSTATE=active\nCLASS=user\n")
        os.remove("/run/systemd/sessions/x1")
        self.alice.call("Manager.Reconnect")
        self.assertEqual(self.place.wait_state(self.alice, "connected"), "connected")

    def test_tunnel_is_kept(self):
        with open(self.place.config, "w", encoding="utf-8") as file:
            file.write("[session]\nwhen-owner-leaves=keep\n")
        os.chmod(self.place.config, 0o644)
        self.place.process.send_signal(signal.SIGHUP)
        bus.wait_until(lambda: "configuration-read" in self.place.all_logs(), "the setting read")
        self.log_in("c1")
        self.connect()
        self.log_in()
        bus.wait_until(lambda: "the tunnel stays" in self.place.all_logs(), "the owner's leaving in the log")
        self.assertEqual(self.alice.get("State"), "connected")
        self.assertEqual(self.alice.get("Owner"), self.alice.uid)


class Secrets(ServiceTest):
    def test_markers_are_nowhere(self):
        """A token with a shape of its own is looked for wherever something could have left it."""
        token = self.make_token()["token"]
        self.assertGreater(len(token), 20)
        monitor = self.place.bus._spawn(["dbus-monitor", "--binary", "--address", self.place.bus.address],
                                        log="monitor.bin")
        bus.wait_until(lambda: os.path.getsize(monitor.log) > 0, "the monitor")
        self.caller("root").call("Diagnostics.SetLogFilter", "('trace',)")

        self.place.sign_in(self.alice, token)
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "connected")
        self.alice.call("Manager.Reconnect")
        self.place.wait_state(self.alice, "connected")
        path = f"/tmp/{os.path.basename(self.place.folder)}-2.tar.gz"
        self.alice.call("Diagnostics.Export", "(handle 0, @a{sv} {})", fd=f"write:{path}")
        with tarfile.open(path) as archive:
            exported = b"".join(archive.extractfile(member).read() for member in archive if member.isfile())
        os.remove(path)

        pid = self.place.process.pid
        places = {"export": exported, "logs": self.place.all_logs().encode(),
                  "output": self.place.bus.log_of(self.place.process).encode(),
                  "notify": "\n".join(self.place.manager.messages).encode()}
        for name in ("cmdline", "environ", "comm"):
            with open(f"/proc/{pid}/{name}", "rb") as file:
                places[name] = file.read()
        bus.wait_until(lambda: os.path.getsize(monitor.log) > 2000, "traffic in the monitor")
        with open(monitor.log, "rb") as file:
            places["bus"] = file.read()
        self.assertGreater(len(places["logs"]), 1000)
        self.assertGreater(len(exported), 1000)

        # The whole, and its last part: what is left of a token when somebody cuts off its head.
        for marker in (token.encode(), token[-24:].encode()):
            for name, content in places.items():
                self.assertNotIn(marker, content, f"the token stands in {name}")
        self.assertIn(b"tunnel", places["cmdline"])
        self.assertIn(b"SetCredential", places["bus"])
        self.assertIn(b"credential-set", places["logs"])
        self.place.bus.stop(monitor)

        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            self.assertRegex(file.read(), r"Max core file size\s+0\s+0")
        if "ASAN_OPTIONS" not in os.environ:  # nobody of its own user looks into it
            self.assertEqual(os.stat(f"/proc/{pid}/environ").st_uid, 0)

    def test_environment_is_not_a_way(self):
        """A token in the environment is wiped from there, and used for nothing."""
        self.place.stop()
        self.place.start(environment={"FIREZONE_TOKEN": "marker-in-the-environment"})
        with open(f"/proc/{self.place.process.pid}/environ", "rb") as file:
            self.assertNotIn(b"marker-in-the-environment", file.read())
        self.assertEqual(self.caller("alice").get("State"), "signed-out")


class Real(ServiceTest):
    """The installed program itself, with the kernel of a network namespace."""

    PROGRAM = service.REAL_SERVICE

    @staticmethod
    def ip(*words):
        return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout

    def is_clean(self):
        return "tun-firezone" not in self.ip("link") and "0x2021fd" not in self.ip("rule").lower() + self.ip("-6", "rule").lower()

    def test_device_is_real(self):
        self.connect()
        addresses = self.alice.get("Addresses")
        shown = self.ip("-o", "address", "show", "dev", "tun-firezone")
        for address in addresses:
            self.assertIn(f" {address}/", shown)
        self.assertIn("10.20.0.0/24", self.ip("route", "show", "table", "all"))
        rows = {name: holds for name, holds, _ in self.alice.call("Diagnostics.SelfTest")}
        self.assertTrue(rows["rights"] and rows["device"] and rows["udp"], rows)
        self.assertIn("multi-queue:", " ".join(self.alice.get("Features")))
        self.alice.call("Manager.Disconnect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "offline")
        bus.wait_until(self.is_clean, "routes, rules and device gone")

    def test_killed_and_back(self):
        self.connect()
        before = self.alice.get("Addresses")
        self.place.stop(signal.SIGKILL)
        self.place.start()
        alice = self.caller("alice")
        self.place.wait_state(alice, "connected")
        self.assertEqual(alice.get("Addresses"), before)
        self.assertEqual(self.ip("-o", "-4", "rule").count("100:"), 1)

    def test_stopped(self):
        self.connect()
        self.assertEqual(self.place.stop(), 0)
        self.assertTrue(self.is_clean())

    def test_rights(self):
        """One capability, none to be had again, and nobody looks into it."""
        with open(f"/proc/{self.place.process.pid}/status", encoding="ascii") as file:
            status = dict(line.split(":", 1) for line in file)
        net_admin = 1 << 12
        for name in ("CapEff", "CapPrm"):
            self.assertEqual(int(status[name], 16), net_admin, name)
        for name in ("CapInh", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        self.assertEqual(status["Uid"].split(), [str(bus.USERS[bus.SERVICE_USER])] * 4)

    def test_without_the_right(self):
        """It is there, and says what is missing."""
        self.place.stop()
        uid = str(bus.USERS[bus.SERVICE_USER])
        self.place.process = self.place.bus.start(
            "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--bounding-set=-net_admin",
            service.REAL_SERVICE, "--config", self.place.config, "--log-dir", self.place.logs, "--firezone-id", "x",
            "--dns-control", "disabled", user="root")
        self.alice = self.caller("alice")
        self.place.sign_in(self.alice, self.make_token()["token"])
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "error")
        self.assertEqual(self.alice.get("StateReason"), "no-rights")
        self.assertIn("CAP_NET_ADMIN", self.alice.get("StateDetail"))
        self.place.stop()
        self.place.start()


def enter_network():
    """A network namespace with a loopback device, for the program that opens real devices."""
    if os.environ.get("FZ_SERVICE_NETWORK") != "1":
        if os.geteuid() != 0 or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            bus.skip("needs root and /dev/net/tun")
        if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
            bus.skip("no right to make a network namespace")
        os.environ["FZ_SERVICE_NETWORK"] = "1"
        os.execvp("unshare", ["unshare", "-n", bus.PYTHON, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


if __name__ == "__main__":
    if any(word.split(".")[0] == "Real" for word in sys.argv[1:]):
        enter_network()
    elif len(sys.argv) == 1:
        del Real  # asked for by name
    bus.enter()
    unittest.main(verbosity=2)
