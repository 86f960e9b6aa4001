"""A fresh Debian 12 as a folder, made once and kept; a whole machine of it, as a container, when a test wants one.

    root = debian.fetch_root()                        # a minute the first time, nothing later
    with debian.Machine("laptop", root, netns) as box:
        install_into(box.root)
        box.run("systemctl", "start", "…")

A machine runs on a throw-away layer over the kept root, in a network namespace of the test's. Its processes, mounts and
files are gone when it ends, however it ends; `in_own_mounts` sees to the mounts.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from common import SKIPPED, run, skip_all

RELEASE = "bookworm"

# A desktop's services without the desktop: what our programs link, what they talk to, and what a person's shell needs.
PACKAGES = """
    adwaita-icon-theme coturn curl dbus dbus-user-session desktop-file-utils glib-networking iproute2 iputils-ping
    libadwaita-1-0 libarchive13 libayatana-appindicator3-1 libglib2.0-0 libglib2.0-bin libgtk-4-1 libipsec-mb1 libjson-glib-1.0-0
    libldns3 libnl-3-200 libpam-systemd libpolkit-gobject-1-0 libqrencode4 librsvg2-common libsecret-1-0 libsodium23
    libsoup-3.0-0 libsqlite3-0 libssl3 login network-manager nftables passwd polkitd procps python3 shared-mime-info systemd systemd-resolved
    systemd-sysv xvfb
""".split()
FORGOTTEN_AFTER_S = 7 * 86400
RECIPE = "4"  # changes with what is done to the root below


class MachineError(Exception):
    """Something of the machine itself went wrong; the text says what."""


# -- the root --

def _mirror():
    """Where this machine's apt gets the packages of the release, so that no address is written here."""
    answer = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Identifier: Packages")
    for line in answer.stdout.splitlines():
        words = line.split()
        if words[1:] == [RELEASE, "main"]:
            return words[0]
    return None


def _apt_settings():
    """How this machine's apt reaches it: proxies, certificates."""
    answer = run("apt-config", "dump")
    return [line for line in answer.stdout.splitlines() if line.lower().startswith("acquire::http")]


def _environment():
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    for line in _apt_settings():
        key, _, value = line.partition(" ")
        if key.lower() in ("acquire::http::proxy", "acquire::https::proxy"):
            environment.setdefault(key.split("::")[1].lower() + "_proxy", value.strip('";'))
    return environment


