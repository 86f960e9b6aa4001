#!/usr/bin/python3
"""The app in a real window, against the mock of the tunnel service: what it can do and what it says.

Usage: test_app.py BUILD [CLASS[.TEST]]
"""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gi.repository import Gio, GLib  # noqa: E402

from app_case import FRAGMENT, AppCase, main  # noqa: E402
from desk import APP_ID, APP_PATH, CALL_MS, PATIENCE_S, ROLES, until  # noqa: E402
from mock_service import company  # noqa: E402

TRAY_PATIENCE_S = 8  # how long an app in the background waits for somebody to show its icon


class Actions(AppCase):
    def test_follow_the_state(self):
        self.start()
        self.wait_enabled("sign-in")
        self.wait_possible(["sign-in"], ["connect", "disconnect", "reconnect", "sign-out", "internet-resource", "cancel-sign-in"])
        self.sign_in()
        self.wait_possible(["disconnect", "toggle", "reconnect", "sign-out", "internet-resource", "quit"],
                           ["connect", "sign-in", "cancel-sign-in"])
        self.desk.activate("toggle")
        self.wait_possible(["connect"], ["disconnect", "internet-resource"])
        until(lambda: self.status() == ("disconnected", "Disconnected"), "the status")
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

    def test_internet_resource_is_wished_from_the_start(self):
        self.desk.settings("set", "internet-resource", "true")
        self.start()
        self.sign_in()
        self.wait_call('Connect[{"internet-resource": true}]')

    def assert_hidden(self):
        """There is no window, and none is on its way: whoever asks the display twice hears of what was sent before."""
        for _ in range(2):
            self.desk.actions()
            self.assertEqual(self.desk.windows(), [])

    def test_second_start_is_the_first_one(self):
        self.start("--background")
        first = self.desk.app
        self.desk.activate("tray-host", True)  # or the window would come by itself
        self.assert_hidden()
        second = self.desk.spawn([self.desk.app_path()], "second")
        self.assertEqual(second.wait(PATIENCE_S), 0)
        self.desk.wait_window()
        third = self.desk.spawn([self.desk.app_path(), "--background"], "third")
        self.assertEqual(third.wait(PATIENCE_S), 0)
        self.assertIsNone(first.poll())

    def test_service_mode_and_quit(self):
        self.start("--gapplication-service")
        self.assertEqual(self.desk.windows(), [])
        self.sign_in()
        self.desk.activate("quit")
        self.assertEqual(self.desk.app.wait(PATIENCE_S), 0)
        self.wait_call("Disconnect")
        self.assertEqual(self.mock.Token()[-len(FRAGMENT):], FRAGMENT) # signed in all the same

    def test_favourites_and_the_tray_menu(self):
        self.start()
        self.sign_in()
        labels = self.wait_tray_of_all()
        self.assertEqual(labels[0], "Connected to acme")
        self.assertIn("Signed in as Sam Poe", labels)
        for label in ("Disconnect", "Route All Internet Traffic", "All Resources…", "Open Firezone", "Sign Out",
                      "Disconnect and Quit"):
            self.assertIn(label, labels)
        self.assertNotIn("Internet", labels)
        self.desk.activate("toggle-favourite", "00000000-0000-0000-0000-000000000004")
        labels = until(lambda: (lambda all: all if "Wiki" in all and "Build farm" not in all else None)(self.tray_labels()), "favourites alone")
        self.assertIn("wiki.corp.example", "".join(labels))
        until(lambda: "00000000-0000-0000-0000-000000000004" in self.desk.settings("get", "favourites"), "the favourite kept")

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
                                           None, Gio.DBusCallFlags.NONE, CALL_MS, None)

    def wait_tray_of_all(self):
        """The labels once every resource but that of the Internet has its own."""
        names = {resource["Name"] for resource in company()} - {"Internet"}
        return until(lambda: (lambda all: all if names <= set(all) else None)(self.tray_labels()), "all resources in the tray's menu")

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
        before = self.wait_tray_of_all()
        exported = list(self.exported(APP_PATH))
        self.assertIn((APP_PATH + "/menus/tray", "org.gtk.Menus"), exported)
        for path, interface in exported:
            for method, arguments in self.ABSURD.get(interface, ()):
                try:
                    self.desk.session.call_sync(APP_ID, path, interface, method, GLib.Variant(*arguments), None,
                                                Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None)
                except GLib.Error as error:
                    self.assertNotIn("NoReply", error.message, f"{path} {interface}.{method}{arguments}")
                self.assertIsNone(self.desk.app.poll(), f"{path} {interface}.{method}{arguments}")
        until(lambda: self.tray_labels() == before, f"the menu as before: {before}")
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
                                          Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None).unpack()[0]
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


