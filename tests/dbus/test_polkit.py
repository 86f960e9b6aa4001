#!/usr/bin/python3
"""The real polkitd with our .policy: what a person at the machine, away from it, or elsewhere may do."""

import os
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bus  # noqa: E402
from bus import ACTION, ERROR, CallError  # noqa: E402

POLICY = os.path.join(bus.SOURCE, "data", "dev.firezone.Client.tunnel1.policy")
EXAMPLES = os.path.join(bus.SOURCE, "data", "examples")

# desktop-integration.md §3, and beside it whose logs are read: any, inactive, active
TABLE = {
    "connect": ("auth_admin", "no", "yes"),
    "disconnect": ("auth_admin", "no", "yes"),
    "credential": ("auth_admin", "no", "yes"),
    "diagnostics": ("auth_admin", "no", "yes"),
    "take-over": ("auth_admin", "no", "auth_admin_keep"),
    "diagnostics-other": ("auth_admin", "no", "auth_admin_keep"),
    "configure": ("auth_admin", "no", "auth_admin_keep"),
}


class PolkitCase(unittest.TestCase):
    RULES = ()

    @classmethod
    def setUpClass(cls):
        cls.system = bus.SystemBus("real", rules=cls.RULES)
        cls.addClassCleanup(cls.system.close)
        polkit = cls.system.polkit
        cls.sessions = {"alice": polkit.add_session("alice", "active"),
                        "bob": polkit.add_session("bob", "inactive"),
                        "carol": polkit.add_session("carol", "remote")}
        polkit.start()
        cls.system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel")

    def setUp(self):
        self.caller("root").call("Manager.ClearCredential")

    def caller(self, user, at_session=True):
        caller = self.system.caller(user, cgroup=self.sessions.get(user) if at_session else None)
        self.addCleanup(caller.leave)
        return caller

    def assert_refused(self, name, words, call, *args, **options):
        with self.assertRaises(CallError) as raised:
            call(*args, **options)
        self.assertEqual(raised.exception.name, ERROR + name, raised.exception)
        self.assertIn(words, raised.exception.message)


class Defaults(PolkitCase):
    def test_active_local_user_needs_no_prompt(self):
        """Sign in, connect, read the log, disconnect, sign out: not one question, not even a possible one."""
        alice = self.caller("alice")
        alice.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        alice.call("Manager.Connect", "({},)")
        self.assertEqual(alice.call("Manager.WaitForState", "(['connected'], uint32 20000)"), "connected")
        alice.call("Manager.SetInternetResource", "(true,)")
        log = alice.call("Diagnostics.OpenLog", "({},)")
        self.assertIn('"severity"', log["text"])
        self.assertTrue(log["is_read_only"])
        alice.call("Diagnostics.Metrics")
        alice.call("Diagnostics.SetLogFilter", "('debug',)")
        alice.call("Manager.Disconnect", "({},)")
        alice.call("Manager.ClearCredential")

    def test_active_user_is_asked_about_anothers_tunnel(self):
        self.caller("root").call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        alice = self.caller("alice")
        self.assert_refused("NotOwner", "did not allow to ask", alice.call, "Manager.Disconnect", "({},)")
        self.assert_refused("NotOwner", "agent", alice.call, "Manager.Disconnect", "({},)", interactive=True)
        self.assert_refused("NotAuthorized", "did not allow to ask", alice.call, "Diagnostics.OpenLog", "({},)")
        self.assert_refused("NotAuthorized", "did not allow to ask", alice.call, "Diagnostics.SetLogFilter", "('debug',)")
        self.assertEqual(alice.get("Owner"), 0)

    def test_inactive_session_is_refused(self):
        bob = self.caller("bob")
        for interactive in (False, True):
            self.assert_refused("NotAuthorized", "does not allow", bob.call, "Manager.SetCredential", "(handle 0, {})",
                                fd="sealed:token", interactive=interactive)
        self.assertEqual(bob.get("State"), "signed-out")

    def test_remote_session_is_asked(self):
        carol = self.caller("carol")
        self.assert_refused("NotAuthorized", "did not allow to ask", carol.call, "Manager.Connect", "({},)")
        self.assert_refused("NotAuthorized", "agent", carol.call, "Manager.Connect", "({},)", interactive=True)

    def test_no_session_is_asked(self):
        """A service, or cron."""
        carol = self.caller("carol", at_session=False)
        self.assert_refused("NotAuthorized", "did not allow to ask", carol.call, "Manager.Connect", "({},)")

    def test_remote_session_is_asked_on_its_terminal(self):
        """firezone starts polkit's agent for terminals, which asks for an administrator's password."""
        import pty
        import signal
        if shutil.which("pkttyagent") is None:
            self.skipTest("pkttyagent is not installed")
        shell = f'echo $$ > {self.sessions["carol"]}/cgroup.procs && exec "$@"'
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("sh", ["sh", "-c", shell, "sh", *bus.as_user("carol"), f"{bus.BUILD}/src/cli/firezone", "disconnect"],
                       {**self.system.environment, "TERM": "dumb"})
        seen = ""
        try:
            for words in ("AUTHENTICATING FOR dev.firezone.Client.tunnel1.disconnect", "Authentication is required to disconnect Firezone"):
                while words not in seen:
                    seen += os.read(terminal, 65536).decode()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)

    def test_root(self):
        root = self.caller("root")
        root.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        root.call("Manager.Connect", "({},)")
        root.call("Diagnostics.SetLogFilter", "('debug',)")

    def test_one_liner(self):
        """What a person types, without sudo."""
        alice = f'echo $$ > {self.sessions["alice"]}/cgroup.procs && exec "$@"'
        ran = subprocess.run(["sh", "-c", alice, "sh", *bus.as_user("alice"), "gdbus", "call", "--system", "-d", bus.NAME,
                              "-o", bus.PATH, "-m", bus.NAME + ".Manager.Disconnect", "{}"],
                             capture_output=True, text=True, env=self.system.environment, timeout=bus.DEADLINE_S)
        self.assertEqual((ran.returncode, ran.stdout), (0, "()\n"), ran.stderr)