def _make_root(root, mirror):
    environment = _environment()
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    trust = [f"--keyring={keyring}"] if os.path.exists(keyring) else []
    run("debootstrap", "--variant=minbase", "--include=ca-certificates", *trust, RELEASE, root, mirror,
        env=environment, timeout=900)
    with open(os.path.join(root, "etc/apt/apt.conf.d/90test"), "w", encoding="ascii") as file:
        file.write("\n".join(_apt_settings()) + "\n")
    # no service starts while packages are unpacked: that is for the machine that boots from this
    policy = os.path.join(root, "usr/sbin/policy-rc.d")
    with open(policy, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\nexit 101\n")
    os.chmod(policy, 0o755)
    run("chroot", root, "apt-get", "install", "-y", "-q", "--no-install-recommends",
        "-o", "Dpkg::Options::=--force-unsafe-io", *PACKAGES, env=environment, timeout=900)
    os.unlink(policy)
    os.unlink(os.path.join(root, "etc/apt/apt.conf.d/90test"))
    for path in glob.glob(os.path.join(root, "var/cache/apt/archives/*.deb")):
        os.unlink(path)
    shutil.rmtree(os.path.join(root, "var/lib/apt/lists"))
    # Each machine gets an identity of its own when it boots. Relay and NetworkManager are the tests' affair.
    with open(os.path.join(root, "etc/machine-id"), "w", encoding="ascii"):
        pass
    run("systemctl", f"--root={root}", "disable", "coturn.service", "NetworkManager.service", check=False)


def _cache():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = os.path.join(base, "firezone-c")
    os.makedirs(folder, exist_ok=True)
    return folder


def require():
    """Returns if machines can be had here, or ends the program with the reason."""
    if os.geteuid() != 0:
        skip_all("a container with systemd in it needs root")
    for tool in ("systemd-nspawn", "debootstrap", "nsenter", "unshare", "apt-get"):
        if shutil.which(tool) is None:
            skip_all(f"{tool} is not installed; platform/linux/install-packages installs it")
    with open("/etc/os-release", encoding="utf-8") as file:
        if f"VERSION_CODENAME={RELEASE}" not in file.read():
            skip_all("what is built here would not run on Debian 12: the machine is another release")


def fetch_root():
    """The folder with the fresh Debian; made if it is not there. Never write into it."""
    key = hashlib.sha256("\n".join([RECIPE, RELEASE, *PACKAGES]).encode()).hexdigest()[:12]
    cache = _cache()
    root = os.path.join(cache, f"debian-{key}")
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs share one
        if os.path.isdir(root):
            os.utime(root)
            return root
        mirror = _mirror()
        if mirror is None:
            skip_all(f"this machine's apt knows no source for {RELEASE}")
        for old in glob.glob(os.path.join(cache, "debian-*")):
            if time.time() - os.stat(old).st_mtime > FORGOTTEN_AFTER_S:  # another clone may be using it
                shutil.rmtree(old, ignore_errors=True)
        started = time.monotonic()
        print("making a fresh Debian 12, once …", flush=True)
        partial = root + ".partial"
        try:
            _make_root(partial, mirror)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        os.rename(partial, root)
        print(f"made a fresh Debian 12 in {time.monotonic() - started:.0f} s: {root}", flush=True)
    return root


# -- machines --

def in_own_mounts():
    """Runs this program again where its mounts are its own and end with it."""
    here, left = os.readlink("/proc/self/ns/mnt"), os.environ.get("FZ_OWN_MOUNTS", "")
    if left.startswith("mnt:[") and left != here:  # a mark that was merely inherited does not count
        return
    os.environ["FZ_OWN_MOUNTS"] = here
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, *sys.argv])


