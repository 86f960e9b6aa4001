"""What the tests of the installed files share: where things are, and running tools."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("FZ_BUILD", os.path.join(SOURCE, "build")))
SKIPPED = 77


def skip_all(reason):
    """Ends the program: loudly skipped, or failed where CI promises all tools and rights."""
    print(f"SKIPPED: {reason}", file=sys.stderr, flush=True)
    sys.exit(1 if os.environ.get("CI") == "true" else SKIPPED)


def run(*argv, check=True, **options):
    """Runs to the end, output as text; an error says what the tool said."""
    argv = [str(word) for word in argv]
    result = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                            timeout=options.pop("timeout", 300), **options)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: status {result.returncode}\n{result.stdout}")
    return result


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class InstalledCase(unittest.TestCase):
    """The build, installed into a folder of the class's own."""

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="fz-install-")
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        install_into(cls.root)

    def path(self, name):
        """@name as on the installed system, "/usr/…", below the folder."""
        return os.path.join(self.root, name.lstrip("/"))

    def files(self, folder):
        names = sorted(os.listdir(self.path(folder)))
        self.assertTrue(names, f"nothing in {folder}")
        return [os.path.join(self.path(folder), name) for name in names]


def require_prefix():
    """The tests speak of /usr, which is what a new build folder has."""
    answer = run("meson", "introspect", BUILD, "--buildoptions")
    prefix = {option["name"]: option["value"] for option in json.loads(answer.stdout)}["prefix"]
    if prefix != "/usr":
        skip_all(f"{BUILD} is configured for {prefix}: meson configure {BUILD} -Dprefix=/usr")


def install_into(root):
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", env={**os.environ, "DESTDIR": root})
