"""A real browser for tests: Chromium, driven by WebDriver over plain HTTP.

    with Browser() as browser:
        browser.open("http://127.0.0.1:8080/")
        browser.type("#email", "sam@acme.test")
        browser.click("button")
        browser.wait_for("h1", text="You are signed in")
        browser.screenshot("page.png")

Without a display it runs headless, and even so hands a link of an own scheme over to a program, as
it does with the answer of a sign-in:

    handlers = UrlHandlers(folder)                    # a desktop file in a data folder of its own
    handlers.register("firezone-fd0020211111", ["/path/to/firezone-client-gui", "%u"])
    with Browser(handlers=handlers, trusted={"http://127.0.0.1:8080": ["firezone-fd0020211111"]}): …

`trusted` is what a person says by "always allow this site to open such links": Chromium then asks
no more and calls xdg-open, which finds the desktop file. `environment` is what the program called
will see: give it DISPLAY and the buses' addresses where that is an app with a window. Everything
lives in one temporary folder and ends with the `with` block.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

CHROMIUM = "/usr/bin/chromium"
CHROMEDRIVER = "/usr/bin/chromedriver"
PATIENCE = 90.0  # seconds; a busy machine starts Chromium slowly
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver's name for a reference to an element


class BrowserError(Exception):
    """What the browser or its driver said, or what did not happen in time."""


def missing():
    """What of the machine a browser needs and does not find; None if all is there."""
    for program in (CHROMIUM, CHROMEDRIVER):
        if not os.access(program, os.X_OK):
            return f"{program} is not installed (packages chromium and chromium-driver)"
    return None


def wait_until(condition, what, timeout=PATIENCE):
    """Waits for `condition()` to be true; returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise BrowserError(f"no {what} within {timeout:g} s")
        time.sleep(0.02)


class Xvfb:
    """An X server without a screen, on a display number that nobody uses."""

    def __init__(self, size="1280x900"):
        self._size = size
        self._process = None
        self.name = None

    def __enter__(self):
        read_end, write_end = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{self._size}x24", "-nolisten", "tcp",
             "+extension", "GLX"],
            pass_fds=[write_end], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write_end)
        with os.fdopen(read_end) as answer:
            number = answer.readline().strip()
        if not number:
            raise BrowserError("Xvfb does not start")
        self.name = ":" + number
        return self

    def __exit__(self, *_):
        _end(self._process)

    def environment(self):
        return {"DISPLAY": self.name}

    def screenshot(self, path):
        subprocess.run(["import", "-display", self.name, "-window", "root", path], check=True)


class UrlHandlers:
    """A data folder with the programs that open links: what a desktop has in ~/.local/share."""

    def __init__(self, folder):
        self.folder = folder
        self._applications = os.path.join(folder, "applications")
        os.makedirs(self._applications, exist_ok=True)

    def register(self, scheme, command, name="test-handler"):
        """`command` as in a desktop file's Exec; %u is the link."""
        with open(os.path.join(self._applications, f"{name}.desktop"), "w", encoding="utf-8") as file:
            file.write("[Desktop Entry]\nType=Application\nNoDisplay=true\n"
                       f"Name={name}\nExec={' '.join(command)}\nMimeType=x-scheme-handler/{scheme};\n")
        with open(os.path.join(self._applications, "mimeapps.list"), "a", encoding="utf-8") as file:
            file.write(f"[Default Applications]\nx-scheme-handler/{scheme}={name}.desktop\n")

    def environment(self):
        # A config folder of its own too, or the defaults of whoever runs the test would come first.
        return {"XDG_DATA_HOME": self.folder, "XDG_CONFIG_HOME": os.path.join(self.folder, "config")}


def _end(process):
    """Ends a process and all that it started in its session."""
    if process is None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        except ProcessLookupError:
            pass
        try:
            process.wait(5)
            return
        except subprocess.TimeoutExpired:
            continue


