#!/usr/bin/python3
"""Every installed file is checked by the tool of its kind."""

import glob
import os
import re
import shutil
import tempfile
import unittest

from common import SOURCE, InstalledCase, read, require_prefix, run

UNITS = ["firezone-client-tunnel", "firezone-gateway", "firezone-headless-client", "firezone-portal"]
LENDERS = ["firezone-client-resolv", "firezone-client-resolv-restore"]  # of resolv.conf, as root without capabilities
EXPOSURE_LIMIT = 16  # tenths

ACTION_PREFIX = "dev.firezone.Client.tunnel1."


class Units(InstalledCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # what the units refer to, so that verify finds it below the root
        for program in [f"usr/bin/{unit}" for unit in UNITS] + ["usr/libexec/firezone-client-resolv"]:
            if not os.path.exists(os.path.join(cls.root, program)):
                os.makedirs(os.path.dirname(os.path.join(cls.root, program)), exist_ok=True)
                shutil.copy("/bin/true", os.path.join(cls.root, program))

    def unit(self, name):
        return self.path(f"/usr/lib/systemd/system/{name}.service")

    def test_each_is_understood_wholly(self):
        folder = self.path("verified")  # verify looks for programs in this machine's root
        os.makedirs(folder)
        for path in glob.glob(self.path("/usr/lib/systemd/system/firezone-*")):
            with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as file:
                file.write(re.sub(r"/usr/(bin|libexec)/firezone", lambda match: self.path(match.group()), read(path)))
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            with self.subTest(os.path.basename(path)):
                answer = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", path)
                self.assertEqual([line for line in answer.stdout.splitlines() if "firezone" in line], [])

    def test_exposure(self):
        for name in UNITS + LENDERS:
            with self.subTest(name):
                answer = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_LIMIT}",
                             "--no-pager", self.unit(name))
                overall = re.search(r"Overall exposure level.*?(\d+\.\d)", answer.stdout)
                print(f"{name}: exposure {overall.group(1)}")

    def test_the_one_capability(self):
        for name in UNITS + LENDERS:
            text = read(self.unit(name))
            expected = "" if name in ["firezone-portal", *LENDERS] else "CAP_NET_ADMIN"
            self.assertEqual(re.findall(r"^CapabilityBoundingSet=(.*)$", text, re.M), [expected], name)

    def test_each_hole_is_explained(self):
        """What opens something has a comment right above its block."""
        openings = r"User=root|AmbientCapabilities=CAP|DeviceAllow=/|ReadWritePaths=|RestrictAddressFamilies="
        for name in UNITS + LENDERS:
            for block in read(self.unit(name)).split("\n\n"):
                for line in re.findall(rf"^(?:{openings}).*$", block, re.M):
                    self.assertRegex(block, "# Hole: ", f"{name}: {line}")

    def test_what_a_power_cut_left_is_restored(self):
        """At boot: also where there was no resolv.conf before, so that nothing was kept of it."""
        conditions = re.findall(r"^Condition.*$", read(self.unit("firezone-client-resolv-restore")), re.M)
        for kept, current, is_wanted in ((False, "link", False), (True, "link", True), (True, "file", True),
                                         (False, "file", True)):
            with self.subTest(kept=kept, current=current), tempfile.TemporaryDirectory() as etc:
                if kept:
                    open(f"{etc}/resolv.conf.before-firezone-c", "x").close()
                if current == "file":
                    open(f"{etc}/resolv.conf", "x").close()
                else:
                    os.symlink("../run/systemd/resolve/stub-resolv.conf", f"{etc}/resolv.conf")
                answer = run("systemd-analyze", "condition",
                             *(line.replace("/etc/", f"{etc}/") for line in conditions), check=False)
                self.assertEqual(answer.returncode == 0, is_wanted, answer.stdout)

    def test_enabling_makes_the_expected_link(self):
        for name in UNITS:
            run("systemctl", f"--root={self.root}", "enable", f"{name}.service")
            self.assertTrue(os.path.islink(
                self.path(f"/etc/systemd/system/multi-user.target.wants/{name}.service")), name)

    def test_users_and_folders(self):
        os.makedirs(self.path("/etc"), exist_ok=True)
        for name in ("passwd", "group"):
            with open(self.path(f"/etc/{name}"), "w", encoding="ascii") as file:
                file.write("root:x:0:0:root:/root:/bin/sh\n" if name == "passwd" else "root:x:0:\n")
        if os.geteuid() != 0:
            self.skipTest("users are made by root only")
        run("systemd-sysusers", f"--root={self.root}", *self.files("/usr/lib/sysusers.d"))
        users = read(self.path("/etc/passwd"))
        for name in ("firezone-client", "firezone-gateway", "firezone-portal"):
            self.assertRegex(users, rf"(?m)^{name}:.*/usr/sbin/nologin$")
        run("systemd-tmpfiles", "--create", f"--root={self.root}", *self.files("/usr/lib/tmpfiles.d"))
        self.assertEqual(os.stat(self.path("/etc/firezone/gateway-token")).st_mode & 0o777, 0o400)
        self.assertEqual(os.stat(self.path("/etc/dev.firezone.client")).st_mode & 0o777, 0o700)
        self.assertTrue(os.path.isdir(self.path("/etc/firezone/client.conf.d")))

    def test_users_of_the_units_are_made(self):
        made = "".join(read(path) for path in self.files("/usr/lib/sysusers.d"))
        for name in UNITS:
            user = re.search(r"^User=(.+)$", read(self.unit(name)), re.M).group(1)
            self.assertRegex(made, rf"(?m)^u {user} ")


