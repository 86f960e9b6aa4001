"""The newest wireguard-go that can be had: Debian's, unpacked beside the system, or made by Go where there is one.

Debian 12's own version has no offloads and is no fair rival. The one of unstable comes from the
mirror that the machine already uses, by apt with lists and cache of its own: nothing is installed,
no file of the system changes. It is kept in a folder, and fetched again after a week.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import time

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MAX_AGE_S = 7 * 24 * 3600


class Rival:
    def __init__(self, program, version, note):
        self.program, self.version, self.note = program, version, note


def _mirror():
    """The machine's own Debian mirror."""
    targets = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(SUITE) $(LABEL) $(ORIGIN)"],
                             capture_output=True, text=True)
    for line in targets.stdout.splitlines():
        if line.endswith(" Debian Debian"):
            return line.split()[0]
    raise OSError("apt knows no Debian mirror")


def _apt(folder, *argv):
    options = [
        f"-oDir::Etc::SourceList={folder}/sources.list", "-oDir::Etc::SourceParts=/dev/null",
        f"-oDir::State::Lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oAPT::Sandbox::User=root",
        "-oAcquire::Languages=none", "-oAcquire::Retries=1", "-oAcquire::http::Timeout=20",
    ]
    subprocess.run(["apt-get", "-q", *options, *argv], cwd=folder, check=True, stdout=sys.stderr, timeout=300)


def _fetch(folder):
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("lists/partial", "cache/partial"):
        os.makedirs(os.path.join(folder, part))
    with open(os.path.join(folder, "sources.list"), "w", encoding="ascii") as file:
        file.write(f"deb [signed-by={KEYRING}] {_mirror()} sid main\n")
    _apt(folder, "update")
    _apt(folder, "download", "wireguard-go")
    package = glob.glob(os.path.join(folder, "wireguard-go_*.deb"))[0]
    subprocess.run(["dpkg", "-x", package, folder], check=True)
    shutil.rmtree(os.path.join(folder, "lists"))
    shutil.rmtree(os.path.join(folder, "cache"))


def _build(folder):
    """By Go's own means, into `folder`; None where there is no Go, or no way to its modules."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None
    program = os.path.join(folder, "go", "wireguard")
    try:
        subprocess.run([go, "install", "golang.zx2c4.com/wireguard@latest"], check=True, stdout=sys.stderr, timeout=300,
                       env={**os.environ, "GOBIN": os.path.dirname(program), "GOFLAGS": "-buildvcs=false"})
    except (subprocess.SubprocessError, OSError) as error:
        print(f"rival: Go cannot make wireguard-go ({error})", file=sys.stderr)
        return None
    about = subprocess.run([go, "version", "-m", program], capture_output=True, text=True).stdout
    match = re.search(r"mod\s+golang.zx2c4.com/wireguard\s+v?(\S+)", about)
    return Rival(program, match.group(1) if match else "unknown", "made by Go, the newest tag")


def _version_of(program):
    output = subprocess.run([program, "--version"], capture_output=True, text=True)
    match = re.search(r"v?(\d+\.\d+\.\d+)", output.stdout + output.stderr)
    return match.group(1) if match else "unknown"


def _unpacked(folder):
    packages = glob.glob(os.path.join(folder, "wireguard-go_*.deb"))
    program = os.path.join(folder, "usr/bin/wireguard-go")
    if packages and os.path.exists(program):
        return program, os.path.basename(packages[0]).split("_")[1]
    return None


def keep(found):
    """For when this program starts itself again without a way to any mirror."""
    os.environ.update(FZ_WIREGUARD_GO=found.program, FZ_WIREGUARD_GO_VERSION=found.version,
                      FZ_WIREGUARD_GO_NOTE=found.note)


def find(folder):
    """The rival from `folder`, fetched if need be; the system's own one, with a note, if that fails.
    None if there is none at all."""
    given = os.environ.get("FZ_WIREGUARD_GO")
    if given:
        # found by an earlier start of this program, outside of its namespace, or by whoever calls it
        return Rival(given, os.environ.get("FZ_WIREGUARD_GO_VERSION") or _version_of(given),
                     os.environ.get("FZ_WIREGUARD_GO_NOTE") or "given by FZ_WIREGUARD_GO")
    folder = os.path.abspath(folder)
    found = _unpacked(folder)
    if found is None or time.time() - os.path.getmtime(folder) > MAX_AGE_S:
        try:
            _fetch(folder)
        except (subprocess.SubprocessError, OSError, IndexError) as error:
            print(f"rival: unstable's wireguard-go cannot be had ({error})", file=sys.stderr)
        found = _unpacked(folder) or found
    if found is not None:
        return Rival(found[0], found[1], "Debian unstable, unpacked beside the system")
    made = _build(folder)
    if made is not None:
        return made
    system = shutil.which("wireguard-go")
    if system is None:
        return None
    return Rival(system, _version_of(system),
                 "Debian 12's own, WITHOUT offloads: no fair rival; unstable's could not be had")
