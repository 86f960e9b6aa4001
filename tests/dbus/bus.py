"""A system bus of the test's own: real dbus-daemon, our real bus policy, callers of several users.

Everything happens in a private mount namespace, so that users, sessions and polkit's files can be made
up; it needs root, and says so (77) where it has none. What a bus starts it ends, however the test ends.

    import bus
    bus.enter()                                   # first thing in the program
    with bus.SystemBus() as system:
        system.polkit.allow("connect")
        system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel")
        alice = system.caller("alice")
        alice.call("Manager.Connect", "({},)")    # raises bus.CallError: .name, .message

A caller is a process of its own with its user's uid and one connection, so its unique name, its limits
and its leaving are as real as they get. Arguments are GVariant text, results are Python values.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("FZ_BUILD", os.path.join(SOURCE, "build")))
PYTHON = "/usr/bin/python3"
SKIPPED = 77
DEADLINE_S = 120  # for anything that has to happen; much more than it takes

NAME = "dev.firezone.Client.Tunnel1"
PATH = "/dev/firezone/Client/Tunnel1"
ERROR = NAME + ".Error."
ACTION = "dev.firezone.Client.tunnel1."
NO_OWNER = 0xFFFFFFFF

SERVICE_USER = "firezone-client"
USERS = {"root": 0, SERVICE_USER: 62000, "alice": 62001, "bob": 62002, "carol": 62003}

DOCTYPE = ('<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
           '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">')


def skip(reason):
    """Ends the program: loudly skipped, or failed where CI promises all rights."""
    print(f"SKIPPED: {reason}", file=sys.stderr, flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def wait_until(condition, what, timeout=DEADLINE_S):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(0.02)


def listens(path):
    """Whether somebody takes connections there: the file of a socket is there before."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


# -- the namespaces --

