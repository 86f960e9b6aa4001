#!/usr/bin/python3
"""Every view and state of the app as different people meet it.

A tour goes through all of them, by the same steps each time; what is looked at differs: names for a screen reader,
room on a narrow screen and with text of twice the size, a language that is two fifths longer, one that is written
from right to left, colours. The keyboard alone reaches everything. In none of these does GTK complain.
Pictures of all stops go to build/screenshots.

Usage: test_access.py BUILD [CLASS[.TEST]]
"""

import json
import os
import re
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from desk import MISSING, PATIENCE_S, SOURCE, Desk, until  # noqa: E402
from mock_service import company  # noqa: E402
from screen_reader import Reader, has_type_name  # noqa: E402

BUILD = "build"
ME = os.getuid()
WIKI = "00000000-0000-0000-0000-000000000004"
ICONS = {"connecting": "connecting", "connected": "connected", "degraded": "attention", "offline": "disconnected", "error": "attention"}
TITLE_BAR = ("Minimize", "Maximize", "Close", "Restore", "More")  # GTK's, in GTK's language
ROLES_WITH_NAMES = ("button", "check box", "combo box", "image", "label", "link", "list", "list item", "menu item", "search box",
                    "spin button", "status", "switch", "tab", "table", "text box", "toggle button")
# What libadwaita and GTK put into a control of their own, whose name speaks for it
PARTS = ("tab", "text box", "combo box", "list item", "button", "menu item")
EVENTS = [("INFO", "session", "session established"), ("DEBUG", "ice", "candidate pair nominated"),
          ("WARNING", "portal", "the portal is slow to answer"), ("ERROR", "tunnel", "the device cannot be opened"),
          ("TRACE", "lane", "packet")]


def write_log(path):
    with open(path, "w", encoding="utf-8") as file:
        for i in range(60):
            level, target, message = EVENTS[i % len(EVENTS)]
            file.write(json.dumps({"time": f"2026-03-01T09:{i:02}:11.031Z", "severity": level, "target": target,
                                   "message": message, "event": "event-" + target, "peer": "c1f0"}) + "\n")
        file.write("no JSON at all, and shown all the same\n")
    return path


