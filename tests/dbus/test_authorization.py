#!/usr/bin/python3
"""Who may do what: every method by every kind of caller, limits, leaving, descriptors, privacy.

Against fz-mock-tunnel, which is the service's bus side (src/ipc) with the real bus policy; polkit is a
mock that says what the .policy file's defaults would say to each kind of caller.
"""

import os
import signal
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bus  # noqa: E402
from bus import ERROR, NAME, NO_OWNER, PATH, CallError  # noqa: E402

PROPERTIES = "org.freedesktop.DBus.Properties."
MANAGED = "org.freedesktop.DBus.ObjectManager.GetManagedObjects"
INTROSPECT = "org.freedesktop.DBus.Introspectable.Introspect"
DBUS_ERROR = "org.freedesktop.DBus.Error."

# desktop-integration.md §3: what polkit says by default to (any, inactive, active)
DEFAULTS = {
    "connect": ("challenge", "no", "yes"),
    "disconnect": ("challenge", "no", "yes"),
    "credential": ("challenge", "no", "yes"),
    "diagnostics": ("challenge", "no", "yes"),
    "take-over": ("challenge", "no", "challenge"),
    "diagnostics-other": ("challenge", "no", "challenge"),
    "configure": ("challenge", "no", "challenge"),
}
REMOTE, INACTIVE, ACTIVE = range(3)

# method -> arguments, descriptor, actions needed on the own tunnel, on nobody's, on another's
ON_TUNNEL = {
    "Manager.Connect": ("({},)", None, "connect"),
    "Manager.Disconnect": ("({},)", None, "disconnect"),
    "Manager.Reconnect": ("()", None, "connect"),
    "Manager.SetCredential": ("(handle 0, {})", "sealed:token", "credential"),
    "Manager.ClearCredential": ("()", None, "credential"),
    "Manager.SetInternetResource": ("(true,)", None, "connect"),
}
READING = {
    "Diagnostics.OpenLog": ("({},)", None),
    "Diagnostics.Export": ("(handle 0, {})", "write:/dev/null"),
    "Diagnostics.SelfTest": ("()", None),
    "Diagnostics.Metrics": ("()", None),
    "Diagnostics.Exposition": ("()", None),
}
METHODS = {
    **{m: (a, fd, [x], [x], [x, "take-over"]) for m, (a, fd, x) in ON_TUNNEL.items()},
    **{m: (a, fd, ["diagnostics"], ["diagnostics"], ["diagnostics-other"]) for m, (a, fd) in READING.items()},
    "Diagnostics.SetLogFilter": ("('debug',)", None, ["diagnostics"], ["configure"], ["configure"]),
}
FREE = {
    "Manager.WaitForState": "(['signed-out', 'offline', 'connected', 'connecting'], uint32 0)",
    "Diagnostics.Subscribe": "(uint32 60000,)",
    "Diagnostics.Unsubscribe": "(uint32 4000000,)",
}
OWNERSHIPS = ("own", "nobody's", "another's")


def error_of(call, *args, **options):
    """The name of the error that call(…) raises; None if it succeeds."""
    try:
        call(*args, **options)
    except CallError as error:
        return error.name
    return None


class Case(unittest.TestCase):
    """One bus and one service for the tests of a class; each test begins signed out."""

    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.system = bus.SystemBus()
        cls.addClassCleanup(cls.system.close)
        cls.service = cls.system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel", *cls.ARGUMENTS)

    def setUp(self):
        self.callers = []
        self.system.polkit.reset("yes")
        self.system.test("Hold", "(false,)")
        self.caller("root").call("Manager.ClearCredential")
        self.system.polkit.reset()
        self.addCleanup(self.leave_all)
        self.addCleanup(lambda: self.assertIsNone(self.service.poll(), self.system.log_of(self.service)))

    def leave_all(self):
        for caller in self.callers:
            caller.leave()

    def caller(self, user, **options):
        caller = self.system.caller(user, **options)
        self.callers.append(caller)
        return caller

    def sign_in(self, user="alice"):
        """Lets `user` own the tunnel; returns the caller."""
        caller = self.caller(user)
        self.system.polkit.allow("credential", "connect", user=user)
        caller.call("Manager.SetCredential", "(handle 0, {'account': <'acme'>, 'actor': <'Alice'>})",
                    fd="sealed:token")
        return caller

    def connect(self, caller):
        caller.call("Manager.Connect", "({},)")
        caller.call("Manager.WaitForState", "(['connected'], uint32 20000)")

    def assert_error(self, name, call, *args, **options):
        with self.assertRaises(CallError) as raised:
            call(*args, **options)
        self.assertEqual(raised.exception.name, name if "." in name else ERROR + name, raised.exception)
        return raised.exception.message


