#!/usr/bin/python3
"""Compiles every header of ours by itself, with the flags its folder is built with.

Usage: check-headers.py SOURCE_ROOT BUILD_ROOT
"""

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys


def flags_by_folder(root, build):
    """Folder -> (compiler, flags) of all files compiled from it: they may belong to several targets."""
    flags = {}
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        for entry in json.load(file):
            source = os.path.relpath(os.path.join(entry["directory"], entry["file"]), root)
            words = shlex.split(entry["command"])
            if os.path.basename(words[0]) == "ccache":  # Meson puts it in front where it is installed
                words = words[1:]
            keep = [w for w in words[1:] if w.startswith(("-I", "-D", "-U", "-std", "-f", "-isystem"))]
            keep = [w if not w.startswith("-I") else "-I" + os.path.join(entry["directory"], w[2:])
                    for w in keep]
            _, known = flags.setdefault(os.path.dirname(source), (words[0], keep))
            known += [w for w in keep if w not in known]
    return flags


def compile_alone(root, header, compiler, flags):
    result = subprocess.run(
        [compiler, *flags, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"],
        input=f'#include "{header}"\n#include "{header}"\n',
        cwd=root, capture_output=True, text=True)
    return header, result.returncode, result.stderr


def main():
    root, build = map(os.path.abspath, sys.argv[1:3])
    by_folder = flags_by_folder(root, build)
    everything = list(dict.fromkeys(f for _, flags in by_folder.values() for f in flags))
    fallback = (next(iter(by_folder.values()))[0], everything)  # a folder with headers only
    jobs, bad = [], 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for top in ("src", "platform"):
            for folder, _, names in os.walk(os.path.join(root, top)):
                relative = os.path.relpath(folder, root)
                for name in sorted(n for n in names if n.endswith(".h")):
                    known = by_folder.get(relative, fallback)
                    jobs.append(pool.submit(compile_alone, root, f"{relative}/{name}", *known))
        for job in jobs:
            header, status, errors = job.result()
            if status != 0:
                bad += 1
                print(f"{header} does not compile alone:\n{errors}", file=sys.stderr)
    if not jobs:
        sys.exit("check-headers: found no header")
    print(f"{len(jobs)} headers, {bad} problems")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
