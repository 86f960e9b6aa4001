"""A machine's DNS in a test's hands: namespaces with an own /etc, /run and network, an upstream DNS
server in another network namespace, a TUN device whose other end answers DNS on the sentinel addresses,
and the real programs that manage resolv.conf, unpacked from their packages and never installed.

`who_answers(name)` asks as any program does (getent) and says "ours", "upstream" or "nobody".
"""

import fcntl
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time

from bus import is_own_mounts, listens, mark_mounts

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.abspath(os.environ.get("FZ_BUILD", os.path.join(SOURCE, "build")))
PYTHON = "/usr/bin/python3"
SKIPPED = 77
DEADLINE_S = 120
PACKAGES = ["systemd-resolved", "network-manager", "libnm0", "libndp0", "libteamdctl0", "openresolv", "resolvconf"]
TUN = "tun-firezone"
SENTINELS = ["100.100.111.1", "100.100.111.2"]
UPSTREAMS = ["192.0.2.53", "192.0.2.54"]
PRIVATE = "100.96.0.1"  # what our end answers
PUBLIC = "198.51.100.1"  # what the upstream answers
RESOLV = "/etc/resolv.conf"
ORIGINAL = "# by hand\nnameserver 192.0.2.53\noptions timeout:1 attempts:2\n"
BUS_CONFIG = ('<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" '
              '"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd"><busconfig><type>system</type>'
              '<listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth><policy context="default">'
              '<allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>'
              '<allow eavesdrop="true"/></policy></busconfig>')


def skip(reason):
    print(f"SKIPPED: {reason}", file=sys.stderr, flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def run(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, text=True, **more).stdout


def wait_until(condition, what, timeout=DEADLINE_S):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what() if callable(what) else what}")
        time.sleep(0.03)


def fetch_packages():
    """Unpacks the foreign programs below the build folder; downloads what is missing there. What cannot be had
    is said, and its set-ups are skipped; all that needs no program of others is tested all the same."""
    folder = os.path.join(BUILD, "test-packages")
    os.makedirs(folder, exist_ok=True)
    for package in PACKAGES:
        target = os.path.join(folder, package)
        if os.path.isdir(target):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            got = subprocess.run(["apt-get", "download", "-q", package], cwd=scratch, capture_output=True, text=True)
            archives = [name for name in os.listdir(scratch) if name.endswith(".deb")]
            if got.returncode != 0 or not archives:
                print(f"NOT DOWNLOADED: {package}, so not tested against: {got.stderr.strip()[-200:]}", flush=True)
                continue
            part = target + ".part"
            shutil.rmtree(part, ignore_errors=True)
            run("dpkg", "-x", os.path.join(scratch, archives[0]), part)
            os.rename(part, target)
    return folder


def enter():
    """Returns inside namespaces of the program's own, or ends it."""
    if is_own_mounts(os.environ.pop("FZ_DNS_BED", "")):
        _furnish()
        return
    if os.geteuid() != 0 or subprocess.run(["unshare", "-mn", "true"], capture_output=True).returncode != 0:
        skip("needs root: mount and network namespaces")
    if not os.path.exists("/dev/net/tun"):
        skip("needs /dev/net/tun")
    os.environ["FZ_DNS_PACKAGES"] = fetch_packages()
    os.environ["FZ_DNS_BED"] = mark_mounts()
    os.execvp("unshare", ["unshare", "-m", "-n", "--propagation", "private", PYTHON, *sys.argv])


def _furnish():
    """An own /run, /etc and /usr, nothing of which stays."""
    scratch = "/mnt"  # any folder that is there: what is mounted over it goes with the namespace
    run("mount", "-t", "tmpfs", "tmpfs", scratch)
    for top in ("etc", "usr"):
        for part in ("up", "work"):
            os.makedirs(f"{scratch}/{top}/{part}")
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir=/{top},upperdir={scratch}/{top}/up,workdir={scratch}/{top}/work", f"/{top}")
    run("mount", "-t", "tmpfs", "tmpfs", "/run")
    run("mount", "-t", "tmpfs", "tmpfs", "/var/lib")
    subprocess.run(["mount", "-t", "sysfs", "-o", "ro", "sysfs", "/sys"], check=False, capture_output=True)
    for folder in ("dbus", "systemd/resolve", "NetworkManager", "resolvconf"):
        os.makedirs(f"/run/{folder}")
    for file, line in (("passwd", "systemd-resolve:x:61990:61990::/:/usr/sbin/nologin\n"),
                       ("group", "systemd-resolve:x:61990:\n")):
        with open(f"/etc/{file}", "a", encoding="utf-8") as out:
            out.write(line)
    shutil.chown("/run/systemd/resolve", 61990, 61990)
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/run/dbus/system_bus_socket"


