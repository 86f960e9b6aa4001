#!/usr/bin/python3
"""The real service: the installed program itself, over real devices.

Usage: test_service_real.py [CLASS[.METHOD] …]
"""

import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus  # noqa: E402
import service  # noqa: E402
from service_case import ServiceTest  # noqa: E402


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
        bus.wait_until(lambda: "10.20.0.0/24" in self.ip("route", "show", "table", "all"), "the resource's route")
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
        bus.wait_until(self.is_clean, "routes, rules and device gone")

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


if __name__ == "__main__":
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        bus.skip("needs /dev/net/tun")
    bus.enter()
    unittest.main(verbosity=2)