def _bind_users():
    """Adds our users to what this namespace sees as /etc/passwd and /etc/group."""
    folder = tempfile.mkdtemp(prefix="fz-bus-users-")
    try:
        for name, line in (("passwd", "{0}:x:{1}:{1}::/tmp:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
            with open(f"/etc/{name}", encoding="utf-8") as file:
                lines = [l for l in file if l.split(":")[0] not in USERS or l.startswith("root:")]
            lines += [line.format(user, uid) for user, uid in USERS.items() if uid != 0]
            copy = os.path.join(folder, name)
            with open(copy, "w", encoding="utf-8") as file:
                file.writelines(lines)
            os.chmod(copy, 0o644)
            subprocess.run(["mount", "--bind", copy, f"/etc/{name}"], check=True)
    finally:
        shutil.rmtree(folder)  # the mounts keep the files


def mark_mounts():
    """What is_own_mounts() takes; to be kept over a start in another mount namespace."""
    return os.readlink("/proc/self/ns/mnt")


def is_own_mounts(mark):
    """Whether the program has left the mount namespace where `mark` was made. What merely stands in the environment does not count:
    whoever mounts and writes on the word of it would do so on the machine itself."""
    return mark.startswith("mnt:[") and mark != mark_mounts()


def enter():
    """Returns inside namespaces of the program's own, or ends the program: of mounts, where USERS exist, and of the network, where
    every port is free, and only the loopback device is there."""
    mark, _, is_done = os.environ.get("FZ_BUS_UNSHARED", "").partition(" ")
    if is_own_mounts(mark):
        if not is_done:
            _bind_users()
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            os.environ["FZ_BUS_UNSHARED"] = mark + " done"
        return
    if os.geteuid() != 0:
        skip("needs root: callers of several users, and namespaces")
    if subprocess.run(["unshare", "-m", "-n", "--propagation", "private", "true"], capture_output=True).returncode != 0:
        skip("no right to make namespaces of mounts and of the network")
    os.environ["FZ_BUS_UNSHARED"] = mark_mounts()
    os.execvp("unshare", ["unshare", "-m", "-n", "--propagation", "private", PYTHON, *sys.argv])


def as_user(user):
    """The words in front of a command that `user` runs."""
    if user == "root":
        return []
    return ["setpriv", f"--reuid={USERS[user]}", f"--regid={USERS[user]}", "--clear-groups"]


# -- polkit --

class MockPolkit:
    """org.freedesktop.PolicyKit1 with answers by action and uid; remembers who asked for what.

    Answers: "yes" "no" "challenge" (a password would help) "dismissed" "hold" (until release()) "error".
    """

    XML = """<node><interface name='org.freedesktop.PolicyKit1.Authority'>
      <method name='CheckAuthorization'><arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>
        <arg type='a{ss}' direction='in'/><arg type='u' direction='in'/><arg type='s' direction='in'/>
        <arg type='(bba{ss})' direction='out'/></method>
      <method name='CancelCheckAuthorization'><arg type='s' direction='in'/></method>
    </interface></node>"""
    BUS_NAME = "org.freedesktop.PolicyKit1"

    def __init__(self, address):
        self.answers = {}    # (action without prefix, uid or None) -> answer
        self.default = "no"
        self.asked = []      # {"action", "uid", "subject", "interactive", "cancel_id"}
        self.cancelled = []  # cancel ids
        self.held = {}       # cancel id -> invocation
        self._uids = {}
        self._context = GLib.MainContext.new()
        self._loop = GLib.MainLoop.new(self._context, False)
        self._ready = threading.Event()
        self._address = address
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        if not self._ready.wait(DEADLINE_S):
            raise AssertionError("the mock of polkit does not come up")

    def _run(self):
        self._context.push_thread_default()
        flags = Gio.DBusConnectionFlags
        self._bus = Gio.DBusConnection.new_for_address_sync(
            self._address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        info = Gio.DBusNodeInfo.new_for_xml(self.XML).interfaces[0]
        self._bus.register_object("/org/freedesktop/PolicyKit1/Authority", info, self._on_call, None, None)
        self._bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                            GLib.Variant("(su)", (self.BUS_NAME, 4)), None, 0, -1, None)
        self._ready.set()
        self._loop.run()
        self._bus.close_sync(None)
        self._context.pop_thread_default()

    def _uid_of(self, name):
        if name not in self._uids:
            reply = self._bus.call_sync("org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                        "GetConnectionUnixUser", GLib.Variant("(s)", (name,)), None, 0, -1, None)
            self._uids[name] = reply.unpack()[0]
        return self._uids[name]

    def _on_call(self, bus, sender, path, interface, method, parameters, invocation, *_):
        if method == "CancelCheckAuthorization":
            (cancel_id,) = parameters.unpack()
            self.cancelled.append(cancel_id)
            held = self.held.pop(cancel_id, None)
            if held is not None:
                held.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "cancelled")
            invocation.return_value(None)
            return
        (kind, details), action, _details, flags, cancel_id = parameters.unpack()
        assert kind == "system-bus-name", kind
        uid = self._uid_of(details["name"])
        short = action.removeprefix(ACTION)
        self.asked.append({"action": short, "uid": uid, "subject": details["name"],
                           "interactive": bool(flags & 1), "cancel_id": cancel_id})
        answer = self.answers.get((short, uid), self.answers.get((short, None), self.default))
        if answer == "hold":
            self.held[cancel_id] = invocation
        else:
            self._answer(invocation, answer)

    @staticmethod
    def _answer(invocation, answer):
        if answer == "error":
            invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Failed", "made to fail")
            return
        details = {"polkit.dismissed": "true"} if answer == "dismissed" else {}
        invocation.return_value(GLib.Variant("((bba{ss}))", ((answer == "yes", answer == "challenge", details),)))

    # -- for tests --

    def set(self, action, answer, user=None):
        self.answers[(action, None if user is None else USERS[user])] = answer

    def allow(self, *actions, user=None):
        for action in actions:
            self.set(action, "yes", user)

    def reset(self, default="no"):
        self.answers.clear()
        self.asked.clear()
        self.cancelled.clear()
        self.default = default

    def release(self, answer):
        """Answers all that is held."""
        held, self.held = self.held, {}
        for invocation in held.values():
            self._answer(invocation, answer)

    def stop(self):
        """Leaves the bus."""
        if self._thread.is_alive():
            self._context.invoke_full(GLib.PRIORITY_DEFAULT, self._loop.quit)
            self._thread.join()


class RealPolkit:
    """The machine's polkitd with our .policy, the rules of the test, and sessions made up for logind's readers."""

    DAEMON = "/usr/lib/polkit-1/polkitd"

    def __init__(self, system, rules=()):
        if not os.access(self.DAEMON, os.X_OK):
            skip("polkitd is not installed")
        self._system = system
        self._cgroups = []
        actions, rule_folder = os.path.join(system.folder, "actions"), os.path.join(system.folder, "rules")
        for folder in (actions, rule_folder):
            os.mkdir(folder, 0o755)
        shutil.copy(os.path.join(SOURCE, "data", "dev.firezone.Client.tunnel1.policy"), actions)
        for i, rule in enumerate(rules):
            with open(os.path.join(rule_folder, f"{i:02}.rules"), "w", encoding="utf-8") as file:
                file.write(rule)
            os.chmod(file.name, 0o644)
        subprocess.run(["mount", "--bind", actions, "/usr/share/polkit-1/actions"], check=True)
        subprocess.run(["mount", "--bind", rule_folder, "/etc/polkit-1/rules.d"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd"], check=True)
        for name in ("sessions", "seats", "users", "machines"):
            os.mkdir(f"/run/systemd/{name}", 0o755)

    def start(self):
        self._system.start(self.DAEMON, "--no-debug", user="root", name=MockPolkit.BUS_NAME)

    def add_session(self, user, kind):
        """kind: active, inactive or remote. Before start()."""
        uid, number = USERS[user], f"c{os.getpid()}u{USERS[user]}"
        is_active, seat = kind != "inactive", "" if kind == "remote" else "SEAT=seat0\n"
        state = "active" if is_active else "online"
        self._write("sessions/" + number,
                    f"UID={uid}\nUSER={user}\nACTIVE={int(is_active)}\nIS_DISPLAY=1\nSTATE={state}\n"
                    f"REMOTE={int(kind == 'remote')}\nTYPE=x11\nCLASS=user\nSCOPE=session-{number}.scope\n" + seat)
        self._write(f"users/{uid}",
                    f"UID={uid}\nNAME={user}\nSTATE={state}\nSESSIONS={number}\n"
                    f"ACTIVE_SESSIONS={number if is_active else ''}\nDISPLAY={number}\nONLINE_SESSIONS={number}\n"
                    + ("" if kind == "remote" else "SEATS=seat0\n"))
        if kind == "active":
            self._write("seats/seat0", f"IS_SEAT0=1\nACTIVE={number}\nACTIVE_UID={uid}\nSESSIONS={number}\nUIDS={uid}\n")
        mounts = subprocess.run(["findmnt", "-nt", "cgroup2", "-o", "TARGET"], capture_output=True, text=True).stdout
        if not mounts.strip():
            skip("no cgroup2 to put a session into")
        folder = f"{mounts.split()[0]}/user.slice/user-{uid}.slice/session-{number}.scope"
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            skip(f"no right to make a cgroup: {error}")
        self._cgroups.append(folder)
        return folder

    @staticmethod
    def _write(path, text):
        with open("/run/systemd/" + path, "w", encoding="utf-8") as file:
            file.write(text)

    def stop(self):
        for folder in self._cgroups:
            try:
                os.rmdir(folder)
                os.rmdir(os.path.dirname(folder))
            except OSError:
                pass  # somebody else is in it


# -- callers --

class CallError(Exception):
    """What came back instead of a result."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message


class Pending:
    """The answer of a call that was begun."""

    def __init__(self, caller, number):
        self._caller, self._number = caller, number

    def is_done(self):
        return self._number in self._caller.results

    def result(self, timeout=DEADLINE_S):
        return self._caller.collect(self._number, timeout)


class Caller:
    """One connection of one user, in a process of its own (caller.py)."""

    def __init__(self, system, user, cgroup=None, address=None):
        self.user, self.uid = user, USERS[user]
        self.results, self.signals = {}, []
        self._changed = threading.Condition()
        self._number = 0
        command = [*as_user(user), PYTHON, os.path.join(HERE, "caller.py"), address or system.address]
        if cgroup is not None:  # a session, as logind would have put it there
            command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', cgroup, *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=system.environment, cwd="/")
        hello = self.process.stdout.readline()
        if not hello:
            raise AssertionError(f"a caller of {user} does not get onto the bus")
        self.name = json.loads(hello)["name"]
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            message = json.loads(line)
            with self._changed:
                if "signal" in message:
                    self.signals.append(message)
                else:
                    self.results[message["id"]] = message
                self._changed.notify_all()

    def _send(self, **request):
        self._number += 1
        self.process.stdin.write(json.dumps({"id": self._number, **request}) + "\n")
        self.process.stdin.flush()
        return self._number

    def begin(self, member, arguments="()", *, path=PATH, interface=None, interactive=False, fd=None,
              destination=NAME, timeout_ms=-1, no_interface=False):
        """Like call(), without waiting; returns a Pending."""
        if interface is None:
            interface, member = member.rsplit(".", 1)
            interface = interface if interface.startswith("org.") else f"{NAME}.{interface}"
        return Pending(self, self._send(op="call", destination=destination, path=path,
                                        interface=None if no_interface else interface, member=member,
                                        arguments=arguments, interactive=interactive, fd=fd,
                                        timeout_ms=timeout_ms))

    def call(self, member, arguments="()", **options):
        """member: "Manager.Connect" or "org.freedesktop.DBus.Properties.Get"; arguments: a tuple as
        GVariant text. fd: what descriptor goes along: "sealed:TEXT", "unsealed:TEXT", "half-sealed:TEXT",
        "file:PATH", "path:PATH" (O_PATH), "device:PATH", "pipe", "full-pipe", "dead-pipe", "socket", "dead-socket",
        "lonely-socket", "write:PATH". Returns the result, unpacked; one value is not in a tuple."""
        return self.begin(member, arguments, **options).result()

    def collect(self, number, timeout):
        deadline = time.monotonic() + timeout
        with self._changed:
            while number not in self.results:
                if not self._changed.wait(max(0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise AssertionError(f"no answer to a call of {self.user} within {timeout} s")
            message = self.results[number]
        if "error" in message:
            raise CallError(message["error"], message["message"])
        return message["result"]

    def get(self, name, path=PATH, interface="Manager"):
        return self.call("org.freedesktop.DBus.Properties.Get", f"('{NAME}.{interface}', '{name}')", path=path)

    def wait_signal(self, name, condition=lambda message: True, timeout=DEADLINE_S):
        """The first signal of this name that fits, taken out of the list with all before it."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for i, message in enumerate(self.signals):
                    if message["signal"] == name and condition(message):
                        del self.signals[:i + 1]
                        return message
                if not self._changed.wait(max(0, deadline - time.monotonic())) and time.monotonic() > deadline:
                    raise AssertionError(f"{self.user} waits for {name} in vain; heard: {self.signals}")

    def forget_signals(self):
        """What was sent before this call is heard and forgotten: the bus keeps the order."""
        self.get("State")
        with self._changed:
            self.signals.clear()

    def heard(self):
        """Signals since forget_signals(), all that were sent before now."""
        self.get("State")
        with self._changed:
            return list(self.signals)

    def leave(self):
        """Closes the connection by ending the process."""
        if self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self._reader.join()
            self.process.stdout.close()


# -- the bus --

class SystemBus:
    """dbus-daemon with our policy and nothing that it could activate."""

    def __init__(self, polkit="mock", rules=()):
        """polkit: "mock", "real" (start it yourself: .polkit.start ()) or None."""
        self.folder = tempfile.mkdtemp(prefix="fz-bus-")
        os.chmod(self.folder, 0o755)
        self._processes, self._callers = [], []
        self.polkit = None
        try:
            self._start_daemon()
            if polkit == "mock":
                self.polkit = MockPolkit(self.address)
            elif polkit == "real":
                self.polkit = RealPolkit(self, rules)
        except BaseException:
            self.close()
            raise

    def _start_daemon(self):
        self.services = os.path.join(self.folder, "services")  # .service files with Exec= would be activated
        os.mkdir(self.services, 0o755)
        config = os.path.join(self.folder, "bus.conf")
        path = os.path.join(self.folder, "socket")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self._config(path))
        self.address = f"unix:path={path}"
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp",
                            "GIO_USE_PROXY_RESOLVER": "dummy", "GIO_USE_VFS": "local",
                            "DBUS_SYSTEM_BUS_ADDRESS": self.address, "DBUS_SESSION_BUS_ADDRESS": "disabled:"}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        self._spawn(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"])
        wait_until(lambda: listens(path), "the bus's socket")

    def _config(self, path):
        """What Debian's system.conf says, our policy, and the test's own doors: /test of the mock is root's."""
        includes = "".join(f"<include>{file}</include>" for file in (
            os.path.join(SOURCE, "data", "dev.firezone.Client.Tunnel1.conf"),
            "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"))
        return f"""{DOCTYPE}
<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
  <servicedir>{self.services}</servicedir>
  <policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/>
    <allow receive_type="signal"/><allow send_destination="org.freedesktop.DBus"/></policy>
  <policy user="root"><allow own="*"/><allow send_interface="dev.firezone.Test"/></policy>
  {includes}
</busconfig>
"""

    def _spawn(self, command, log=None, environment=None):
        path = os.path.join(self.folder, log or f"{len(self._processes)}.log")
        with open(path, "wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       env={**self.environment, **(environment or {})}, cwd="/")
        process.log = path
        self._processes.append(process)
        return process

    def start(self, *command, user=SERVICE_USER, name=NAME, environment=None):
        """Starts a program as `user` and waits until it owns `name` (None: does not wait)."""
        process = self._spawn([*as_user(user), *command], environment=environment)
        if name is not None:
            self.wait_for_name(name, process)
        return process

    def wait_for_name(self, name, process=None):
        def has_owner():
            if process is not None and process.poll() is not None:
                with open(process.log, encoding="utf-8", errors="replace") as file:
                    raise AssertionError(f"{process.args} ended with {process.returncode}: {file.read()}")
            reply = self.run("root", "gdbus", "call", "--system", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                             "org.freedesktop.DBus.NameHasOwner", name)
            return "true" in reply.stdout
        wait_until(has_owner, f"{name} on the bus")

    def log_of(self, process):
        with open(process.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self, process, number=signal.SIGTERM):
        """Ends a process of start(); returns its status."""
        if process.poll() is None:
            process.send_signal(number)
        try:
            status = process.wait(DEADLINE_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process in self._processes:
            self._processes.remove(process)
        return status

    def run(self, user, *command, input=None, environment=None, timeout=DEADLINE_S):
        """A command of `user` with this bus as its system bus; its CompletedProcess."""
        return subprocess.run([*as_user(user), *command], input=input, capture_output=True, text=True, cwd="/",
                              timeout=timeout, env={**self.environment, **(environment or {})})

    def caller(self, user, **options):
        caller = Caller(self, user, **options)
        self._callers.append(caller)
        return caller

    def test(self, member, arguments="()"):
        """Steers fz-mock-tunnel; see there."""
        if not hasattr(self, "_steersman") or self._steersman.process.poll() is not None:
            self._steersman = self.caller("root")
        return self._steersman.call(member, arguments, path="/test", interface="dev.firezone.Test")

    def close(self):
        for caller in self._callers:
            caller.leave()
        if self.polkit is not None:
            self.polkit.stop()
        for process in reversed(list(self._processes)):
            self.stop(process)
        if isinstance(self.polkit, RealPolkit):
            for folder in ("/run/systemd", "/etc/polkit-1/rules.d", "/usr/share/polkit-1/actions"):
                subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