class Matrix(Case):
    """Every method × every kind of caller × whose tunnel it is: what is asked, and what comes of it."""

    ARGUMENTS = ("--own-pace",)

    def answers(self, kind):
        if kind == "root":
            return {action: "yes" for action in DEFAULTS}
        column = {"inactive": INACTIVE, "remote": REMOTE}.get(kind, ACTIVE)
        return {action: row[column] for action, row in DEFAULTS.items()}

    def check(self, caller, kind, method, ownership):
        arguments, fd, *needed = METHODS[method]
        needed = needed[OWNERSHIPS.index(ownership)]
        owner = {"own": caller.uid, "nobody's": NO_OWNER, "another's": bus.USERS["carol"]}[ownership]
        self.system.test("SetOwner", f"(uint32 {owner},)")
        self.system.test("SetState", "('offline', '', '')")
        polkit, answers = self.system.polkit, self.answers(kind)
        polkit.reset()
        for action, answer in answers.items():
            polkit.answers[(action, caller.uid)] = answer
        before = self.system.test("Calls")
        refused = next((action for action in needed if answers[action] != "yes"), None)

        error = error_of(caller.call, method, arguments, fd=fd)

        done = self.system.test("Calls")[len(before):]
        until = needed.index(refused) + 1 if refused else len(needed)
        self.assertEqual([asked["action"] for asked in polkit.asked], needed[:until])
        self.assertTrue(all(asked["subject"] == caller.name for asked in polkit.asked) or kind == "sandboxed")
        if refused is None:
            self.assertEqual(done, [f"{method.split('.')[1]} {caller.uid}"])
            self.assertNotIn(error, (ERROR + "NotAuthorized", ERROR + "NotOwner"))
        else:
            self.assertEqual(done, [])
            self.assertEqual(error, ERROR + ("NotOwner" if refused == "take-over" else "NotAuthorized"))

    def walk(self, caller, kind):
        for method in METHODS:
            for ownership in OWNERSHIPS:
                with self.subTest(caller=kind, method=method, tunnel=ownership):
                    self.check(caller, kind, method, ownership)
        for method, arguments in FREE.items():
            with self.subTest(caller=kind, method=method):
                self.system.polkit.reset()
                self.assertIn(error_of(caller.call, method, arguments), (None, ERROR + "InvalidArgument"))
                self.assertEqual(self.system.polkit.asked, [])

    def test_root(self):
        self.walk(self.caller("root"), "root")

    def test_active_local_user(self):
        self.walk(self.caller("alice"), "active")

    def test_other_active_local_user(self):
        self.sign_in("alice")
        self.walk(self.caller("bob"), "active")

    def test_inactive_session(self):
        self.walk(self.caller("alice"), "inactive")

    def test_remote_session(self):
        self.walk(self.caller("alice"), "remote")

    def test_sandboxed(self):
        self.walk(self.caller("alice", address=self.start_proxy(f"--talk={NAME}")), "sandboxed")

    def start_proxy(self, *rights):
        """What a Flatpak's connection to the system bus goes through."""
        folder = os.path.join(self.system.folder, f"proxy-{self._testMethodName}")
        os.mkdir(folder)
        os.chown(folder, bus.USERS["alice"], bus.USERS["alice"])
        socket = os.path.join(folder, "socket")
        proxy = self.system.start("xdg-dbus-proxy", self.system.address, socket, "--filter", *rights,
                                  user="alice", name=None)
        self.addCleanup(lambda: self.system.stop(proxy))
        bus.wait_until(lambda: bus.listens(socket), "the proxy's socket")
        return f"unix:path={socket}"

    def test_sandboxed_without_the_right_to_talk(self):
        boxed = self.caller("alice", address=self.start_proxy())
        self.system.polkit.reset("yes")
        before = self.system.test("Calls")
        self.assert_error(DBUS_ERROR + "ServiceUnknown", boxed.call, "Manager.Disconnect", "({},)")
        self.assertEqual(self.system.test("Calls"), before)

    def test_table_is_complete(self):
        tree = ElementTree.parse(os.path.join(bus.SOURCE, "data", f"{NAME}.xml"))
        methods = {f"{i.get('name').rsplit('.', 1)[1]}.{m.get('name')}"
                   for i in tree.iter("interface") for m in i.iter("method")}
        self.assertEqual(methods, set(METHODS) | set(FREE))

    def test_prompt_only_if_the_message_allows(self):
        alice = self.caller("alice")
        for interactive in (False, True):
            self.system.polkit.reset("challenge")
            words = self.assert_error("NotAuthorized", alice.call, "Manager.Connect", "({},)", interactive=interactive)
            self.assertEqual([asked["interactive"] for asked in self.system.polkit.asked], [interactive])
            self.assertIn("agent" if interactive else "did not allow to ask", words)

    def test_nothing_is_remembered(self):
        alice = self.sign_in()
        self.system.polkit.reset()
        self.assert_error("NotAuthorized", alice.call, "Manager.Connect", "({},)")
        self.system.polkit.allow("connect")
        alice.call("Manager.Connect", "({},)")
        self.system.polkit.reset()
        self.assert_error("NotAuthorized", alice.call, "Manager.Connect", "({},)")


