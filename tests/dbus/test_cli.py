#!/usr/bin/python3
"""The command line against the service's bus side: every verb, its exit status, its JSON, its words."""

import io
import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import tarfile
import termios
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import bus  # noqa: E402
import service  # noqa: E402

FIREZONE = f"{bus.BUILD}/src/cli/firezone"
SCHEMA = os.path.join(bus.SOURCE, "data", "firezone-cli.schema.json")
OK, ERROR, USAGE, NOT_CONNECTED, NOT_AUTHORIZED, TIMEOUT = range(6)
TOKEN = ".SFMyNTY.g2gDaANtAAAAJDk0-planted_marker"


# -- JSON Schema, as much of it as ours uses --

def validate(value, schema, root, at="$"):
    """Raises AssertionError where `value` is not what `schema` says; an unknown keyword as well."""
    types = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
             "integer": int, "number": (int, float)}
    for keyword, rule in schema.items():
        if keyword == "$ref":
            target = root
            for part in rule.removeprefix("#/").split("/"):
                target = target[part]
            validate(value, target, root, at)
        elif keyword == "const":
            assert value == rule, f"{at}: {value!r} is not {rule!r}"
        elif keyword == "type":
            names = [rule] if isinstance(rule, str) else rule
            fits = any(isinstance(value, types[n]) and (n == "boolean" or not isinstance(value, bool)) for n in names)
            assert fits, f"{at}: {value!r} is no {rule}"
        elif keyword == "pattern":
            assert not isinstance(value, str) or re.search(rule, value), f"{at}: {value!r} does not match {rule}"
        elif keyword == "minimum":
            assert value is None or value >= rule, f"{at}: {value} < {rule}"
        elif keyword == "required":
            assert not set(rule) - set(value), f"{at}: lacks {set(rule) - set(value)}"
        elif keyword == "properties":
            for name in set(rule) & set(value):
                validate(value[name], rule[name], root, f"{at}.{name}")
        elif keyword == "additionalProperties":
            extra = set(value) - set(schema.get("properties", ()))
            assert rule is not False or not extra, f"{at}: has also {extra}"
            for name in extra if isinstance(rule, dict) else ():
                validate(value[name], rule, root, f"{at}.{name}")
        elif keyword == "items":
            for i, item in enumerate(value):
                validate(item, rule, root, f"{at}[{i}]")
        else:
            assert keyword in ("description", "title"), f"{at}: the checker does not know {keyword}"


class Terminal:
    """firezone as alice types it."""

    def __init__(self, system, *words, environment=None):
        words = [*bus.as_user("alice"), FIREZONE, *words]
        self._status = None
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(words[0], words, {**system.environment, **({"TERM": "xterm"} if environment is None else environment)})

    def read_until(self, words):
        seen = ""
        while words not in seen:
            ready, _, _ = select.select([self._fd], [], [], bus.DEADLINE_S)
            assert ready, f"waited in vain for {words!r}: {seen!r}"
            try:
                seen += os.read(self._fd, 65536).decode()
            except OSError as error:
                raise AssertionError(f"ended before {words!r}: {seen!r}") from error
        return seen

    def write(self, text):
        os.write(self._fd, text.encode())

    def has_echo(self):
        return bool(termios.tcgetattr(self._fd)[3] & termios.ECHO)

    def wait(self):
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self._status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._status is None:
            os.kill(self._pid, signal.SIGKILL)
            self.wait()
        os.close(self._fd)


class CliCase(unittest.TestCase):
    """One bus and one service for the tests of a class. polkit lets alice and root do everything."""

    ARGUMENTS = ()

    @classmethod
    def setUpClass(cls):
        cls.system = bus.SystemBus()
        cls.addClassCleanup(cls.system.close)
        cls.service = cls.system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel", *cls.ARGUMENTS)
        with open(SCHEMA, encoding="utf-8") as file:
            cls.schema = json.load(file)

    def setUp(self):
        self.system.polkit.reset("yes")
        for user in ("bob", "carol"):
            for action in ("connect", "disconnect", "credential", "take-over", "diagnostics", "diagnostics-other", "configure"):
                self.system.polkit.set(action, "no", user)
        self.system.test("Hold", "(false,)")
        self.firezone("sign-out", user="root", status=OK)

    def firezone(self, *words, user="alice", status=None, input=None, environment=None):
        ran = self.system.run(user, FIREZONE, *words, input=input, environment=environment)
        if status is not None:
            self.assertEqual(ran.returncode, status, f"{words}: {ran.stdout}{ran.stderr}")
        return ran

    def json(self, definition, *words, status=OK, **options):
        ran = self.firezone(*words, "--json", status=status, **options)
        value = json.loads(ran.stdout)
        validate(value, self.schema["$defs"][definition], self.schema)
        return value

    def sign_in(self, *words, user="alice"):
        self.firezone("sign-in", *words, user=user, input=TOKEN + "\n", status=OK)

    def connect(self):
        self.sign_in("--account=acme")
        self.firezone("wait", "connected", "--timeout=100", status=OK)

    def state(self):
        return json.loads(self.firezone("status", "--json").stdout)["state"]


