#!/usr/bin/python3
"""What is installed is what is listed, and removal leaves nothing."""

import os
import stat
import subprocess
import tempfile
import unittest

from common import BUILD, SOURCE, InstalledCase, install_into, read, require_prefix, run

EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected-files")


def listing(root):
    found = []
    for folder, _, names in os.walk(root):
        found += ["/" + os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


class Tree(InstalledCase):
    def test_every_file_is_expected_and_there(self):
        found = listing(self.root)
        if os.environ.get("FZ_UPDATE"):
            with open(EXPECTED, "w", encoding="utf-8") as file:
                file.write("\n".join(found) + "\n")
        expected = read(EXPECTED).split()
        self.assertEqual(sorted(set(expected) - set(found)), [], "these are missing")
        self.assertEqual(sorted(set(found) - set(expected)), [],
                         "nobody expected these; FZ_UPDATE=1 tests/install/test_tree.py writes the list anew")

    def test_modes(self):
        for path in listing(self.root):
            info = os.lstat(self.path(path))
            if not stat.S_ISLNK(info.st_mode):
                is_program = path.startswith(("/usr/bin/", "/usr/libexec/"))
                self.assertEqual(stat.S_IMODE(info.st_mode), 0o755 if is_program else 0o644, path)

    def test_programs_need_no_library_of_ours(self):
        """Everything of ours is linked in: nothing below /usr/lib but what systemd reads."""
        for path in listing(self.root):
            if path.startswith("/usr/lib/"):
                self.assertRegex(path, r"^/usr/lib/(systemd|sysusers\.d|tmpfiles\.d)/")


class Scripts(unittest.TestCase):
    def test_make_install_is_the_same(self):
        """What `make install` calls puts the same files below DESTDIR, and says where."""
        with tempfile.TemporaryDirectory(prefix="fz-install-") as root:
            answer = run(os.path.join(SOURCE, "platform/linux/install"), "--build", BUILD, "--destdir", root)
            self.assertIn(f"installing into {root}", answer.stdout)
            self.assertEqual(listing(root), read(EXPECTED).split())

    def test_wrong_options_are_refused(self):
        for name in ("install", "uninstall", "after-remove"):
            answer = run(os.path.join(SOURCE, "platform/linux", name), "--nonsense", check=False)
            self.assertEqual(answer.returncode, 2, name)


class Removal(unittest.TestCase):
    def test_nothing_is_left(self):
        with tempfile.TemporaryDirectory(prefix="fz-install-") as root:
            install_into(root)
            run(os.path.join(SOURCE, "platform/linux/uninstall"), "--build", BUILD, "--destdir", root)
            self.assertEqual(os.listdir(root) if os.path.isdir(root) else [], [])

    def test_what_others_put_there_stays(self):
        with tempfile.TemporaryDirectory(prefix="fz-install-") as root:
            install_into(root)
            foreign = os.path.join(root, "usr/share/applications/other.desktop")
            admins = os.path.join(root, "etc/firezone/client.conf")
            for path in (foreign, admins):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="ascii") as file:
                    file.write("# mine\n")
            command = [os.path.join(SOURCE, "platform/linux/uninstall"), "--build", BUILD, "--destdir", root]
            run(*command)
            self.assertEqual(listing(root), ["/etc/firezone/client.conf", "/usr/share/applications/other.desktop"])
            run(*command)  # a second time finds nothing to do
            run(*command, "--purge")
            self.assertEqual(listing(root), ["/usr/share/applications/other.desktop"])

    def test_make_does_the_same(self):
        with tempfile.TemporaryDirectory(prefix="fz-install-") as root:
            install_into(root)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
            answer = subprocess.run(["make", "-s", "-C", SOURCE, "uninstall", f"BUILD={BUILD}", f"DESTDIR={root}"],
                                    env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    check=False)
            self.assertEqual(answer.returncode, 0, answer.stdout)
            self.assertEqual(os.listdir(root) if os.path.isdir(root) else [], [])


if __name__ == "__main__":
    require_prefix()
    unittest.main(verbosity=2)
