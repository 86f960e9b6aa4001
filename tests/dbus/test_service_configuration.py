#!/usr/bin/python3
"""The real service: files that change, what is fixed by them, and a yes that comes late.

Usage: test_service_configuration.py [CLASS[.METHOD] …]
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


class Configuration(ServiceTest):
    def write(self, name, text):
        path = os.path.join(self.place.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def tearDown(self):
        for path in (self.place.config, os.path.join(self.place.config + ".d", "10-test.conf")):
            if os.path.exists(path):
                os.remove(path)
        if self.place.process.poll() is None:
            self.wait_property(self.caller("root"), "Managed", lambda managed: managed == {})
        super().tearDown()

    def test_files_are_noticed(self):
        self.write("client.conf", "[portal]\naccount-slug=corp\n[session]\nconnect-on-start=true\n")
        self.wait_property(self.alice, "Managed", lambda managed: managed == {"account-slug": "corp", "connect-on-start": True})
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


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