# -- DNS by hand --

def answer(query, address):
    """The reply to a query: `address` for A, nothing for the rest."""
    end = 12
    while query[end] != 0:
        end += query[end] + 1
    end += 5
    head = query[:2] + b"\x81\x80" + b"\x00\x01"
    kind = struct.unpack("!H", query[end - 4:end - 2])[0]
    if kind != 1:
        return head + b"\x00\x00\x00\x00\x00\x00" + query[12:end]
    return (head + b"\x00\x01\x00\x00\x00\x00" + query[12:end] +
            b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04" + socket.inet_aton(address))


def name_of(query):
    labels, at = [], 12
    while query[at] != 0:
        labels.append(query[at + 1:at + 1 + query[at]].decode("ascii", "replace"))
        at += query[at] + 1
    return ".".join(labels).lower()


def _serve_upstream():
    """Runs in the upstream's namespace: prints every name that it is asked for."""
    run("ip", "link", "set", "lo", "up")
    wait_until(lambda: subprocess.run(["ip", "link", "set", "up", "dev", "eth8"], capture_output=True).returncode == 0,
               "the cable")
    sockets = []
    for address in UPSTREAMS:
        run("ip", "address", "add", f"{address}/24", "dev", "eth8")
        sockets.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sockets[-1].bind((address, 53))
    print("ready", flush=True)
    while True:
        for one in select.select(sockets, [], [])[0]:
            query, sender = one.recvfrom(4096)
            print(name_of(query), flush=True)
            one.sendto(answer(query, PUBLIC), sender)


class Upstream:
    """The network's own DNS servers, at the other end of eth9."""

    def __init__(self):
        self.names = []
        self.process = subprocess.Popen(["unshare", "-n", PYTHON, __file__, "upstream"],
                                        stdout=subprocess.PIPE, text=True)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "eth8")
        own = os.stat("/proc/self/ns/net").st_ino
        wait_until(lambda: os.stat(f"/proc/{self.process.pid}/ns/net").st_ino != own, "the upstream's namespace")
        run("ip", "link", "set", "eth8", "netns", self.process.pid)
        assert self.process.stdout.readline() == "ready\n"
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.names.append(line.strip())

    def plug(self):
        run("ip", "link", "set", "eth9", "up")
        run("ip", "address", "replace", "192.0.2.10/24", "dev", "eth9")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        subprocess.run(["ip", "link", "del", "eth9"], check=False, capture_output=True)


def _checksum(data):
    if len(data) % 2:
        data += b"\x00"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Tun:
    """Our device: whoever asks a sentinel for A gets PRIVATE."""

    def __init__(self):
        self.names = []
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.fd, 0x400454CA, struct.pack("16sH", TUN.encode(), 0x1001))
        run("ip", "address", "add", "100.64.0.5/32", "dev", TUN)
        run("ip", "link", "set", TUN, "up")
        run("ip", "route", "add", "100.100.111.0/24", "dev", TUN)
        self.stop_reader, self.stop_writer = os.pipe()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            ready = select.select([self.fd, self.stop_reader], [], [])[0]
            if self.stop_reader in ready:
                return
            packet = os.read(self.fd, 4096)
            if packet[0] >> 4 != 4 or packet[9] != 17:
                continue
            header = (packet[0] & 15) * 4
            source, target = packet[12:16], packet[16:20]
            sport, dport = struct.unpack("!HH", packet[header:header + 4])
            query = packet[header + 8:]
            if dport != 53 or socket.inet_ntoa(target) not in SENTINELS:
                continue
            self.names.append(name_of(query))
            reply = answer(query, PRIVATE)
            udp = struct.pack("!HHHH", 53, sport, 8 + len(reply), 0) + reply
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + target + source
            ip = ip[:10] + struct.pack("!H", _checksum(ip)) + ip[12:]
            os.write(self.fd, ip + udp)

    def close(self):
        os.write(self.stop_writer, b"x")
        self.thread.join()
        for fd in (self.fd, self.stop_reader, self.stop_writer):
            os.close(fd)


