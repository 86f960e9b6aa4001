#!/usr/bin/python3
"""Checks the licences of everything our programs are linked with, and that no library comes twice.

Usage: check-licences.py PROGRAM …

The libraries are what the loader would load (`ldd`); the licence of each is read from the copyright
file of its Debian package. A library of an unknown package, a package without a licence in ALLOWED, one
that names the GPL without an exception (it may be that of its tools or its packaging: then the library's
own licence is looked up by a person and written into KNOWN), or two versions of one library
(libfoo.so.1 and libfoo.so.2) is an error. Two programs without privilege have exceptions: WITH_GPL_3.
"""

import os
import re
import subprocess
import sys

# Licences a program under Apache-2.0 may be linked with dynamically. A pattern is matched against the
# names in the machine-readable copyright file.
ALLOWED = re.compile(
    r"^(LGPL|GPL-\S+ with .*(linking|autoconf|bison|libtool|runtime|gcc).* exception|Apache|BSD|MIT|Expat|ISC|"
    r"Zlib|zlib|X11|public-domain|PD|CC0|Unlicense|OpenSSL|PSF|MPL|curl|Unicode|ICU|FSFAP|FSFUL|FSFULLR|"
    r"permissive|BSL|Boost|LLVM|NCSA|WTFPL|AFL|CDDL|TinySCHEME|Curl|Info-ZIP|libutil-David-Burren|"
    r"Artistic|bzip2|Beerware|UPL|ANTLR)", re.I)

# Packages whose libraries carry the LGPL (or a linking permission) while their copyright file, which
# covers the package's programs and tests as well, is not machine readable or names the GPL first.
KNOWN = {
    "libc6": "LGPL-2.1+",
    "libgcc-s1": "GPL-3+ with GCC runtime library exception",
    "libstdc++6": "GPL-3+ with GCC runtime library exception",
    "libgmp10": "LGPL-3+ or GPL-2+",
    "libnettle8": "LGPL-3+ or GPL-2+",
    "libhogweed6": "LGPL-3+ or GPL-2+",
    "libmount1": "LGPL-2.1+",
    "libblkid1": "LGPL-2.1+",
    "libuuid1": "BSD-3-clause",
    "libselinux1": "public-domain",
    "libsepol2": "LGPL-2.1+",
    "libidn2-0": "LGPL-3+ or GPL-2+",
    "libunistring2": "LGPL-3+ or GPL-2+",
    "libp11-kit0": "BSD-3-clause",
    "libmnl0": "LGPL-2.1+",
    "libgcrypt20": "LGPL-2.1+",
    "libgssapi-krb5-2": "MIT",
    "libk5crypto3": "MIT",
    "libkrb5-3": "MIT",
    "libkrb5support0": "MIT",
    "libnl-3-200": "LGPL-2.1",
    "libtinfo6": "X11",
    "libbsd0": "BSD-3-clause",
    "libmd0": "BSD-3-clause",
    "libipsec-mb1": "BSD-3-clause",
    "libcap2": "BSD-3-clause or GPL-2",
    "libcom-err2": "MIT",
    "libssl3": "Apache-2.0",
    "libffi8": "MIT",
    "libglib2.0-0": "LGPL-2.1+",
    "libgpg-error0": "LGPL-2.1+",
    "libkeyutils1": "LGPL-2+",
    "liblz4-1": "BSD-2-clause",
    "liblzma5": "public-domain",
    "libsodium23": "ISC",
    "libsqlite3-0": "public-domain",
    "libsystemd0": "LGPL-2.1+",
    "libzstd1": "BSD-3-clause or GPL-2",
    "libacl1": "LGPL-2.1+",
    "libbz2-1.0": "bzip2",
    "libicu72": "Unicode",
    "libldns3": "BSD-3-clause",

    # the window systems'
    **{f"lib{name}": "MIT" for name in (
        "x11-6", "xau6", "xcb1", "xcb-render0", "xcb-shm0", "xcomposite1", "xcursor1", "xdamage1", "xdmcp6", "xext6",
        "xfixes3", "xi6", "xinerama1", "xrandr2", "xrender1", "xkbcommon0", "epoxy0", "fontconfig1", "pixman-1-0",
        "harfbuzz0b")},
    "libatk1.0-0": "LGPL-2+",
    "libatk-bridge2.0-0": "LGPL-2.1+",
    "libatspi2.0-0": "LGPL-2.1+",
    "libadwaita-1-0": "LGPL-2.1+",
    "libayatana-appindicator3-1": "LGPL-2.1 or LGPL-3",
    "libayatana-ido3-0.4-0": "LGPL-2.1 or LGPL-3",
    "libcairo2": "LGPL-2.1 or MPL-1.1",
    "libcairo-gobject2": "LGPL-2.1 or MPL-1.1",
    "libcairo-script-interpreter2": "LGPL-2.1 or MPL-1.1",
    "libdatrie1": "LGPL-2.1+",
    "libdbus-1-3": "AFL-2.1 or GPL-2+",
    "libdbusmenu-glib4": "LGPL-2.1 or LGPL-3",
    "libdbusmenu-gtk3-4": "LGPL-2.1 or LGPL-3",
    "libfreetype6": "BSD-like (FTL)",
    "libgdk-pixbuf-2.0-0": "LGPL-2+",
    "libgraphite2-3": "LGPL-2.1+ or MPL-1.1",
    "libgtk-3-0": "LGPL-2+",
    "libgtk-4-1": "LGPL-2+",
    "libpango-1.0-0": "LGPL-2+",
    "libpangocairo-1.0-0": "LGPL-2+",
    "libpangoft2-1.0-0": "LGPL-2+",
    "libpng16-16": "Zlib-like (libpng)",
    "libqrencode4": "LGPL-2.1+",
    "libsecret-1-0": "LGPL-2.1+",
    "libthai0": "LGPL-2.1+",
    "libtiff6": "MIT-like (libtiff)",
    "libwebp7": "BSD-3-clause",
}

