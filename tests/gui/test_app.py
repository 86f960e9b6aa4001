#!/usr/bin/python3
"""The app in a real window, against the mock of the tunnel service: what it can do, what it says, what it keeps.

Usage: test_app.py BUILD [CLASS[.TEST]]
"""

import os
import re
import signal
import subprocess
import sys
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gi.repository import Gio, GLib  # noqa: E402

from desk import APP_ID, APP_PATH, MISSING, SCHEME, Desk, Proxy, until  # noqa: E402

BUILD = "build"
FRAGMENT = ".marker-fragment-5f0c"
SETTINGS = {"auth-url": "https://portal.test/ignored", "api-url": "wss://api.portal.test"}


class AppCase(unittest.TestCase):
    """A desk for each test."""

    KEYRING = "file"
    STATE = "signed-out"

    def setUp(self):
        self.desk = Desk(BUILD, keyring=self.KEYRING)
        self.addCleanup(self.desk.close)
        self.desk.add_browser()
        if self.STATE:
            self.desk.start_service(self.STATE)
            self.mock = self.desk.mock

    def tearDown(self):
        """Nothing that GTK or GLib complains about."""
        for word in ("AddressSanitizer", "runtime error:"):
            self.assertNotIn(word, self.desk.read_log())
        complaints = [line for line in self.desk.read_log().splitlines()
                      if '"target":"G' in line and ('"WARNING"' in line or '"ERROR"' in line)]
        self.assertEqual([c for c in complaints if not is_foreign(c)], [])
        if self.desk.app is not None and self.desk.app.poll() is not None:
            self.assertIn(self.desk.app.poll(), (0, -signal.SIGTERM, -signal.SIGKILL))

    def start(self, *arguments, **options):
        self.desk.start_app(*arguments, **options)
        until(lambda: self.desk.actions(), "the actions")

    def wait_enabled(self, name, is_enabled=True):
        until(lambda: self.desk.is_enabled(name) == is_enabled, f"action {name} {'en' if is_enabled else 'dis'}abled")

    def calls(self, method):
        return [c for c in self.mock.Calls() if c.startswith(method)]

    def wait_call(self, text):
        until(lambda: any(text in c for c in self.mock.Calls()), f"the call {text}")

    def wait_status(self, text):
        until(lambda: self.status()[1] == text, f"tray status “{text}”")

    def status(self):
        return self.desk.actions()["tray-status"][1]

    # -- signing in --

    def ask(self):
        """Begins a sign-in; the parameters that the browser was given."""
        self.wait_enabled("sign-in")
        self.desk.activate("sign-in")
        url = urllib.parse.urlsplit(self.desk.browsed())
        return url, dict(urllib.parse.parse_qsl(url.query))

    @staticmethod
    def link(state, fragment=FRAGMENT, **more):
        query = {"account_name": "Acme", "account_slug": "acme", "actor_name": "Sam Poe", "fragment": fragment,
                 "identity_provider_identifier": "sam@acme.test", "state": state}
        query.update(more)
        return f"{SCHEME}://handle_client_sign_in_callback?" + urllib.parse.urlencode(query)

    def sign_in(self):
        _, asked = self.ask()
        self.desk.open_uris(self.link(asked["state"]))
        self.wait_status("Connected to acme")
        return asked


def is_foreign(line):
    """Of libraries, on a bare display without settings daemon, theme or portal."""
    return any(text in line for text in ("org.freedesktop.portal", "theme", "at-spi", "a11y", "Vulkan", "settings portal", "org.freedesktop.Notifications"))


