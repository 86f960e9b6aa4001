"""What the tests of the real service begin with.

A real portal on loopback, the real bus policy, a mock of polkit, a service manager of our own with a
descriptor store. Only the TUN device is made of memory.
"""

import os
import sys
import tarfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus  # noqa: E402
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
