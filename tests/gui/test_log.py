#!/usr/bin/python3
"""The log pane: a million lines, filters, errors, following, rotation, the service's descriptor, export, names, pictures.

Usage: test_log.py BUILD [unittest arguments]

The pane stands in a window of its own (log-window), which tells on its standard output what it shows and how long that took.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import desk  # noqa: E402
from desk import Desk, until  # noqa: E402

BUILD = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 and os.path.isdir(sys.argv[1]) else os.path.join(desk.SOURCE, "build")
MILLION = 1_000_000
START = datetime.datetime(2026, 3, 1, 9, 0, 0)
WORDS = [("INFO", "session", "session established"), ("DEBUG", "ice", "candidate pair nominated"),
         ("DEBUG", "relay", "allocation refreshed"), ("INFO", "dns", "name servers set"),
         ("WARNING", "portal", "the portal is slow to answer"), ("TRACE", "lane", "packet")]

# pyatspi keeps the bus it first saw, hence a process of its own
FIND = """
import pyatspi, sys
from gi.repository import Atspi
Atspi.set_timeout(60_000, 60_000)
def walk(node):
    yield node
    for child in node:
        if child is not None:
            yield from walk(child)
def nodes():
    for app in pyatspi.Registry.getDesktop(0):
        if app is not None and app.name == "firezone-client-gui":
            yield from walk(app)
"""
PRESS = FIND + """
for node in nodes():
    if node.name.endswith(sys.argv[1]) and node.getRoleName() == "push button" and node.getState().contains(pyatspi.STATE_SENSITIVE):
        sys.exit(0 if node.queryAction().doAction(0) else 1)
sys.exit(1)
"""
NAMELESS = FIND + """
n = 0
for node in nodes():
    n += 1
    role = node.getRoleName()
    if (node.getState().contains(pyatspi.STATE_FOCUSABLE) and role not in ("scroll pane", "filler")
            and (not node.name.strip() or node.name.startswith(("Gtk", "Adw", "Fz")))):
        print("NAMELESS", role, repr(node.name))
print("walked", n)
"""
NAMES = FIND + """
for node in nodes():
    if node.name:
        print(node.getRoleName(), "|", node.name)
