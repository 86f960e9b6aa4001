#!/usr/bin/python3
"""The real service: signing in, connecting, what it shows to whom, another user.

Usage: test_service_life.py [CLASS[.METHOD] …]
"""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus  # noqa: E402
from service_case import RESOURCES, ServiceTest  # noqa: E402


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


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