class Answers(Case):
    """What polkit may answer, late, strangely or not at all."""

    def test_dismissed(self):
        self.system.polkit.reset("dismissed")
        words = self.assert_error("NotAuthorized", self.caller("alice").call, "Manager.Connect", "({},)", interactive=True)
        self.assertIn("cancelled", words)

    def test_polkit_fails(self):
        self.system.polkit.reset("error")
        words = self.assert_error("NotAuthorized", self.caller("alice").call, "Manager.Connect", "({},)")
        self.assertIn("made to fail", words)

    def test_no_polkit(self):
        with bus.SystemBus(polkit=None) as system:
            system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel")
            root = system.caller("root")
            words = self.assert_error("NotAuthorized", root.call, "Manager.Connect", "({},)")
            self.assertIn("polkit cannot be asked", words)
            self.assertEqual(root.get("State"), "signed-out")

    def test_tunnel_becomes_anothers_while_polkit_thinks(self):
        polkit, bob = self.system.polkit, self.caller("bob")
        polkit.set("disconnect", "hold")
        pending = bob.begin("Manager.Disconnect", "({},)")
        bus.wait_until(lambda: polkit.held, "the question")
        self.sign_in("alice")
        before = self.system.test("Calls")
        polkit.release("yes")
        self.assert_error("NotOwner", pending.result)
        self.assertEqual([asked["action"] for asked in polkit.asked if asked["uid"] == bob.uid],
                         ["disconnect", "take-over"])
        self.assertEqual(self.system.test("Calls"), before)

    def test_take_over(self):
        self.sign_in("alice")
        bob = self.caller("bob")
        self.system.polkit.allow("credential", "take-over", user="bob")
        bob.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:another")
        self.assertEqual(bob.get("Owner"), bob.uid)

    def test_signing_out_is_no_way_around_disconnect(self):
        """An administrator who forbids to disconnect means it."""
        alice, polkit = self.sign_in("alice"), self.system.polkit
        self.connect(alice)
        for method, arguments, fd in (("ClearCredential", "()", None), ("SetCredential", "(handle 0, {})", "sealed:other")):
            polkit.asked.clear()
            self.assert_error("NotAuthorized", alice.call, "Manager." + method, arguments, fd=fd)
            self.assertEqual([asked["action"] for asked in polkit.asked], ["credential", "disconnect"])
        self.assertEqual(alice.get("State"), "connected")
        polkit.allow("disconnect", user="alice")
        alice.call("Manager.ClearCredential")
        self.assertEqual(alice.get("State"), "signed-out")

    def test_caller_leaves_while_polkit_asks(self):
        polkit, alice = self.system.polkit, self.caller("alice")
        polkit.set("connect", "hold")
        alice.begin("Manager.Connect", "({},)", interactive=True)
        bus.wait_until(lambda: polkit.held, "the question")
        before = self.system.test("Calls")
        alice.leave()
        bus.wait_until(lambda: polkit.cancelled, "the question's end")
        self.assertEqual(polkit.cancelled, [polkit.asked[-1]["cancel_id"]])
        polkit.release("yes")
        self.assertEqual(self.caller("root").get("State"), "signed-out")
        self.assertEqual(self.system.test("Calls"), before)

    def test_same_user_comes_back_and_is_asked_about_again(self):
        self.system.polkit.allow("credential", user="alice")
        first = self.caller("alice")
        first.call("Manager.SetCredential", "(handle 0, {})", fd="sealed:token")
        first.leave()
        second = self.caller("alice")
        self.system.polkit.reset()
        self.assert_error("NotAuthorized", second.call, "Manager.ClearCredential")
        self.assertEqual(self.system.polkit.asked[-1]["subject"], second.name)


class Ending(unittest.TestCase):
    """The service ends with calls in every stage: each is answered, nothing is touched afterwards."""

    def test_open_calls(self):
        with bus.SystemBus() as system:
            service = system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel")
            system.polkit.set("connect", "hold")
            system.polkit.allow("credential", "disconnect")
            alice = system.caller("alice")
            system.test("Hold", "(true,)")
            pending = [alice.begin("Manager.Connect", "({},)"),
                       alice.begin("Manager.SetCredential", "(handle 0, {})", fd="sealed:token"),
                       alice.begin("Manager.WaitForState", "(['connected'], uint32 60000)")]
            alice.call("Diagnostics.Subscribe", "(uint32 100,)")
            bus.wait_until(lambda: len(system.test("Calls")) == 1 and system.polkit.held, "both stages")
            system.test("Stop")
            for call in pending:
                self.assertEqual(error_of(call.result), DBUS_ERROR + "NoReply")
            system.polkit.release("yes")  # too late
            system.test("Hold", "(false,)")  # as well
            self.assertEqual(len(system.test("Calls")), 1)
            self.assertIsNone(service.poll(), system.log_of(service))


MANY_WAITERS = """
import sys
from gi.repository import Gio, GLib

name, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
loop, errors = GLib.MainLoop(), []

def wait(connection):
    connection.call(name, path, name + ".Manager", "WaitForState", GLib.Variant("(asu)", (["error"], 60000)), None, 0,
                    -1, None, on_answer)

def on_answer(connection, result):
    try:
        connection.call_finish(result)
    except GLib.Error as error:
        if "calls a second" in error.message:  # what this user called before is not paid for yet
            wait(connection)
            return
        errors.append(Gio.DBusError.get_remote_error(error))
    loop.quit()

connections = [Gio.DBusConnection.new_for_address_sync(address, flags) for _ in range(n)]
for one in connections:
    wait(one)
GLib.timeout_add_seconds(100, loop.quit)
loop.run()
print(len(errors), *errors)
"""


# Each connection stays below its own limit, however fast it goes. Says "asked" when all that it asks is with the bus.
MANY_CALLS = """
import sys
from gi.repository import Gio, GLib

name, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
loop, errors, asked = GLib.MainLoop(), set(), [0]

def on_answer(connection, result):
    try:
        connection.call_finish(result)
    except GLib.Error as error:
        errors.add(Gio.DBusError.get_remote_error(error))
    asked[0] -= 1
    if asked[0] == 0:
        loop.quit()

connections = [Gio.DBusConnection.new_for_address_sync(address, flags) for _ in range(n)]
get = GLib.Variant("(ss)", (name + ".Manager", "State"))
for one in connections * 90:
    asked[0] += 1
    one.call(name, path, "org.freedesktop.DBus.Properties", "Get", get, None, 0, -1, None, on_answer)
for one in connections:  # the bus has all that came before
    one.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", None, None, 0, -1, None)
print("asked", flush=True)
loop.run()
print(*errors)
"""


