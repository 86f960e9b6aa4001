#!/usr/bin/python3
"""The app where no keyring keeps the credential: none, locked, one that refuses, a file under a passphrase.

Usage: test_app_keyring.py BUILD [CLASS[.TEST]]
"""

import os
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app_case import FRAGMENT, AppCase, main  # noqa: E402
from desk import APP_ID, Proxy, until  # noqa: E402


class NoKeyring(AppCase):
    KEYRING = "none"

    def test_signs_in_and_says_so(self):
        self.start()
        self.sign_in()
        self.desk.wait_text("This sign-in will not be remembered")
        self.assertEqual(self.status()[1], "Connected to acme")
        self.renew_service()  # kept in memory at least
        self.wait_call("Connect")
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
        self.wait_kept()

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
        self.desk.wait_text("delete the old entry “Firezone sign-in for acme”")
        self.assertEqual(self.keyring.Labels(), ["Firezone sign-in for acme"])
        self.wait_possible([], ["sign-out", "connect"])

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
        self.wait_kept()
        self.desk.stop_app()
        self.renew_service()
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
        self.renew_service()
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
        self.renew_service()
        self.restart_app()
        self.wait_status("Connected to acme")
        self.assertEqual(self.mock.Token(), asked["nonce"] + FRAGMENT)


if __name__ == "__main__":
    main()