class Actions(AppCase):
    def test_follow_the_state(self):
        self.start()
        self.wait_enabled("sign-in")
        possible = lambda: {n for n, (enabled, _) in self.desk.actions().items() if enabled}  # noqa: E731
        for name in ("connect", "disconnect", "reconnect", "sign-out", "internet-resource", "cancel-sign-in"):
            self.assertNotIn(name, possible())
        self.sign_in()
        self.wait_enabled("disconnect")
        self.assertLessEqual({"disconnect", "toggle", "reconnect", "sign-out", "internet-resource", "quit"}, possible())
        self.assertFalse({"connect", "sign-in", "cancel-sign-in"} & possible())
        self.desk.activate("toggle")
        self.wait_enabled("connect")
        self.assertFalse({"disconnect", "internet-resource"} & possible())
        self.assertEqual(self.status(), ("disconnected", "Disconnected"))
        self.desk.activate("toggle")
        self.wait_status("Connected to acme")
        self.desk.activate("disconnect")
        self.wait_enabled("connect")
        self.desk.activate("connect")
        self.wait_enabled("disconnect")

    def test_internet_resource_is_what_the_service_says(self):
        self.start()
        self.sign_in()
        self.wait_enabled("internet-resource")
        self.assertFalse(self.desk.actions()["internet-resource"][1])
        self.desk.set_state("internet-resource", True)
        until(lambda: self.desk.actions()["internet-resource"][1], "the switch on")
        self.wait_call("SetInternetResource[true]")
        self.mock.Behave({"refuse": "NotAuthorized"})
        self.desk.set_state("internet-resource", False)
        self.desk.wait_text("You are not allowed to do that")
        self.assertTrue(self.desk.actions()["internet-resource"][1])
        self.mock.Behave({"refuse": ""})
        self.desk.activate("disconnect")
        self.wait_enabled("connect")
        self.desk.settings("set", "internet-resource", "true")
        self.desk.activate("connect")
        self.wait_call('Connect[{"internet-resource": true}]')

    def test_second_start_is_the_first_one(self):
        self.start("--background")
        first = self.desk.app
        self.assertEqual(self.desk.windows(), [])
        second = self.desk.spawn([self.desk.app_path()], "second")
        self.assertEqual(second.wait(15), 0)
        self.desk.wait_window()
        third = self.desk.spawn([self.desk.app_path(), "--background"], "third")
        self.assertEqual(third.wait(15), 0)
        self.assertIsNone(first.poll())

    def test_service_mode_and_quit(self):
        self.start("--gapplication-service")
        self.assertEqual(self.desk.windows(), [])
        self.sign_in()
        self.desk.activate("quit")
        self.assertEqual(self.desk.app.wait(15), 0)
        self.wait_call("Disconnect")
        self.assertEqual(self.mock.Token()[-len(FRAGMENT):], FRAGMENT) # signed in all the same

    def test_favourites_and_the_tray_menu(self):
        self.start()
        self.sign_in()
        until(lambda: "Build farm" in self.tray_labels(), "resources in the tray's menu")
        labels = self.tray_labels()
        self.assertEqual(labels[0], "Connected to acme")
        self.assertIn("Signed in as Sam Poe", labels)
        for label in ("Disconnect", "Route All Internet Traffic", "All Resources…", "Open Firezone", "Sign Out",
                      "Disconnect and Quit"):
            self.assertIn(label, labels)
        self.assertNotIn("Internet", labels)
        self.desk.activate("toggle-favourite", "00000000-0000-0000-0000-000000000004")
        until(lambda: "Build farm" not in self.tray_labels(), "favourites alone")
        self.assertIn("Wiki", self.tray_labels())
        self.assertIn("wiki.corp.example", "".join(self.tray_labels()))
        self.assertIn("00000000-0000-0000-0000-000000000004", self.desk.settings("get", "favourites"))

    def test_paths_are_told_as_they_change(self):
        self.start()
        self.sign_in()
        self.desk.wait_window()
        self.desk.wait_text("1 direct, 1 relayed")
        self.mock.SetGateway("1", {"Path": "relayed"})
        self.desk.wait_text("2 relayed")
        self.mock.SetGateway("1", {"Path": "connecting"})
        self.desk.wait_text("Path to 1 gateway")
        until(lambda: "Wiki" in self.tray_labels(), "resources in the tray's menu")
        self.mock.SetResource("00000000-0000-0000-0000-000000000004", {"State": "offline"})
        until(lambda: len([x for x in self.tray_labels() if x.startswith("Gateways offline")]) == 2, "the state in the tray's menu")

    def test_menu_of_five_thousand_has_ten(self):
        self.mock.Resources(5000)
        self.start()
        self.sign_in()
        self.desk.wait_text("5000 resources")
        until(lambda: len([label for label in self.tray_labels() if label.startswith("Host ")]) == 10, "ten resources in the tray's menu")
        self.assertIn("Host 0000", self.tray_labels())

    def menus(self, method, groups):
        return self.desk.session.call_sync(APP_ID, APP_PATH + "/menus/tray", "org.gtk.Menus", method, GLib.Variant("(au)", (groups,)),
                                           None, Gio.DBusCallFlags.NONE, 9000, None)

    def tray_labels(self):
        """Every label of the exported menu, with those of its submenus."""
        items, started, wanted = {}, [], [0]
        while wanted:
            content = self.menus("Start", wanted).unpack()[0]
            started += wanted
            items.update({(group, menu): entries for group, menu, entries in content})
            links = {entry[link][0] for entries in items.values() for entry in entries for link in (":section", ":submenu")
                     if link in entry}
            wanted = sorted(links - set(started))
        self.menus("End", started)

        def walk(key):
            for entry in items.get(key, []):
                if "label" in entry:
                    yield entry["label"]
                for link in (":section", ":submenu"):
                    if link in entry:
                        yield from walk(entry[link])

        return list(walk((0, 0)))

    def test_absurd_calls_do_no_harm(self):
        """Any program of the session may call what the app exports; whatever it asks for, the app stays."""
        self.start()
        self.sign_in()
        self.desk.wait_window()
        until(lambda: "Build farm" in self.tray_labels(), "resources in the tray's menu")
        before = self.tray_labels()
        exported = list(self.exported(APP_PATH))
        self.assertIn((APP_PATH + "/menus/tray", "org.gtk.Menus"), exported)
        for path, interface in exported:
            for method, arguments in self.ABSURD.get(interface, ()):
                try:
                    self.desk.session.call_sync(APP_ID, path, interface, method, GLib.Variant(*arguments), None,
                                                Gio.DBusCallFlags.NO_AUTO_START, 9000, None)
                except GLib.Error as error:
                    self.assertNotIn("NoReply", error.message, f"{path} {interface}.{method}{arguments}")
                self.assertIsNone(self.desk.app.poll(), f"{path} {interface}.{method}{arguments}")
        self.assertEqual(self.tray_labels(), before)
        self.assertEqual(self.status()[1], "Connected to acme")

    def test_groups_of_the_menu_come_and_go(self):
        """Asked for before they are there, given back after they went."""
        self.start()
        self.sign_in()
        until(lambda: "Build farm" in self.tray_labels(), "resources in the tray's menu")
        numbers = list(range(60))
        self.menus("Start", numbers)
        for _ in range(2):
            self.desk.activate("disconnect")
            until(lambda: "Build farm" not in self.tray_labels(), "no resources in the tray's menu")
            self.desk.activate("connect")
            until(lambda: "Build farm" in self.tray_labels(), "resources in the tray's menu")
        self.menus("End", numbers)
        self.menus("End", numbers)
        self.assertIn("Build farm", self.tray_labels())

    FAR = [1, 999, 0x7fffffff, 0x80000000, 0xffffffff]
    ABSURD = {
        "org.gtk.Menus": [("Start", ("(au)", (FAR,))), ("End", ("(au)", (FAR,))), ("End", ("(au)", (FAR,))), ("Start", ("(au)", ([],))),
                          ("Start", ("(au)", ([7] * 50_000,))), ("End", ("(au)", ([0] * 9,)))],
        "org.gtk.Actions": [("Activate", ("(sava{sv})", ("", [], {}))), ("Activate", ("(sava{sv})", ("nobody-has-this", [], {}))),
                            ("Describe", ("(s)", ("nobody-has-this",))),
                            ("SetState", ("(sva{sv})", ("nobody-has-this", GLib.Variant("b", True), {})))],
        "org.gtk.Application": [("CommandLine", ("(oaaya{sv})", ("/nowhere", [], {})))],
    }

    def exported(self, path):
        """(path, interface) of each object of the app, at `path` and below."""
        xml = self.desk.session.call_sync(APP_ID, path, "org.freedesktop.DBus.Introspectable", "Introspect", None, None,
                                          Gio.DBusCallFlags.NO_AUTO_START, 9000, None).unpack()[0]
        node = Gio.DBusNodeInfo.new_for_xml(xml)
        for interface in node.interfaces:
            yield path, interface.name
        for child in node.nodes:
            yield from self.exported(f"{path}/{child.path}")

    def test_copies_an_address(self):
        self.start()
        self.sign_in()
        self.desk.wait_window()
        until(lambda: "Build farm" in self.tray_labels(), "resources")
        self.desk.activate("copy-address", "00000000-0000-0000-0000-000000000002")
        self.desk.wait_text("Address copied")
        self.desk.activate("show-resource", "00000000-0000-0000-0000-000000000004")
        self.desk.wait_text("wiki.corp.example")