class Machine:
    """One Debian with systemd as its first process."""

    def __init__(self, name, lower, netns):
        self.name = name
        self.netns = netns
        self.folder = tempfile.mkdtemp(prefix=f"fz-{name}-")
        self.root = os.path.join(self.folder, "root")
        self.upper = os.path.join(self.folder, "layer/upper")
        self._lower = lower
        self._nspawn = None
        self._init = None
        self._uids = {}

    def __enter__(self):
        try:
            self._mount()
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _mount(self):
        layer = os.path.join(self.folder, "layer")
        os.makedirs(layer)
        os.makedirs(self.root)
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", layer)
        os.makedirs(self.upper)
        os.makedirs(os.path.join(layer, "work"))
        run("mount", "-t", "overlay", "-o",
            f"lowerdir={self._lower},upperdir={self.upper},workdir={layer}/work", "overlay", self.root)

    def _boot(self):
        log = open(os.path.join(self.folder, "nspawn.log"), "wb")
        with log:
            self._nspawn = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit",
                 "--link-journal=no", "--capability=CAP_NET_ADMIN", "--resolv-conf=off", f"--machine=fz-{self.name}-{os.getpid()}",
                 f"--hostname={self.name}", f"--network-namespace-path=/run/netns/{self.netns}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.wait_until(self._has_booted, "systemd's answer", 180)
        # what it does by itself for a network of its own making: the network's switches are the machine's
        self.run("sh", "-ec", "mount -t proc proc /mnt; mount --bind /mnt/sys/net /proc/sys/net; umount -l /mnt")
        self.run("systemctl", "is-system-running", "--wait", check=False, timeout=180)

    def _has_booted(self):
        if self._nspawn.poll() is not None:
            with open(os.path.join(self.folder, "nspawn.log"), encoding="utf-8", errors="replace") as file:
                raise MachineError(f"{self.name}: systemd-nspawn ended with status {self._nspawn.returncode}:\n"
                                   + file.read())
        children = subprocess.run(["pgrep", "-P", str(self._nspawn.pid)], stdout=subprocess.PIPE, text=True,
                                  check=False).stdout.split()
        if not children:
            return False
        self._init = children[0]
        return self.run("test", "-S", "/run/systemd/private", check=False).returncode == 0

    def cut_power(self):
        """Everything ends at once; what was written stays. Boots again."""
        children = [self._init, str(self._nspawn.pid)]
        for pid in children:
            os.kill(int(pid), signal.SIGKILL)
        self._nspawn.wait()
        self._init = None
        self._boot()

    def close(self):
        if self._nspawn is not None and self._nspawn.poll() is None:
            try:
                if self._init:
                    os.kill(int(self._init), signal.SIGRTMIN + 4)  # power off
                    self._nspawn.wait(60)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            if self._nspawn.poll() is None:
                os.killpg(self._nspawn.pid, signal.SIGKILL)
        if self._nspawn is not None:
            self._nspawn.wait()
        for path in (self.root, os.path.join(self.folder, "layer")):
            subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- in it --

    def command(self, *argv):
        return ["nsenter", "-t", str(self._init), "-a", "--", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                "LANG=C.UTF-8", "HOME=/root", *map(str, argv)]

    def run(self, *argv, check=True, timeout=180, input=None):
        """As root of the machine, to the end; output and errors apart, as text."""
        result = subprocess.run(self.command(*argv), input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, timeout=timeout, check=False,
                                **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        if check and result.returncode != 0:
            raise MachineError(f"{self.name}: {' '.join(map(str, argv))}: status {result.returncode}\n"
                               f"{result.stdout}{result.stderr}")
        return result

    @staticmethod
    def _in_session(user, *options):
        """The arguments that begin a session as a log-in does, with PAM."""
        return ["systemd-run", "--quiet", "--collect", f"--property=User={user}", "--property=PAMName=login",
                "--setenv=XDG_SESSION_CLASS=user", "--property=WorkingDirectory=~", *options]

    def log_in(self, user):
        """@user sits down at the machine's seat and stays: local and active, for polkit and logind."""
        self._uids[user] = uid = self.run("id", "-u", user).stdout.strip()
        self.run(*self._in_session(user, "--setenv=XDG_SEAT=seat0", "--setenv=XDG_SESSION_TYPE=wayland",
                                   f"--unit=desk-{user}"), "sleep", "infinity")
        self.wait_until(lambda: "State=active" in self.run("loginctl", "show-user", user, "-p", "State",
                                                           check=False).stdout
                        and self.run("test", "-S", f"/run/user/{uid}/bus", check=False).returncode == 0,
                        f"session of {user}'s")

    def log_out(self, user):
        self.run("systemctl", "stop", f"desk-{user}.service")

    def as_person(self, user, *argv, **options):
        """At that desk, after log_in: by the person's own service manager, where a desktop starts its programs."""
        runtime = f"/run/user/{self._uids[user]}"
        return self.run("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
                        "env", f"HOME=/home/{user}", f"XDG_RUNTIME_DIR={runtime}",
                        f"DBUS_SESSION_BUS_ADDRESS=unix:path={runtime}/bus",
                        "systemd-run", "--user", "--quiet", "--pipe", "--wait", "--collect",
                        f"--working-directory=/home/{user}", *argv, **options)

    def as_guest(self, user, *argv, **options):
        """Not at the desk, as if over SSH: a session, but no seat."""
        return self.run(*self._in_session(user, "--setenv=XDG_SESSION_TYPE=tty", "--pipe", "--wait"), *argv, **options)

    def wait_until(self, condition, what, timeout=90.0):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise MachineError(f"{self.name}: no {what} within {timeout:g} s")
            time.sleep(0.02)

    def write(self, path, text, mode=0o644):
        """A file of an administrator's."""
        full = os.path.join(self.root, path.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def journal(self, unit, n_lines=40):
        return self.run("journalctl", "--no-pager", "-q", "-n", n_lines, "-o", "cat", "-u", unit, check=False).stdout


__all__ = ["Machine", "MachineError", "SKIPPED", "fetch_root", "in_own_mounts", "require"]
