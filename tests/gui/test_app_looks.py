#!/usr/bin/python3
"""The app as it looks and as it is read: names of all controls, pictures in every colour, width and text size.

Usage: test_app_looks.py BUILD [CLASS[.TEST]]
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from app_case import AppCase, main  # noqa: E402
from desk import APP_ID, PATIENCE_S, until  # noqa: E402


class Accessible(AppCase):
    def walk(self, what):
        result = subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "a11y.py"), "walk"], env=self.desk.env,
                                capture_output=True, text=True, timeout=3 * PATIENCE_S, check=False)
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
    main()
