#!/usr/bin/python3
"""From the first click to the first byte: the real app, service, portal, gateway and browser.

The app runs under Xvfb, its service in a namespace of the bed. It opens the portal's sign-in page in a
browser (here: a note of the address, and Chromium driven to it), a person signs in, the browser hands the
answer to the app by its link, the app connects, and the private page is there. Then back again.
Usage: test_desktop.py BUILD
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "gui")]

from bed import Bed, require_rights, skip  # noqa: E402
from browser import Browser, UrlHandlers, Xvfb, missing, wait_until  # noqa: E402
from chain import PAGE, PORTAL_PORT, PRIVATE_V4, Chain  # noqa: E402
from desktop import SCHEME, SERVICE_NAME, Desktop, why_not  # noqa: E402
from door import Door  # noqa: E402

SERVICE_PATH = "/dev/firezone/Client/Tunnel1"


class WholeWay(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.mkdtemp(prefix="fz-desktop-home-")
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        display = self.enterContext(Xvfb())
        self.arrange_environment(display)
        self.note_addresses()

        self.sign_in_door, self.private_door = Door.open(0), Door.open(-1)
        self.addCleanup(self.sign_in_door.close)
        self.addCleanup(self.private_door.close)
        bed = self.enterContext(Bed("desktop"))
        self.chain = Chain(bed, BUILD)
        self.chain.start_portal()
        self.chain.start_relay()
        self.chain.start_web(with_iperf=False)
        for _, action in self.chain.administration():
            action()
        self.person = self.chain.add_person()
        self.chain.start_gateway(self.chain.make_gateway_token())
        self.sign_in_door.lead_to(self.chain.portal_host, "127.0.0.1", PORTAL_PORT)

        self.desktop = Desktop(bed, self.chain, self.sign_in_door.url)
        self.addCleanup(self.desktop.close)
        self.desktop.start()
        self.private_door.lead_to(self.desktop.host, PRIVATE_V4, 80)

    def arrange_environment(self, display):
        """A desktop of nobody's: the person's things are in a home of their own."""
        before = dict(os.environ)

        def restore():
            os.environ.clear()
            os.environ.update(before)

        self.addCleanup(restore)
        for name in ("WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "SUDO_UID", "XDG_DATA_HOME"):
            os.environ.pop(name, None)
        os.environ.update(
            display.environment(), HOME=self.home, XDG_DATA_HOME=os.path.join(self.home, ".local", "share"),
            XDG_CONFIG_HOME=os.path.join(self.home, ".config"), XDG_RUNTIME_DIR=self.home,
            XDG_CACHE_HOME=os.path.join(self.home, ".cache"), XDG_CURRENT_DESKTOP="GNOME",
            GSK_RENDERER="cairo", GTK_A11Y="none", ADW_DISABLE_PORTAL="1", GTK_USE_PORTAL="0")

    def note_addresses(self):
        """What the app opens in a browser ends up in a file."""
        self.noted = os.path.join(self.home, "addresses")
        script = os.path.join(self.home, "note")
        with open(script, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\necho "$1" >> {self.noted}\n')
        os.chmod(script, stat.S_IRWXU)
        UrlHandlers(os.environ["XDG_DATA_HOME"]).register("http", [script, "%u"], name="note-address")

    # -- what a person does and sees --

    def call(self, bus, name, path, method, *arguments):
        environment = {**self.desktop.person.environment}
        result = subprocess.run(["gdbus", "call", f"--{bus}", "-d", name, "-o", path, "-m", method, *arguments],
                                capture_output=True, text=True, env=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def activate(self, action):
        app = ("session", "dev.firezone.Client", "/dev/firezone/Client")
        wait_until(lambda: "((true," in self.call(*app, "org.gtk.Actions.Describe", action), f"action {action}")
        self.call(*app, "org.gtk.Actions.Activate", action, "[]", "{}")

    def wait_state(self, state):
        wait_until(lambda: f"<'{state}'>" in self.call("system", SERVICE_NAME, SERVICE_PATH,
                                                        "org.freedesktop.DBus.Properties.Get",
                                                        f"{SERVICE_NAME}.Manager", "State"), f"state {state}")

    def private_page(self):
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    self.private_door.url, timeout=2) as answer:
                return answer.read().decode().strip()
        except (OSError, urllib.error.URLError):
            return None

    def received(self):
        """What has come from the gateway that carries the resource, bytes; 0 while none does."""
        objects = self.call("system", SERVICE_NAME, SERVICE_PATH, "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
        found = re.search(r"'State': <'(?:direct|relayed)'>, 'Gateway': <objectpath '[^']*/gateway/\d+'>"
                          r".*?'RxBytes': <uint64 (\d+)>", objects)
        return int(found[1]) if found else 0

    def address(self):
        def last():
            if not os.path.exists(self.noted):
                return None
            with open(self.noted, encoding="ascii") as file:
                return (file.read().splitlines() or [None])[-1]

        return wait_until(last, "address that the app opens")

    def test_signs_in_connects_and_signs_out(self):
        self.wait_state("signed-out")
        self.assertIsNone(self.private_page())
        self.activate("sign-in")
        address = self.address()
        self.assertTrue(address.startswith(f"{self.sign_in_door.url}?as=gui-client&"), address)

        origin = self.sign_in_door.url.rstrip("/")
        with Browser(environment=self.desktop.person.environment, trusted={origin: [SCHEME]}) as browser:
            browser.open(address)
            browser.type("#email", self.person[0])
            browser.type("#password", self.person[1])
            browser.click("button")
            browser.wait_for("h1", "You are signed in")
            self.wait_state("connected")
        self.assertEqual(wait_until(self.private_page, "private page"), PAGE)
        received = wait_until(self.received, "the resource's way")
        self.assertEqual(wait_until(self.private_page, "private page"), PAGE)
        wait_until(lambda: self.received() > received, "more of what was received")
        tokens = self.chain.portal.command("token", "list")
        self.assertEqual([token["actor"] for token in tokens if token["made_by"] == "sign_in"], ["Sam Poe"])

        self.activate("sign-out")
        self.wait_state("signed-out")
        self.assertIsNone(self.private_page())
        wait_until(lambda: all(token["made_by"] != "sign_in" for token in self.chain.portal.command("token", "list")),
                   "end of the sign-in at the portal")

    def sign_in(self):
        self.activate("sign-in")
        origin = self.sign_in_door.url.rstrip("/")
        with Browser(environment=self.desktop.person.environment, trusted={origin: [SCHEME]}) as browser:
            browser.open(self.address())
            browser.type("#email", self.person[0])
            browser.type("#password", self.person[1])
            browser.click("button")
            self.wait_state("connected")

    def wait_page(self):
        self.assertEqual(wait_until(self.private_page, "private page"), PAGE)

    def test_what_falls_comes_back_without_a_click(self):
        self.sign_in()
        self.wait_page()

        self.desktop.service.popen.kill()  # and the service manager starts it again
        self.desktop.service.popen.wait()
        self.desktop.start_service()
        self.wait_state("connected")
        self.wait_page()

        portal = self.chain.portal
        portal.process.stop()
        self.wait_state("degraded")
        self.wait_page()  # what has a path keeps it; without a portal it would find no other
        self.desktop.app.popen.kill()  # nothing for the tunnel
        self.desktop.app.popen.wait()
        self.wait_page()
        self.desktop.start_app()
        self.wait_state("degraded")  # a lost portal is no sign-out, for a new app neither
        portal.start(self.chain.bed.path("relay.secret"))
        self.wait_state("connected")
        self.wait_page()

        second = self.desktop.spawn_app("second")
        self.assertEqual(second.popen.wait(90), 0)  # it has raised the first
        self.assertIsNone(self.desktop.app.popen.poll())
        self.activate("disconnect")
        self.wait_state("offline")
        self.assertIsNone(self.private_page())
        self.activate("connect")
        self.wait_state("connected")
        self.wait_page()

    def test_revoked_at_the_portal(self):
        self.sign_in()
        token = next(t for t in self.chain.portal.command("token", "list") if t["made_by"] == "sign_in")
        self.chain.portal.command("token", "revoke", token["id"])
        self.wait_state("signed-out")


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    require_rights()
    reason = missing() or why_not(BUILD, needs_display=False)
    if reason is not None:
        skip(reason)
    unittest.main(verbosity=2)