class SignIn(AppCase):
    def test_round_trip(self):
        for key, value in SETTINGS.items():
            self.desk.settings("set", key, value)
        self.desk.settings("set", "account-slug", "corp")
        self.start()
        url, asked = self.ask()
        self.assertEqual((url.scheme, url.netloc, url.path), ("https", "portal.test", "/corp"))
        self.assertEqual(set(asked), {"as", "nonce", "state"})
        self.assertEqual(asked["as"], "gui-client")
        for key in ("nonce", "state"):
            self.assertRegex(asked[key], r"^[0-9a-f]{64}$")
        self.assertEqual(self.status(), ("connecting", "Waiting for your browser"))
        self.desk.open_uris(self.link(asked["state"]))
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)
        self.assertEqual(self.desk.settings("get", "account-slug"), "'acme'")
        self.desk.wait_text("Signed in as Sam Poe")
        # nothing secret where others can see it
        seen = self.desk.read_log() + self.process_faces()
        for secret in (FRAGMENT, asked["nonce"], asked["state"]):
            self.assertNotIn(secret, seen)

    def process_faces(self):
        """Arguments and environment of the app, and its log file."""
        text = ""
        for face in ("cmdline", "environ"):
            with open(f"/proc/{self.desk.app.pid}/{face}", encoding="utf-8", errors="replace") as file:
                text += file.read()
        with open(os.path.join(self.desk.home, ".local/state/dev.firezone.Client/app.log"), encoding="utf-8") as file:
            return text + file.read()

    def test_anything_but_the_answer_is_dropped(self):
        self.start()
        self.wait_enabled("sign-in")
        self.desk.open_uris(self.link("0" * 64))  # nobody asked
        _, asked = self.ask()
        state = asked["state"]
        wrong = [
            self.link("0" * 64),
            self.link(state[:-1]),
            self.link(""),
            self.link(state) + "&state=" + state,
            self.link(state).replace("handle_client_sign_in_callback", "elsewhere"),
            self.link(state).replace("callback?", "callback/path?"),
            self.link(state).replace("actor_name", "another_name"),
            self.link(state, fragment="with space"),
            self.link(state, fragment="." + "a" * 4096),
            self.link(state).replace(SCHEME, "https"),
            SCHEME + "://handle_client_sign_in_callback",
            SCHEME + ":",
        ]
        self.desk.open_uris(*wrong)
        until(lambda: self.desk.read_log().count("link-dropped") == len(wrong), "links dropped")  # the one of https is none
        self.assertEqual(self.calls("SetCredential"), [])
        self.assertEqual(self.status()[1], "Waiting for your browser")
        self.desk.open_uris(self.link(state))
        self.wait_status("Connected to acme")
        self.desk.open_uris(self.link(state, actor_name="Mallory"))  # the same answer once more
        until(lambda: self.desk.read_log().count("link-dropped") == len(wrong) + 1, "the second answer dropped")
        self.assertEqual(len(self.calls("SetCredential")), 1)
        self.assertNotIn("Mallory", self.desk.texts())

    def test_cancel_and_again(self):
        self.start()
        _, first = self.ask()
        self.desk.activate("cancel-sign-in")
        self.wait_enabled("sign-in")
        self.desk.open_uris(self.link(first["state"]))
        _, second = self.ask()
        self.assertNotEqual(first["state"], second["state"])
        self.assertNotEqual(first["nonce"], second["nonce"])
        self.desk.open_uris(self.link(first["state"]))
        until(lambda: self.desk.read_log().count("link-dropped") == 2, "both old answers dropped")
        self.assertEqual(self.calls("SetCredential"), [])
        self.desk.open_uris(self.link(second["state"]))
        self.wait_status("Connected to acme")

    def test_link_starts_the_app(self):
        """A link on the command line, as from a browser without D-Bus activation; a stale one does no harm."""
        self.start(self.link("0" * 64))
        self.desk.wait_window()
        until(lambda: "link-dropped" in self.desk.read_log(), "the link dropped")
        _, asked = self.ask()
        second = self.desk.spawn([self.desk.app_path(), self.link(asked["state"])], "second")
        self.assertEqual(second.wait(15), 0)
        self.wait_status("Connected to acme")

    def data_without_programs(self):
        folder = os.path.join(self.desk.root, "share")
        os.mkdir(folder)
        for name in os.listdir("/usr/share"):
            if name != "applications":
                os.symlink(os.path.join("/usr/share", name), os.path.join(folder, name))
        return folder

    def test_without_a_browser(self):
        os.unlink(os.path.join(self.desk.home, ".config/mimeapps.list"))
        os.unlink(os.path.join(self.desk.home, ".local/share/applications/test-browser.desktop"))
        self.start(env={"XDG_DATA_DIRS": self.data_without_programs()})
        self.desk.wait_window()
        self.wait_enabled("sign-in")
        self.desk.activate("sign-in")
        self.desk.wait_text("Open this address in a browser")
        link = next(n["name"] for n in self.desk.nodes() if "https://app.firezone.dev" in n["name"])
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(re.search(r"https://\S+", link).group()).query))
        self.desk.screenshot("sign-in-link")
        self.desk.type_into("Link from the page", self.link("0" * 64))
        self.desk.key("Return")
        self.desk.wait_text("That is not the link of this sign-in")
        self.desk.type_into("Link from the page", " " + self.link(asked["state"]) + " ")
        self.desk.key("Return")
        self.wait_status("Connected to acme")
        until(lambda: len(self.desk.windows()) == 1, "the dialog closed")

    def test_bad_address(self):
        self.desk.settings("set", "auth-url", "ftp://portal.test")
        self.start()
        self.desk.wait_window()
        self.wait_enabled("sign-in")
        self.desk.activate("sign-in")
        self.desk.wait_text("The sign-in page has no valid address")
        self.assertTrue(self.desk.is_enabled("sign-in"))