class Verbs(CliCase):
    def test_status(self):
        value = self.json("status", "status", status=NOT_CONNECTED)
        self.assertEqual((value["state"], value["owner_uid"], value["portal_rtt_ms"]), ("signed-out", None, None))
        words = self.firezone("status", status=NOT_CONNECTED).stdout
        self.assertIn("Signed out", words)
        self.assertIn("firezone sign-in", words)
        self.connect()
        value = self.json("status", "status")
        self.assertEqual((value["state"], value["owner_uid"], value["account"], value["interface"], value["portal_rtt_ms"]),
                         ("connected", bus.USERS["alice"], "acme", "tun-firezone", 23.0))
        words = self.firezone("status", status=OK).stdout
        for piece in ("Connected", "acme", "reached, 23.0 ms", "tun-firezone, 100.64.0.7", "100.100.111.1 (resolved)"):
            self.assertIn(piece, words)
        self.assertNotIn("\033", words, "colours only on a terminal")

    def test_status_of_another_users_tunnel(self):
        self.connect()
        words = self.firezone("status", user="bob", status=OK).stdout
        self.assertIn("another user of this computer (alice)", words)
        self.assertNotIn("acme", words)
        self.assertEqual(self.json("status", "status", user="bob")["account"], "")

    def test_status_says_why(self):
        self.sign_in("--no-connect")
        self.system.test("SetState", "('error', 'session-expired', 'the portal says token_expired')")
        words = self.firezone("status", status=NOT_CONNECTED).stdout
        self.assertIn("The session is over", words)
        self.assertIn("token_expired", words)

    def test_watch(self):
        self.sign_in("--no-connect")
        for json_too in ((), ("--json",)):
            with self.subTest(json_too):
                watch = subprocess.Popen([*bus.as_user("alice"), FIREZONE, "status", "--watch", *json_too], text=True,
                                         stdout=subprocess.PIPE, env=self.system.environment)
                self.addCleanup(watch.stdout.close)
                try:
                    first = watch.stdout.readline()
                    self.firezone("connect", "--wait", status=OK)
                    lines = [first]
                    while ("connected" if json_too else "Connected") not in lines[-1].replace("connected\":\"", ""):
                        lines.append(watch.stdout.readline())
                        self.assertTrue(lines[-1], lines)
                        if json_too and json.loads(lines[-1])["state"] == "connected":
                            break
                    if json_too:
                        states = [json.loads(line)["state"] for line in lines]
                        for line in lines:
                            validate(json.loads(line), self.schema["$defs"]["status"], self.schema)
                        self.assertEqual((states[0], states[-1]), ("offline", "connected"))
                    else:
                        self.assertIn("Not connected", first)
                finally:
                    watch.send_signal(signal.SIGINT)
                    self.assertEqual(watch.wait(bus.DEADLINE_S), OK)
                self.firezone("disconnect", status=OK)

    def test_connect(self):
        ran = self.firezone("connect", status=NOT_CONNECTED)
        self.assertIn("firezone sign-in", ran.stderr)
        self.sign_in("--no-connect")
        self.assertEqual(self.state(), "offline")
        self.firezone("connect", "--wait", "--timeout", "100", status=OK)
        self.assertEqual(self.state(), "connected")
        self.firezone("connect", status=OK)  # to be so already is no error
        self.firezone("reconnect", status=OK)
        self.assertEqual(self.system.test("Calls")[-1], f"Reconnect {bus.USERS['alice']}")
        self.firezone("disconnect", "--wait", status=OK)
        self.assertEqual(self.state(), "offline")
        self.firezone("disconnect", status=OK)
        self.firezone("connect", "--internet", "-w", status=OK)
        self.assertEqual(self.json("status", "status")["internet_resource"], "on")

    def test_toggle(self):
        self.sign_in("--no-connect")
        self.firezone("toggle", status=OK)
        self.assertIn(self.state(), ("connecting", "connected"))
        self.firezone("toggle", status=OK)
        self.assertEqual(self.state(), "offline")

    def test_wait(self):
        self.assertEqual(self.firezone("wait", "offline", "signed-out", status=OK).stdout, "signed-out\n")
        ran = self.firezone("wait", "connected", "--timeout=0.05", status=TIMEOUT)
        self.assertIn("in time", ran.stderr)
        self.firezone("wait", "happy", status=USAGE)
        self.firezone("wait", status=USAGE)
        self.firezone("wait", "connected", "--timeout=soon", status=USAGE)
        self.firezone("wait", "connected", "--timeout=-1", status=USAGE)

    def test_sign_in_by_standard_input(self):
        self.firezone("sign-in", "--account=acme", "--api-url=wss://portal.example/", input=f"  {TOKEN} \n", status=OK)
        value = json.loads(self.firezone("status", "--json").stdout)
        self.assertEqual((value["account"], value["portal_url"]), ("acme", "wss://portal.example/"))
        self.assertIn(value["state"], ("connecting", "connected"))
        self.firezone("sign-out", status=OK)
        self.assertEqual(self.state(), "signed-out")

    def test_sign_in_refuses(self):
        for text in ("", "\n", "two words\n", "x" * 5000 + "\n", "tök\n"):
            ran = self.firezone("sign-in", input=text, status=ERROR)
            self.assertIn("not a token", ran.stderr)
        self.firezone("sign-in", "--auth-url=javascript:alert(1)", input=TOKEN, status=USAGE)
        self.firezone("sign-in", "--auth-url=https:///", input=TOKEN, status=USAGE)
        self.firezone("sign-in", TOKEN, status=USAGE)  # never an argument
        self.assertEqual(self.state(), "signed-out")

    def test_sign_in_on_a_terminal(self):
        """The address is shown, the token is not; nor is it anywhere else to be seen."""
        with Terminal(self.system, "sign-in", "--no-browser", "--account=acme", "--no-connect",
                      "--auth-url=https://portal.example:8443") as terminal:
            seen = terminal.read_until("press Enter: ")
            self.assertIn("https://portal.example:8443/acme?as=headless-client", seen)
            bus.wait_until(lambda: not terminal.has_echo(), "the echo to be off")
            terminal.write(TOKEN + "\n")
            seen = terminal.read_until("firezone connect")
            self.assertNotIn(TOKEN, seen)
            self.assertEqual(terminal.wait(), OK)
        self.assertEqual(self.state(), "offline")

    def test_token_is_in_no_process_list(self):
        """While the service thinks, the token is in neither argv nor environment."""
        self.system.polkit.set("credential", "hold")
        ran = subprocess.Popen([*bus.as_user("alice"), FIREZONE, "sign-in"], stdin=subprocess.PIPE, text=True,
                               env=self.system.environment)
        ran.stdin.write(TOKEN + "\n")
        ran.stdin.close()
        bus.wait_until(lambda: self.system.polkit.held, "polkit's question")
        for name in ("cmdline", "environ"):
            with open(f"/proc/{ran.pid}/{name}", "rb") as file:
                self.assertNotIn(TOKEN.encode(), file.read())
        self.system.polkit.release("yes")
        self.assertEqual(ran.wait(bus.DEADLINE_S), OK)

    def test_interrupted_sign_in_leaves_a_working_terminal(self):
        with Terminal(self.system, "sign-in", "--no-browser") as terminal:
            terminal.read_until("press Enter: ")
            bus.wait_until(lambda: not terminal.has_echo(), "the echo to be off")
            terminal.write("\x03")
            self.assertEqual(terminal.wait(), 130)
            self.assertTrue(terminal.has_echo())

    def test_resources(self):
        ran = self.firezone("resources", status=NOT_CONNECTED)
        self.assertIn("firezone connect", ran.stderr)
        self.assertEqual(self.json("resources", "resources", status=NOT_CONNECTED)["resources"], [])
        self.connect()
        value = self.json("resources", "resources")
        by_name = {resource["name"]: resource for resource in value["resources"]}
        self.assertEqual(list(by_name), sorted(by_name, key=str.casefold))
        self.assertEqual(by_name["Intranet"]["state"], "direct")
        self.assertEqual(by_name["Intranet"]["rtt_ms"], 12.4)
        self.assertEqual(by_name["Printer"]["last_activity"], None)
        words = self.firezone("resources", status=OK).stdout
        self.assertRegex(words, r"Intranet +direct +\*\.corp\.example +Berlin +12\.4 ms +↑ 48\.2\skB ↓ 1\.0\sMB")
        ran = self.firezone("resources", user="bob", status=OK)
        self.assertIn("another user", ran.stderr)
        self.assertEqual(ran.stdout, "")

    def test_names_move_no_cursor(self):
        self.connect()
        path = f"{bus.PATH}/resource/00000000_0000_4000_8000_000000000002"
        self.system.test("Set", f"(objectpath '{path}', 'Name', <'Evil\\u001b[2J\\u202eName'>)")
        words = self.firezone("resources", status=OK).stdout
        self.assertNotIn("\033", words)
        self.assertNotIn("\u202e", words)
        self.assertIn("Evil", words)
        self.system.test("Set", f"(objectpath '{path}', 'Name', <'Printer'>)")

    def test_ping(self):
        self.firezone("ping", "Intranet", status=NOT_CONNECTED)
        self.connect()
        self.assertIn("12.4 ms", self.firezone("ping", "intranet", status=OK).stdout)
        for word in ("wiki.corp.example", "00000000-0000-4000-8000-000000000000", "*.corp.example"):
            value = self.json("ping", "ping", word)
            self.assertEqual((value["name"], value["replies"]), ("Intranet", [{"state": "direct", "rtt_ms": 12.4}]))
        self.assertEqual(len(self.json("ping", "ping", "Build farm", "--count=2")["replies"]), 2)
        self.firezone("ping", "Old archive", status=NOT_CONNECTED)
        ran = self.firezone("ping", "Printer", "--timeout=0.2", status=TIMEOUT)
        self.assertIn("firezone diagnose", ran.stderr)
        ran = self.firezone("ping", "Nowhere", status=ERROR)
        self.assertIn("firezone resources", ran.stderr)
        self.firezone("ping", "Intranet", "--count=0", status=USAGE)

    def test_ping_waits_for_the_path(self):
        self.connect()
        path = f"{bus.PATH}/resource/00000000_0000_4000_8000_000000000002"
        pinged = subprocess.Popen([*bus.as_user("alice"), FIREZONE, "ping", "Printer", "--timeout=100"], text=True,
                                  stdout=subprocess.PIPE, env=self.system.environment)
        self.addCleanup(pinged.stdout.close)
        self.system.test("Set", f"(objectpath '{path}', 'State', <'connecting'>)")
        self.system.test("Set", f"(objectpath '{path}', 'Rtt', <uint32 5000>)")
        self.system.test("Set", f"(objectpath '{path}', 'State', <'relayed'>)")
        self.assertIn("Printer: relayed, 5.0 ms", pinged.communicate(timeout=bus.DEADLINE_S)[0])
        self.assertEqual(pinged.returncode, OK)

    def test_logs(self):
        lines = self.firezone("logs", status=OK).stdout.splitlines()
        self.assertEqual(len(lines), 4)
        self.assertIn("INFO", lines[0])
        self.assertIn("the portal let us in", lines[0])
        self.assertEqual(lines[3], "not a line of ours")
        lines = self.firezone("logs", "--level=warning", status=OK).stdout.splitlines()
        self.assertEqual([l for l in lines if "INFO" in l], [])
        self.assertEqual(len(lines), 3)  # what has no level is shown
        self.assertEqual(len(self.firezone("logs", "-n1", status=OK).stdout.splitlines()), 1)
        self.assertIn("a path was lost", self.firezone("logs", "--grep=PATH WAS", status=OK).stdout)
        self.assertIn("no server answers", self.firezone("logs", "--target=dns", status=OK).stdout)
        for line in self.firezone("logs", "--json", "--target=ice", status=OK).stdout.splitlines():
            self.assertIn("severity", json.loads(line))
        self.firezone("logs", "--level=loud", status=USAGE)
        self.firezone("logs", "--lines=many", status=USAGE)

    def test_logs_follow_ends_with_its_reader(self):
        follow = subprocess.Popen([*bus.as_user("alice"), FIREZONE, "logs", "--follow"], text=True,
                                  stdout=subprocess.PIPE, env=self.system.environment)
        for _ in range(4):
            self.assertTrue(follow.stdout.readline())
        follow.send_signal(signal.SIGINT)
        self.assertEqual(follow.wait(bus.DEADLINE_S), OK)
        follow.stdout.close()

    def test_diagnose(self):
        self.connect()
        value = self.json("diagnose", "diagnose", status=ERROR)
        self.assertEqual({check["name"]: check["ok"] for check in value["checks"]},
                         {"service": True, "signed-in": True, "connected": True, "portal": True, "tun-device": True,
                          "udp-buffers": False})
        words = self.firezone("diagnose", status=ERROR).stdout
        self.assertIn("PROBLEM  udp-buffers: raise net.core.rmem_max", words)

    def test_metrics(self):
        self.assertEqual(self.json("metrics", "metrics")["counters"], {"udp_tx_packets": 1234, "tun_rx_packets": 987})
        self.assertRegex(self.firezone("metrics", status=OK).stdout, r"(?m)^udp_tx_packets +1234$")
        self.assertEqual(self.firezone("metrics", "--prometheus", status=OK).stdout.splitlines()[-1], "firezone_peers 2")

    def test_export(self):
        path = os.path.join(self.system.folder, "alice")
        os.makedirs(path, exist_ok=True)
        os.chown(path, bus.USERS["alice"], bus.USERS["alice"])
        path = os.path.join(path, "bundle.tar.gz")
        self.firezone("export", path, status=OK)
        with open(path, "rb") as file:
            self.assertEqual(file.read(2), b"\x1f\x8b")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertIn("--force", self.firezone("export", path, status=ERROR).stderr)
        self.firezone("export", "--force", path, status=OK)
        ran = subprocess.run([*bus.as_user("alice"), FIREZONE, "export", "-"], capture_output=True, env=self.system.environment)
        self.assertEqual((ran.returncode, ran.stdout[:2]), (OK, b"\x1f\x8b"))
        self.firezone("export", "/nowhere/x", status=ERROR)
        self.firezone("export", path + ".2", user="bob", status=ERROR)  # a folder of alice's
        ran = self.firezone("export", "/tmp/fz-cli-bob.tar.gz", user="bob", status=NOT_AUTHORIZED)
        self.assertFalse(os.path.exists("/tmp/fz-cli-bob.tar.gz"), "half an archive")

    def test_config(self):
        folder = os.path.join(self.system.folder, "settings")
        schemas = os.path.join(bus.BUILD, "data")
        os.makedirs(folder, exist_ok=True)
        os.chown(folder, bus.USERS["alice"], bus.USERS["alice"])
        environment = {"GSETTINGS_SCHEMA_DIR": schemas, "GSETTINGS_BACKEND": "keyfile", "XDG_CONFIG_HOME": folder}
        get = lambda name: self.firezone("config", "get", name, status=OK, environment=environment).stdout.strip()  # noqa: E731
        self.assertEqual(get("log-filter"), "info")
        self.firezone("config", "set", "log-filter", "info,ice=debug", status=OK)
        self.assertEqual(get("log-filter"), "info,ice=debug")
        self.assertIn("nonsense", self.firezone("config", "set", "log-filter", "nonsense", status=ERROR).stderr)
        self.assertEqual(get("auth-url"), "https://app.firezone.dev")
        self.firezone("config", "set", "auth-url", "https://portal.example", status=OK, environment=environment)
        self.assertEqual(get("auth-url"), "https://portal.example")
        self.firezone("config", "set", "notifications", "off", status=OK, environment=environment)
        self.assertEqual(get("notifications"), "false")
        self.firezone("config", "set", "notifications", "loud", status=USAGE, environment=environment)
        value = self.json("config", "config", "get", environment=environment)
        self.assertIn({"name": "auth-url", "value": "https://portal.example", "managed": False}, value["settings"])
        self.system.test("Set", f"(objectpath '{bus.PATH}', 'Managed', <{{'auth-url': <'https://corp.example'>}}>)")
        self.assertEqual(get("auth-url"), "https://corp.example")
        ran = self.firezone("config", "set", "auth-url", "x", status=NOT_AUTHORIZED, environment=environment)
        self.assertIn("managed by your organization", ran.stderr)
        self.assertIn("managed by your organization", self.firezone("config", "get", environment=environment).stdout)
        self.system.test("Set", f"(objectpath '{bus.PATH}', 'Managed', <@a{{sv}} {{}}>)")
        self.firezone("config", "set", "internet-resource", "on", status=NOT_CONNECTED)
        self.connect()
        self.firezone("config", "set", "internet-resource", "on", status=OK)
        self.assertEqual(get("internet-resource"), "on")
        for words in (("get", "nothing"), ("set", "log-filter"), ("set", "nothing", "x"), ("steal",), (), ("get", "a", "b"),
                      ("check", "x")):
            self.firezone("config", *words, status=USAGE)

    def test_config_check(self):
        """The service's program reads its own files; its status is ours."""
        folder = os.path.join(self.system.folder, "bin")
        os.makedirs(folder, exist_ok=True)
        program = os.path.join(folder, "firezone-client-tunnel")
        path = {"PATH": f"{folder}:/usr/bin:/bin"}
        self.assertIn("not installed", self.firezone("config", "check", status=ERROR, environment=path).stderr)
        with open(program, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho checked $*\nexit 1\n")
        os.chmod(program, 0o755)
        self.assertEqual(self.firezone("config", "check", status=ERROR, environment=path).stdout, "checked --check-config\n")

    def test_not_authorized(self):
        self.connect()
        for words in (("connect",), ("disconnect",), ("toggle",), ("sign-out",), ("logs",), ("metrics",),
                      ("config", "set", "log-filter", "debug")):
            ran = self.firezone(*words, user="bob", status=NOT_AUTHORIZED)
            self.assertIn("not allowed", ran.stderr)
        self.system.polkit.allow("disconnect", user="bob")
        ran = self.firezone("disconnect", user="bob", status=NOT_AUTHORIZED)
        self.assertIn("another user", ran.stderr)
        self.assertEqual(self.state(), "connected")

    def test_a_script_is_never_asked(self):
        """polkit's dialog only where somebody sits: standard input is no terminal here."""
        self.system.polkit.asked.clear()
        self.firezone("disconnect", status=OK)
        self.assertEqual([asked["interactive"] for asked in self.system.polkit.asked], [False])

    def test_usage(self):
        self.firezone(status=USAGE)
        self.firezone("dance", status=USAGE)
        self.firezone("status", "--loud", status=USAGE)
        self.firezone("status", "extra", status=USAGE)
        self.firezone("connect", "--timeout", status=USAGE)
        self.firezone("connect", "--wait=5", status=USAGE)
        self.assertIn("diagnose", self.firezone("--help", status=OK).stdout)
        self.assertIn("--watch", self.firezone("status", "--help", status=OK).stdout)
        self.assertRegex(self.firezone("--version", status=OK).stdout, r"^firezone \d+\.\d+\.\d+\n$")

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            ran = subprocess.run([*bus.as_user("alice"), FIREZONE, "--help"], stdout=full, stderr=subprocess.PIPE, text=True,
                                 env=self.system.environment)
        self.assertEqual(ran.returncode, ERROR)
        self.assertIn("cannot write", ran.stderr)

    def test_colours_on_a_terminal(self):
        for environment, has_colour in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False),
                                        ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            with Terminal(self.system, "status", environment=environment) as terminal:
                self.assertEqual("\033[" in terminal.read_until("sign-in"), has_colour, environment)