_counter = 0


def who_answers(upstream=None):
    """Whom the machine asks about a fresh private name; where that is us, nobody else may hear it."""
    global _counter
    _counter += 1
    name = f"n{_counter}.corp.example"
    got = subprocess.run(["getent", "ahostsv4", name], capture_output=True, text=True).stdout
    if PRIVATE in got:
        if upstream is not None and name in upstream.names:
            return "ours and upstream"
        return "ours"
    return "upstream" if PUBLIC in got else "nobody"


def who_answers_at_all(upstream=None):
    """Like who_answers(), but asks again where nobody did: whoever is asked may have to wait for the processor."""
    return wait_until(lambda: (lambda who: who if who != "nobody" else None)(who_answers(upstream)), "any answer")


def snapshot():
    """All that has to come back: kind, content or target, mode, owner."""
    try:
        info = os.lstat(RESOLV)
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(info.st_mode):
        return ("link", os.readlink(RESOLV), info.st_uid, info.st_gid)
    with open(RESOLV, "rb") as file:
        return ("file", file.read(), stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid)


def write(path, text):
    """In place, as an editor may do."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def resolv_text():
    with open(RESOLV, encoding="utf-8") as file:
        return file.read()


def remove_resolv():
    try:
        os.unlink(RESOLV)
    except FileNotFoundError:
        pass


def write_resolv(text):
    """As dhclient does: a new file over the old one."""
    with open(RESOLV + ".dhclient-new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(RESOLV + ".dhclient-new", RESOLV)


# -- our side --

class Driver:
    """The real DNS control in a process of its own."""

    def __init__(self, mode="auto", uid=0):
        user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        self.process = subprocess.Popen([*user, f"{BUILD}/tests/dbus/fz-dns-driver", mode],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def set(self, domain="corp.example", servers=SENTINELS[:1]):
        self.say(" ".join(["set", TUN, domain, *servers]))

    @property
    def last(self):
        return self.events[-1] if self.events else {"state": "", "mode": "", "upstreams": [], "text": ""}

    def wait_state(self, state):
        def has_it():
            assert self.process.poll() is None, f"the driver has ended: {self.process.returncode}"
            return self.last["state"] == state

        wait_until(has_it, lambda: f"state {state}; last: {self.last}")

    def wait_upstreams(self, *expected):
        wait_until(lambda: self.last["upstreams"] == list(expected), lambda: f"upstreams {expected}; last: {self.last}")

    def count(self, event):
        return sum(1 for e in self.events if e["event"] == event)

    def quit(self):
        self.process.stdin.close()
        assert self.process.wait(DEADLINE_S) == 0
        self._release()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self._release()

    def _release(self):
        self.thread.join()
        self.process.stdout.close()


class Agent:
    """What systemd does for firezone-client-resolv.socket: starts it, one at a time, when somebody connects."""

    PATH = "/run/dev.firezone.client.resolv"

    def __init__(self, uid):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.PATH)
        os.chown(self.PATH, uid, uid)
        os.chmod(self.PATH, 0o600)
        self.listener.listen(4)
        self.child = None
        self.is_over = False
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        fd = self.listener.fileno()
        while not self.is_over:
            if not select.select([fd], [], [], 0.05)[0]:
                continue
            self.child = subprocess.Popen(
                ["sh", "-c", f"exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ exec {BUILD}/platform/linux/firezone-client-resolv"],
                pass_fds=[fd], stderr=subprocess.DEVNULL)
            self.child.wait()

    def kill(self):
        self.child.kill()

    def close(self):
        self.is_over = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
        self.thread.join()
        self.listener.close()
        os.unlink(self.PATH)


# -- the others --

class Bus:
    def __init__(self):
        config = "/run/bus.conf"
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG)
        self.process = subprocess.Popen(["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"],
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: listens("/run/dbus/system_bus_socket"), "the bus")

    def close(self):
        self.process.terminate()
        self.process.wait()
        if os.path.exists("/run/dbus/system_bus_socket"):
            os.unlink("/run/dbus/system_bus_socket")


def package(name):
    return os.path.join(os.environ["FZ_DNS_PACKAGES"], name)


def call(name, path, method, *args):
    return run("busctl", "--system", "call", name, path, *method.rsplit(".", 1), *args)


if __name__ == "__main__" and sys.argv[1:] == ["upstream"]:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _serve_upstream()