class Sessions(AppCase):
    """What is kept from one start to the next, and what ends a session."""

    def restart_app(self):
        self.desk.stop_app()
        until(lambda: not self.desk.has_owner(self.desk.session, APP_ID), "the app gone")
        self.start()

    def test_resumes(self):
        self.start()
        asked = self.sign_in()
        self.desk.start_service()  # a service that knows nothing, as after a restart of the machine
        self.mock = self.desk.mock
        self.wait_status("Connected to acme")  # given again, and connected again, by the app that runs
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)
        self.desk.stop_app()
        self.desk.start_service()
        self.mock = self.desk.mock
        self.restart_app()
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)

    def test_stays_disconnected_where_that_is_wished(self):
        self.start()
        self.sign_in()
        self.desk.activate("disconnect")
        self.wait_enabled("connect")
        self.desk.start_service()
        self.mock = self.desk.mock
        self.wait_call("SetCredential")
        self.wait_enabled("connect")
        self.assertEqual(self.calls("Connect"), [])
        self.desk.stop_app()
        self.desk.settings("set", "connect-on-start", "false")
        self.desk.start_service()
        self.mock = self.desk.mock
        self.restart_app()
        self.wait_call("SetCredential")
        self.wait_enabled("connect")
        self.assertEqual(self.calls("Connect"), [])

    def test_sign_out_wipes(self):
        self.start()
        self.sign_in()
        self.desk.activate("sign-out")
        self.wait_status("Not signed in")
        self.assertEqual(self.mock.Token(), "")
        self.wait_call("ClearCredential")
        self.wait_enabled("sign-out", False)
        self.restart_app()
        self.wait_enabled("sign-in")
        self.assertEqual(len(self.calls("SetCredential")), 1)

    def test_signed_out_elsewhere(self):
        self.start()
        self.sign_in()
        self.mock.Set({"State": "signed-out", "StateReason": "user", "Owner": 0xFFFFFFFF})
        self.wait_status("Not signed in")
        until(lambda: "signed-out-elsewhere" in self.desk.read_log(), "the token forgotten")
        self.restart_app()
        self.wait_enabled("sign-in")
        self.assertEqual(len(self.calls("SetCredential")), 1)

    def test_portal_away_is_no_sign_out(self):
        self.start()
        self.sign_in()
        self.desk.wait_window()
        self.mock.Set({"PortalState": "retrying", "PortalRtt": 0})
        self.desk.wait_text("Portal out of reach")
        self.desk.wait_text("The portal cannot be reached")
        self.assertIn("Signed in as Sam Poe", self.desk.texts())
        self.mock.Set({"State": "error", "StateReason": "portal-unreachable", "PortalState": "off"})
        self.desk.wait_text("Not connected")
        self.assertIn("Signed in as Sam Poe", self.desk.texts())
        self.mock.Set({"State": "connected"})
        self.wait_status("Connected to acme")

    def test_session_over(self):
        self.start()
        self.sign_in()
        self.desk.wait_window()
        self.mock.Set({"State": "error", "StateReason": "session-expired"})
        self.desk.wait_text("Your session has ended")
        self.wait_enabled("sign-in")
        self.assertIn("Sign in again", self.desk.texts())
        until(lambda: "session-over" in self.desk.read_log(), "the token forgotten")
        self.restart_app()
        self.wait_enabled("sign-in")
        self.assertEqual(len(self.calls("SetCredential")), 1)
        self.sign_in()

    def test_another_person(self):
        self.mock.Behave({"owner": 4242})
        self.mock.Set({"State": "connected", "Owner": 4242})
        self.start()
        self.desk.wait_window()
        self.desk.wait_text("In use by another person")
        self.assertFalse(self.desk.is_enabled("disconnect"))
        self.assertTrue(self.desk.is_enabled("connect"))
        self.assertNotIn("Signed in as", self.desk.texts())