class Following(unittest.TestCase):
    """firezone logs --follow: what is written arrives, over a change of files."""

    @staticmethod
    def write(path, *messages):
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps({"time": "2026-03-01T09:12:44.031Z", "severity": "INFO", "target": "t",
                                        "message": message}) + "\n" for message in messages)
        os.chmod(path, 0o644)

    def test_over_a_change_of_files(self):
        with bus.SystemBus() as system:
            system.polkit.reset("yes")
            path = os.path.join(system.folder, "log.jsonl")
            self.write(path, "one", "two")
            system.start(f"{bus.BUILD}/tests/dbus/fz-mock-tunnel", f"--log={path}")
            follow = subprocess.Popen([*bus.as_user("alice"), FIREZONE, "logs", "--follow", "--json", "--lines=1"], text=True,
                                      stdout=subprocess.PIPE, env=system.environment)
            try:
                def read():
                    return json.loads(follow.stdout.readline())["message"]
                self.assertEqual(read(), "two")
                self.write(path, "three")
                self.assertEqual(read(), "three")
                os.link(path, path + ".1")
                self.write(path + ".1", "last of the old")
                self.write(path + ".new", "first of the new")
                os.rename(path + ".new", path)  # never without a file: the mock opens it at any time
                self.assertEqual([read(), read()], ["last of the old", "first of the new"])
                self.write(path, "second of the new")
                self.assertEqual(read(), "second of the new")
                follow.send_signal(signal.SIGINT)
                self.assertEqual(follow.wait(bus.DEADLINE_S), OK)
            finally:
                follow.kill()
                follow.wait()
                follow.stdout.close()