def read_example(name):
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


class GroupRule(PolkitCase):
    """The example for administrators that lets a group in from anywhere; here the group is carol's."""

    RULES = (read_example("50-firezone-group.rules").replace('"vpn"', '"carol"'),)

    def test_group_connects_from_anywhere(self):
        carol = self.caller("carol")
        carol.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        carol.call("Manager.Connect", "({},)")

    def test_others_are_where_they_were(self):
        self.assert_refused("NotAuthorized", "does not allow", self.caller("bob").call, "Manager.Connect", "({},)")


class AlwaysOn(PolkitCase):
    """The example for administrators that asks for a password before anything ends the connection."""

    RULES = (read_example("50-firezone-always-on.rules"),)

    def test_no_way_around(self):
        alice = self.caller("alice")
        alice.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        alice.call("Manager.Connect", "({},)")
        for method, arguments, fd in (("Disconnect", "({},)", None), ("ClearCredential", "()", None),
                                      ("SetCredential", "(handle 0, {})", "sealed:other")):
            self.assert_refused("NotAuthorized", "tunnel1.disconnect needs an authentication", alice.call,
                                "Manager." + method, arguments, fd=fd)
        self.assertIn(alice.get("State"), ("connecting", "connected"))
        self.caller("root").call("Manager.Disconnect", "({},)")


class Policy(unittest.TestCase):
    """The file itself."""

    def setUp(self):
        self.actions = {node.get("id"): node for node in ElementTree.parse(POLICY).iter("action")}

    def test_defaults(self):
        self.assertEqual(set(self.actions), {ACTION + name for name in TABLE})
        for name, (any_, inactive, active) in TABLE.items():
            defaults = self.actions[ACTION + name].find("defaults")
            self.assertEqual([defaults.findtext(f"allow_{kind}") for kind in ("any", "inactive", "active")],
                             [any_, inactive, active], name)

    def test_service_may_ask(self):
        """Without the owner annotation polkit answers nobody but root."""
        for name, action in self.actions.items():
            owners = [a.text for a in action.iter("annotate") if a.get("key") == "org.freedesktop.policykit.owner"]
            self.assertEqual(owners, ["unix-user:firezone-client"], name)

    def test_words(self):
        for name, action in self.actions.items():
            self.assertTrue(action.findtext("description"), name)
            self.assertRegex(action.findtext("message"), r"Authentication is required", name)


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