class Helper(AppCase):
    STATE = None

    def test_missing_and_back(self):
        self.start()
        self.desk.wait_window()
        self.desk.wait_text("The tunnel service is not running")
        self.assertIn("systemctl start firezone-client-tunnel", self.desk.texts())
        self.assertTrue(self.desk.is_enabled("retry-service"))
        self.assertFalse(self.desk.is_enabled("sign-in"))
        self.desk.start_service()
        self.mock = self.desk.mock
        self.wait_enabled("sign-in")
        self.desk.wait_text("Not signed in")
        self.sign_in()
        self.desk.stop_service()
        self.desk.wait_text("Tunnel service not running")
        self.assertFalse(self.desk.is_enabled("disconnect"))
        self.desk.start_service()
        self.mock = self.desk.mock
        self.wait_status("Connected to acme")

    def test_silent(self):
        self.desk.start_service()
        self.mock = self.desk.mock
        self.mock.Behave({"hang": True})
        self.start()
        self.desk.wait_window()
        self.desk.wait_text("does not answer", timeout=30)
        self.mock.Behave({"hang": False})
        self.desk.wait_text("Not signed in", timeout=30)


class NoKeyring(AppCase):
    KEYRING = "none"

    def test_signs_in_and_says_so(self):
        self.start()
        self.sign_in()
        self.desk.wait_text("This sign-in will not be remembered")
        self.assertEqual(self.status()[1], "Connected to acme")
        self.desk.start_service()  # kept in memory at least
        self.mock = self.desk.mock
        self.wait_status("Connected to acme")


class SealedFile(AppCase):
    """Without a password manager a passphrase keeps the sign-in."""

    KEYRING = "none"
    PASSPHRASE = "correct horse battery"

    def dialog(self, title):
        until(lambda: title in self.desk.texts(), f"the dialog “{title}”")

    def enter(self, *fields):
        for name, text in fields:
            self.desk.type_into(name, text)
        self.desk.key("Return")

    def test_kept_by_a_passphrase_and_opened_by_it(self):
        self.start()
        self.wait_enabled("sign-in")
        self.sign_in()
        token = self.desk.mock.Token()
        self.wait_enabled("keep-in-file")
        self.desk.activate("keep-in-file")
        self.dialog("The same again")
        self.enter(("Passphrase", "short"), ("The same again", "short"))
        self.desk.wait_text("Take at least eight characters")
        self.enter(("Passphrase", self.PASSPHRASE), ("The same again", self.PASSPHRASE + "x"))
        self.desk.wait_text("The two are not the same")
        self.desk.screenshot("passphrase-new")
        self.enter(("The same again", self.PASSPHRASE))
        path = os.path.join(self.desk.home, ".local/share/dev.firezone.Client/sign-in.sealed")
        until(lambda: os.path.exists(path), "the encrypted file")
        with open(path, "rb") as file:
            self.assertNotIn(token.encode(), file.read())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.wait_enabled("keep-in-file", False)

        # the next day: a new app, and a service that knows nothing
        self.desk.stop_app()
        self.desk.start_service()
        self.desk.start_app()
        self.wait_enabled("open-file")
        self.desk.wait_text("Your sign-in is locked")
        self.desk.activate("open-file")
        self.dialog("Enter the passphrase that you chose")
        self.enter(("Passphrase", "correct horse batterY"))
        self.desk.wait_text("That is not the passphrase")
        self.enter(("Passphrase", self.PASSPHRASE))
        self.wait_status("Connected to acme")
        self.assertEqual(self.desk.mock.Token(), token)

        self.desk.activate("sign-out")
        until(lambda: not os.path.exists(path), "no file after signing out")