class Missing(unittest.TestCase):
    """No service, no bus: words that say what to do."""

    def test_no_service(self):
        with bus.SystemBus() as system:
            for verb in (("status",), ("connect",), ("sign-in",), ("resources", "--json"), ("diagnose",)):
                ran = system.run("alice", FIREZONE, *verb, input=TOKEN)
                self.assertEqual(ran.returncode, ERROR)
                self.assertIn("not installed, or not running", ran.stderr)
                self.assertIn("systemctl status firezone-client-tunnel", ran.stderr)

    def test_no_bus(self):
        with bus.SystemBus(polkit=None) as system:
            ran = system.run("alice", FIREZONE, "status", environment={"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere"})
            self.assertEqual(ran.returncode, ERROR)
            self.assertIn("system bus", ran.stderr)

    def test_activation(self):
        """The first call starts the service; one that cannot be started is told apart from one that is missing."""
        with bus.SystemBus() as system:
            service = os.path.join(system.services, f"{bus.NAME}.service")
            for program, status, words in (("/bin/false", ERROR, "cannot be started"),
                                           (f"{bus.BUILD}/tests/dbus/fz-mock-tunnel", NOT_CONNECTED, "")):
                with open(service, "w", encoding="utf-8") as file:
                    file.write(f"[D-BUS Service]\nName={bus.NAME}\nExec={program}\nUser=root\n")
                system.run("root", "gdbus", "call", "--system", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                           "org.freedesktop.DBus.ReloadConfig")
                ran = system.run("alice", FIREZONE, "status")
                self.assertEqual(ran.returncode, status, ran.stderr)
                self.assertIn(words, ran.stderr)
            pid = system.run("root", "gdbus", "call", "--system", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                             "org.freedesktop.DBus.GetConnectionUnixProcessID", bus.NAME).stdout
            os.kill(int(re.search(r"uint32 (\d+)", pid)[1]), signal.SIGTERM)