class Browser:
    def __init__(self, display=None, handlers=None, trusted=None, width=1000, height=800,
                 environment=None, netns=None):
        """`display`: an Xvfb, the name of a display, or None for headless.
        `netns`: name of a network namespace to run in (needs root)."""
        self.folder = tempfile.mkdtemp(prefix="fz-browser-")
        self._driver = None
        self._session = None
        self._base = None
        self._netns = netns
        try:
            self._start(display, handlers, trusted or {}, width, height, environment or {})
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- life --

    def _start(self, display, handlers, trusted, width, height, more):
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION")
                       and not name.lower().endswith("_proxy")}
        # GNOME, because there xdg-open asks GIO. Where it knows no desktop, Debian 12's (1.1.3) takes
        # a scheme with digits, as ours, for the name of a file.
        environment.update(HOME=self.folder, XDG_CONFIG_HOME=os.path.join(self.folder, "config"),
                           XDG_CURRENT_DESKTOP="GNOME")
        if isinstance(display, str):
            environment["DISPLAY"] = display
        elif display is not None:
            environment.update(display.environment())
        if handlers is not None:
            environment.update(handlers.environment())
        environment.update(more)
        self._start_driver(environment)
        self._start_session(display is None, trusted, width, height)

    def _start_driver(self, environment):
        log_path = os.path.join(self.folder, "driver.log")
        command = [CHROMEDRIVER, "--port=0"]
        if self._netns is not None:
            command = ["ip", "netns", "exec", self._netns, *command]
        with open(log_path, "wb") as log:
            self._driver = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env=environment, cwd=self.folder, start_new_session=True)

        def port():
            if self._driver.poll() is not None:
                raise BrowserError(f"chromedriver ended with status {self._driver.returncode}")
            with open(log_path, encoding="utf-8", errors="replace") as log:
                return re.search(r"started successfully on port (\d+)", log.read())

        self._base = f"http://127.0.0.1:{wait_until(port, 'port of chromedriver').group(1)}"

    def _start_session(self, headless, trusted, width, height):
        arguments = [
            f"--user-data-dir={os.path.join(self.folder, 'profile')}", f"--window-size={width},{height}",
            "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en",
            "--password-store=basic", "--no-proxy-server", "--hide-scrollbars",
        ]
        if headless:
            arguments.append("--headless=new")
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # it refuses to run as root otherwise
        pairs = {origin: {scheme: True for scheme in schemes} for origin, schemes in trusted.items()}
        options = {"binary": CHROMIUM, "args": arguments,
                   "prefs": {"protocol_handler": {"allowed_origin_protocol_pairs": pairs},
                             "credentials_enable_service": False}}
        answer = self._request("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}}})
        self._session = answer["sessionId"]

    def close(self):
        if self._session is not None:
            try:
                self._request("DELETE", f"/session/{self._session}")
            except (BrowserError, OSError):
                pass  # its processes are ended below
            self._session = None
        _end(self._driver)
        self._driver = None
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- WebDriver --

    def _opener(self):
        return urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _request(self, method, path, body=None):
        if self._netns is not None:
            return self._request_in_namespace(method, path, body)
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._base + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with self._opener().open(request, timeout=3 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            self._complain(json.load(error))

    def _request_in_namespace(self, method, path, body):
        command = ["ip", "netns", "exec", self._netns, "curl", "-s", "--max-time", str(int(3 * PATIENCE)),
                   "-X", method, "-H", "Content-Type: application/json", self._base + path]
        if method == "POST":
            command += ["-d", "@-"]
        result = subprocess.run(command, input=json.dumps(body or {}).encode(), capture_output=True)
        if result.returncode != 0:
            raise BrowserError(f"chromedriver does not answer (curl: {result.returncode})")
        answer = json.loads(result.stdout)
        if isinstance(answer["value"], dict) and "error" in answer["value"]:
            self._complain(answer)
        return answer["value"]

    @staticmethod
    def _complain(answer):
        value = answer.get("value") or {}
        message = (value.get("message") or "?").splitlines()[0]
        raise BrowserError(f"{value.get('error')}: {message}")

    def _do(self, method, path, body=None):
        return self._request(method, f"/session/{self._session}{path}", body)

    def cdp(self, command, **parameters):
        """One command of the DevTools protocol."""
        return self._do("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    # -- pages --

    def open(self, url):
        self._do("POST", "/url", {"url": url})

    @property
    def url(self):
        return self._do("GET", "/url")

    @property
    def title(self):
        return self._do("GET", "/title")

    @property
    def source(self):
        return self._do("GET", "/source")

    def run(self, script, *arguments):
        return self._do("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, css):
        """Reference to the first element that matches; None if there is none."""
        found = self._do("POST", "/elements", {"using": "css selector", "value": css})
        return found[0][ELEMENT] if found else None

    def _must_find(self, css):
        element = self.find(css)
        if element is None:
            raise BrowserError(f"there is no {css} on {self.url}")
        return element

    def text(self, css):
        return self._do("GET", f"/element/{self._must_find(css)}/text")

    def attribute(self, css, name):
        return self._do("GET", f"/element/{self._must_find(css)}/attribute/{name}")

    def property(self, css, name):
        return self._do("GET", f"/element/{self._must_find(css)}/property/{name}")

    def accessible_name(self, css):
        return self._do("GET", f"/element/{self._must_find(css)}/computedlabel")

    def click(self, css):
        self._do("POST", f"/element/{self._must_find(css)}/click")

    def type(self, css, text):
        element = self._must_find(css)
        self._do("POST", f"/element/{element}/clear")
        self._do("POST", f"/element/{element}/value", {"text": text})

    def press(self, keys):
        """Keys to whatever has the focus: WebDriver's codes ("\\ue004" is Tab, "\\ue007" Enter)."""
        actions = [step for key in keys for step in ({"type": "keyDown", "value": key},
                                                     {"type": "keyUp", "value": key})]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        """The id of the element that has the focus, else its tag."""
        element = self._do("GET", "/element/active")[ELEMENT]
        return (self._do("GET", f"/element/{element}/property/id")
                or self._do("GET", f"/element/{element}/name"))

    def wait_focused(self, name):
        """A page gives the focus to who asks for it a little after it is there."""
        wait_until(lambda: self.focused() == name, f"the focus on {name}")

    def wait_for(self, css, text=None, timeout=PATIENCE):
        def is_there():
            try:
                return self.find(css) is not None and (text is None or text in self.text(css))
            except BrowserError:
                return False  # the page is changing

        wait_until(is_there, f"{css} with {text!r}" if text else css, timeout)

    def cookies(self):
        """All cookies of this page, by name; with the flags that scripts do not see."""
        return {cookie["name"]: cookie for cookie in self._do("GET", "/cookie")}

    def all_cookies(self):
        """All cookies there are, whatever their path, as DevTools describes them."""
        return {cookie["name"]: cookie for cookie in self.cdp("Network.getAllCookies")["cookies"]}

    def set_dark(self, is_dark):
        self.cdp("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def set_width(self, width, height=800):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=False)

    def set_scripts(self, are_allowed):
        self.cdp("Emulation.setScriptExecutionDisabled", value=not are_allowed)

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._do("GET", "/screenshot")))

    # -- what happened --

    def log(self, kind):
        """New entries of a log ("performance", "browser"), once each."""
        return self._do("POST", "/se/log", {"type": kind})

    def navigations(self):
        """Addresses that documents were asked from since the last call, redirects included."""
        addresses = []
        for entry in self.log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent" and message["params"].get("type") == "Document":
                addresses.append(message["params"]["request"]["url"])
            elif message["method"] == "Network.responseReceivedExtraInfo":
                headers = {name.lower(): value for name, value in message["params"]["headers"].items()}
                if "location" in headers:
                    addresses.append(headers["location"])
        return addresses
