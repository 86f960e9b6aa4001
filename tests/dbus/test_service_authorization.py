#!/usr/bin/python3
"""The real service, connected: what polkit does not allow does not happen, and it is what its XML says."""

import os
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bus  # noqa: E402
from bus import ERROR, NAME, PATH  # noqa: E402
from service_case import ServiceTest  # noqa: E402
from test_authorization import FREE, INTROSPECT, MANAGED, METHODS, PROPERTIES, describe, error_of  # noqa: E402

VOLATILE = {"PortalRtt", "Rtt", "LastActivity", "TxBytes", "RxBytes", "LastHandshake"}  # these move by themselves


class Service(ServiceTest):
    def setUp(self):
        super().setUp()
        self.connect()

    def see(self):
        """All that root sees, but for what moves by itself."""
        root = self.caller("root")
        objects = root.call(MANAGED)
        objects[PATH] = {NAME + ".Manager": root.call(PROPERTIES + "GetAll", f"('{NAME}.Manager',)")}
        return {path: {name: {p: v for p, v in values.items() if p not in VOLATILE} for name, values in interfaces.items()}
                for path, interfaces in objects.items() if "/relay/" not in path}

    def test_refused_calls_change_nothing(self):
        polkit = self.place.bus.polkit
        saved, default = dict(polkit.answers), polkit.default
        bus.wait_until(lambda: self.see() == self.see(), "things to settle")
        before = self.see()
        try:
            polkit.answers.clear()
            for user in ("alice", "bob", "root"):
                self.refuse_all(self.caller(user), polkit)
        finally:
            polkit.answers.update(saved)
            polkit.default = default
        self.assertEqual(self.see(), before)

    def refuse_all(self, caller, polkit):
        for polkit.default in ("no", "challenge", "dismissed", "error"):
            for method, (arguments, fd, *_) in METHODS.items():
                with self.subTest(user=caller.user, answer=polkit.default, method=method):
                    self.assertEqual(error_of(caller.call, method, arguments, fd=fd), ERROR + "NotAuthorized")

    def test_connect_alone_is_not_enough_for_anothers_tunnel(self):
        polkit, bob = self.place.bus.polkit, self.caller("bob")
        before = self.see()
        for action in ("connect", "disconnect", "credential", "diagnostics"):
            self.assertEqual(polkit.answers[(action, None)], "yes")
        for method, (arguments, fd, _own, _nobodys, others) in METHODS.items():
            with self.subTest(method):
                error = "NotOwner" if others[-1] == "take-over" else "NotAuthorized"
                self.assertEqual(error_of(bob.call, method, arguments, fd=fd), ERROR + error)
        self.assertEqual(self.see(), before)

    def test_free_calls(self):
        bob = self.caller("bob")
        for method, arguments in FREE.items():
            self.assertIn(error_of(bob.call, method, arguments), (None, ERROR + "InvalidArgument"))

    def test_stranger_sees_no_names(self):
        bob = self.caller("bob")
        self.assertEqual(bob.call(MANAGED), {})
        self.assertNotIn("resource", bob.call(INTROSPECT))
        values = bob.call(PROPERTIES + "GetAll", f"('{NAME}.Manager',)")
        self.assertEqual((values["Account"], values["Actor"]), ("", ""))
        self.assertEqual(values["State"], "connected")

    def test_introspection(self):
        tree = ElementTree.parse(os.path.join(bus.SOURCE, "data", f"{NAME}.xml"))
        wanted = {node.get("name"): describe(node) for node in tree.iter("interface")}
        objects = self.alice.call(MANAGED)
        self.assertTrue([path for path in objects if "/resource/" in path])
        seen = set()
        for path in (PATH, *objects):
            for node in ElementTree.fromstring(self.alice.call(INTROSPECT, path=path)).iter("interface"):
                if node.get("name").startswith(NAME):
                    seen.add(node.get("name"))
                    self.assertEqual(describe(node), wanted[node.get("name")])
        self.assertLessEqual({f"{NAME}.{name}" for name in ("Manager", "Diagnostics", "Resource")}, seen)


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2, defaultTest="Service")
