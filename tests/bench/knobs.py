"""What a fair comparison holds equal, set and then read back: a knob that did not take effect ends the run.

TCP buffers, tunnel's MTU, the wires' offloads; cubic is checked by whoever opens the connections, because some kernels do
not let a namespace change its default. CpuQuota limits a process to a share of one CPU, by cgroups of either version.
"""

import contextlib
import os
import re

from bed import BedError

MTU = 1280
TCP_BUFFERS = {"net.ipv4.tcp_rmem": "4096 131072 16777216", "net.ipv4.tcp_wmem": "4096 131072 16777216"}
OFFLOADS = ("tx-tcp-segmentation", "tx-udp-segmentation", "generic-segmentation-offload")
QUOTA_PERIOD_US = 4000  # short: a long one would show the quota's own pauses instead of the queues


def tune(host):
    """The same for every end."""
    for key, value in TCP_BUFFERS.items():
        host.run("sysctl", "-qw", f"{key}={value}")
        found = host.run("sysctl", "-n", key).stdout.split()
        if found != value.split():
            raise BedError(f"{host.name}: {key} is {found}, not {value}")


def check_mtu(host, device):
    found = host.run("cat", f"/sys/class/net/{device}/mtu").stdout.strip()
    if found != str(MTU):
        raise BedError(f"{host.name}: the MTU of {device} is {found}, not {MTU}")


def check_offloads(host):
    """Of every wire of `host`; the tunnel's own device is its engine's affair."""
    for device in host.run("ls", "/sys/class/net").stdout.split():
        if not re.match(r"eth|lan|private", device):
            continue
        features = dict(re.findall(r"^\s*([\w-]+): (on|off)", host.run("ethtool", "-k", device).stdout, re.M))
        missing = [name for name in OFFLOADS if features.get(name) != "on"]
        if missing:
            raise BedError(f"{host.name}: {device} is without {', '.join(missing)}")


def is_cutting(host, device):
    """Whether `device` takes several datagrams as one and cuts them itself, or its engine does."""
    text = host.run("ethtool", "-k", device).stdout
    return re.search(r"^\s*tx-udp-segmentation: (on|off)", text, re.M).group(1) == "on"


@contextlib.contextmanager
def cut_before(host, address):
    """In the block, what `host` sends to `address` is cut before it comes to the device: datagrams that a sender hands
    over together are the single packets there that they would be if it had handed over each."""
    device = re.search(r" dev (\S+)", host.run("ip", "-o", "route", "get", address).stdout).group(1)
    was_cutting = is_cutting(host, device)
    if was_cutting:
        host.run("ethtool", "-K", device, "tx-udp-segmentation", "off")
    if is_cutting(host, device):
        raise BedError(f"{host.name}: {device} cannot be kept from taking several datagrams as one")
    try:
        yield
    finally:
        if was_cutting:
            host.run("ethtool", "-K", device, "tx-udp-segmentation", "on")


def check_cubic(result):
    """`result`: iperf3's JSON."""
    used = {result["end"].get(f"{side}_tcp_congestion") for side in ("sender", "receiver")}
    if used != {"cubic"}:
        raise BedError(f"iperf3 used {used} instead of cubic")


class CpuQuota:
    """A cgroup of our own in which processes get `share` of one CPU.

        with CpuQuota(0.5) as quota:
            with quota.holding(process):
                …
    """

    def __init__(self, share):
        self.share = share
        self._home, is_v2 = self._find()
        self._folder = os.path.join(self._home, f"fz-bench-{os.getpid()}")
        try:
            os.mkdir(self._folder)
        except PermissionError as error:
            raise BedError("a CPU quota needs root: no cgroup can be made") from error
        quota = int(share * QUOTA_PERIOD_US)
        try:
            if is_v2:
                self._write("cpu.max", f"{quota} {QUOTA_PERIOD_US}")
            else:
                self._write("cpu.cfs_period_us", QUOTA_PERIOD_US)
                self._write("cpu.cfs_quota_us", quota)
        except OSError:
            os.rmdir(self._folder)
            raise

    @staticmethod
    def _find():
        """(the folder of our own cgroup where a child can be made, whether that is version 2)."""
        with open("/proc/self/cgroup", encoding="ascii") as file:
            own = {names: path for _, names, path in (line.strip().split(":", 2) for line in file)}
        with open("/proc/self/mounts", encoding="utf-8") as file:
            mounts = [line.split()[:4] for line in file]
        for _, point, kind, options in mounts:
            if kind == "cgroup" and "cpu" in options.split(","):
                path = next(path for names, path in own.items() if "cpu" in names.split(","))
                return os.path.join(point, path.lstrip("/")), False
        for _, point, kind, _ in mounts:
            home = os.path.join(point, own.get("", "/").lstrip("/"))
            control = os.path.join(home, "cgroup.subtree_control")
            if kind == "cgroup2" and os.path.exists(control):
                with open(control, "r+", encoding="ascii") as file:
                    if "cpu" not in file.read().split():
                        file.write("+cpu")
                return home, True
        raise BedError("no cgroup with a CPU controller is mounted here")

    def _write(self, name, value, folder=None):
        with open(os.path.join(folder or self._folder, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def n_throttled(self):
        with open(os.path.join(self._folder, "cpu.stat"), encoding="ascii") as file:
            return int(re.search(r"nr_throttled (\d+)", file.read()).group(1))

    def holding(self, process):
        return _Held(self, process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.rmdir(self._folder)

    def enter(self, pid):
        self._write("cgroup.procs", pid)

    def leave(self, pid):
        if os.path.exists(f"/proc/{pid}"):
            self._write("cgroup.procs", pid, self._home)


class _Held:
    def __init__(self, quota, process):
        self._quota, self._process = quota, process

    def __enter__(self):
        self._quota.enter(self._process.pid)
        self._before = self._quota.n_throttled()

    def __exit__(self, kind, *_):
        n_times = self._quota.n_throttled() - self._before
        self._quota.leave(self._process.pid)
        if kind is None and n_times == 0:
            raise BedError("the CPU quota never held the engine back: it was no limit")