class LockedKeyring(AppCase):
    KEYRING = "locked"

    def test_signs_in_and_says_so(self):
        self.start()
        self.wait_enabled("sign-in")
        self.sign_in()
        self.desk.wait_text("This sign-in will not be remembered")


class RefusingKeyring(AppCase):
    """Signed out is signed out, also where the password manager keeps the entry; and that is told."""

    KEYRING = "none"
    STORY = "An old sign-in may still be in the password manager"

    def setUp(self):
        super().setUp()
        self.desk.env["FZ_KEYRING_SECONDS"] = "3"
        self.desk.spawn([sys.executable, os.path.join(os.path.dirname(__file__), "mock_keyring.py")], "keyring")
        until(lambda: self.desk.has_owner(self.desk.session, "org.freedesktop.secrets"), "the keyring")
        self.keyring = Proxy(self.desk.session, "org.freedesktop.secrets", "/mock", "dev.firezone.Client.MockKeyring")
        self.start()
        self.sign_in()
        until(self.keyring.Labels, "the entry in the keyring")

    def restart_app(self):
        self.desk.stop_app()
        until(lambda: not self.desk.has_owner(self.desk.session, APP_ID), "the app gone")
        self.start()

    def refuse(self, how):
        self.keyring.Behave(how)
        self.desk.activate("sign-out")
        self.wait_status("Not signed in")  # whatever the keyring does
        self.wait_enabled("clear-keyring")
        self.desk.wait_text(self.STORY)
        self.assertIn("delete the old entry “Firezone sign-in for acme”", self.desk.texts())
        self.assertEqual(self.keyring.Labels(), ["Firezone sign-in for acme"])
        self.assertFalse(self.desk.is_enabled("sign-out"))
        self.assertFalse(self.desk.is_enabled("connect"))

        self.restart_app()  # which finds the entry, and does not use it
        self.wait_enabled("clear-keyring")
        self.desk.wait_text("Not signed in")
        self.assertEqual(len(self.calls("SetCredential")), 1)
        self.keyring.Behave("")
        self.desk.press("Try Again", "push button")
        until(lambda: not self.keyring.Labels(), "no entry in the keyring")
        self.wait_enabled("clear-keyring", False)
        until(lambda: self.STORY not in self.desk.texts(), "no card")

        self.sign_in()  # and all is as at first
        until(lambda: len(self.keyring.Labels()) == 1, "the new entry")
        self.desk.stop_app()
        self.desk.start_service()
        self.mock = self.desk.mock
        self.restart_app()
        self.wait_status("Connected to acme")

    def test_refuses(self):
        self.refuse("refuse")

    def test_stays_locked(self):
        self.refuse("locked")

    def test_does_not_answer(self):
        self.refuse("hang")

    def test_signed_in_anew_over_one_that_stays(self):
        """The newest is the one that counts; the older is told until it is gone."""
        self.keyring.Behave("refuse")
        self.desk.activate("renew")
        url = urllib.parse.urlsplit(self.desk.browsed())
        asked = dict(urllib.parse.parse_qsl(url.query))
        self.desk.open_uris(self.link(asked["state"], actor_name="Kim Roe"))
        until(lambda: len(self.keyring.Labels()) == 2, "two entries")
        self.wait_enabled("clear-keyring")
        self.desk.stop_app()
        self.desk.start_service()
        self.mock = self.desk.mock
        self.restart_app()
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)
        self.desk.wait_text(self.STORY)
        self.desk.screenshot("keyring-keeps-an-entry")
        self.keyring.Behave("")
        self.desk.activate("clear-keyring")
        until(lambda: len(self.keyring.Labels()) == 1, "one entry")
        self.wait_enabled("clear-keyring", False)
        self.desk.stop_app()
        self.desk.start_service()
        self.mock = self.desk.mock
        self.restart_app()
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)


