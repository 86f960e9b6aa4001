#!/usr/bin/python3
"""Instructions per packet of each step of the packet path, exactly, against the budget.

Usage: instructions.py BENCH_DATAPLANE [--update] [--print]

Callgrind counts; what the processor has to do with it is taken away: the C library and libcrypto
are told to use their plainest code, and valgrind shows every program the same kind of CPU. Sealing
and opening are taken out of all rows but their own. So a figure depends on our code, the compiler
and, a little, the versions of the two libraries; it is compared where the budget was made (its
"build" line: Debian 12's compiler), and elsewhere printed and skipped (77).

A row over its budget by more than the limit fails. After a change that is worth it:

    tests/bench/instructions.py build/tests/bench/bench-dataplane --update

and the budget goes into the same commit, whose message says why.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUDGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.budget")
LIMIT = 0.02 + 1e-9
CIPHER_LIMIT = 0.15 + 1e-9  # most of it is libcrypto's, which Debian updates
SKIP = 77

# The baseline of x86-64 in both libraries, on any machine.
GLIBC = ("AVX512F", "AVX512VL", "AVX512BW", "AVX2", "AVX", "AVX_Fast_Unaligned_Load", "SSSE3", "SSE4_1", "SSE4_2",
         "ERMS", "FSRM", "Fast_Unaligned_Copy", "Fast_Copy_Backward")
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "LC_ALL": "C",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=" + ",".join("-" + name for name in GLIBC),
    "OPENSSL_ia32cap": "0x0:0x0",
}


def is_cipher(name):
    return re.match(r"(seal|open)\b", name) is not None


def limit(name):
    return CIPHER_LIMIT if is_cipher(name) else LIMIT


def ask_build(program):
    """The words of the program about how it was compiled."""
    done = subprocess.run([program, "--instructions"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split("\n", 1)[0].split("\t")[1]


def measure(program):
    """{row: instructions per packet}, in order; None if valgrind cannot read the program."""
    with tempfile.TemporaryDirectory(prefix="fz-instructions-") as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={folder}/out", "--collect-atstart=no",
             "--toggle-collect=fz_aead_seal", "--toggle-collect=fz_aead_open", program, "--instructions"],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            print(f"{program} under valgrind ended with {done.returncode}:\n{done.stderr}")
            return None
        totals = {}
        for name in os.listdir(folder):
            with open(f"{folder}/{name}", encoding="utf-8", errors="replace") as file:
                text = file.read()
            row = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
            total = re.search(r"^(?:summary|totals): (\d+)", text, re.M)
            if row and total:
                totals[row.group(1)] = int(total.group(1))
    rows = {}
    for line in done.stdout.splitlines():
        n_packets, name = line.split("\t")
        if name in totals:
            rows[name] = totals[name] / int(n_packets)
    return rows


def read_budget():
    build, rows = None, {}
    with open(BUDGET, encoding="utf-8") as file:
        for line in file:
            if line.startswith("#") or not line.strip():
                continue
            value, name = line.rstrip("\n").split("\t")
            if value == "build":
                build = name
            else:
                rows[name] = float(value)
    return build, rows


def write_budget(build, rows):
    with open(BUDGET, "w", encoding="utf-8") as file:
        file.write("# Instructions per packet of bench-dataplane's rows; made and compared by instructions.py.\n")
        file.write(f"build\t{build}\n")
        for name, value in rows.items():
            file.write(f"{value:.1f}\t{name}\n")


def compare(budget, rows):
    """Complaints, and rows that have become cheaper."""
    complaints, better = [], []
    for name, value in rows.items():
        if name not in budget:
            complaints.append(f"“{name}” has no budget: {value:.1f}")
            continue
        change = value / budget[name] - 1
        words = f"“{name}”: {value:.1f} instructions per packet, budget {budget[name]:.1f}: {change:+.1%}"
        if change > limit(name):
            complaints.append(f"{words}, more than the {limit(name):.0%} that are allowed")
        elif change < -limit(name):
            better.append(words)
    complaints += [f"“{name}” is in the budget and not measured any more" for name in budget if name not in rows]
    return complaints, better


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--update", action="store_true", help="write the budget")
    parser.add_argument("--print", action="store_true", help="compare nothing")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("SKIPPED: valgrind is not installed")
        return 1 if os.environ.get("CI") == "true" else SKIP
    wanted, budget = read_budget() if os.path.exists(BUDGET) else (None, {})
    build = ask_build(options.program)
    rows = measure(options.program)
    if rows is None and (build == wanted or options.update):
        return 1
    rows = rows or {}  # Debian 12's valgrind knows nothing of newer debugging information, such as clang's
    for name, value in rows.items():
        print(f"{value:10.1f}  {name}")
    if options.print:
        return 0
    if options.update:
        write_budget(build, rows)
        print(f"written: {BUDGET}")
        return 0
    if build != wanted:
        print(f"SKIPPED: the budget is for “{wanted}”, this is “{build}”: other compilers make other code")
        return SKIP
    complaints, better = compare(budget, rows)
    for words in better:
        print(f"better: {words}")
    if better:
        print(f"Keep it so: {sys.argv[0]} {options.program} --update")
    for words in complaints:
        print(f"FAIL: {words}")
    if complaints:
        print(f"If that is wanted: {sys.argv[0]} {options.program} --update, and say why in the commit.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