# Under a GPL that Apache-2.0 goes together with (version 3, or "2 or later"), and only in programs without privilege: Debian's
# GTK brings the first two along (fax pictures, the recording of cairo), the tray's library the third. Our sources stay under
# Apache-2.0; whoever passes on these two programs in binary form with these libraries does so under the GPL, version 3.
WITH_GPL_3 = {
    "firezone-client-gui": {"libjbig0": "GPL-2+", "liblzo2-2": "GPL-2+"},
    "firezone-client-tray": {"libjbig0": "GPL-2+", "liblzo2-2": "GPL-2+", "libayatana-indicator3-7": "GPL-3"},
}


def libraries_of(program):
    output = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in output.splitlines():
        match = re.match(r"\s*(\S+) => (\S+) ", line)
        if match:
            found[match.group(1)] = os.path.realpath(match.group(2))
        elif "not found" in line:
            sys.exit(f"check-licences: {program}: {line.strip()}")
    return found


def package_of(path):
    for candidate in (path, path.removeprefix("/usr"), "/usr" + path):
        result = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True)
        if result.returncode == 0:
            return result.stdout.split(":")[0]
    return None


def licences_of(package):
    if package in KNOWN:
        return [KNOWN[package]]
    try:
        with open(f"/usr/share/doc/{package}/copyright", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return []
    names = []
    for line in re.findall(r"^License:\s*(\S[^\n]*)$", text, re.M | re.I):
        names += [n.strip() for n in re.split(r"\s+(?:or|and|and/or)\s+|,\s*", line) if n.strip()]
    return sorted(set(names))


def may_be_linked(licences, is_known):
    """`is_known`: a person has looked, and the GPL of other parts does not count."""
    has_gpl = any(re.match(r"A?GPL", licence) and "exception" not in licence for licence in licences)
    return any(ALLOWED.match(licence) for licence in licences) and (is_known or not has_gpl)


def main():
    # what this check is for: a library under the GPL whose package holds permissive parts as well
    if may_be_linked(["BSD-3-clause", "GPL-2"], False) or may_be_linked(["GPL-2"], True):
        sys.exit("check-licences: lets the GPL through")
    problems, users, versions = [], {}, {}
    for program in sys.argv[1:]:
        for name, path in libraries_of(program).items():
            users.setdefault(path, []).append(program)
            stem = re.sub(r"\.so.*", "", name)
            versions.setdefault((program, stem), set()).add(name)
    for (program, stem), names in versions.items():
        if len(names) > 1:
            problems.append(f"{program} is linked with {stem} in several versions: {', '.join(sorted(names))}")
    for path, programs in sorted(users.items()):
        package = package_of(path)
        if package is None:
            problems.append(f"{path}: no Debian package owns it")
            continue
        if all(package in WITH_GPL_3.get(os.path.basename(program), {}) for program in programs):
            continue
        licences = licences_of(package)
        if not may_be_linked(licences, package in KNOWN):
            problems.append(f"{path} ({package}): licences {licences or 'unknown'} are not on the list; linked into "
                            + ", ".join(os.path.basename(program) for program in programs))
    for problem in problems:
        print(problem, file=sys.stderr)
    if not users:
        sys.exit("check-licences: no program, or nothing linked: this check proves nothing")
    print(f"{len(sys.argv) - 1} programs, {len(users)} libraries, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