class Settings(AppCase):
    def open(self):
        self.start()
        self.desk.wait_window()
        self.desk.activate("show-settings")
        self.desk.resize(780, 960)
        self.desk.wait_text("Sign-in address")

    def test_switches(self):
        self.open()
        self.desk.press("Start with the Session", "check box")
        path = os.path.join(self.desk.home, ".config/autostart/dev.firezone.Client.desktop")
        until(lambda: os.path.exists(path), "the autostart file")
        with open(path, encoding="utf-8") as file:
            entry = file.read()
        self.assertIn(f'Exec="{os.path.realpath(self.desk.app_path())}" --background', entry)
        self.desk.press("Start with the Session", "check box")
        until(lambda: not os.path.exists(path), "no autostart file")
        self.desk.press("Connect on Start", "check box")
        until(lambda: self.desk.settings("get", "connect-on-start") == "false", "the setting off")

    def test_addresses_are_looked_at(self):
        self.open()
        self.desk.type_into("Sign-in address", "portal.test")
        self.desk.key("Return")
        self.desk.wait_text("Enter an address that begins with https://")
        self.assertEqual(self.desk.settings("get", "auth-url"), "'https://app.firezone.dev'")
        self.desk.type_into("Sign-in address", "https://portal.test")
        self.desk.key("Return")
        until(lambda: self.desk.settings("get", "auth-url") == "'https://portal.test'", "the address kept")
        self.desk.press("Reset to Defaults")
        until(lambda: self.desk.settings("get", "auth-url") == "'https://app.firezone.dev'", "the default")

    def test_log_filter_is_the_services(self):
        self.open()
        self.desk.type_into("Log filter", "info,ice=")
        self.desk.key("Return")
        self.desk.wait_text("bad directive")
        self.assertEqual(self.desk.settings("get", "log-filter"), "''")
        self.desk.type_into("Log filter", "info,ice=debug")
        self.desk.key("Return")
        self.wait_call('SetLogFilter["info,ice=debug"]')
        until(lambda: self.desk.settings("get", "log-filter") == "'info,ice=debug'", "the filter kept")
        self.sign_in()
        self.desk.start_service()  # which has forgotten it
        self.mock = self.desk.mock
        self.wait_call('SetLogFilter["info,ice=debug"]')

    def test_managed(self):
        self.mock.Set({"Managed": {"auth-url": "https://fixed.test", "account-slug": "fixed"}})
        self.open()
        self.desk.wait_text("Managed by your organization")
        entries = {n["name"]: n for n in self.desk.nodes() if n["showing"] and n["role"] in ("text", "entry")}
        self.assertFalse(any(n["sensitive"] for name, n in entries.items() if name.endswith("Sign-in address")))
        url, _ = self.ask()
        self.assertEqual((url.netloc, url.path), ("fixed.test", "/fixed"))


class Window(AppCase):
    def test_closing_without_a_tray_is_explained_once(self):
        self.start()
        self.desk.wait_window()
        self.desk.key("ctrl+w")
        self.desk.wait_text("Your desktop shows no tray icons")
        self.desk.press("Close the Window", "push button")
        until(lambda: not self.desk.windows(), "no window")
        self.assertIsNone(self.desk.app.poll())
        self.desk.activate("show-window")
        self.desk.wait_window()
        self.desk.key("ctrl+w")
        until(lambda: not self.desk.windows(), "no window")
        self.assertEqual(self.desk.settings("get", "explained-background"), "true")

    def test_closing_with_a_tray(self):
        self.start()
        self.desk.wait_window()
        self.desk.activate("tray-host", True)
        self.desk.key("ctrl+w")
        until(lambda: not self.desk.windows(), "no window")
        self.assertEqual(self.desk.settings("get", "explained-background"), "false")

    def test_background_without_a_tray_shows_itself(self):
        self.start("--background")
        self.assertEqual(self.desk.windows(), [])
        self.desk.wait_window()  # after a while

    def test_opens_a_log_file(self):
        path = os.path.join(self.desk.root, "some.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"time":"2026-03-01T09:12:44.031Z","severity":"INFO","target":"ice","message":"a marked line"}\n' * 3)
        self.start(path)
        self.desk.wait_window()
        self.desk.wait_text("a marked line")
        self.desk.activate("show-page", "overview")
        self.desk.activate("show-logs")
        self.desk.open_uris("http://elsewhere.test/log.jsonl")
        until(lambda: "open-refused" in self.desk.read_log(), "what is no file refused")

    def test_keys_and_dialogs(self):
        self.start()
        self.desk.wait_window()
        self.desk.key("ctrl+question")
        self.desk.wait_text("Connect, disconnect or sign in")
        self.desk.screenshot("shortcuts")
        self.desk.key("Escape")
        until(lambda: len(self.desk.windows()) == 1, "the shortcuts closed")
        self.desk.activate("about")
        self.desk.wait_text("The Firezone in C contributors")
        self.desk.screenshot("about")
        self.desk.key("Escape")
        until(lambda: len(self.desk.windows()) == 1, "the about window closed")
        self.desk.key("alt+4")
        self.desk.wait_text("Sign-in address")
        self.desk.key("F10")
        self.desk.wait_text("About Firezone")
        self.desk.key("Escape")
        self.desk.key("ctrl+q")
        self.assertEqual(self.desk.app.wait(15), 0)


class Notes(AppCase):
    """Notifications, as a desktop's notification service gets them."""

    def setUp(self):
        super().setUp()
        self.desk.spawn([sys.executable, os.path.join(os.path.dirname(__file__), "notification_service.py")], "notes")
        until(lambda: self.desk.has_owner(self.desk.session, "org.freedesktop.Notifications"), "the notification service")

    def notes(self):
        log = self.desk.read_log("notes")
        return [line for line in log.splitlines() if line.startswith(("NOTIFY", "CLOSE"))]

    def wait_note(self, text, n=1):
        until(lambda: len([x for x in self.notes() if text in x]) >= n, f"the notification “{text}”")

    def test_kinds(self):
        self.start("--gapplication-service")
        self.sign_in()
        self.mock.Event("connected", {"n-resources": 8})
        self.mock.Event("lost", {"portal": "wss://api", "since": 2**40})
        self.wait_note("Connection lost")
        self.assertFalse([n for n in self.notes() if "NOTIFY Connected" in n])  # off by default
        self.mock.Event("lost", {"portal": "wss://api", "since": 2**40})  # too soon
        self.mock.Event("restored", {})
        self.wait_note("CLOSE")
        self.mock.Event("gateways-offline", {"resource-id": "00000000-0000-0000-0000-000000000006",
                                             "resource-name": "Printer", "site": "Office"})
        self.wait_note("“Printer” cannot be reached")
        self.mock.Event("resource-denied", {"resource-id": "00000000-0000-0000-0000-000000000005",
                                            "resource-name": "Vault", "site": "Office"})
        self.wait_note("“Vault” cannot be reached")
        self.mock.Event("sign-in-needed", {"reason": "session-expired"})
        self.wait_note("Your session has ended")
        self.assertEqual(len([n for n in self.notes() if "Connection lost" in n]), 1)

    def test_none_where_none_are_wished(self):
        self.desk.settings("set", "notifications", "false")
        self.start("--gapplication-service")
        self.sign_in()
        self.mock.Event("lost", {"portal": "wss://api", "since": 2**40})
        self.mock.Event("unknown-to-us", {})
        self.mock.Set({"InternetResource": "on"})
        until(lambda: self.desk.actions()["internet-resource"][1], "what came after the events")
        self.desk.settings("set", "notifications", "true")
        self.mock.Event("dns-failed", {})
        self.wait_note("Private names cannot be looked up")
        self.assertFalse([n for n in self.notes() if "Connection lost" in n])


class Accessible(AppCase):
    def walk(self, what):
        result = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "a11y.py"), "walk"], env=self.desk.env,
                                capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 0, f"{what}: {result.stdout}{result.stderr}")

    def test_every_control_has_a_name(self):
        self.start()
        self.desk.wait_window()
        self.wait_enabled("sign-in")
        self.walk("signed out")
        self.mock.Set({"State": "degraded", "StateReason": "dns-failed", "Owner": os.getuid()})
        self.desk.wait_text("Private names cannot be looked up")
        self.walk("a problem")
        self.mock.Set({"State": "connected", "Owner": os.getuid()})
        for page in ("overview", "resources", "logs", "settings"):
            self.desk.activate("show-page", page)
            self.walk(page)