class OneLiners(CliCase):
    """README.md: each line works as it stands."""

    def read(self):
        with open(os.path.join(bus.SOURCE, "README.md"), encoding="utf-8") as file:
            section = re.search(r"^## Ten one-liners\n(.*?)^## ", file.read(), re.M | re.S)[1]
        return re.search(r"^```sh\n(.*?)^```", section, re.M | re.S)[1].splitlines()

    def test_they_run(self):
        lines = self.read()
        self.assertEqual(len(lines), 10)
        self.sign_in("--no-connect", "--account=acme")
        outputs = []
        path = f"{os.path.dirname(FIREZONE)}:{self.system.environment['PATH']}"
        for line in lines:
            ran = self.system.run("alice", "bash", "-o", "pipefail", "-c", line, environment={"PATH": path})
            self.assertEqual(ran.returncode, OK, f"{line}: {ran.stdout}{ran.stderr}")
            outputs.append(ran.stdout)
        self.assertIn("Connected", outputs[1])
        self.assertIn("direct\tIntranet", outputs[2])
        self.assertIn("a path was lost", outputs[3])
        self.assertEqual(outputs[6], "('connected',)\n")
        self.assertEqual(outputs[7].splitlines()[0], 's "connected"')
        self.assertEqual(len(outputs[8].splitlines()), 7)
        calls = [call.split()[0] for call in self.system.test("Calls")[-5:]]
        self.assertEqual(calls, ["Connect", "OpenLog", "Disconnect", "Connect", "Disconnect"])
        self.assertEqual(self.state(), "offline")