class Bus(InstalledCase):
    def test_system_name_is_started_by_systemd_only(self):
        text = read(self.path("/usr/share/dbus-1/system-services/dev.firezone.Client.Tunnel1.service"))
        self.assertIn("\nName=dev.firezone.Client.Tunnel1\n", text)
        self.assertIn("\nSystemdService=firezone-client-tunnel.service\n", text)
        self.assertIn("\nExec=/bin/false\n", text)

    def test_session_name_starts_the_app(self):
        text = read(self.path("/usr/share/dbus-1/services/dev.firezone.Client.service"))
        self.assertIn("\nName=dev.firezone.Client\n", text)
        self.assertIn("\nExec=/usr/bin/firezone-client-gui --gapplication-service\n", text)

    def test_bus_policy(self):
        path = self.path("/usr/share/dbus-1/system.d/dev.firezone.Client.Tunnel1.conf")
        run("xmllint", "--nonet", "--noout", path)
        # a bus reads it without a complaint
        config = self.path("bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write('<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"\n'
                       ' "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">\n'
                       f"<busconfig><type>system</type><listen>unix:path={self.path('bus.sock')}</listen>"
                       f"<include>{path}</include></busconfig>\n")
        answer = run("dbus-run-session", f"--config-file={config}", "--", "true", check=False, timeout=120)
        self.assertNotRegex(answer.stdout, "(?i)error in|failed to (parse|start)")
        text = read(path)
        self.assertNotRegex(re.sub(r"(?s)<!--.*?-->", "", text),
                            r'(?s)<policy context="default">[^<]*(<(?!/policy)[^>]*>[^<]*)*<allow own')


class Polkit(InstalledCase):
    def test_actions(self):
        path = self.path("/usr/share/polkit-1/actions/dev.firezone.Client.tunnel1.policy")
        run("xmllint", "--nonet", "--noout", path)
        text = read(path)
        ids = re.findall(r'<action id="([^"]+)"', text)
        for name in ("connect", "disconnect", "credential", "take-over", "diagnostics", "configure"):
            self.assertIn(ACTION_PREFIX + name, ids)
        for name in ids:
            self.assertTrue(name.startswith(ACTION_PREFIX), name)

    def test_rules_are_javascript(self):
        found = sorted(glob.glob(self.path("/usr/share/polkit-1/rules.d/*.rules")) +
                       glob.glob(self.path("/usr/share/doc/firezone-c/examples/*.rules")))
        self.assertTrue(found)
        for path in found:
            text = read(path)
            self.assertEqual(text.count("polkit.addRule("), 1, path)
            for pair in ("()", "{}", "[]"):
                self.assertEqual(text.count(pair[0]), text.count(pair[1]), f"{path}: {pair}")
            if shutil.which("node"):
                copy = self.path("rules.js")
                shutil.copy(path, copy)
                run("node", "--check", copy)


