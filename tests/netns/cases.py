"""Tests that are functions: each `case_…` of a module runs by its name, alone or with all others.

    cases.run(globals())        # at the module's end

The functions take the parsed options, or what `given` makes of them.
"""

import argparse
import os
import subprocess
import sys
import time

from bed import BedError, require_rights, skip


def run(module, needs=(), slow=(), given=lambda options: options):
    """Runs what the command line names, or all but `slow`; ends with status 1 if one failed. Skipped
    without the rights, or without a program of `needs`."""
    cases = {name.removeprefix("case_").replace("_", "-"): function
             for name, function in module.items() if name.startswith("case_")}
    parser = argparse.ArgumentParser()
    parser.add_argument("--fz-wg", required=True, type=os.path.abspath)
    parser.add_argument("--build")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in cases]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(cases)}")
    require_rights()
    for program in needs:
        if subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True).returncode:
            skip(f"{program} is not installed")
    failed = 0
    for name in options.cases or [name for name in cases if name not in slow]:
        started = time.monotonic()
        try:
            cases[name](given(options))
            print(f"ok {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except (BedError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"not ok {name}: {error}", flush=True)
    sys.exit(1 if failed else 0)