class RealService(unittest.TestCase):
    """From a token of a real portal to an archive for support, by the service as it is."""

    def test_a_day(self):
        with service.Place() as place:
            place.bus.polkit.reset("yes")
            for words in (("actor", "add", "--name", "Ada"), ("site", "add", "--name", "office"),
                          ("resource", "add", "--name", "intranet", "--address", "10.20.0.0/24", "--site", "office"),
                          ("policy", "add", "--group", "Everyone", "--resource", "intranet")):
                place.portal.command(*words)
            place.portal.start()
            place.start()
            token = place.portal.command("token", "create", "--client", "--actor", "Ada", "--expires", "1d")["token"]

            def firezone(*words, status=OK, **options):
                ran = place.bus.run("alice", FIREZONE, *words, **options)
                self.assertEqual(ran.returncode, status, f"{words}: {ran.stdout}{ran.stderr}")
                return ran.stdout

            firezone("status", status=NOT_CONNECTED)
            firezone("connect", status=NOT_CONNECTED)
            firezone("sign-in", f"--api-url={place.portal.url}", input=token + "\n")
            firezone("wait", "connected", "--timeout=100")
            with open(SCHEMA, encoding="utf-8") as file:
                schema = json.load(file)
            for definition, words in (("status", ("status",)), ("metrics", ("metrics",)), ("config", ("config", "get"))):
                validate(json.loads(firezone(*words, "--json")), schema["$defs"][definition], schema)
            bus.wait_until(lambda: "intranet" in firezone("resources"), "the resource")
            validate(json.loads(firezone("resources", "--json")), schema["$defs"]["resources"], schema)
            self.assertIn("10.20.0.0/24", firezone("resources"))
            self.assertNotIn(token, firezone("logs"))
            self.assertIn("INFO", firezone("logs"))
            ran = subprocess.run([*bus.as_user("alice"), FIREZONE, "export", "-"], capture_output=True,
                                 env=place.bus.environment)
            self.assertEqual(ran.returncode, OK, ran.stderr)
            with tarfile.open(fileobj=io.BytesIO(ran.stdout), mode="r:gz") as archive:
                self.assertTrue(archive.getnames())
            firezone("config", "set", "log-filter", "debug")
            self.assertEqual(firezone("config", "get", "log-filter"), "debug\n")
            firezone("disconnect", "--wait")
            firezone("connect", "--wait", "--timeout=100")
            firezone("sign-out")
            self.assertEqual(firezone("wait", "signed-out", "--timeout=100"), "signed-out\n")