# A connection after another, each below its own limit and gone before the next one calls. All that is
# slow (saying hello to the bus) comes first, and but the last call of each wants no answer, so that what
# counts is how fast the service reads.
MANY_LIVES = """
import sys
from gi.repository import Gio, GLib

name, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
address = Gio.dbus_address_get_for_bus_sync(Gio.BusType.SYSTEM)
loop, errors, asked = GLib.MainLoop(), set(), [0]

def on_answer(connection, result):
    try:
        connection.call_finish(result)
    except GLib.Error as error:
        errors.add(error.message)
    asked[0] -= 1
    if asked[0] == 0:
        loop.quit()

get = GLib.Variant("(ss)", (name + ".Manager", "State"))
for one in [Gio.DBusConnection.new_for_address_sync(address, flags) for _ in range(n)]:
    for _ in range(89):
        message = Gio.DBusMessage.new_method_call(name, path, "org.freedesktop.DBus.Properties", "Get")
        message.set_flags(Gio.DBusMessageFlags.NO_REPLY_EXPECTED)
        message.set_body(get)
        one.send_message(message, 0)
    asked[0] += 1
    one.call(name, path, "org.freedesktop.DBus.Properties", "Get", get, None, 0, -1, None, on_answer)
    loop.run()
    one.close_sync()
print(*errors)
"""