"""


def line(i):
    level, target, message = ("ERROR", "tunnel", "the device cannot be opened") if i % 1000 == 999 else WORDS[i % 6]
    stamp = (START + datetime.timedelta(milliseconds=i)).isoformat(timespec="milliseconds")
    return (f'{{"time":"{stamp}Z","severity":"{level}","target":"{target}","message":"{message} {i}","event":"line-{i % 17}",'
            f'"peer":"c1f0-{i * 7919 % 65536:04x}","rtt_us":{i % 9973}}}\n')


def write_lines(path, count, first=0):
    with open(path, "a", encoding="utf-8") as file:
        for start in range(first, first + count, 10_000):
            file.write("".join(line(i) for i in range(start, min(start + 10_000, first + count))))


class LogDesk(Desk):
    def app_path(self):
        return os.path.join(self.build, "tests", "gui", "log-window")

    def open(self, *arguments, env=None):
        open(os.path.join(self.root, "app.log"), "w", encoding="utf-8").close()
        self.start_app(*arguments, env=env, wait=False)
        self.wait_window()

    def told(self, kind):
        return re.findall(rf"^{kind} (.*)$", self.read_log(), re.M)

    def wait_page(self, page, timeout=120):
        return until(lambda: [t for t in self.told("page")[-1:] if t.startswith(page + " ")], f"page {page}", timeout)[0]

    def wait_status(self, text, timeout=120):
        """Milliseconds it took."""
        found = until(lambda: [t for t in self.told("status")[-1:] if t.startswith(text + " |")], f"status “{text}”", timeout)
        return float(found[0].split("|")[1])

    def wait_drawn(self, text, since, timeout=120):
        """Milliseconds from the key to the first painted frame, and to the one that has it all; `since`: how many frames before."""
        end = until(lambda: [i for i, t in enumerate(self.told("drawn")) if i >= since and t.startswith(text + " |")], f"drawn “{text}”", timeout)[0]
        return [float(self.told("drawn")[i].split("|")[1]) for i in (since, end)]

    def wait_told(self, kind, end, timeout=120):
        return until(lambda: [t for t in self.told(kind)[-1:] if t.endswith(end)], f"{kind} “{end}”", timeout)[0]

    def choose(self, n_tabs, n_downs):
        """The choice of a filter so many steps behind the search, by keys."""
        self.key("ctrl+f", *["Tab"] * n_tabs, "space")
        self.wait_told("popup", "open")
        self.key(*["Down"] * n_downs, "Return")
        self.wait_told("popup", "closed")

    def type(self, text):
        subprocess.run(["xdotool", "type", "--delay", "1", text], env=self.env, check=True, timeout=120)

    def search(self, text):
        self.key("ctrl+f")
        self.type(text)

    def scroll_down(self, n_clicks):
        """By the wheel over the rows, which selects none of them."""
        window = self.wait_window()
        width, height = self.geometry(window).split("+")[0].split("x")
        subprocess.run(["xdotool", "mousemove", "--sync", "--window", window, str(int(width) // 2), str(int(height) // 2),
                        "click", "--repeat", str(n_clicks), "5"], env=self.env, check=True, timeout=120)

    def ask_place(self):
        """Line and pixels when all that was pressed and scrolled before has come to rest."""
        before = len(self.told("place"))
        self.key("F12")
        return until(lambda: self.told("place")[before:], "a place")[-1]

    def ask(self, script, *arguments):
        return subprocess.run([sys.executable, "-c", script, *arguments], env=self.env, capture_output=True, text=True, timeout=240,
                              check=False)

    def names(self):
        return self.ask(NAMES).stdout

    def wait_name(self, text):
        until(lambda: text in self.names(), f"“{text}” in the accessible tree", 120)

    def press(self, name, role=None):
        until(lambda: self.ask(PRESS, name).returncode == 0, f"a button “{name}”", 120)


class LogCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = LogDesk(BUILD)
        cls.addClassCleanup(cls.desk.close)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="fz-log-")
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(self.desk.stop_service)
        self.addCleanup(self.desk.stop_app)

    def path(self, name="log.jsonl"):
        return os.path.join(self.folder.name, name)

    def no_complaints(self):
        """GTK tells on standard error what we did wrong."""
        bad = [l for l in self.desk.read_log().splitlines() if "CRITICAL" in l or "Gtk-WARNING" in l or "GLib-GObject" in l]
        self.assertEqual(bad, [])


class Million(LogCase):
    def test_a_million_lines(self):
        write_lines(self.path(), MILLION)
        self.desk.open(self.path())
        first = float(self.desk.wait_page("list").split()[-1])
        whole = self.desk.wait_status("1,000,000 lines")
        painted = self.desk.wait_drawn("1,000,000 lines", 0)
        print(f"# first rows after {first:.0f} ms, painted {painted[0]:.0f} ms; all 1,000,000 lines after {whole:.0f} ms")
        rare = sum(1 for i in range(MILLION) if f"{i * 7919 % 65536:04x}".startswith("00"))
        for what, count, ask in (("a text in 1 of 256 lines", rare, lambda: self.desk.search("c1f0-00")),
                                 ("all again", MILLION, lambda: self.desk.key("ctrl+a", "BackSpace")),
                                 ("a text in every line", MILLION, lambda: self.desk.search("message")),
                                 ("a text in one line", 1, lambda: self.desk.search("established 999996")),
                                 ("all again", MILLION, lambda: self.desk.key("ctrl+a", "BackSpace")),
                                 ("errors", 1000, lambda: self.desk.choose(2, 4))):
            before = len(self.desk.told("drawn"))
            ask()
            text = "1,000,000 lines" if what == "all again" else f"{count:,} of 1,000,000 lines"
            answer = self.desk.wait_status(text)
            frames = self.desk.wait_drawn(text, before)
            print(f"# from the key, {what}: answer {answer:.0f} ms, first rows painted {frames[0]:.0f} ms, all {frames[1]:.0f} ms")
        with open(f"/proc/{self.desk.app.pid}/smaps_rollup", encoding="ascii") as file:
            anonymous = int(re.search(r"^Anonymous:\s+(\d+)", file.read(), re.M)[1]) / 1024
        print(f"# anonymous memory of the whole process: {anonymous:.0f} MB")
        self.assertLess(anonymous, 400)
        self.no_complaints()


class Pane(LogCase):
    def test_errors_and_details(self):
        write_lines(self.path(), 5000)
        self.desk.open(self.path())
        self.desk.wait_status("5,000 lines")
        for keys, number in (("F8", 1000), ("F8", 2000), ("shift+F8", 1000)):
            self.desk.key(keys)
            self.desk.wait_told("line", f"· Line {number}")
        # the line stays selected when a filter that it passes comes
        self.desk.search("cannot be opened")
        self.desk.wait_status("5 of 5,000 lines")
        self.desk.key("ctrl+shift+j")
        self.assertEqual(json.loads(self.desk.wait_told("copied", "}").removeprefix("copied ")), json.loads(line(999)))
        self.desk.key("ctrl+shift+c")
        self.desk.wait_told("copied", " ERROR   tunnel: the device cannot be opened 999 "
                            f"event=line-{999 % 17} peer=c1f0-{999 * 7919 % 65536:04x} rtt_us=999")
        self.desk.wait_name("rtt_us: 999")
        self.desk.wait_name("label | the device cannot be opened 999")
        self.no_complaints()

    def test_another_answer_leaves_the_place(self):
        """What one looks at stays where it is when a filter comes and goes: the first row, or the selected one."""
        write_lines(self.path(), 20_000)
        self.desk.open(self.path())
        self.desk.wait_status("20,000 lines")
        self.desk.scroll_down(9)
        place = self.desk.ask_place()
        first, px = map(int, place.split())
        self.assertGreater(first, 9)
        self.assertLess(px, 0)  # partly above the edge
        left = [number for number in range(1, 20_001) if "candidate" in line(number - 1)]
        self.desk.search("candidate")
        self.desk.wait_status(f"{len(left):,} of 20,000 lines")
        self.desk.wait_told("place", f"{min(n for n in left if n >= first)} {px}")  # stands where the first one stood
        self.desk.key("ctrl+a")
        self.desk.type("no such thing")
        self.desk.wait_page("no-match")
        self.desk.key("ctrl+a", "BackSpace")
        self.desk.wait_status("20,000 lines")
        self.desk.wait_told("place", place)
        for number in range(1000, 4001, 1000):
            self.desk.key("F8")
            self.desk.wait_told("line", f"· Line {number}")
        until(lambda: self.desk.told("place")[-1].startswith("4000 "), "the selected line on the screen")
        place = self.desk.ask_place()
        peer = f"c1f0-{3999 * 7919 % 65536:04x}"[:-3]  # one line in sixteen has it
        self.desk.search(peer)
        self.desk.wait_status(f"{sum(peer in line(i) for i in range(20_000)):,} of 20,000 lines")
        self.desk.wait_told("place", place)
        self.desk.key("ctrl+a", "BackSpace")
        self.desk.wait_status("20,000 lines")
        self.desk.wait_told("place", place)
        self.no_complaints()

    def test_foreign_and_torn_lines_are_shown(self):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.write(line(0) + "thread 'main' panicked at src/main.rs:1:2:\n"
                       + "2026-08-21T12:34:56.789Z  WARN connlib::peer: upstream's line key=value\n" + '{"severity":"ERROR","mess')
        self.desk.open(self.path())
        self.desk.wait_status("4 lines")
        self.desk.wait_name("thread 'main' panicked at src/main.rs:1:2:")
        self.desk.wait_name('{"severity":"ERROR","mess')
        self.assertRegex(self.desk.names(), r"Warning, 2026-08-21 [\d:.]+, connlib::peer: upstream's line key=value")

    def test_follow_and_rotation(self):
        write_lines(self.path(), 100)
        self.desk.open(self.path())
        self.desk.wait_status("100 lines")
        write_lines(self.path(), 50, 100)
        self.desk.wait_status("150 lines")
        with open(self.path(), "a", encoding="utf-8") as file:
            file.write(line(150)[:40])
            file.flush()
            self.desk.wait_status("151 lines")
            file.write(line(150)[40:] + line(151))
        self.desk.wait_status("152 lines")
        self.desk.search("candidate")
        self.desk.wait_status("26 of 152 lines")
        write_lines(self.path(), 12, 152)
        self.desk.wait_status("28 of 164 lines")
        os.rename(self.path(), self.path("log.jsonl.1"))
        write_lines(self.path(), 6, 0)
        self.desk.wait_status("1 of 6 lines")
        os.truncate(self.path(), 0)
        self.desk.wait_status("0 of 0 lines")
        write_lines(self.path(), 12)
        self.desk.wait_status("2 of 12 lines")
        self.no_complaints()

    def test_states_of_files(self):
        open(self.path("empty"), "w", encoding="utf-8").close()
        for what, page in ((self.path("empty"), "empty"), ("/nonexistent/log", "missing-file"), ("/dev/zero", "failed")):
            self.desk.open(what)
            self.desk.wait_page(page)
            self.desk.stop_app()

    def test_service(self):
        """Its log by descriptor; refused, gone and back."""
        write_lines(self.path(), 200)
        self.desk.open("--service")
        self.desk.wait_page("missing-service")
        self.desk.start_service("connected", log=self.path())
        self.desk.wait_status("200 lines")
        write_lines(self.path(), 10, 200)
        self.desk.wait_status("210 lines")
        # a page turned by the service: the new file is asked for
        write_lines(self.path("new"), 5)
        self.desk.mock.Log(self.path("new"))
        os.rename(self.path(), self.path("log.jsonl.1"))
        self.desk.wait_status("5 lines")
        # the service goes: what is shown stays; a new one: its log
        self.desk.stop_service()
        write_lines(self.path("third"), 7)
        self.desk.start_service("connected", log=self.path("third"))
        self.desk.wait_status("7 lines")
        self.desk.stop_app()
        self.desk.mock.Behave({"refuse": "NotAuthorized"})
        self.desk.open("--service")
        self.desk.wait_page("denied-service")
        self.desk.mock.Behave({"refuse": ""})
        self.desk.press("Ask for Permission…")
        self.desk.wait_status("7 lines")
        self.no_complaints()

    def test_export(self):
        with open(self.path(), "w", encoding="utf-8") as file:
            file.write(json.dumps({"severity": "INFO", "message": "from 203.0.113.77 by alice@corp.example", "token": "marker-secret"}) + "\n")
        self.desk.open(self.path())
        self.desk.wait_status("1 line")
        target = self.path("bundle.tar.gz")
        self.export_to(target)
        with tarfile.open(target) as archive:
            texts = {m.name: archive.extractfile(m).read().decode() for m in archive.getmembers()}
        self.assertEqual(sorted(texts), ["firezone-logs/REDACTION.txt", "firezone-logs/about.txt", "firezone-logs/log.jsonl"])
        record = json.loads(texts["firezone-logs/log.jsonl"])
        self.assertEqual(record, {"severity": "INFO", "message": "from <ip-1> by <email-1>", "token": "<secret-1>"})
        for marker in ("203.0.113.77", "alice", "marker-secret"):
            self.assertNotIn(marker, "".join(texts.values()))
        self.assertEqual(os.stat(target).st_mode & 0o777, 0o600)
        self.assertFalse(os.path.exists(target + "-partial"))

    def export_to(self, target):
        self.desk.key("ctrl+e")
        until(lambda: len(self.desk.windows()) > 1, "the file chooser")
        self.desk.key("ctrl+a")
        self.desk.type(target)
        self.desk.key("Return")
        until(lambda: os.path.exists(target), "the archive")

    def test_export_by_the_service(self):
        """It writes into a descriptor of ours, which gets its name when it is whole."""
        write_lines(self.path(), 10)
        self.desk.start_service("connected", log=self.path())
        self.desk.open("--service")
        self.desk.wait_status("10 lines")
        self.export_to(self.path("bundle.tar.gz"))
        with open(self.path("bundle.tar.gz"), "rb") as file:
            self.assertEqual(file.read(), b"the service's archive")
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["bundle.tar.gz", "log.jsonl"])

    def test_target_and_time(self):
        write_lines(self.path(), 3000)
        self.desk.open(self.path())
        self.desk.wait_status("3,000 lines")
        self.desk.choose(3, 6)
        self.desk.key("Tab")
        self.desk.type("wire")
        self.desk.wait_status("0 of 3,000 lines")
        self.desk.key("ctrl+a")
        self.desk.type("port")
        self.desk.wait_status("500 of 3,000 lines")
        self.desk.key("Tab")
        self.desk.type("2026-03-01 09:00:01Z")
        self.desk.wait_status("334 of 3,000 lines")
        self.desk.key("Tab")
        self.desk.type("2026-03-01 09:00:02Z")
        self.desk.wait_status("167 of 3,000 lines")

    def test_every_control_has_a_name(self):
        write_lines(self.path(), 2000)
        self.desk.open(self.path())
        self.desk.wait_status("2,000 lines")
        self.desk.key("F8")
        self.desk.wait_told("line", "· Line 1000")
        def walked():
            told = self.desk.ask(NAMELESS)
            return told.stdout if told.returncode == 0 and int(told.stdout.split()[-1]) > 100 else None
        report = until(walked, "the tree", 240)
        print("#", report.splitlines()[-1], "objects")
        self.assertNotIn("NAMELESS", report)

    def test_keyboard_alone(self):
        """Escape leads from the search to the rows, and so does Tab; Escape leads out of the details."""
        write_lines(self.path(), 300)
        self.desk.open(self.path())
        self.desk.wait_status("300 lines")
        self.desk.search("dns")
        self.desk.wait_status("50 of 300 lines")
        self.desk.key("Escape")
        self.desk.wait_status("300 lines")
        self.desk.key("Down")
        self.desk.wait_told("line", "· Line 2")
        self.desk.key("Escape", "Down")
        self.desk.wait_told("line", "· Line 3")
        self.desk.key("ctrl+f")
        for _ in range(8):
            self.desk.key("Tab", "Down")
        until(lambda: not self.desk.told("line")[-1].endswith("· Line 3"), "the rows by Tab")


class Pictures(LogCase):
    """Every state, light and dark; narrow, large text, high contrast. They are looked at by people."""

    def lines(self):
        with open(self.path(), "w", encoding="utf-8") as file:
            for i in range(970, 3000):
                file.write(line(i))
                if i % 1000 == 2:
                    file.write("thread 'main' panicked at src/main.rs:12:5:\n"
                               "2026-03-01T09:00:01.003Z  INFO connlib_client::peer: upstream's text line key=value\n")
        open(self.path("empty"), "w", encoding="utf-8").close()

    def width(self):
        window = self.desk.wait_window()
        geometry = subprocess.run(["xdotool", "getwindowgeometry", window], env=self.desk.env, capture_output=True, text=True, check=True)
        return int(re.search(r"Geometry: (\d+)x", geometry.stdout)[1])

    def shoot(self, suffix, env):
        self.desk.open(self.path(), env=env)
        self.desk.wait_status("2,034 lines")
        self.desk.key("F8")
        self.desk.wait_told("line", "· Line 30")
        self.desk.screenshot("log-details" + suffix)
        self.desk.resize(360, 700)
        until(lambda: self.width() <= 362, "a window of 360 pixels")
        self.desk.screenshot("log-narrow" + suffix)
        self.desk.search("no such thing")
        self.desk.wait_page("no-match")
        self.desk.screenshot("log-no-match" + suffix)
        self.desk.stop_app()
        for what, page in ((self.path("empty"), "empty"), ("/nonexistent/log", "missing-file"), ("/dev/zero", "failed"),
                           ("--service", "missing-service")):
            self.desk.open(what, env=env)
            self.desk.wait_page(page)
            self.desk.screenshot(f"log-{page}{suffix}")
            self.desk.stop_app()

    def test_light(self):
        self.lines()
        self.shoot("", {})

    def test_dark(self):
        self.lines()
        self.shoot("-dark", {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"})

    def test_large_text_and_contrast(self):
        self.lines()
        self.desk.open("--text-scale=2", self.path())
        self.desk.wait_status("2,034 lines")
        self.desk.resize(720, 900)
        self.desk.key("F8")
        self.desk.wait_told("line", "· Line 30")
        self.desk.screenshot("log-large-text")
        self.desk.stop_app()
        self.desk.open(self.path(), env={"ADW_DEBUG_HIGH_CONTRAST": "1"})
        self.desk.wait_status("2,034 lines")
        self.desk.key("F8")
        self.desk.wait_told("line", "· Line 30")
        self.desk.screenshot("log-contrast")


if __name__ == "__main__":
    if desk.MISSING:
        print("skipped: missing " + ", ".join(desk.MISSING))
        sys.exit(77)
    try:
        import pyatspi  # noqa: F401
    except ImportError as error:
        print(f"skipped: {error}")
        sys.exit(77)
    unittest.main(verbosity=2)
