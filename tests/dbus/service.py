"""The real service on a private bus, with a real portal on loopback and a service manager of our own.

    with Place() as place:
        token = place.portal.make_token()
        place.start()                                   # the service; place.manager keeps its descriptors
        alice = place.bus.caller("alice")
        place.sign_in(alice, token)
"""

import array
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import bus  # noqa: E402

PORTAL = os.path.join(bus.BUILD, "src", "server", "firezone-portal")
SERVICE = os.path.join(bus.BUILD, "tests", "dbus", "fz-fake-tunnel")
REAL_SERVICE = os.path.join(bus.BUILD, "src", "helper", "firezone-client-tunnel")


class Manager:
    """A notify socket with a descriptor store, as systemd has: what a service sent it gets back."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.messages = []   # lines, in order
        self.kept = {}       # name -> descriptor
        self._n_marks = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while True:
            try:
                data, control, _, _ = self._socket.recvmsg(65536, socket.CMSG_SPACE(64 * 4))
            except OSError:
                return
            if not data:
                return
            fds = array.array("i")
            for level, kind, value in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
            self._take(data.decode(errors="replace"), list(fds))

    def _take(self, text, fds):
        lines = text.splitlines()
        names = [line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")]
        with self._lock:
            self.messages += lines
            if "FDSTORE=1" in lines:
                for fd in fds:
                    self._drop(names[0])
                    self.kept[names[0]] = fd
                fds = []
            if "FDSTOREREMOVE=1" in lines:
                self._drop(names[0])
        for fd in fds:
            os.close(fd)

    def _drop(self, name):
        fd = self.kept.pop(name, None)
        if fd is not None:
            os.close(fd)

    def _settle(self):
        """Reads all that was sent before now."""
        self._n_marks += 1
        mark = f"MARK={self._n_marks}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            probe.sendto(mark.encode(), self.path)

        def is_read():
            with self._lock:
                return mark in self.messages
        bus.wait_until(is_read, "the end of what was sent")

    def has(self, line):
        self._settle()
        with self._lock:
            return line in self.messages

    def names(self):
        self._settle()
        with self._lock:
            return sorted(self.kept)

    def lend(self):
        """(names, duplicates) of what is kept, for a service that starts."""
        self._settle()
        with self._lock:
            names = sorted(self.kept)
            return names, [os.dup(self.kept[name]) for name in names]

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()
        for name in list(self.kept):
            self._drop(name)


class Portal:
    """firezone-portal on loopback."""

    def __init__(self, place):
        self._place = place
        self.database = os.path.join(place.folder, "portal", "portal.db")
        os.mkdir(os.path.dirname(self.database), 0o700)
        self.port = 8080  # of the test's own network; none that the kernel might give to whoever looks for the portal
        self.url = f"ws://127.0.0.1:{self.port}/"
        self.process = None
        self.command("init", "--name", "Example")

    def command(self, *words):
        result = subprocess.run([PORTAL, *words, "--database", self.database, "--json"], capture_output=True,
                                text=True, timeout=bus.DEADLINE_S, env=self._place.bus.environment)
        if result.returncode != 0:
            raise AssertionError(f"firezone-portal {' '.join(words)}: {result.stderr}")
        return json.loads(result.stdout) if result.stdout.strip() else None

    def make_token(self, actor):
        result = subprocess.run([PORTAL, "token", "create", "--client", "--actor", actor, "--database",
                                 self.database], capture_output=True, text=True, check=True,
                                env=self._place.bus.environment)
        return result.stdout.strip()

    def start(self):
        self.process = self._place.bus.start(PORTAL, "serve", "--listen", f"127.0.0.1:{self.port}", "--database",
                                             self.database, user="root", name=None)

        def answers():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0
        bus.wait_until(answers, "the portal")

    def stop(self, number=signal.SIGTERM):
        self._place.bus.stop(self.process, number)


class Place:
    """Bus, portal, service manager and the service, and their end."""

    def __init__(self, polkit="mock", program=SERVICE):
        self.program = program
        self.folder = tempfile.mkdtemp(prefix="fz-service-")
        os.chmod(self.folder, 0o755)
        self.bus = None
        self.manager = None
        try:
            self.bus = bus.SystemBus(polkit)
            self.manager = Manager(self.folder)
            self.logs = self._own("logs")
            self.config = os.path.join(self.folder, "client.conf")
            os.mkdir(self.config + ".d")
            self.portal = Portal(self)
        except BaseException:
            self.close()
            raise
        self.process = None

    def _own(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        os.chown(path, bus.USERS[bus.SERVICE_USER], bus.USERS[bus.SERVICE_USER])
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.bus is not None:
            self.bus.close()
        if self.manager is not None:
            self.manager.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- the service --

    def start(self, *options, environment=None, journal=False):
        """As systemd would: own user, one capability, its notify socket, what it stored before. journal: its
        standard output is said to lead into the journal."""
        uid = str(bus.USERS[bus.SERVICE_USER])
        if self.program == REAL_SERVICE:  # this machine's name resolution is not ours to play with
            options = ("--dns-control", "disabled", *options)
        names, fds = self.manager.lend()
        moves, listens = [], []
        for i, fd in enumerate(fds):
            os.set_inheritable(fd, True)
            moves.append(f"exec {3 + i}<&{fd}")
        if fds:
            listens = [f"export LISTEN_PID=$$ LISTEN_FDS={len(fds)} LISTEN_FDNAMES={':'.join(names)}"]
        script = "; ".join([*moves, *listens, 'exec "$@"'])
        command = ["bash", "-c", script, "bash", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                   "--inh-caps=+net_admin", "--ambient-caps=+net_admin", self.program, "--config", self.config,
                   "--log-dir", self.logs, "--firezone-id", "test-device", *options]
        try:
            self.process = self._spawn(command, fds, environment, journal)
        finally:
            for fd in fds:
                os.close(fd)
        self.bus.wait_for_name(bus.NAME, self.process)
        return self.process

    def _spawn(self, command, fds, environment, journal):
        # Descriptors above the ones that bash moves to 3, 4, …
        path = os.path.join(self.bus.folder, f"service-{len(self.bus._processes)}.log")
        with open(path, "wb") as file:
            if journal:
                info = os.fstat(file.fileno())
                environment = {**(environment or {}), "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
            process = subprocess.Popen(
                command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd="/", pass_fds=fds,
                env={**self.bus.environment, "NOTIFY_SOCKET": self.manager.path, "RUST_LOG": "debug",
                     "FIREZONE_NAME": "test", **(environment or {})})
        process.log = path
        self.bus._processes.append(process)
        return process

    def stop(self, number=signal.SIGTERM):
        return self.bus.stop(self.process, number)

    # -- callers --

    def sign_in(self, caller, token, **options):
        words = {"api-url": f"<'{self.portal.url}'>", "account": "<'example'>", "actor": "<'Ada Lovelace'>", **options}
        text = ", ".join(f"'{key}': {value}" for key, value in words.items() if value is not None)
        caller.call("Manager.SetCredential", f"(handle 0, {{{text}}})", fd=f"sealed:{token}")

    def wait_state(self, caller, *states, timeout_ms=bus.DEADLINE_S * 1000):
        listed = ", ".join(f"'{state}'" for state in states)
        return caller.call("Manager.WaitForState", f"([{listed}], uint32 {timeout_ms})", timeout_ms=timeout_ms + 5000)

    def all_logs(self):
        """What the service has written, all files."""
        texts = []
        for name in sorted(os.listdir(self.logs)):
            path = os.path.join(self.logs, name)
            if not os.path.islink(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    texts.append(file.read())
        return "\n".join(texts)
