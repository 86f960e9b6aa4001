"""A test bed of network namespaces: hosts, links, processes, and their end.

A bed owns what it makes: namespaces under a name of its own, processes by pid, files under one
temporary folder; all of it is gone when the `with` block ends, however it ends. It works as root,
and as an ordinary user where unprivileged user namespaces are allowed (the script then runs itself
again under `unshare`).

    with Bed("ping") as bed:
        a, b = bed.host("a"), bed.host("b")
        bed.link(a, "10.0.0.1/24", b, "10.0.0.2/24")
        a.run("ping", "-c1", "10.0.0.2")
"""

import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
PATIENCE = 60.0  # seconds for what takes none; a busy machine may take many


class BedError(Exception):
    """Something of the bed itself went wrong; the text says what."""


def skip(reason):
    """Ends the program: loudly skipped, or failed where CI promises all rights."""
    print(f"SKIPPED: {reason}", file=sys.stderr, flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def _may_make_namespaces():
    return subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0


def require_rights():
    """Returns with the right to make namespaces and TUN devices, or ends the program."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        skip("/dev/net/tun cannot be opened: load the tun module, give the container the device, "
             "or make it accessible (mode 0666, as udev does)")
    if os.geteuid() == 0 and _may_make_namespaces():
        return
    if os.environ.get("FZ_BED_UNSHARED"):
        skip("no right to make network namespaces inside a user namespace")
    probe = subprocess.run(["unshare", "-Urnm", "true"], capture_output=True, text=True)
    if probe.returncode != 0:
        skip("neither root nor unprivileged user namespaces: " + probe.stderr.strip())
    os.environ["FZ_BED_UNSHARED"] = "1"
    inner = 'mount -t tmpfs tmpfs /run && exec "$@"'
    os.execvp("unshare", ["unshare", "-Urnm", "sh", "-c", inner, "sh", sys.executable, *sys.argv])


class Process:
    """A program of the bed, running in a host's namespace, its output in a file."""

    def __init__(self, name, popen, log_path, notify_socket):
        self.name = name
        self.popen = popen
        self.log_path = log_path
        self._notify_socket = notify_socket

    @property
    def pid(self):
        return self.popen.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def fail(self, why):
        tail = "\n".join(self.log().splitlines()[-25:])
        raise BedError(f"{self.name}: {why}; the end of its log:\n{tail}")

    def wait_until(self, condition, what, timeout=PATIENCE):
        """Waits for `condition()`; a dead process or a late one is an error."""
        deadline = time.monotonic() + timeout
        while not condition():
            if self.popen.poll() is not None:
                self.fail(f"ended with status {self.popen.returncode} while waiting for {what}")
            if time.monotonic() > deadline:
                self.fail(f"no {what} within {timeout:g} s")
            time.sleep(0.01)

    def wait_for_log(self, pattern, timeout=PATIENCE, after=0):
        """Waits until the log, from offset `after`, matches; returns the match."""
        found = []

        def matches():
            match = re.search(pattern, self.log()[after:])
            found[:] = [match]
            return match is not None

        self.wait_until(matches, f"log line like {pattern!r}", timeout)
        return found[0]

    def wait_ready(self, timeout=PATIENCE):
        """Waits for READY=1 as a service manager would; needs spawn(notify=True)."""
        state = []

        def is_ready():
            self._notify_socket.setblocking(False)
            try:
                while True:
                    state.extend(self._notify_socket.recv(4096).decode().splitlines())
            except BlockingIOError:
                pass
            return "READY=1" in state

        self.wait_until(is_ready, "READY=1", timeout)

    def send_signal(self, number):
        self.popen.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=PATIENCE):
        """Ends the process; returns its exit status."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            self.fail(f"did not end within {timeout:g} s of signal {number}")

    def resident_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def peak_resident_kb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def voluntary_switches(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii") as file:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))
        return total


class Host:
    """One network namespace."""

    def __init__(self, bed, name):
        self.bed = bed
        self.name = name
        self.netns = f"{bed.prefix}-{name}"

    def command(self, *argv):
        """The argument list that runs `argv` in here."""
        return ["ip", "netns", "exec", self.netns, *map(str, argv)]

    def run(self, *argv, check=True, timeout=2 * PATIENCE, env=None, input=None):
        """Runs to the end; returns the CompletedProcess with text output."""
        result = subprocess.run(
            self.command(*argv),
            capture_output=True,
            text=True,
            timeout=timeout,
            input=input,
            env={**os.environ, **(env or {})},
        )
        if check and result.returncode != 0:
            raise BedError(
                f"{self.name}: {' '.join(map(str, argv))}: status {result.returncode}\n"
                f"{result.stdout}{result.stderr}"
            )
        return result

    def ip(self, *argv):
        return self.bed.tool("ip", "-n", self.netns, *argv)

    def sysctl(self, **settings):
        for key, value in settings.items():
            self.run("sysctl", "-qw", f"{key.replace('__', '.')}={value}")

    def nft(self, rules):
        return self.run("nft", "-f", "-", input=rules)

    def spawn(self, name, *argv, wrapper=(), **options):
        """Starts a program; it is ended with the bed at the latest."""
        return self.bed.spawn(name, *wrapper, *self.command(*argv), **options)


class Bed:
    def __init__(self, name, keep_logs=None):
        require_rights()
        self.prefix = f"fz{os.getpid()}-{name}"
        self.hosts = []
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix=f"fz-{name}-")
        os.chmod(self.folder, 0o755)
        self._keep_logs = keep_logs
        self._n_links = 0

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        return self

    def __exit__(self, kind, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # cleaning up is not to be interrupted
        self.close()

    def close(self):
        for process in reversed(self.processes):
            if process.popen.poll() is None:
                process.popen.terminate()
        deadline = time.monotonic() + 5
        for process in reversed(self.processes):
            try:
                process.popen.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.popen.kill()
                process.popen.wait()
        for host in reversed(self.hosts):
            self._end_strays(host)
            subprocess.run(["ip", "netns", "del", host.netns], capture_output=True)
        if self._keep_logs:
            os.makedirs(self._keep_logs, exist_ok=True)
            for entry in os.listdir(self.folder):
                if entry.endswith(".log"):
                    shutil.copy(os.path.join(self.folder, entry), self._keep_logs)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_strays(self, host):
        pids = subprocess.run(["ip", "netns", "pids", host.netns], capture_output=True, text=True)
        for pid in pids.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, name, *argv, env=None, notify=False, pass_fds=()):
        """Starts a program outside the namespaces; it is ended with the bed at the latest."""
        log_path = self.path(f"{name}.log")
        environment = {**os.environ, **(env or {})}
        notify_socket = None
        if notify:
            notify_path = self.path(f"{name}.notify")
            if os.path.exists(notify_path):
                os.unlink(notify_path)
            notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            notify_socket.bind(notify_path)
            environment["NOTIFY_SOCKET"] = notify_path
        with open(log_path, "ab") as log:
            popen = subprocess.Popen(
                [*map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=pass_fds,
            )
        process = Process(name, popen, log_path, notify_socket)
        self.processes.append(process)
        return process

    def tool(self, *argv):
        result = subprocess.run([*map(str, argv)], capture_output=True, text=True)
        if result.returncode != 0:
            raise BedError(f"{' '.join(map(str, argv))}: {result.stderr.strip()}")
        return result.stdout

    def host(self, name):
        host = Host(self, name)
        self.tool("ip", "netns", "add", host.netns)
        self.hosts.append(host)
        host.ip("link", "set", "lo", "up")
        # no waiting for duplicate address detection
        host.sysctl(net__ipv6__conf__default__accept_dad=0, net__ipv6__conf__all__accept_dad=0)
        return host

    def link(self, a, a_addresses, b, b_addresses, a_name=None, b_name=None, mtu=1500):
        """A veth pair; addresses are one "ip/prefix" or a list of them."""
        self._n_links += 1
        a_name = a_name or f"eth{self._n_links}"
        b_name = b_name or f"eth{self._n_links}"
        self.tool("ip", "-n", a.netns, "link", "add", a_name, "mtu", mtu, "type", "veth",
                  "peer", "name", b_name, "mtu", mtu, "netns", b.netns)
        for host, name, addresses in ((a, a_name, a_addresses), (b, b_name, b_addresses)):
            for address in [addresses] if isinstance(addresses, str) else addresses:
                host.ip("addr", "add", address, "dev", name,
                        *(["nodad"] if ":" in address else []))
            host.ip("link", "set", name, "up")
        return a_name, b_name


def lose(host, percent, what="meta l4proto udp", hook="forward"):
    """Random loss on what passes `host`, each direction by itself; 0 ends it."""
    host.run("nft", "delete", "table", "inet", "impair", check=False)
    if percent > 0:
        host.nft(
            "table inet impair {\n"
            f"  chain lose {{ type filter hook {hook} priority 10; policy accept;\n"
            f"    {what} numgen random mod 100 < {percent} counter drop\n"
            "  }\n}\n"
        )


def wait_readable(descriptor, timeout):
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(timeout))
