#!/usr/bin/python3
"""The real service: a portal that is away, refuses or ends the session; and what others see of its words.

Usage: test_service_portal.py [CLASS[.METHOD] …]
"""

import json
import os
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus  # noqa: E402
from service_case import ServiceTest  # noqa: E402


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
                try:
                    peer.recv(65536)
                    peer.sendall(self._answer)
                except OSError:
                    pass  # whoever asked does not want to know any more

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


class Portal(ServiceTest):
    def test_portal_dies_and_comes_back(self):
        self.connect()
        self.alice.forget_signals()
        self.place.portal.stop(signal.SIGKILL)
        self.place.wait_state(self.alice, "degraded")
        self.assertEqual(self.alice.get("StateReason"), "portal-unreachable")
        self.wait_property(self.alice, "PortalState", lambda state: state == "retrying")
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
            self.wait_property(self.alice, "PortalState", lambda state: state == "retrying")
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
        self.wait_property(self.alice, "Owner", lambda owner: owner == bus.NO_OWNER)
        event = self.alice.wait_signal("Event", lambda message: message["arguments"][0] == "sign-in-needed")
        self.assertEqual(event["arguments"][1], {"reason": "session-revoked"})
        bus.wait_until(lambda: self.place.manager.names() == [], "an empty descriptor store")

    def test_token_is_nonsense(self):
        self.place.sign_in(self.alice, "nonsense")
        self.alice.call("Manager.Connect", "(@a{sv} {},)")
        self.place.wait_state(self.alice, "signed-out")
        self.assertEqual(self.alice.get("StateReason"), "session-revoked")


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
                if state == "signed-out":
                    self.wait_property(self.alice, "Owner", lambda owner: owner == bus.NO_OWNER)
                else:
                    bus.wait_until(lambda: "mark-detail" in self.alice.get("StateDetail"), "the portal's words")
                self.assert_blind(bob, code)
            finally:
                fake.close()

        # Nor does what leaves the machine, though nobody is signed in any more who could say what is a name.
        for caller in (self.alice, self.caller("root")):
            for name, text in self.export(caller).items():
                for marker in self.MARKERS:
                    self.assertNotIn(marker.lower(), text.lower(), name)


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