class Limits(Case):
    def test_calls_a_second(self):
        alice = self.caller("alice")
        def batch():
            """120 calls at once, of the 128 that the bus allows without an answer: the service sleeps until they are all there."""
            self.service.send_signal(signal.SIGSTOP)
            try:
                pending = [alice.begin(PROPERTIES + "Get", f"('{NAME}.Manager', 'State')") for _ in range(120)]
                alice.call("org.freedesktop.DBus.GetId", destination="org.freedesktop.DBus", path="/")
            finally:
                self.service.send_signal(signal.SIGCONT)
            return [error_of(call.result) for call in pending]

        errors = batch()
        self.assertEqual(errors[:100], [None] * 100)
        self.assertLessEqual(set(errors), {None, ERROR + "Busy"})
        bus.wait_until(lambda: ERROR + "Busy" in batch(), "the limit")
        self.assertIsNone(error_of(self.caller("alice").get, "State"), "the limit is the sender's, not the user's")
        bus.wait_until(lambda: error_of(alice.get, "State") is None, "its time to come again")

    def test_waiters(self):
        alice = self.sign_in()
        waiting = [alice.begin("Manager.WaitForState", "(['connected', 'error'], uint32 60000)") for _ in range(16)]
        self.assert_error("Busy", alice.call, "Manager.WaitForState", "(['connected'], uint32 60000)")
        other = self.caller("alice").begin("Manager.WaitForState", "(['connected'], uint32 60000)")
        self.assertEqual([call.is_done() for call in waiting], [False] * 16)
        alice.call("Manager.Connect", "({},)")
        self.assertEqual([call.result() for call in [*waiting, other]], ["connected"] * 17)
        self.assertEqual(alice.call("Manager.WaitForState", "(['connected'], uint32 0)"), "connected")

    def test_one_user_with_many_connections(self):
        """All waiting: the longest unheard of makes room, so that one user never fills the table."""
        ran = self.system.run("bob", "/usr/bin/python3", "-c", MANY_WAITERS, NAME, PATH, "129")
        self.assertEqual(ran.stdout.split(), ["1", ERROR + "Timeout"], ran.stderr)
        self.assertIsNone(error_of(self.caller("alice").get, "State"))

    def test_waiting_in_vain(self):
        alice = self.caller("alice")
        self.assert_error("Timeout", alice.call, "Manager.WaitForState", "(['connected'], uint32 0)")
        self.assert_error("Timeout", alice.call, "Manager.WaitForState", "(['connected'], uint32 50)")

    def test_waiters_of_who_leaves(self):
        alice = self.caller("alice")
        for _ in range(16):
            alice.begin("Manager.WaitForState", "(['connected'], uint32 86400000)")
        alice.get("State")  # all of them have arrived
        alice.leave()
        owner = self.sign_in()
        self.connect(owner)
        self.assertEqual(owner.get("State"), "connected")

    def test_subscriptions(self):
        alice, bob = self.caller("alice"), self.caller("bob")
        ids = [alice.call("Diagnostics.Subscribe", "(uint32 100,)") for _ in range(4)]
        self.assertEqual(len(set(ids)), 4)
        self.assert_error("Busy", alice.call, "Diagnostics.Subscribe", "(uint32 100,)")
        bob.forget_signals()
        first = alice.wait_signal("Sample")["arguments"]
        self.assertEqual(len(first), 7)
        self.assertGreater(alice.wait_signal("Sample")["arguments"][0], first[0] - 1)
        self.assertNotIn("Sample", [message["signal"] for message in bob.heard()])
        self.assert_error("InvalidArgument", bob.call, "Diagnostics.Unsubscribe", f"(uint32 {ids[0]},)")
        for number in ids:
            alice.call("Diagnostics.Unsubscribe", f"(uint32 {number},)")
        alice.forget_signals()
        self.assert_error("InvalidArgument", alice.call, "Diagnostics.Unsubscribe", f"(uint32 {ids[0]},)")
        alice.call("Diagnostics.Subscribe", "(uint32 60000,)")
        alice.leave()

    def test_subscriptions_of_one_user(self):
        """Not only of one connection: a user can have as many of those as the bus allows."""
        callers = [self.caller("alice") for _ in range(5)]
        for caller in callers[:4]:
            for _ in range(4):
                caller.call("Diagnostics.Subscribe", "(uint32 60000,)")
        words = self.assert_error("Busy", callers[4].call, "Diagnostics.Subscribe", "(uint32 60000,)")
        self.assertIn("user", words)
        self.caller("bob").call("Diagnostics.Subscribe", "(uint32 60000,)")
        callers[0].leave()
        bus.wait_until(lambda: error_of(callers[4].call, "Diagnostics.Subscribe", "(uint32 60000,)") is None,
                       "the place of those who left")

    def test_pending_of_one_user(self):
        polkit, callers = self.system.polkit, [self.caller("alice") for _ in range(3)]
        polkit.set("connect", "hold")
        pending = [caller.begin("Manager.Connect", "({},)") for caller in callers[:2] for _ in range(32)]
        bus.wait_until(lambda: len(polkit.held) == 64, "64 questions")
        self.assertIn("user", self.assert_error("Busy", callers[2].call, "Manager.Connect", "({},)"))
        others = self.caller("bob").begin("Manager.Connect", "({},)")
        bus.wait_until(lambda: len(polkit.held) == 65, "the question about Bob")
        polkit.release("no")
        for call in [*pending, others]:
            self.assert_error("NotAuthorized", call.result)
        polkit.set("connect", "no")
        self.assert_error("NotAuthorized", callers[2].call, "Manager.Connect", "({},)")

    def test_calls_a_second_of_one_user(self):
        asking = self.system._spawn([*bus.as_user("bob"), bus.PYTHON, "-c", MANY_CALLS, NAME, PATH, "60"])
        self.service.send_signal(signal.SIGSTOP)  # it sleeps until all of them are there
        try:
            bus.wait_until(lambda: "asked" in self.system.log_of(asking) or asking.poll() is not None, "all questions")
        finally:
            self.service.send_signal(signal.SIGCONT)
        asking.wait(bus.DEADLINE_S)
        self.assertEqual(self.system.log_of(asking).split(), ["asked", ERROR + "Busy"])
        self.assertIsNone(error_of(self.caller("alice").get, "State"))
        bob = self.caller("bob")
        bus.wait_until(lambda: error_of(bob.get, "State") is None, "his time to come again")

    def test_calls_a_second_of_who_comes_back(self):
        """Under another name: the budget is the user's, and nobody else's suffers."""
        owner = self.sign_in("alice")
        ran = self.system.run("bob", bus.PYTHON, "-c", MANY_LIVES, NAME, PATH, "60")
        self.assertIn("by your user", ran.stdout, ran.stderr)
        self.assertIsNone(error_of(owner.get, "State"))
        self.assertIsNone(error_of(self.caller("root").get, "State"))
        bob = self.caller("bob")
        bus.wait_until(lambda: error_of(bob.get, "State") is None, "his time to come again")

    def test_pending(self):
        polkit, alice = self.system.polkit, self.caller("alice")
        polkit.set("connect", "hold")
        pending = [alice.begin("Manager.Connect", "({},)") for _ in range(32)]
        bus.wait_until(lambda: len(polkit.held) == 32, "32 questions")
        self.assert_error("Busy", alice.call, "Manager.Connect", "({},)")
        self.assertEqual(alice.get("State"), "signed-out", "what needs no polkit goes on")
        polkit.release("no")
        for call in pending:
            self.assert_error("NotAuthorized", call.result)
        polkit.set("connect", "no")
        self.assert_error("NotAuthorized", alice.call, "Manager.Connect", "({},)")

    def test_many_callers(self):
        """The table of callers is bounded; who comes later is served all the same."""
        script = ("import gi; gi.require_version('Gio', '2.0'); from gi.repository import Gio, GLib; import sys\n"
                  "F = Gio.DBusConnectionFlags\n"
                  "held = []\n"
                  "def is_served(c):\n"
                  "  try:\n"
                  f"    c.call_sync('{NAME}', '{PATH}', 'org.freedesktop.DBus.Properties', 'Get',"
                  f" GLib.Variant('(ss)', ('{NAME}.Manager', 'State')), None, 0, -1, None)\n"
                  "  except GLib.Error as error:\n"
                  "    if 'calls a second' not in error.message: raise\n"
                  "    return False\n"
                  "  return True\n"
                  "for i in range(200):\n"
                  "  c = Gio.DBusConnection.new_for_address_sync(sys.argv[1], F.AUTHENTICATION_CLIENT"
                  " | F.MESSAGE_BUS_CONNECTION, None, None)\n"
                  "  while not is_served(c): pass\n"
                  "  held.append(c)\n"
                  "print('done')\n")
        alice = self.sign_in()
        for _ in range(2):
            ran = self.system.run("bob", bus.PYTHON, "-c", script, self.system.address)
            self.assertEqual(ran.stdout, "done\n", ran.stderr)
        alice.forget_signals()
        self.connect(alice)
        self.assertIn("Event", [message["signal"] for message in alice.heard()])