class Helper(AppCase):
    STATE = None

    def test_missing_and_back(self):
        self.start()
        self.desk.wait_window()
        self.desk.wait_text("The tunnel service is not running")
        self.desk.wait_text("systemctl start firezone-client-tunnel")
        self.wait_possible(["retry-service"], ["sign-in"])
        self.renew_service()
        self.wait_enabled("sign-in")
        self.desk.wait_text("Not signed in")
        self.sign_in()
        self.desk.stop_service()
        self.desk.wait_text("Tunnel service not running")
        self.wait_enabled("disconnect", False)
        self.renew_service()
        self.wait_call("Connect")
        self.wait_status("Connected to acme")

    def test_silent(self):
        self.renew_service()
        self.mock.Behave({"hang": True})
        self.start()
        self.desk.wait_window()
        self.desk.wait_text("does not answer")
        self.mock.Behave({"hang": False})
        self.desk.wait_text("Not signed in")


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
        self.renew_service()  # which has forgotten it
        self.wait_call('SetLogFilter["info,ice=debug"]')

    def test_managed(self):
        self.mock.Set({"Managed": {"auth-url": "https://fixed.test", "account-slug": "fixed"}})
        self.open()
        self.desk.wait_text("Managed by your organization")
        def is_fixed():
            entries = [n for n in self.desk.reader.survey() if n.role in ROLES["text"] and n.name.endswith("Sign-in address")]
            return entries and not any(n.sensitive for n in entries)
        until(is_fixed, "an address that cannot be changed")
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
        until(lambda: self.desk.settings("get", "explained-background") == "true", "the explanation remembered")

    def test_closing_with_a_tray(self):
        self.start()
        self.desk.wait_window()
        self.desk.activate("tray-host", True)
        self.desk.key("ctrl+w")
        until(lambda: not self.desk.windows(), "no window")
        self.assertEqual(self.desk.settings("get", "explained-background"), "false")

    def test_background_without_a_tray_shows_itself(self):
        begun = time.monotonic()
        self.start("--background")
        self.desk.wait_window()
        self.assertGreaterEqual(time.monotonic() - begun, TRAY_PATIENCE_S)  # not at once

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
        self.assertEqual(self.desk.app.wait(PATIENCE_S), 0)


class Notes(AppCase):
    """Notifications, as a desktop's notification service gets them."""

    def setUp(self):
        super().setUp()
        self.desk.spawn([sys.executable, os.path.join(os.path.dirname(__file__), "notification_service.py")], "notes")
        until(lambda: self.desk.has_owner(self.desk.session, "org.freedesktop.Notifications"), "the notification service")

    def notes(self):
        log = self.desk.read_log("notes")
        return [line for line in log.splitlines() if line.startswith(("NOTIFY", "CLOSE"))]

    def is_noted(self, text):
        return any(text in note for note in self.notes())

    def wait_note(self, text):
        """Until the service has it, and the app the service's answer: GLib withdraws nothing before."""
        until(lambda: self.is_noted(text), f"the notification “{text}”")
        self.desk.session.call_sync("org.freedesktop.Notifications", "/org/freedesktop/Notifications", "org.freedesktop.Notifications",
                                    "GetCapabilities", None, None, Gio.DBusCallFlags.NONE, CALL_MS, None)
        self.desk.actions()

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

        def is_told_of_another():  # the app hears of a changed setting when it hears of it
            self.mock.Event("dns-failed", {})
            return self.is_noted("Private names cannot be looked up")
        until(is_told_of_another, "a notification again")
        self.assertFalse([n for n in self.notes() if "Connection lost" in n])


if __name__ == "__main__":
    main()