class TourCase(unittest.TestCase):
    """A desk, the app, a reader; `tour` yields (stop, what is on the screen) for every view and state."""

    ENV = {}
    TEXT = 1.0
    WIDTH = 780
    DIALOGS = ("sign-in-link", "about", "shortcuts", "closing", "menu")

    @classmethod
    def setUpClass(cls):
        cls.desk = Desk(BUILD)
        cls.addClassCleanup(cls.desk.close)
        cls.desk.env["G_DEBUG"] = "fatal-criticals"
        cls.desk.add_browser()
        cls.log = write_log(os.path.join(cls.desk.root, "service.log"))
        cls.desk.scale_text(cls.TEXT)
        cls.desk.start_service("signed-out", log=cls.log)
        cls.prepare()

    @classmethod
    def prepare(cls):
        """What a kind of tour needs besides."""

    def tearDown(self):
        self.assertEqual(self.desk.complaints(), [])
        self.assertIn(self.desk.app.poll(), (None, 0), "the app has crashed")
        self.desk.stop_app()

    def start(self, **env):
        self.desk.start_app(env={**self.ENV, **env})
        self.desk.wait_window()
        self.reader = Reader(self.desk)
        self.resize()

    def resize(self):
        self.desk.resize(self.WIDTH + 10, 860)  # with the borders that it draws

    @property
    def mock(self):
        return self.desk.mock

    def settled(self):
        """What is on the screen once it does not change any more."""
        last = []

        def is_still():
            nodes = self.reader.survey()
            now = [(n.role, n.name, n.at) for n in nodes if n.role in ROLES_WITH_NAMES]  # a spinner turns for ever
            was, last[:] = list(last), now
            return nodes if now and now == was else None

        return until(is_still, "a screen that stands still")

    def page(self, name):
        self.desk.activate("show-page", name)

    def status(self):
        return self.desk.actions()["tray-status"][1]

    def be(self, state, **more):
        """Until the app has heard of it."""
        before = self.status()
        self.mock.Set({"State": state, "Owner": ME, "Account": "acme", "Actor": "Sam Poe", **more})
        until(lambda: self.status() != before and self.status()[0] == ICONS[state], f"an app that knows of being {state}")

    def wait_windows(self, n):
        until(lambda: len(self.desk.windows()) == n, f"{n} windows")

    def tour(self):
        until(lambda: self.desk.is_enabled("sign-in"), "the service met")
        for part in (self.signing_in, self.states, self.resources, self.logs, self.settings, self.dialogs, self.without_service):
            yield from part()

    def stop(self, name):
        """Looks at the screen; a window that had to grow for the stop before is asked to shrink again."""
        self.now = name
        nodes = self.settled()
        if self.WIDTH < 780 and nodes[0].at[2] > self.WIDTH and name not in self.DIALOGS:
            self.resize()
            nodes = self.settled()
        return name, nodes

    def signing_in(self):
        yield self.stop("overview-signed-out")
        self.page("resources")
        yield self.stop("resources-signed-out")
        self.page("overview")
        self.desk.activate("sign-in")
        self.desk.browsed()
        yield self.stop("overview-browser")
        self.desk.activate("show-sign-in-link")
        self.wait_windows(2)
        yield self.stop("sign-in-link")
        self.desk.key("Escape")
        self.wait_windows(1)
        self.desk.activate("cancel-sign-in")

    def states(self):
        self.be("connecting", PortalState="retrying")
        yield self.stop("overview-connecting")
        self.be("connected")
        yield self.stop("overview-connected")
        self.be("degraded", StateReason="dns-failed")
        yield self.stop("overview-degraded")
        self.be("offline")
        yield self.stop("overview-offline")
        self.be("error", StateReason="portal-unreachable", PortalState="off")
        yield self.stop("overview-error")
        self.be("error", StateReason="session-revoked")
        yield self.stop("overview-session-over")
        self.be("connected")

    def resources(self):
        self.page("resources")
        yield self.stop("resources")
        self.desk.activate("show-resource", WIKI)
        yield self.stop("resources-details")
        self.desk.key("ctrl+f")
        until(lambda: (self.reader.focused() or {}).get("role") in ("search box", "text box"), "the search")
        subprocess.run(["xdotool", "type", "--delay", "4", "zzz"], env=self.desk.env, check=True)
        yield self.stop("resources-no-match")
        self.desk.key("Escape")
        self.mock.Resources(0)
        until(lambda: not [n for n in self.reader.survey() if "Build farm" in n.name], "no resources")
        yield self.stop("resources-empty")
        self.desk.start_service("connected", log=self.log)

    def logs(self):
        self.page("logs")
        until(lambda: [n for n in self.reader.survey() if "packet" in n.name], "the service's log")
        yield self.stop("logs")
        self.settled()
        self.click(until(lambda: [n for n in self.reader.survey() if "cannot be opened" in n.name and n.at], "the row")[0])
        yield self.stop("logs-details")
        self.desk.open_uris("file:///nowhere/at.jsonl")
        yield self.stop("logs-no-file")

    def click(self, node):
        x, y, width, height = node.at
        subprocess.run(["xdotool", "mousemove", "--window", self.desk.windows()[-1], str(x + min(width // 2, 150)),
                        str(y + height // 2), "click", "1"], env=self.desk.env, check=True, capture_output=True)

    def settings(self):
        self.page("settings")
        yield self.stop("settings")
        self.mock.Set({"Managed": {"auth-url": "https://portal.acme.example", "account-slug": "acme"}})
        yield self.stop("settings-managed")
        self.mock.Set({"Managed": {}})

    def dialogs(self):
        self.page("overview")
        for name, opened in (("about", lambda: self.desk.activate("about")), ("shortcuts", lambda: self.desk.key("ctrl+question")),
                             ("closing", lambda: self.desk.key("ctrl+w"))):
            opened()
            self.wait_windows(2)
            yield self.stop(name)
            self.desk.key("Escape")
            self.wait_windows(1)
        self.desk.key("F10")
        yield self.stop("menu")
        self.desk.key("Escape")

    def without_service(self):
        self.desk.stop_service()
        until(lambda: not self.desk.is_enabled("disconnect"), "the service missed")
        yield self.stop("overview-no-service")
        self.page("resources")
        yield self.stop("resources-no-service")

    def shoot(self, stop, kind):
        path = self.desk.screenshot(f"{stop}-{kind}", settle=0.1, whole=stop == "menu")
        self.assertGreater(os.path.getsize(path), 4000)

    # -- what may be wrong --

    def nameless(self, nodes):
        for node in nodes:
            parent = node["parent"]
            is_part = has_type_name(node.name) and not node.focusable and any(f"/{p}/" in node["path"] for p in PARTS)
            is_type = has_type_name(node.name) and not is_part and node.role in ROLES_WITH_NAMES
            is_empty = not node.name.strip() and node.role in ROLES_WITH_NAMES and node.role not in ("image", "label")
            if node["window"] in self.foreign(nodes):
                continue
            is_inner = node.role in ("group", "window", "widget") or parent.get("role") == "combo box"
            if is_type or is_empty or (node.focusable and not is_inner and (has_type_name(node.name) or not node.name.strip())):
                yield f"{node['path']} {node.name!r}"

    def foreign(self, nodes):
        """Windows that GTK and libadwaita make as they like."""
        if self.now not in ("about", "shortcuts", "closing"):
            return []
        return {n["window"] for n in nodes} - {n["window"] for n in nodes if n.role == "tab list"}

    def outside(self, nodes):
        """What reaches over its window's left or right edge; a list that scrolls sideways may."""
        widths = {n["window"]: n.at[2] for n in nodes if n["parent"]["window"] == -1}
        for node in nodes:
            if node["window"] in self.foreign(nodes):
                continue
            if node.role in ("widget", "scroll bar") or "/menu" in node["path"] or node.role == "menu":
                continue  # a spinner, whose corners turn; what stands over the page; a window of its own
            if node.at is None or "/table" in node["path"] or "/grid" in node["path"] or "/tree" in node["path"]:
                continue
            if node.at[0] < -2 or node.at[0] + node.at[2] > widths[node["window"]] + 2:
                yield f"{node} of {widths[node['window']]}"

    def too_wide(self, nodes):
        """What makes a window wider than asked."""
        for window in (n for n in nodes if n["parent"]["window"] == -1 and n.at and n.at[2] > self.WIDTH):
            yield f"{window}"
            for node in nodes:
                if node["window"] == window["window"] and node.role in ("button", "label", "status", "text box", "search box", "tab") \
                        and node.at and node.at[2] > self.WIDTH * 0.8:
                    yield f"  {node}"

    def assert_none(self, found, stop):
        found = list(found)
        with self.subTest(stop=stop):
            self.assertFalse(found, stop + ":\n" + "\n".join(found))


class Light(TourCase):
    def test_names(self):
        """No control without a name, or with that of its type."""
        self.start()
        stops = []
        for stop, nodes in self.tour():
            self.assert_none(self.nameless(nodes), stop)
            self.assert_none(self.outside(nodes), stop)
            self.shoot(stop, "light")
            stops.append(stop)
        self.assertEqual(len(stops), len(set(stops)))
        self.assertGreater(len(stops), 20)


class Dark(TourCase):
    ENV = {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"}

    def test_pictures(self):
        self.start()
        for stop, _ in self.tour():
            self.shoot(stop, "dark")


class Contrast(TourCase):
    ENV = {"ADW_DEBUG_HIGH_CONTRAST": "1"}

    def test_pictures(self):
        self.start()
        for stop, _ in self.tour():
            self.shoot(stop, "contrast")


class Narrow(TourCase):
    """A telephone's width, and text of twice the size."""

    WIDTH = 360
    TEXT = 2.0

    def test_nothing_is_wider(self):
        self.start()
        self.assertGreaterEqual(max(n.at[3] for n in self.settled() if n.name == "Not signed in"), 40, "text of twice the size")
        for stop, nodes in self.tour():
            self.assert_none(self.outside(nodes), stop)
            if stop not in self.DIALOGS:  # GTK's own
                self.assert_none(self.too_wide(nodes), stop)
            self.shoot(stop, "narrow")


class Pseudo(TourCase):
    """A language two fifths longer, in brackets: what has none cannot be translated, what has one is clipped or glued."""

    WIDTH = 360
    DATA = re.compile("|".join(re.escape(text) for r in company() for text in (r["Name"], r["Address"], r["AddressNote"], *r["Sites"]) if text)
                      + r"|^(time|severity|target|message|event|peer)(: .*)?$|acme|Sam Poe|Firezone|https?://\S+|wss://\S+|\d[\d.,: ]*( ?(ms|s|%|B|[kMGT]B))?|(Ctrl|Alt|Shift)\+.|ERROR|WARNING|INFO|DEBUG|TRACE"
                      + "|" + "|".join(word for event in EVENTS for word in event) + "|event-.*|c1f0|no JSON at all.*|"
                      + "|".join(TITLE_BAR))

    @classmethod
    def prepare(cls):
        sys.path.insert(0, os.path.join(SOURCE, "tests", "install"))
        from test_po import make_template
        template = os.path.join(cls.desk.root, "firezone-c.pot")
        make_template(template)
        subprocess.run([sys.executable, os.path.join(SOURCE, "po", "make-pseudo.py"), template, cls.desk.root], check=True)
        cls.ENV = {"LANGUAGE": "xx", "FZ_LOCALEDIR": cls.desk.root}

    def unmarked(self, nodes):
        for node in nodes:
            if node["window"] in self.foreign(nodes) or "/grid cell/" in node["path"] or "https://" in node.name:
                continue
            if node.role not in ROLES_WITH_NAMES or has_type_name(node.name) or not node.name.strip():
                continue
            opened, closed = node.name.count("["), node.name.count("]")
            left = self.DATA.sub("", node.name) if not opened else ""
            if opened != closed or re.search(r"[^\W\d_]{2}", left):
                yield repr(node)

    def test_everything_can_be_translated(self):
        self.start()
        for stop, nodes in self.tour():
            self.assert_none(self.unmarked(nodes), stop)
            self.assert_none(self.outside(nodes), stop)
            if stop not in self.DIALOGS:
                self.assert_none(self.too_wide(nodes), stop)
            self.shoot(stop, "pseudo")


class RightToLeft(TourCase):
    ENV = {"FZ_DIRECTION": "rtl"}

    def test_is_mirrored(self):
        self.start()
        for stop, nodes in self.tour():
            self.assert_none(self.outside(nodes), stop)
            tabs = [n.at[0] for n in nodes if n.role == "tab" and n["window"] == 0]
            with self.subTest(stop=stop):
                self.assertEqual(tabs, sorted(tabs, reverse=True))
            self.shoot(stop, "rtl")


class Keyboard(TourCase):
    """All of it without a pointer."""

    def missed(self, nodes, seen):
        """Names of controls that can be used but are not among those which had the focus."""
        reached = {n["object"] for n in seen}
        lists = set()
        for node in nodes:
            if not node.focusable or not node.sensitive or node.name in TITLE_BAR or node["object"] in reached:
                continue
            if node.role == "list item":  # one of each list; the arrows reach the others
                lists.add(node["parent"]["object"])
            elif node.role in ("button", "switch", "search box", "tab", "link", "toggle button"):
                if "favourites" not in node.name:  # the list's own key does that
                    yield repr(node)
        for path in lists - {n["parent"]["object"] for n in nodes if n["object"] in reached}:
            yield path

    def test_tab_reaches_everything(self):
        self.start()
        self.be("degraded", StateReason="dns-failed")
        self.settled()
        for page in ("overview", "resources", "logs", "settings"):
            self.page(page)
            nodes = self.settled()
            came_round, seen, n_silent = self.reader.tab()
            with self.subTest(page=page):
                self.assertTrue(came_round, f"a trap at {seen[-1] if seen else None}")
                self.assertEqual(list(self.missed(nodes, seen)), [])
                # libadwaita's entry rows have the focus, but do not tell
                self.assertLessEqual(n_silent, len([n for n in nodes if n.role == "text box"]))
        self.page("overview")
        forward = self.reader.tab()[1]
        backward = self.reader.tab(key="shift+Tab")[1]
        self.assertEqual({n["object"] for n in forward}, {n["object"] for n in backward})

    def test_keys(self):
        self.start()
        self.be("connected")
        self.settled()
        self.desk.key("ctrl+f")
        self.wait_focus("Search resources")
        until(lambda: [n for n in self.reader.survey() if n.name == "Internet, Ready"], "the resources")
        for key in ("Tab", "Tab", "Tab"):
            self.reader.press(key)
        self.wait_focus("Internet, Ready")
        self.reader.press("Down")
        self.wait_focus("Build farm, Direct")
        self.desk.key("ctrl+d")
        until(lambda: "-000000000002" in self.desk.settings("get", "favourites"), "a favourite by key")
        self.desk.key("ctrl+l")
        until(lambda: [n for n in self.reader.survey() if n.name == "FzLogView"], "the log")
        self.settled()
        self.desk.key("ctrl+f")
        self.wait_focus("Search the log")
        for opened in (lambda: self.desk.key("ctrl+question"), lambda: self.desk.activate("about"), lambda: self.desk.key("ctrl+w")):
            opened()
            self.wait_windows(2)
            self.settled()
            self.desk.key("Escape")
            self.wait_windows(1)
        self.desk.key("F10")
        until(lambda: [n for n in self.reader.survey() if n.role == "menu item"], "the menu")
        self.desk.key("Escape")
        until(lambda: not [n for n in self.reader.survey() if n.role == "menu item"], "no menu")
        self.desk.key("ctrl+q")
        self.assertEqual(self.desk.app.wait(PATIENCE_S), 0)

    def wait_focus(self, name):
        until(lambda: (self.reader.focused() or {}).get("name") == name, f"the focus on “{name}”")


if __name__ == "__main__":
    if MISSING:
        print(f"skipped: missing {', '.join(MISSING)}")
        sys.exit(77)
    BUILD = sys.argv.pop(1)
    unittest.main(verbosity=2)
