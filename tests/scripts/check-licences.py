#!/usr/bin/python3
"""Checks the licences of everything our programs are linked with, and that no library comes twice.

Usage: check-licences.py PROGRAM …

The libraries are what the loader would load (`ldd`); the licence of each is read from the copyright
file of its Debian package. A library of an unknown package, a package without a licence in ALLOWED, one
that names the GPL without an exception (it may be that of its tools or its packaging: then the library's
own licence is looked up by a person and written into KNOWN), or two versions of one library
(libfoo.so.1 and libfoo.so.2) is an error.
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
    problems, seen, versions = [], {}, {}
    for program in sys.argv[1:]:
        for name, path in libraries_of(program).items():
            seen[name] = path
            stem = re.sub(r"\.so.*", "", name)
            versions.setdefault((program, stem), set()).add(name)
    for (program, stem), names in versions.items():
        if len(names) > 1:
            problems.append(f"{program} is linked with {stem} in several versions: {', '.join(sorted(names))}")
    for name, path in sorted(seen.items()):
        package = package_of(path)
        if package is None:
            problems.append(f"{path}: no Debian package owns it")
            continue
        licences = licences_of(package)
        if not may_be_linked(licences, package in KNOWN):
            problems.append(f"{name} ({package}): licences {licences or 'unknown'} are not on the list")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not seen:
        sys.exit("check-licences: no program, or nothing linked: this check proves nothing")
    print(f"{len(sys.argv) - 1} programs, {len(seen)} libraries, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
