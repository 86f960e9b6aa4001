#!/usr/bin/python3
"""Fails when an include or a symbol crosses the layers against the arrows of src/README.md.

Usage: check-layers.py SOURCE_ROOT [ENGINE_ARCHIVE …]

Two rules: a folder includes only what its row in ALLOWED names, and the archives given (the sans-IO
ones) leave no symbol undefined that belongs to gio, GObject, sockets, clocks, threads, main loops or
random devices.
"""

import os
import re
import subprocess
import sys

# folder -> folders of ours it may include (itself is always allowed)
ALLOWED = {
    "src/base": [],
    "src/proto": ["src/base"],
    "src/crypto": ["src/base"],
    "src/dataplane": ["src/base", "src/proto", "src/crypto"],
    "src/engine": ["src/base", "src/proto", "src/crypto", "src/dataplane"],
    "platform": ["src/base"],
    "platform/linux": ["src/base", "platform"],
    "platform/fake": ["src/base", "platform"],
    "src/portal": ["src/base", "src/crypto", "src/dataplane", "src/engine"],
    "src/runtime": ["src/base", "src/crypto", "src/dataplane", "src/engine", "platform"],
    "src/session": ["src/base", "src/crypto", "src/engine", "src/portal", "src/runtime", "platform"],
    "src/headless": ["src/base", "src/crypto", "src/engine", "src/portal", "src/runtime", "src/session",
                     "platform"],
    "src/gateway": ["src/base", "src/crypto", "src/engine", "src/portal", "src/runtime", "src/session",
                    "platform"],
    "src/server": ["src/base", "src/crypto"],
    "src/ipc": ["src/base"],
    "src/logfile": ["src/base"],
    "src/helper": ["src/base", "src/crypto", "src/engine", "src/portal", "src/runtime", "src/session",
                   "src/ipc", "src/logfile", "platform"],
    "src/cli": ["src/base", "src/ipc", "src/logfile"],
    "src/app/log": ["src/base", "src/ipc", "src/logfile"],
    "src/app": ["src/app/log", "src/base", "src/ipc", "src/logfile", "src/app/resources"],
    "src/app/resources": ["src/app"],
    "src/tray": [],
}

# folder -> system headers it must not see
FORBIDDEN_HEADERS = {
    "src/base": r"glib|gio|gobject|pthread|threads\.h|openssl|sodium",
    "src/proto": r"glib|gio|gobject|pthread|threads\.h|openssl|sodium|sys/socket|time\.h",
    "src/crypto": r"glib|gio|gobject",
    "src/dataplane": r"glib|gio|gobject|pthread|threads\.h|sys/socket|openssl|sodium|time\.h",
    "src/engine": r"gio|gobject|glib-object|pthread|threads\.h|sys/socket|time\.h|unistd\.h|sodium|openssl",
}

# undefined symbols that would make an archive do input or output, or read a clock
IMPURE = re.compile(
    r"^(g_(application|bus|dbus|cancellable|file|input|output|io|socket|task|object|signal|value|type|"
    r"main|timeout|idle|source|thread|mutex|cond|rec_mutex|rw_lock|private|once|async_queue|get_real_time|"
    r"get_monotonic_time|date_time|timer|random|rand|spawn|getenv|usleep)_?\w*|"
    r"socket|bind|connect|listen|accept4?|send|sendto|sendmsg|sendmmsg|recv|recvfrom|recvmsg|recvmmsg|"
    r"read|write|readv|writev|open|openat|open64|close|ioctl|poll|ppoll|select|epoll_\w+|eventfd|timerfd_\w+|"
    r"time|clock_gettime|clock|gettimeofday|nanosleep|usleep|sleep|pthread_\w+|thrd_\w+|mtx_\w+|cnd_\w+|"
    r"rand|srand|rand_r|random|srandom|drand48|getrandom|getentropy|arc4random\w*|randombytes\w*|RAND_\w+|"
    r"fopen|fopen64|printf|puts|fprintf|getenv|fork|execv\w*|system)$"
)

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def layer_of(path):
    """The longest folder of ALLOWED that holds `path`; None if there is none."""
    folder = os.path.dirname(path)
    while folder:
        if folder in ALLOWED:
            return folder
        folder = os.path.dirname(folder)
    return None


def check_file(root, path, problems):
    layer = layer_of(path)
    if layer is None:
        problems.append(f"{path}: its folder has no row in check-layers.py")
        return
    forbidden = FORBIDDEN_HEADERS.get(layer)
    with open(os.path.join(root, path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match is None:
                continue
            ours, system = match.groups()
            if ours is not None:
                target = layer_of(ours)
                if target is None:
                    problems.append(f'{path}:{number}: include "{ours}": write the path from the top')
                elif target != layer and target not in ALLOWED[layer]:
                    problems.append(f"{path}:{number}: {layer} must not include {target}")
            elif forbidden and re.search(rf"^(?:{forbidden})", system):
                problems.append(f"{path}:{number}: {layer} must not include <{system}>")


def check_archive(archive, problems):
    output = subprocess.run(["nm", "-u", archive], capture_output=True, text=True, check=True).stdout
    symbols = {line.split()[-1] for line in output.splitlines() if line.strip().startswith("U ")}
    if not symbols:
        problems.append(f"{archive}: nm found no undefined symbol at all, so this check proves nothing")
    for symbol in sorted(symbols):
        if IMPURE.match(symbol.split("@")[0]):
            problems.append(f"{archive}: uses {symbol}, which is input, output, a clock, a thread or chance")


def main():
    root, archives = sys.argv[1], sys.argv[2:]
    problems, n_files = [], 0
    for top in ("src", "platform"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    n_files += 1
                    check_file(root, os.path.relpath(os.path.join(folder, name), root), problems)
    for archive in archives:
        check_archive(archive, problems)
    for problem in problems:
        print(problem, file=sys.stderr)
    if n_files == 0:
        sys.exit("check-layers: found no source file")
    print(f"{n_files} files, {len(archives)} archives, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
