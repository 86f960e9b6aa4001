#!/usr/bin/python3
"""The portal's sign-in page in a real browser: the way to the app, and what people see on it.

Pictures of every page, light and dark, wide and 360 pixels narrow, go to build/screenshots.
Usage: test_sign_in_page.py BUILD [unittest arguments]
"""

import os
import pty
import secrets
import shutil
import stat
import sys
import tempfile
import termios
import time
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from browser import Browser, UrlHandlers, missing, wait_until  # noqa: E402
from portal import LocalPortal  # noqa: E402

SCHEME = "firezone-fd0020211111"
PASSWORD = "correct horse battery"
EMAIL = "sam@acme.test"
NONCE = "a0" * 32
TAB, ENTER = "\ue004", "\ue007"

# WCAG 2.1: the contrast of an element's text against whatever lies behind it
CONTRAST = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
  .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
return [...document.querySelectorAll('h1, p, label, input, button, a, footer, summary, .copy, span')].map(e => {
  let ground = [255, 255, 255], at = e;
  for (; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) { ground = colour; break; }
  }
  const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground)].sort((x, y) => y - x);
  return [e.tagName + ' ' + (e.textContent || e.id).trim().slice(0, 30), (a + 0.05) / (b + 0.05)];
});
"""


class SignInPage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="fz-sign-in-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.pictures = os.path.join(BUILD, "screenshots")
        os.makedirs(cls.pictures, exist_ok=True)
        cls.portal = LocalPortal(PORTAL)
        cls.addClassCleanup(cls.portal.close)
        cls.portal.add_person("Sam Poe", EMAIL, PASSWORD)
        cls.portal.start()

        # a handler that notes the links it is called with
        cls.noted = os.path.join(cls.folder, "links")
        handler = os.path.join(cls.folder, "handler")
        with open(handler, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {cls.noted}\n')
        os.chmod(handler, stat.S_IRWXU)
        with open(cls.noted, "w", encoding="utf-8"):
            pass
        handlers = UrlHandlers(os.path.join(cls.folder, "data"))
        handlers.register(SCHEME, [handler, "%u"])
        cls.browser = Browser(handlers=handlers, trusted={cls.portal.origin: [SCHEME]})
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        """As if nobody had been here before."""
        self.state = secrets.token_hex(32)
        self.browser.open("about:blank")
        self.browser.set_scripts(True)
        self.browser.cdp("Network.clearBrowserCookies")
        self.browser.cdp("Page.setBypassCSP", enabled=False)
        self.browser.set_width(1000)
        self.browser.log("browser")
        self.browser.log("performance")

    def open_form(self, kind="gui-client"):
        query = {"as": kind, "state": self.state, "nonce": NONCE}
        self.browser.open(f"{self.portal.url}?{urllib.parse.urlencode(query)}")
        self.browser.wait_for("h1", "Sign in to Acme & Söhne")

    def fill_in(self, email=EMAIL, password=PASSWORD):
        self.browser.type("#email", email)
        self.browser.type("#password", password)
        self.browser.click("button")

    def links(self):
        """What this test's sign-ins brought; another's may arrive late."""
        with open(self.noted, encoding="utf-8") as file:
            return [link for link in file.read().splitlines() if f"state={self.state}" in link]

    def link(self):
        return wait_until(self.links, "link handed to the handler")[0]

    def check_link(self, link):
        parts = urllib.parse.urlsplit(link)
        fields = urllib.parse.parse_qs(parts.query, strict_parsing=True)
        self.assertEqual((parts.scheme, parts.netloc, parts.path),
                         (SCHEME, "handle_client_sign_in_callback", ""))
        fragment = fields.pop("fragment")[0]
        self.assertRegex(fragment, r"^\.fzc_[A-Za-z0-9_-]{64}$")
        self.assertEqual(fields, {"account_name": ["Acme & Söhne"], "account_slug": ["acme"],
                                  "actor_name": ["Sam Poe"], "identity_provider_identifier": [EMAIL],
                                  "state": [self.state]})
        return fragment

    # -- the way --

    def test_signs_in_and_hands_over(self):
        self.open_form()
        self.assertEqual(urllib.parse.urlsplit(self.browser.url).path, "/acme/sign_in")
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        self.check_link(self.link())
        self.assertEqual(urllib.parse.urlsplit(self.browser.url).path, "/acme/sign_in/success")
        # the same link, for whoever has to press it or copy it
        self.check_link(self.browser.attribute("a.button", "href"))
        self.browser.click("summary")
        self.browser.click(".copy")
        self.assertEqual(self.browser.run("return getSelection().toString()"), self.browser.text(".copy"))
        self.check_link(self.browser.property(".copy", "textContent"))
        navigations = []

        def has_gone(start):
            navigations.extend(self.browser.navigations())
            return any(address.startswith(start) for address in navigations)
        for start in ("/acme/sign_in/success", f"{self.portal.origin}/acme/sign_in/client_redirect", SCHEME):
            wait_until(lambda: has_gone(start), f"{start} in {navigations}")
        self.assertFalse([line for line in self.browser.log("browser") if line["level"] == "SEVERE"])

        tokens = [token for token in self.portal.command("token", "list") if token["made_by"] == "sign_in"]
        self.assertEqual(tokens[-1]["actor"], "Sam Poe")
        wait_until(lambda: [line for line in self.portal.log() if line.get("event") == "signed-in" and line["actor"] == "Sam Poe"],
                   "sign-in in the portal's log")

    def test_button_opens_the_app_again(self):
        self.open_form()
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        self.link()
        self.browser.click("a.button")
        wait_until(lambda: len(self.links()) == 2, "second link")
        self.assertEqual(*self.links())

    def test_without_script(self):
        self.browser.open(self.portal.url)
        self.browser.set_scripts(False)
        self.open_form()
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        self.check_link(self.link())

    def test_keyboard_alone(self):
        self.open_form()
        self.browser.wait_focused("email")
        self.browser.press(EMAIL + TAB)
        self.assertEqual(self.browser.focused(), "password")
        self.browser.press(TAB)
        self.assertEqual(self.browser.focused(), "button")
        self.browser.run("document.getElementById('password').focus()")
        self.browser.press(PASSWORD + ENTER)
        self.browser.wait_for("h1", "You are signed in")

    def test_wrong_password(self):
        self.open_form()
        self.fill_in(password="not the password")
        self.browser.wait_for(".problem", "do not belong together")
        self.assertEqual(self.browser.attribute(".problem", "role"), "alert")
        self.assertEqual(self.browser.property("#email", "value"), EMAIL)
        self.assertEqual(self.browser.property("#password", "value"), "")
        self.browser.wait_focused("password")
        self.assertNotIn("not the password", self.browser.source)
        self.assertNotIn("client_auth", self.browser.all_cookies())
        self.browser.type("#password", PASSWORD)
        self.browser.click("button")
        self.browser.wait_for("h1", "You are signed in")

    def test_headless_client(self):
        self.browser.open(f"{self.portal.url}acme/sign_in")
        self.browser.wait_for("h1", "Sign in from the app")
        self.browser.click("a.button")
        self.browser.wait_for("h1", "Sign in to")
        self.fill_in()
        self.browser.wait_for("h1", "Your token")
        self.assertRegex(self.browser.property(".copy", "textContent"), r"^\.fzc_[A-Za-z0-9_-]{64}$")
        self.assertEqual(self.links(), [])

    # -- what must not be --

    def test_cookies(self):
        self.open_form()
        self.assertEqual(self.browser.run("return document.cookie"), "")
        before = time.time()
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        after = time.time()
        cookies = self.browser.all_cookies()
        self.assertEqual(set(cookies), {"fz_form", "client_auth"})
        form, answer = cookies["fz_form"], cookies["client_auth"]
        self.assertTrue(form["httpOnly"] and form["session"])
        self.assertEqual((form["sameSite"], form["path"], form["secure"]), ("Lax", "/", False))
        self.assertTrue(answer["httpOnly"] and not answer["session"])
        self.assertEqual((answer["sameSite"], answer["path"]), ("Strict", "/acme/sign_in"))
        self.assertTrue(before + 118 < answer["expires"] < after + 122, (before, answer["expires"], after))
        self.assertEqual(self.browser.run("return document.cookie"), "")

    def test_the_answer_expires(self):
        self.open_form()
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        self.link()
        self.browser.cdp("Network.clearBrowserCookies")
        self.browser.open(f"{self.portal.url}acme/sign_in/client_redirect")
        self.browser.wait_for("h1", "This sign-in has expired")
        self.assertEqual(len(self.links()), 1)

    def test_no_script_of_a_stranger_runs(self):
        self.open_form()
        self.browser.run("""
            const script = document.createElement('script');
            script.textContent = 'window.stranger = true';
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src=/assets/none onerror="window.stranger = true">');
        """)
        said = []

        def is_refused():
            said.extend(line["message"] for line in self.browser.log("browser"))
            return len([message for message in said if "Content Security Policy" in message]) >= 2
        wait_until(is_refused, "both refused by the page's policy")
        self.assertIsNone(self.browser.run("return window.stranger || null"))

    def test_another_page_cannot_post(self):
        other = LocalPortal(PORTAL, account="Evil")
        self.addCleanup(other.close)
        other.start()
        self.open_form()
        form = self.browser.property("input[name=form]", "value")
        self.browser.open(other.url.replace("127.0.0.1", "localhost") + "acme/sign_in")
        self.browser.cdp("Page.setBypassCSP", enabled=True)
        self.browser.open(other.url.replace("127.0.0.1", "localhost") + "acme/sign_in")
        self.browser.run("""
            const form = document.createElement('form');
            form.method = 'post';
            form.action = arguments[0] + '/acme/sign_in';
            for (const [name, value] of Object.entries(arguments[1])) {
              const input = document.createElement('input');
              input.name = name; input.value = value; form.append(input);
            }
            document.body.append(form); form.submit();
        """, self.portal.origin, {"as": "gui-client", "state": self.state, "nonce": NONCE, "form": form,
                                  "email": EMAIL, "password": PASSWORD})
        self.browser.wait_for(".problem", "This form came from another page")
        self.assertNotIn("client_auth", self.browser.all_cookies())
        self.assertEqual(self.links(), [])

    # -- what it looks like --

    def picture(self, name):
        """The page in every clothing; it must fit, and its text must stand out."""
        for width in (1000, 360):
            self.browser.set_width(width)
            for is_dark in (False, True):
                self.browser.set_dark(is_dark)
                clothing = f"{name} {'dark' if is_dark else 'light'} {width}"
                self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), width, clothing)
                for element, contrast in self.browser.run(CONTRAST):
                    self.assertGreaterEqual(contrast, 4.5, f"{clothing}: {element}")
                self.browser.screenshot(os.path.join(
                    self.pictures, f"sign-in-{name}-{'dark' if is_dark else 'light'}-{width}.png"))

    def test_pictures(self):
        self.open_form()
        for css, name in (("#email", "E-mail"), ("#password", "Password"), ("button", "Sign in")):
            self.assertEqual(self.browser.accessible_name(css), name)
        self.picture("form")
        self.fill_in(password="wrong")
        self.browser.wait_for(".problem")
        self.picture("wrong")
        self.fill_in()
        self.browser.wait_for("h1", "You are signed in")
        self.link()
        self.browser.click("summary")
        self.assertEqual(self.browser.accessible_name(".copy"), "Link that signs in the app")
        self.picture("opening")
        self.open_form("headless-client")
        self.fill_in()
        self.browser.wait_for("h1", "Your token")
        self.assertEqual(self.browser.accessible_name(".copy"), "Token")
        self.picture("token")
        self.browser.open(f"{self.portal.url}acme/sign_in/client_auth_error")
        self.picture("expired")
        self.browser.open(f"{self.portal.url}acme/sign_in")
        self.picture("start")

    def test_picture_of_the_account_page(self):
        with LocalPortal(PORTAL) as portal:
            portal.command("account", "add", "--name", "other")
            self.browser.open(f"{portal.url}?as=gui-client&state={self.state}&nonce={NONCE}")
            self.assertEqual(self.browser.accessible_name("#account"), "Account")
            self.browser.type("#account", "nobody")
            self.browser.click("button")
            self.browser.wait_for(".problem", "no account of that name")
            self.picture("account")
            self.browser.type("#account", "acme")
            self.browser.click("button")
            self.browser.wait_for("h1", "Sign in to Acme & Söhne")
            self.assertIn(f"state={self.state}", self.browser.url)


class Prompt(unittest.TestCase):
    """The password typed on a terminal: asked for twice, never shown."""

    def setUp(self):
        self.portal = LocalPortal(PORTAL)
        self.addCleanup(self.portal.close)
        self.portal.command("actor", "add", "Sam Poe", "--email", EMAIL)

    def talk(self, *answers):
        """Types each answer once its question is there; returns (exit status, what the terminal showed)."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(PORTAL, [PORTAL, "actor", "password", "set", "Sam Poe", "--database", self.portal.database])
        shown = b""
        questions = [b"Password: ", b"Again: "]
        try:
            while True:
                shown += os.read(terminal, 1024)
                if questions and shown.endswith(questions[0]):
                    # echo is off before the line is read: TCSAFLUSH drops what came too early
                    wait_until(lambda: not self.has_echo(terminal), "silence of the terminal")
                    os.write(terminal, answers[2 - len(questions)].encode() + b"\n")
                    questions.pop(0)
        except OSError:
            pass  # the other end is closed
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()

    @staticmethod
    def has_echo(terminal):
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

    def test_typed_twice(self):
        status, shown = self.talk(PASSWORD, PASSWORD)
        self.assertEqual(status, 0, shown)
        self.assertNotIn("horse", shown)
        self.assertTrue(self.portal.command("actor", "show", "Sam Poe")["password"])

    def test_typed_differently(self):
        status, shown = self.talk(PASSWORD, PASSWORD + "x")
        self.assertEqual(status, 1)
        self.assertIn("not the same", shown)
        self.assertFalse(self.portal.command("actor", "show", "Sam Poe")["password"])


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    PORTAL = os.path.join(BUILD, "src", "server", "firezone-portal")
    if missing() is not None:
        print(f"SKIPPED: {missing()}", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