class Desktop(InstalledCase):
    def test_launcher(self):
        path = self.path("/usr/share/applications/dev.firezone.Client.desktop")
        answer = run("desktop-file-validate", "--no-hints", path)
        self.assertEqual(answer.stdout, "")
        text = read(path)
        self.assertIn("\nDBusActivatable=true\n", text)
        self.assertIn("x-scheme-handler/firezone-fd0020211111;", text)
        for action in re.search(r"^Actions=(.*);$", text, re.M).group(1).split(";"):
            self.assertIn(f"[Desktop Action {action}]", text)

    def test_the_scheme_finds_the_app(self):
        folder = self.path("/usr/share/applications")
        run("update-desktop-database", folder)
        cache = read(os.path.join(folder, "mimeinfo.cache"))
        self.assertIn("x-scheme-handler/firezone-fd0020211111=dev.firezone.Client.desktop;", cache)

    def test_json_lines_have_a_type(self):
        folder = self.path("/usr/share/mime")
        run("update-mime-database", folder)
        globs = read(os.path.join(folder, "globs2"))
        self.assertIn("application/jsonl:*.jsonl", globs)

    def test_catalogue_page(self):
        path = self.path("/usr/share/metainfo/dev.firezone.Client.metainfo.xml")
        answer = run("appstreamcli", "validate", "--pedantic", "--no-net", "--no-color", path)
        # the application id has a capital by decision
        complaints = [line for line in answer.stdout.splitlines()
                      if re.match(r"[EWIP]:", line) and "cid-contains-uppercase-letter" not in line]
        self.assertEqual(complaints, [])
        text = read(path)
        if "<url " in text:  # built with a home page: its address is everywhere
            self.assertGreaterEqual(text.count("<screenshot"), 4)
            self.assertNotIn(">/", text)
        else:
            self.assertNotIn("<image", text)
        self.assertNotIn("@project_url@", text)
        self.assertNotIn(".example/", text)

    def test_settings(self):
        folder = self.path("/usr/share/glib-2.0/schemas")
        run("glib-compile-schemas", "--strict", "--dry-run", folder)


class Manual(InstalledCase):
    def pages(self):
        return sorted(glob.glob(self.path("/usr/share/man/man[1-8]/*")))

    def test_every_program_has_a_page(self):
        pages = [os.path.basename(path).split(".gz")[0] for path in self.pages()]
        for program in os.listdir(self.path("/usr/bin")):
            self.assertTrue([page for page in pages if re.fullmatch(rf"{program}\.[18]", page)], program)

    def test_every_option_is_documented(self):
        """What --help lists, the page has; and the other way round."""
        for program, command in (("firezone-client-gui", []), ("firezone-client-tunnel", []), ("firezone-gateway", []),
                                 ("firezone-headless-client", []), ("firezone-portal", ["serve"])):
            helped = run(self.path(f"/usr/bin/{program}"), *command, "--help",
                         env={**os.environ, "LC_ALL": "C.UTF-8", "DISPLAY": ""}).stdout
            options = set(re.findall(r"(?m)^ +(?:-\w, )?--([a-z][a-z-]*)", helped))
            options -= {"help", "help-all", "help-gapplication", "help-gtk"}
            page = read(glob.glob(self.path(f"/usr/share/man/man[18]/{program}.[18]"))[0]).replace("\\-", "-")
            documented = set(re.findall(r"(?:Fl|,) -([a-z][a-z-]*)", page)) - {"help", "gapplication-service"}
            self.assertEqual(sorted(options - documented), [], f"{program}(1): not in the manual")
            if not command:  # a page about several commands has more
                self.assertEqual(sorted(documented - options), [], f"{program}(1): in the manual alone")

    def test_each_is_formatted_without_a_complaint(self):
        self.assertTrue(self.pages())
        for path in self.pages():
            answer = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", path,
                         env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "90", "MANROFFSEQ": ""})
            complaints = [line for line in answer.stdout.splitlines() if re.search(r"warning:|error:|mdoc", line)]
            self.assertEqual(complaints, [], path)
            if shutil.which("mandoc"):
                lint = run("mandoc", "-T", "lint", "-W", "warning", path, check=False)
                self.assertEqual(lint.stdout, "", path)


class Examples(InstalledCase):
    def test_each_says_where_it_goes(self):
        for path in self.files("/usr/share/doc/firezone-c/examples"):
            head = "\n".join(read(path).splitlines()[:4])
            self.assertRegex(head, r"/etc/", path)

    def test_drop_in(self):
        folder = self.path("firezone-portal.service.d")
        os.makedirs(folder)
        shutil.copy(self.path("/usr/share/doc/firezone-c/examples/portal-low-port.conf"), folder)
        unit = self.path("firezone-portal.service")
        text = read(self.path("/usr/lib/systemd/system/firezone-portal.service"))
        with open(unit, "w", encoding="utf-8") as file:
            file.write(text.replace("/usr/bin/", self.path("/usr/bin/")))
        answer = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=yes", unit)
        self.assertNotIn("firezone-portal", answer.stdout)


class NothingForeign(InstalledCase):
    def test_no_path_of_the_build(self):
        """What is text says nothing of where it was built."""
        for folder, _, names in os.walk(self.root):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    data = file.read()
                if b"\0" in data[:1024]:
                    continue
                self.assertNotIn(SOURCE.encode(), data, name)
                self.assertIsNone(re.search(rb"@[a-z_]+@", data), name)


if __name__ == "__main__":
    require_prefix()
    unittest.main(verbosity=2)