class Pictures(AppCase):
    """Every view and state, light and dark; for people to look at."""

    COLOURS = {"light": {}, "dark": {"ADW_DEBUG_COLOR_SCHEME": "prefer-dark"},
               "contrast": {"ADW_DEBUG_HIGH_CONTRAST": "1"}}
    MINE = {"State": "connected", "Owner": os.getuid(), "Actor": "Sam Poe", "Account": "acme"}

    def shoot(self, name, colour):
        self.assertGreater(os.path.getsize(self.desk.screenshot(f"{name}-{colour}", settle=0.1)), 5000)

    def take(self, colour):
        self.desk.start_service()
        self.start(env=self.COLOURS[colour])
        self.desk.wait_window()
        self.wait_enabled("sign-in")
        self.shoot("signed-out", colour)
        self.ask()
        self.shoot("browser", colour)
        self.desk.activate("cancel-sign-in")
        self.desk.mock.Set(dict(self.MINE, State="connecting", PortalState="retrying"))
        self.wait_status("Connecting…")
        self.shoot("retrying", colour)
        self.desk.mock.Set(self.MINE)
        self.wait_status("Connected to acme")
        self.shoot("connected", colour)
        for page in ("resources", "settings", "overview"):
            self.desk.activate("show-page", page)
            if page != "overview":
                self.shoot(page, colour)
        self.desk.mock.Set({"State": "degraded", "StateReason": "dns-failed"})
        self.wait_status("Connected, with a problem")
        self.shoot("degraded", colour)
        self.desk.mock.Set({"State": "error", "StateReason": "session-revoked"})
        self.wait_status("Sign in again")
        self.shoot("session-over", colour)
        self.desk.stop_service()
        self.wait_status("Tunnel service not running")
        self.shoot("no-service", colour)

    def test_light(self):
        self.take("light")

    def test_dark(self):
        self.take("dark")

    def test_contrast(self):
        self.desk.start_service()
        self.start(env=self.COLOURS["contrast"])
        self.desk.wait_window()
        self.desk.mock.Set(dict(self.MINE, State="degraded", StateReason="dns-failed"))
        self.wait_status("Connected, with a problem")
        self.shoot("degraded", "contrast")

    def test_narrow_and_large_text(self):
        """No page makes the window wider than 360 pixels, nor at twice the text much wider."""
        self.desk.start_service("connected")
        for name, factor in (("narrow", 1), ("large-text", 2)):
            self.desk.scale_text(factor)
            self.start()
            self.desk.wait_window()
            self.wait_status("Connected to acme")
            for page in ("overview", "resources", "logs", "settings"):
                self.desk.activate("show-page", page)
                self.desk.resize(360, 720)
                path = self.desk.screenshot(f"{page}-{name}", settle=0.1)
                size = subprocess.run(["identify", "-format", "%w", path], capture_output=True, text=True, check=True).stdout
                with self.subTest(page=page, at=name):
                    self.assertLessEqual(int(size), 372 if factor == 1 else 460)  # with openbox's borders
            self.desk.stop_app()
            until(lambda: not self.desk.has_owner(self.desk.session, APP_ID), "the app gone")


if __name__ == "__main__":
    if MISSING:
        print(f"skipped: missing {', '.join(MISSING)}")
        sys.exit(77)
    BUILD = sys.argv.pop(1)
    start = time.monotonic()
    unittest.main(verbosity=2)