class Completion(CliCase):
    def complete_bash(self, *words):
        script = ('source /dev/stdin <<<"$(firezone completion bash)"; COMP_WORDS=(' + " ".join(map(shlex.quote, words)) +
                  f'); COMP_CWORD={len(words) - 1}; _firezone; printf "%s\\n" "${{COMPREPLY[@]}}"')
        path = f"{os.path.dirname(FIREZONE)}:{self.system.environment['PATH']}"
        ran = self.system.run("alice", "bash", "-c", script, environment={"PATH": path})
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        return ran.stdout.split("\n")[:-1]

    def test_bash(self):
        self.assertEqual(self.complete_bash("firezone", "sta"), ["status"])
        self.assertEqual(set(self.complete_bash("firezone", "con")), {"connect", "config"})
        self.assertNotIn("complete-resources", self.complete_bash("firezone", ""))
        self.assertIn("--watch", self.complete_bash("firezone", "status", "--"))
        self.assertEqual(self.complete_bash("firezone", "logs", "--level", "w"), ["warning"])
        self.assertEqual(self.complete_bash("firezone", "wait", "deg"), ["degraded"])
        self.assertEqual(self.complete_bash("firezone", "config", "get", "log"), ["log-filter"])
        self.assertEqual(self.complete_bash("firezone", "ping", "In"), [""])
        self.connect()
        self.assertEqual(set(self.complete_bash("firezone", "ping", "in")), {"Intranet", "Internet\\ Resource"})

    def test_shells_accept_it(self):
        for shell in ("bash", "zsh", "fish"):
            script = self.firezone("completion", shell, status=OK).stdout
            for verb in self.verbs():
                self.assertIn(verb, script)
            if subprocess.run(["sh", "-c", f"command -v {shell}"], capture_output=True).returncode == 0:
                checked = subprocess.run([shell, "-n", "/dev/stdin"], input=script, text=True, capture_output=True)
                self.assertEqual((checked.returncode, checked.stderr), (0, ""), shell)
        self.firezone("completion", "csh", status=USAGE)

    def verbs(self):
        text = self.firezone("--help", status=OK).stdout
        return [line.split()[0] for line in text.split("Commands:")[1].splitlines() if line.startswith("  ")]

    def test_manual_page_knows_all(self):
        with open(os.path.join(bus.SOURCE, "data", "man", "firezone.1"), encoding="utf-8") as file:
            page = file.read()
        verbs = self.verbs()
        self.assertGreaterEqual(len(verbs), 16)
        for verb in verbs:
            entry = re.search(rf"(?ms)^\.It Ic {verb}\b(.*?)^(?=\.It|\.El)", page)
            self.assertIsNotNone(entry, verb)
            for option in re.findall(r"--([a-z-]+)", self.firezone(verb, "--help", status=OK).stdout):
                self.assertIn(f"-{option}", entry[1] + page, f"{verb} --{option}")
                self.assertIn(f"Fl -{option}" if f"Fl -{option}" in entry[1] else f", -{option}", entry[1], f"{verb} --{option}")


if __name__ == "__main__":
    bus.enter()
    unittest.main(verbosity=2)