class Arguments(Case):
    def test_credentials(self):
        self.system.polkit.allow("credential")
        alice = self.caller("alice")
        bad = ["unsealed:token", "half-sealed:token", "sealed:", "sealed:" + "x" * 4097, "sealed:two words",
               "sealed:line\n", "sealed:\x01", "sealed:tök", "file:/etc/hostname", "file:/dev/zero", "file:/tmp", "pipe"]
        for spec in bad:
            with self.subTest(spec[:40]):
                self.assert_error("InvalidArgument", alice.call, "Manager.SetCredential", "(handle 0, {})", fd=spec)
                self.assertEqual(alice.get("State"), "signed-out")
        for index, spec in ((0, None), (1, "sealed:token"), (-1, "sealed:token"), (2147483647, "sealed:token")):
            with self.subTest(index=index, spec=spec):
                self.assert_error("InvalidArgument", alice.call, "Manager.SetCredential", f"(handle {index}, {{}})",
                                  fd=spec)
        for spec in ("sealed:x", "sealed:" + "x" * 4096, "sealed:.SFMyNTY.g2gDbQ-_~"):
            alice.call("Manager.SetCredential", "(handle 0, {})", fd=spec)
        self.assertEqual(alice.get("State"), "offline")

    def test_bad_credential_is_not_polkits_business(self):
        """Arguments that can be checked without the descriptor's contents are checked first."""
        self.system.polkit.reset("challenge")
        alice = self.caller("alice")
        self.assert_error("InvalidArgument", alice.call, "Manager.SetCredential", "(handle 0, {})")
        self.assert_error("InvalidArgument", alice.call, "Manager.Connect", "({'x': <1>},)")
        self.assertEqual(self.system.polkit.asked, [])

    def test_options(self):
        self.system.polkit.reset("yes")
        alice = self.caller("alice")
        bad = ["{'nonsense': <true>}", "{'account': <true>}", "{'account': <'" + "x" * 257 + "'>}",
               "{'account': <'a'>, 'account': <'b'>}", "{'actor': <'line\\nline'>}", "{'expires': <'soon'>}",
               "{'api-url': <'https://api.example'>}", "{'api-url': <'wss://" + "x" * 2048 + "'>}", "{'api-url': <''>}"]
        for options in bad:
            with self.subTest(options[:40]):
                self.assert_error("InvalidArgument", alice.call, "Manager.SetCredential", f"(handle 0, {options})",
                                  fd="sealed:token")
        good = "{'account': <'" + "x" * 256 + "'>, 'actor': <'Ä'>, 'expires': <uint64 5>, 'api-url': <'wss://api.example/'>}"
        alice.call("Manager.SetCredential", f"(handle 0, {good})", fd="sealed:token")
        for method in ("Connect", "Disconnect"):
            self.assert_error("InvalidArgument", alice.call, f"Manager.{method}", "({'force': <true>},)")
        self.assert_error("InvalidArgument", alice.call, "Manager.Connect", "({'internet-resource': <'on'>},)")
        alice.call("Manager.Connect", "({'internet-resource': <true>},)")
        self.assertEqual(alice.get("InternetResource"), "on")

    def test_ranges(self):
        self.system.polkit.reset("yes")
        alice = self.caller("alice")
        many = ", ".join(["'connected'"] * 17)
        for member, arguments in (
                ("Manager.WaitForState", "(@as [], uint32 1)"), ("Manager.WaitForState", f"([{many}], uint32 1)"),
                ("Manager.WaitForState", "(['happy'], uint32 1)"),
                ("Manager.WaitForState", "(['connected'], uint32 86400001)"),
                ("Diagnostics.Subscribe", "(uint32 99,)"), ("Diagnostics.Subscribe", "(uint32 60001,)"),
                ("Diagnostics.SetLogFilter", "('" + "x" * 1025 + "',)"), ("Diagnostics.SetLogFilter", "('a\\nb',)"),
                ("Diagnostics.SetLogFilter", "('nonsense',)"), ("Diagnostics.OpenLog", "({'path': <'/etc/shadow'>},)")):
            with self.subTest(member=member, arguments=arguments[:40]):
                self.assert_error("InvalidArgument", alice.call, member, arguments)

    def test_wrong_calls(self):
        self.system.polkit.reset("yes")
        alice = self.caller("alice")
        rows = [
            ("Manager.Connect", "()", {}, "InvalidArgs"),
            ("Manager.Connect", "('text',)", {}, "InvalidArgs"),
            ("Manager.Reconnect", "('text',)", {}, "InvalidArgs"),
            ("Manager.Nothing", "()", {}, "UnknownMethod"),
            ("Diagnostics.Connect", "({},)", {}, "UnknownMethod"),
            ("Manager.Connect", "({},)", {"path": PATH + "/resource"}, "UnknownObject"),
            ("Manager.Connect", "({},)", {"path": PATH + "/resource/x"}, "UnknownObject"),
            (PROPERTIES + "Get", f"('{NAME}.Manager', 'Nothing')", {}, "UnknownProperty"),
            (PROPERTIES + "Get", f"('{NAME}.Diagnostics', 'State')", {}, "UnknownProperty"),
            (PROPERTIES + "Get", f"('{NAME}.Resource', 'State')", {}, "UnknownInterface"),
            (PROPERTIES + "Get", "('x',)", {}, "InvalidArgs"),
            (PROPERTIES + "GetAll", f"('{NAME}.Manager',)", {"path": PATH + "/x"}, "UnknownObject"),
            (PROPERTIES + "Set", f"('{NAME}.Manager', 'State', <'connected'>)", {}, "PropertyReadOnly"),
            (INTROSPECT, "()", {"path": PATH + "/resource"}, "UnknownObject"),
        ]
        for member, arguments, options, error in rows:
            with self.subTest(member=member, arguments=arguments, **options):
                self.assert_error(DBUS_ERROR + error, alice.call, member, arguments, **options)
        self.assertEqual(alice.call(PROPERTIES + "GetAll", f"('{NAME}.Diagnostics',)"), {})
        self.assertEqual(alice.get("State"), "signed-out")

    def test_bus_policy(self):
        alice = self.caller("alice")
        options = {"destination": "org.freedesktop.DBus", "path": "/"}
        for name in (NAME, NAME + ".Sub"):
            self.assert_error(DBUS_ERROR + "AccessDenied", alice.call, "org.freedesktop.DBus.RequestName",
                              f"('{name}', uint32 7)", **options)
        self.assert_error(DBUS_ERROR + "AccessDenied", alice.call, "Calls", path="/test", interface="dev.firezone.Test")


