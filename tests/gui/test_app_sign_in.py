#!/usr/bin/python3
"""The app against the mock of the tunnel service: signing in, and sessions that go on, end or change hands.

Usage: test_app_sign_in.py BUILD [CLASS[.TEST]]
"""

import os
import re
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app_case import FRAGMENT, SETTINGS, AppCase, main  # noqa: E402
from desk import APP_ID, PATIENCE_S, SCHEME, until  # noqa: E402


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
        until(lambda: self.status() == ("connecting", "Waiting for your browser"), "the status")
        self.desk.open_uris(self.link(asked["state"]))
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)
        until(lambda: self.desk.settings("get", "account-slug") == "'acme'", "the account kept")
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
        self.wait_status("Waiting for your browser")
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
        self.assertEqual(second.wait(PATIENCE_S), 0)
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
        link = until(lambda: [n.name for n in self.desk.reader.survey() if "https://app.firezone.dev" in n.name], "the address")[0]
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
        self.wait_enabled("sign-in")


class Sessions(AppCase):
    """What is kept from one start to the next, and what ends a session."""

    def restart_app(self):
        self.desk.stop_app()
        until(lambda: not self.desk.has_owner(self.desk.session, APP_ID), "the app gone")
        self.start()

    def test_resumes(self):
        self.start()
        asked = self.sign_in()
        self.renew_service()  # as after a restart of the machine
        self.wait_call("Connect")
        self.wait_status("Connected to acme")  # given again, and connected again, by the app that runs
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)
        self.wait_kept()
        self.desk.stop_app()
        self.renew_service()
        self.restart_app()
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)

    def test_stays_disconnected_where_that_is_wished(self):
        self.start()
        self.sign_in()
        self.desk.activate("disconnect")
        self.wait_enabled("connect")
        self.renew_service()
        self.wait_call("SetCredential")
        self.wait_enabled("connect")
        self.assertEqual(self.calls("Connect"), [])
        self.wait_kept()
        self.desk.stop_app()
        self.desk.settings("set", "connect-on-start", "false")
        self.renew_service()
        self.restart_app()
        self.wait_call("SetCredential")
        self.wait_enabled("connect")
        self.assertEqual(self.calls("Connect"), [])

    def test_sign_out_wipes(self):
        self.start()
        self.sign_in()
        self.desk.activate("sign-out")
        self.wait_status("Not signed in")
        self.wait_call("ClearCredential")
        self.assertEqual(self.mock.Token(), "")
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
        self.desk.wait_text("Signed in as Sam Poe")
        self.mock.Set({"State": "error", "StateReason": "portal-unreachable", "PortalState": "off"})
        self.desk.wait_text("Not connected")
        self.desk.wait_text("Signed in as Sam Poe")
        self.mock.Set({"State": "connected"})
        self.wait_status("Connected to acme")

    def test_session_over(self):
        self.start()
        self.sign_in()
        self.desk.wait_window()
        self.mock.Set({"State": "error", "StateReason": "session-expired"})
        self.desk.wait_text("Your session has ended")
        self.wait_enabled("sign-in")
        self.desk.wait_text("Sign in again")
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
        self.wait_possible(["connect"], ["disconnect"])
        self.assertNotIn("Signed in as", self.desk.texts())


if __name__ == "__main__":
    main()
