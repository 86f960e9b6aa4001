"""What the tests of the app begin with: a desk, the mock of the tunnel service, and how one signs in."""

import os
import signal
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from desk import MISSING, SCHEME, Desk, until  # noqa: E402

FRAGMENT = ".marker-fragment-5f0c"
SETTINGS = {"auth-url": "https://portal.test/ignored", "api-url": "wss://api.portal.test"}


class AppCase(unittest.TestCase):
    """A desk for each test."""

    KEYRING = "file"
    STATE = "signed-out"
    build = "build"  # set by main

    def setUp(self):
        self.desk = Desk(self.build, keyring=self.KEYRING)
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

    def wait_possible(self, possible, impossible=()):
        """Until these actions are enabled, and none of those."""
        def is_so():
            enabled = {n for n, (is_enabled, _) in self.desk.actions().items() if is_enabled}
            return set(possible) <= enabled and not set(impossible) & enabled
        until(is_so, f"{possible} enabled, {impossible} not")

    def calls(self, method):
        return [c for c in self.mock.Calls() if c.startswith(method)]

    def wait_call(self, text):
        until(lambda: any(text in c for c in self.mock.Calls()), f"the call {text}")

    def wait_status(self, text):
        until(lambda: self.status()[1] == text, f"tray status “{text}”")

    def renew_service(self):
        """Another in its place, which knows nothing: whoever waits for what it says waits until the app has met it."""
        self.desk.start_service()
        self.mock = self.desk.mock

    def wait_kept(self):
        """Until the keyring has the sign-in: from its beginning on a note says that nothing in there counts."""
        note = os.path.join(self.desk.home, ".local/share/dev.firezone.Client/keyring-forgotten")
        until(lambda: not os.path.exists(note), "the sign-in in the keyring")

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
        self.wait_call("SetCredential")
        return asked


def is_foreign(line):
    """Of libraries, on a bare display without settings daemon, theme or portal."""
    return any(text in line for text in ("org.freedesktop.portal", "theme", "at-spi", "a11y", "Vulkan", "settings portal", "org.freedesktop.Notifications"))


def main():
    """Of a file of such tests: FILE BUILD [CLASS[.TEST]]."""
    if MISSING:
        print(f"skipped: missing {', '.join(MISSING)}")
        sys.exit(77)
    AppCase.build = sys.argv.pop(1)
    unittest.main(verbosity=2)