class Privacy(Case):
    """What names a person or a network exists for owner and root alone."""

    def setUp(self):
        super().setUp()
        self.alice, self.bob, self.root = self.sign_in("alice"), self.caller("bob"), self.caller("root")
        for caller in (self.bob, self.root):
            caller.get("State")  # the service knows their names
        self.bob.forget_signals()
        self.connect(self.alice)

    def first_resource(self):
        return sorted(path for path in self.alice.call(MANAGED) if "/resource/" in path)[0]

    def test_objects(self):
        resource = self.first_resource()
        for caller in (self.alice, self.root):
            self.assertEqual(len(caller.call(MANAGED)), 7)
            self.assertEqual(caller.get("Name", path=resource, interface="Resource"), "Intranet")
            self.assertIn("Resource", caller.call(INTROSPECT, path=resource))
            self.assertIn('node name="resource"', caller.call(INTROSPECT))
        self.assertEqual(self.bob.call(MANAGED), {})
        self.assertNotIn("resource", self.bob.call(INTROSPECT))
        missing = PATH + "/resource/no_such"
        for member, arguments in ((PROPERTIES + "Get", f"('{NAME}.Resource', 'Name')"),
                                  (PROPERTIES + "GetAll", f"('{NAME}.Resource',)"),
                                  (PROPERTIES + "Set", f"('{NAME}.Resource', 'Name', <'x'>)"),
                                  (INTROSPECT, "()"), (MANAGED, "()"), ("Manager.Connect", "({},)")):
            with self.subTest(member):
                words = [self.assert_error(DBUS_ERROR + "UnknownObject", self.bob.call, member, arguments, path=path)
                         .replace(path, "") for path in (resource, missing)]
                self.assertEqual(words[0], words[1], "hidden and absent look alike")
        self.assert_error(DBUS_ERROR + "UnknownObject", self.bob.call, INTROSPECT, path=PATH + "/resource")

    def test_objects_asked_for_all_at_once(self):
        """Replies are written in another thread, in their turn: each is whole, and as things were when it was asked for."""
        resource = self.first_resource()
        leaving = self.caller("alice")
        leaving.get("State")
        asked = []
        for i in range(20):
            leaving.begin(MANAGED)
            asked.append(self.alice.begin(MANAGED))
            self.system.test("Set", f"(objectpath '{resource}', 'Name', <'name {i}'>)")
        leaving.leave()
        names = []
        for pending in asked:
            objects = pending.result()
            self.assertEqual(len(objects), 7)
            names.append(objects[resource][NAME + ".Resource"]["Name"])
        self.assertEqual(names, sorted(names, key=lambda name: -1 if name == "Intranet" else int(name.split()[-1])))
        self.assertEqual(self.alice.call(MANAGED)[resource][NAME + ".Resource"]["Name"], "name 19")
        self.assertEqual(self.bob.call(MANAGED), {})

    def test_manager(self):
        self.assertEqual([c.get("Account") for c in (self.alice, self.root, self.bob)], ["acme", "acme", ""])
        self.assertEqual([c.get("Actor") for c in (self.alice, self.root, self.bob)], ["Alice", "Alice", ""])
        values = self.bob.call(PROPERTIES + "GetAll", f"('{NAME}.Manager',)")
        self.assertEqual((values["Account"], values["Actor"], values["State"]), ("", "", "connected"))

    def test_signals(self):
        self.alice.wait_signal("StateChanged", lambda m: m["arguments"][0] == "connected")
        self.root.wait_signal("Event", lambda m: m["arguments"][0] == "connected")
        heard = self.bob.heard()
        self.assertIn("StateChanged", [m["signal"] for m in heard])
        self.assertTrue(all(m["path"] == PATH for m in heard))
        self.assertEqual({m["signal"] for m in heard}, {"StateChanged", "PropertiesChanged"})
        told = {name for m in heard if m["signal"] == "PropertiesChanged" for name in m["arguments"][1]}
        self.assertIn("Interface", told)
        self.assertFalse(told & {"Account", "Actor"})

    def test_a_private_property_changes(self):
        for caller in (self.alice, self.bob, self.root):
            caller.forget_signals()
        self.system.test("Set", f"(objectpath '{PATH}', 'Actor', <'Alice B.'>)")
        for caller in (self.alice, self.root):
            self.assertEqual(caller.wait_signal("PropertiesChanged")["arguments"][1], {"Actor": "Alice B."})
        self.assertEqual(self.bob.heard(), [])

    def test_objects_come_and_go(self):
        for caller in (self.alice, self.bob):
            caller.forget_signals()
        path = PATH + "/resource/new_one"
        self.system.test("Add", "('resource', 'new_one', true)")
        added = self.alice.wait_signal("InterfacesAdded")["arguments"]
        self.assertEqual((added[0], list(added[1])), (path, [NAME + ".Resource"]))
        self.assertEqual(self.alice.get("Gateway", path=path, interface="Resource"), "/")
        self.system.test("Set", f"(objectpath '{path}', 'Name', <'Late'>)")
        self.assertEqual(self.alice.wait_signal("PropertiesChanged")["path"], path)
        self.system.test("Remove", f"(objectpath '{path}',)")
        self.assertEqual(self.alice.wait_signal("InterfacesRemoved")["arguments"], [path, [NAME + ".Resource"]])
        self.assertEqual(self.bob.heard(), [])

    def test_owner_changes(self):
        for caller in (self.alice, self.bob, self.root):
            caller.forget_signals()
        self.system.test("SetOwner", f"(uint32 {self.bob.uid},)")
        self.assertEqual(self.alice.call(MANAGED), {})
        self.assertEqual(len(self.bob.call(MANAGED)), 7)
        heard = self.alice.heard()
        self.assertEqual(len([m for m in heard if m["signal"] == "InterfacesRemoved"]), 7)
        self.assertIn({"StateDetail": "", "Account": "", "Actor": "", "PortalUrl": ""},
                      [m["arguments"][1] for m in heard if m["signal"] == "PropertiesChanged"])
        heard = self.bob.heard()
        self.assertEqual(len([m for m in heard if m["signal"] == "InterfacesAdded"]), 7)
        told = [m["arguments"][1] for m in heard if m["signal"] == "PropertiesChanged"]
        self.assertTrue([one for one in told if one.get("Account") == "acme" and one.get("Actor") == "Alice"], told)
        self.assertFalse([m for m in self.root.heard() if m["signal"] in ("InterfacesAdded", "InterfacesRemoved")])

    def test_one_signal_a_turn(self):
        """Connected: interface, addresses, name servers and state arrive together."""
        told = [m["arguments"][1] for m in self.bob.heard() if m["signal"] == "PropertiesChanged"]
        together = [t for t in told if t.get("State") == "connected"]
        self.assertEqual(len(together), 1)
        self.assertLessEqual({"Interface", "Addresses", "Mtu", "DnsServers", "PortalState"}, set(together[0]))

    def test_order(self):
        """State and property agree: who hears StateChanged has heard PropertiesChanged."""
        order = [m["signal"] if m["signal"] == "StateChanged" else "State" for m in self.bob.heard()
                 if m["signal"] == "StateChanged" or "State" in m["arguments"][1]]
        self.assertEqual(order, ["State", "StateChanged"] * (len(order) // 2))
        self.assertGreaterEqual(len(order), 4)


def describe(node):
    """An interface of introspection data, in a form that compares."""
    return {
        "methods": {m.get("name"): [(a.get("name"), a.get("type"), a.get("direction", "in")) for a in m.iter("arg")]
                    for m in node.iter("method")},
        "signals": {s.get("name"): [(a.get("name"), a.get("type")) for a in s.iter("arg")]
                    for s in node.iter("signal")},
        "properties": {p.get("name"): (p.get("type"), p.get("access")) for p in node.iter("property")},
    }


class Contract(Case):
    """The running service is what data/dev.firezone.Client.Tunnel1.xml says."""

    def test_introspection(self):
        tree = ElementTree.parse(os.path.join(bus.SOURCE, "data", f"{NAME}.xml"))
        wanted = {node.get("name"): describe(node) for node in tree.iter("interface")}
        root, found = self.caller("root"), {}
        for kind in ("resource", "gateway", "relay"):
            self.system.test("Add", f"('{kind}', 'introspected', false)")
        for path in (PATH, *(f"{PATH}/{kind}/introspected" for kind in ("resource", "gateway", "relay"))):
            xml = ElementTree.fromstring(root.call(INTROSPECT, path=path))
            names = [node.get("name") for node in xml.iter("interface")]
            self.assertEqual(len(names), len(set(names)))
            self.assertLessEqual({"org.freedesktop.DBus." + n for n in ("Properties", "Introspectable", "Peer")}, set(names))
            self.assertEqual("org.freedesktop.DBus.ObjectManager" in names, path == PATH)
            found.update({n.get("name"): describe(n) for n in xml.iter("interface") if n.get("name").startswith(NAME)})
            values = root.call(PROPERTIES + "GetAll", f"('{NAME}.Manager',)" if path == PATH else
                               f"('{NAME}.{path.split('/')[-2].capitalize()}',)", path=path)
            interface = f"{NAME}.Manager" if path == PATH else f"{NAME}.{path.split('/')[-2].capitalize()}"
            self.assertEqual(set(values), set(wanted[interface]["properties"]))
        for kind in ("resource", "gateway", "relay"):
            self.system.test("Remove", f"(objectpath '{PATH}/{kind}/introspected',)")
        self.assertEqual(found, wanted)

    def test_the_way_down(self):
        """Tools find the service from the top."""
        alice, path = self.caller("alice"), "/"
        while path != PATH:
            nodes = [n.get("name") for n in ElementTree.fromstring(alice.call(INTROSPECT, path=path)).iter("node")][1:]
            self.assertEqual(len(nodes), 1, path)
            path = path.rstrip("/") + "/" + nodes[0]

    def test_version(self):
        self.assertRegex(self.caller("alice").get("Version"), r"^\d+\.\d+\.\d+$")


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
