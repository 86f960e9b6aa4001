#!/usr/bin/python3
"""The real service: killed, stopped, started again; its owner leaves.

Usage: test_service_restart.py [CLASS[.METHOD] …]
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


class Restart(ServiceTest):
    def test_killed_and_connected_again(self):
        self.connect()
        bus.wait_until(lambda: len(self.place.manager.names()) == 1, "the credential with the service manager")
        self.kept_wish("true")
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
        self.kept_wish("false")
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
        bus.wait_until(lambda: self.place.manager.names() == [], "an empty descriptor store")

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
        with open(self.place.config + ".new", "w", encoding="utf-8") as file:
            file.write("[session]\nwhen-owner-leaves=keep\n")
        os.chmod(file.name, 0o644)
        before = self.place.all_logs().count("configuration-read")
        os.rename(file.name, self.place.config)
        self.place.process.send_signal(signal.SIGHUP)
        bus.wait_until(lambda: self.place.all_logs().count("configuration-read") > before, "the setting read")
        self.log_in("c1")
        self.connect()
        self.log_in()
        bus.wait_until(lambda: "the tunnel stays" in self.place.all_logs(), "the owner's leaving in the log")
        self.assertEqual(self.alice.get("State"), "connected")
        self.assertEqual(self.alice.get("Owner"), self.alice.uid)


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
