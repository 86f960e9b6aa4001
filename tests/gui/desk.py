"""A desk for one person, made for a test: display, window manager, session bus, system bus, the mock service and the app.

    desk = Desk(build)            # all of it, under its own names, in its own home folder
    desk.start_service()          # the mock; desk.mock.Set({...}) plays portal and network
    desk.start_app()              # waits until it answers on the session bus
    desk.activate("sign-in")      # an action, as tray and shortcuts press it
    desk.screenshot("overview")   # build/screenshots/overview.png
    desk.close()                  # nothing stays; also when a test fails

Everything that waits, waits for a condition (`until`). Also a tool: `desk.py [--state connected] [--resources 5000]
[--dark] [--hold]` opens the app against the mock, with --hold on the display that DISPLAY names.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from screen_reader import Reader  # noqa: E402

SOURCE = os.path.dirname(os.path.dirname(HERE))
APP_ID = "dev.firezone.Client"
APP_PATH = "/dev/firezone/Client"
SCHEME = "firezone-fd0020211111"
MISSING = [p for p in ("Xvfb", "openbox", "dbus-daemon", "xdotool", "xprop", "import", "convert") if shutil.which(p) is None]

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>{kind}</type><keep_umask/><listen>unix:tmpdir={folder}</listen><auth>EXTERNAL</auth>
  <servicedir>{services}</servicedir>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
  <limit name="max_match_rules_per_connection">50000</limit><limit name="max_replies_per_connection">50000</limit>
</busconfig>"""


# pyatspi's names of roles, and GTK's own
ROLES = {"push button": ("push button", "button"), "check box": ("check box", "switch"), "text": ("text", "text box", "search box")}


class DeskError(Exception):
    """Something of the desk, not of the app, does not work."""


PATIENCE_S = 60.0  # for anything that has to happen; much more than it takes
CALL_MS = 60_000   # and for an answer on a bus


def until(condition, what, timeout=PATIENCE_S):
    """Calls `condition` until it returns something true, which it returns; an AssertionError names `what` otherwise."""
    end = time.monotonic() + timeout
    last = None
    while time.monotonic() < end:
        try:
            last = None
            value = condition()
            if value:
                return value
        except GLib.Error as error:
            last = error.message
        time.sleep(0.03)
    raise AssertionError(f"not within {timeout:.0f} s: {what}" + (f" ({last})" if last else ""))


class Proxy:
    """Methods of one interface as Python methods; dictionaries become a{sv}."""

    def __init__(self, bus, name, path, interface):
        self._bus, self._name, self._path, self._interface = bus, name, path, interface

    @staticmethod
    def _variant(value):
        if isinstance(value, bool):
            return GLib.Variant("b", value)
        if isinstance(value, int):
            return GLib.Variant("u" if value < 2**32 else "t", value)
        if isinstance(value, list):
            return GLib.Variant("as", value)
        if isinstance(value, dict):
            return GLib.Variant("a{sv}", {k: Proxy._variant(v) for k, v in value.items()})
        return GLib.Variant("s", value)

    def __getattr__(self, method):
        def call(*arguments):
            packed = GLib.Variant.new_tuple(*[self._variant(a) for a in arguments])
            reply = self._bus.call_sync(self._name, self._path, self._interface, method, packed, None,
                                        Gio.DBusCallFlags.NONE, CALL_MS, None)
            values = reply.unpack()
            return values[0] if len(values) == 1 else values

        return call


class Desk:
    def __init__(self, build, display=None, keep=False, width=1280, height=1000, keyring="file"):
        """`keyring`: "file" (libsecret's own, for tests), "locked" (gnome-keyring that nobody unlocks), "none"."""
        if MISSING and display is None:
            raise DeskError(f"missing: {', '.join(MISSING)}")
        self.build, self.keep = os.path.abspath(build), keep
        self.root = tempfile.mkdtemp(prefix="fz-desk-")
        self.home = os.path.join(self.root, "home")
        self.services = os.path.join(self.root, "services")
        self.runtime = os.path.join(self.root, "run")
        self.processes = []
        self.app = self.service = self.mock = self._reader = None
        for folder in (self.home, self.services, self.runtime, os.path.join(self.root, "system-services")):
            os.makedirs(folder, 0o700)
        a11y = "/usr/share/dbus-1/services/org.a11y.Bus.service"
        if os.path.exists(a11y):
            shutil.copy(a11y, self.services)
        self.env = {
            "HOME": self.home, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": self.runtime, "XDG_DATA_HOME": os.path.join(self.home, ".local/share"),
            "XDG_CONFIG_HOME": os.path.join(self.home, ".config"), "XDG_CACHE_HOME": os.path.join(self.home, ".cache"),
            "GSK_RENDERER": "cairo", "GTK_USE_PORTAL": "0", "ADW_DISABLE_PORTAL": "1",
            "GSETTINGS_SCHEMA_DIR": os.path.join(self.build, "data"), "GSETTINGS_BACKEND": "keyfile",
            "GIO_USE_VFS": "local", "NO_AT_BRIDGE": "0",
        }
        if keyring == "file":
            self.env.update(SECRET_BACKEND="file", SECRET_FILE_TEST_PATH=os.path.join(self.root, "keyring"),
                            SECRET_FILE_TEST_PASSWORD="test")
        for key in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if key in os.environ:
                self.env[key] = os.environ[key]
        try:
            self.env["DISPLAY"] = display or self.start_display(width, height)
            self.env["DBUS_SESSION_BUS_ADDRESS"] = self.start_bus("session", self.services)
            self.env["DBUS_SYSTEM_BUS_ADDRESS"] = self.start_bus("system", os.path.join(self.root, "system-services"))
            if keyring == "locked":
                self.lock_keyring()
            flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
            self.session = Gio.DBusConnection.new_for_address_sync(self.env["DBUS_SESSION_BUS_ADDRESS"], flags, None, None)
            self.system = Gio.DBusConnection.new_for_address_sync(self.env["DBUS_SYSTEM_BUS_ADDRESS"], flags, None, None)
        except BaseException:
            self.close()
            raise

    # -- processes --

    def spawn(self, command, name, **options):
        log = open(os.path.join(self.root, name + ".log"), "ab")
        process = subprocess.Popen(command, env=dict(self.env, **options.pop("env", {})), stdout=options.pop("stdout", log),
                                   stderr=log, stdin=options.pop("stdin", subprocess.DEVNULL), start_new_session=True, **options)
        log.close()
        self.processes.append(process)
        return process

    def end(self, process, how=signal.SIGTERM):
        if process is None or process.poll() is not None:
            return
        os.killpg(process.pid, how)
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def start_display(self, width, height):
        """Two that start at once may choose the same number; then one of them does not answer, and another is tried. No key
        repeats itself (-r): whoever holds one may have to wait for the processor."""
        for _ in range(5):
            read, write = os.pipe()
            server = self.spawn(["Xvfb", "-displayfd", str(write), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset", "-r"],
                                "xvfb", pass_fds=[write])
            os.close(write)
            with os.fdopen(read) as file:
                self.env["DISPLAY"] = ":" + file.readline().strip()
            answers = subprocess.run(["xdotool", "getdisplaygeometry"], env=self.env, capture_output=True, text=True, check=False)
            if server.poll() is None and answers.stdout.split() == [str(width), str(height)]:
                self.spawn(["openbox"], "openbox")
                until(self.is_managed, "the window manager")
                return self.env["DISPLAY"]
            self.end(server)
        raise DeskError("Xvfb does not start")

    def is_managed(self):
        told = subprocess.run(["xprop", "-root", "_NET_SUPPORTING_WM_CHECK"], env=self.env, capture_output=True, text=True, check=False)
        return "window id" in told.stdout

    def start_bus(self, kind, services):
        config = os.path.join(self.root, kind + ".conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(kind=kind, folder=self.runtime, services=services))
        process = self.spawn(["dbus-daemon", "--config-file=" + config, "--nofork", "--print-address=1"], kind + "-bus",
                             stdout=subprocess.PIPE)
        return process.stdout.readline().decode().strip()

    def lock_keyring(self):
        os.makedirs(os.path.join(self.home, ".local/share/keyrings"), 0o700)
        process = subprocess.Popen(["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"], env=self.env,
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   start_new_session=True)
        self.processes.append(process)
        process.stdin.write(b"testpw")
        process.stdin.close()
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        bus = Gio.DBusConnection.new_for_address_sync(self.env["DBUS_SESSION_BUS_ADDRESS"], flags, None, None)
        until(lambda: self.has_owner(bus, "org.freedesktop.secrets"), "the keyring on the bus")
        until(lambda: bus.call_sync("org.freedesktop.secrets", "/org/freedesktop/secrets", "org.freedesktop.Secret.Service", "Lock",
                                    GLib.Variant("(ao)", (["/org/freedesktop/secrets/collection/login"],)), None,
                                    Gio.DBusCallFlags.NONE, CALL_MS, None).unpack()[0], "a locked keyring")
        bus.close_sync(None)

    def add_browser(self):
        """A browser that writes down what it is to show; its pages are read by `browsed`."""
        program = os.path.join(self.root, "browser")
        with open(program, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{self.root}/browsed.part && mv {self.root}/browsed.part {self.root}/browsed\n')
        os.chmod(program, 0o755)
        folder = os.path.join(self.home, ".local/share/applications")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "test-browser.desktop"), "w", encoding="utf-8") as file:
            file.write(f"[Desktop Entry]\nType=Application\nName=Test Browser\nExec={program} %u\n"
                       "MimeType=x-scheme-handler/http;x-scheme-handler/https;\n")
        os.makedirs(os.path.join(self.home, ".config"), exist_ok=True)
        with open(os.path.join(self.home, ".config/mimeapps.list"), "w", encoding="utf-8") as file:
            file.write("[Default Applications]\nx-scheme-handler/http=test-browser.desktop\n"
                       "x-scheme-handler/https=test-browser.desktop\n")

    def browsed(self, timeout=PATIENCE_S):
        """The address that the browser was last opened with; forgets it."""
        path = os.path.join(self.root, "browsed")
        until(lambda: os.path.exists(path), "a browser opened", timeout)
        with open(path, encoding="utf-8") as file:
            url = file.read().strip()
        os.unlink(path)
        return url

    def start_service(self, state="signed-out", resources=0, log="/dev/null"):
        """The mock of the tunnel service; a second call replaces the first's."""
        self.stop_service()
        self.service = self.spawn([sys.executable, os.path.join(HERE, "mock_service.py"), "--xml",
                                   os.path.join(SOURCE, "data", "dev.firezone.Client.Tunnel1.xml"), "--state", state,
                                   "--resources", str(resources), "--log", log], "service")
        self.mock = Proxy(self.system, "dev.firezone.Client.Tunnel1", "/mock", "dev.firezone.Client.Mock")
        until(lambda: self.has_owner(self.system, "dev.firezone.Client.Tunnel1"), "the mock service on the bus")

    def stop_service(self):
        self.end(self.service)
        self.service = None

    def app_path(self):
        return os.path.join(self.build, "src", "app", "firezone-client-gui")

    def start_app(self, *arguments, env=None, wait=True):
        self.app = self.spawn([self.app_path(), *arguments], "app", env=env or {})
        if wait:
            until(lambda: self.has_owner(self.session, APP_ID) or self.app.poll() is not None, "the app on the bus")
        return self.app

    def stop_app(self):
        """Ends the app as a crash of it would, for tests that start it anew; its exit status."""
        self.end(self.app)
        status = self.app.poll() if self.app else None
        self.app = None
        return status

    def read_log(self, name="app"):
        with open(os.path.join(self.root, name + ".log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def complaints(self):
        """What GTK and GLib said against the app; not what libraries say of a bare desk without a theme, a portal or a panel."""
        foreign = ("org.freedesktop.portal", "theme", "at-spi", "a11y", "Vulkan", "settings portal", "org.freedesktop.Notifications")
        lines = [line for line in self.read_log().splitlines()
                 if ('"target":"G' in line and ('"WARNING"' in line or '"ERROR"' in line)) or "-CRITICAL **" in line
                 or "-WARNING **" in line]
        return [line for line in lines if not any(text in line for text in foreign)]

    # -- buses --

    @staticmethod
    def has_owner(bus, name):
        return bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner",
                             GLib.Variant("(s)", (name,)), None, Gio.DBusCallFlags.NONE, CALL_MS, None).unpack()[0]

    def _actions(self, method, arguments):
        return self.session.call_sync(APP_ID, APP_PATH, "org.gtk.Actions", method, arguments, None,
                                      Gio.DBusCallFlags.NO_AUTO_START, CALL_MS, None)

    def actions(self):
        """name -> (enabled, state or None)"""
        found = self._actions("DescribeAll", None).unpack()[0]
        return {name: (enabled, state[0] if state else None) for name, (enabled, _type, state) in found.items()}

    def activate(self, name, parameter=None):
        """Once it is enabled: an action that is not does nothing, and does not say so."""
        until(lambda: self.is_enabled(name), f"action {name} enabled")
        parameters = [] if parameter is None else [GLib.Variant("b" if isinstance(parameter, bool) else "s", parameter)]
        self._actions("Activate", GLib.Variant("(sava{sv})", (name, parameters, {})))

    def set_state(self, name, value):
        self._actions("SetState", GLib.Variant("(sva{sv})", (name, GLib.Variant("b", value), {})))

    def is_enabled(self, name):
        return self.actions()[name][0]

    def open_uris(self, *uris):
        """As the desktop does for a link or a file that the app handles."""
        self.session.call_sync(APP_ID, APP_PATH, "org.freedesktop.Application", "Open",
                               GLib.Variant("(asa{sv})", (list(uris), {})), None, Gio.DBusCallFlags.NONE, CALL_MS, None)

    # -- settings --

    def scale_text(self, factor):
        """For apps that start from now on."""
        subprocess.run(["xprop", "-root", "-f", "RESOURCE_MANAGER", "8s", "-set", "RESOURCE_MANAGER",
                        f"Xft.dpi: {int(96 * factor)}"], env=self.env, check=True)

    def settings(self, *arguments):
        """gsettings in the person's home: settings("set", "connect-on-start", "false")"""
        command, *rest = arguments
        return subprocess.run(["gsettings", command, APP_ID, *rest], env=self.env, check=True, capture_output=True,
                              text=True).stdout.strip()

    # -- the display --

    def windows(self):
        result = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", "firezone"], env=self.env,
                                capture_output=True, text=True, check=False)
        return result.stdout.split()

    def geometry(self, window):
        """As ImageMagick takes it; nothing if the window has gone."""
        told = subprocess.run(["xdotool", "getwindowgeometry", "--shell", window], env=self.env, capture_output=True, text=True,
                              check=False).stdout
        at = dict(line.split("=", 1) for line in told.splitlines())
        return f"{at['WIDTH']}x{at['HEIGHT']}+{at['X']}+{at['Y']}" if "WIDTH" in at else "0x0+0+0"

    def area(self, window):
        width, height = self.geometry(window).split("+")[0].split("x")
        return int(width) * int(height)

    def wait_window(self):
        return until(self.windows, "a window of the app")[0]

    def has_focus(self):
        """Whether what is typed arrives at the uppermost window of the app: while one comes or goes, it does not."""
        focus = subprocess.run(["xdotool", "getwindowfocus"], env=self.env, capture_output=True, text=True, check=False).stdout.strip()
        return [focus] == self.windows()[-1:]

    def wait_focus(self):
        until(self.has_focus, "the focus in the app's window")

    def key(self, *keys):
        self.wait_focus()
        subprocess.run(["xdotool", "key", *keys], env=self.env, check=True, capture_output=True)

    def smallest(self, window):
        """What the window says its content needs."""
        told = subprocess.run(["xprop", "-id", window, "WM_NORMAL_HINTS"], env=self.env, capture_output=True, text=True, check=False)
        found = re.search(r"minimum size: (\d+) by (\d+)", told.stdout)
        return (int(found[1]), int(found[2])) if found else (0, 0)

    def resize(self, width, height):
        """Makes the window of that size; one whose content needs more becomes as small as that allows."""
        window = self.wait_window()

        def is_so():
            least = self.smallest(window)
            if self.geometry(window).split("+")[0] == f"{max(int(width), least[0])}x{max(int(height), least[1])}":
                return True
            # not xdotool's --sync: it waits for a change, a quarter of a minute where there is none
            subprocess.run(["xdotool", "windowsize", window, str(width), str(height)], env=self.env, check=False, capture_output=True)
            return False

        until(is_so, f"a window of {width}x{height}")

    def screenshot(self, name, settle=0.4, whole=False):
        """The app's window once it has not changed for `settle` seconds, or for ever moves; `whole`: with what lies over it."""
        folder = os.path.join(self.build, "screenshots")
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, name + ".png")
        picture = before = None
        end = time.monotonic() + 4 * settle + 1
        while before is None or (picture != before and time.monotonic() < end):
            if before is not None:
                time.sleep(settle)
            before, picture = picture or b"", until(lambda: self.take_picture(whole), "a picture of the window")
        subprocess.run(["convert", "-quality", "10", "ppm:-", path], input=picture, env=self.env, check=True)
        return path

    def take_picture(self, whole):
        """Nothing if the window that is uppermost goes meanwhile."""
        windows = self.windows()
        if not windows:
            return b""
        area = ["root", "-crop", self.geometry(max(windows, key=self.area)), "+repage"] if whole else [windows[-1]]
        return subprocess.run(["import", "-silent", "-window", *area, "-depth", "8", "ppm:-"], env=self.env, check=False,
                              capture_output=True).stdout

    # -- accessibility --

    @property
    def reader(self):
        if self._reader is None:
            self._reader = Reader(self)
        return self._reader

    def nodes(self):
        """The app's tree as pyatspi tells it, in a process of its own, since that keeps the bus it first saw: dictionaries of
        path, role, name, description, states, depth first. Slow; `reader` asks the same without it."""
        result = subprocess.run([sys.executable, os.path.join(HERE, "a11y.py"), "tree"], env=self.env, capture_output=True,
                                text=True, timeout=2 * PATIENCE_S, check=False)
        if result.returncode != 0:
            raise AssertionError(f"no accessible tree: {result.stderr}")
        return json.loads(result.stdout)

    def showing(self, name, roles):
        """The first on the screen that can be used, whose name ends with `name`; waits for it."""
        def find():
            return next((n for n in self.reader.survey() if n.sensitive and n.name.endswith(name) and (not roles or n.role in roles)), None)
        return until(find, f"“{name}” on the screen")

    def type_into(self, name, text):
        """Clicks the first showing entry whose name ends with `name` and replaces its text by keys."""
        last = []

        def stands_still():
            last.append(self.showing(name, ROLES["text"]).at)
            return last[-1] if last[-2:-1] == last[-1:] else None

        x, y, width, height = until(stands_still, f"“{name}” in its place")
        self.wait_focus()
        middle = [str(x + width // 2), str(y + height // 2)]
        for command in (["mousemove", "--window", self.windows()[-1], *middle, "click", "1"], ["key", "ctrl+a"],
                        ["type", "--delay", "4", text]):
            subprocess.run(["xdotool", *command], env=self.env, check=True, capture_output=True, timeout=PATIENCE_S)

    def press(self, name, role=None):
        """Does the default action of the first showing control whose name ends with `name`."""
        until(lambda: self.reader.act(self.showing(name, ROLES.get(role, (role,) if role else ()))), f"“{name}” pressed")

    def texts(self):
        """Every name and text that shows, as one string a line."""
        return "\n".join(n["name"] for n in self.reader.survey() if n["name"])

    def wait_text(self, text, timeout=PATIENCE_S):
        until(lambda: text in self.texts(), f"“{text}” on the screen", timeout)

    # -- the end --

    def close(self):
        for process in reversed(self.processes):
            self.end(process)
            if process.stdout:
                process.stdout.close()
        if self.keep:
            print(f"kept: {self.root}")
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(SOURCE, "build"))
    parser.add_argument("--state", default="connected", help="what the mock service begins with; none: no service")
    parser.add_argument("--resources", type=int, default=0)
    parser.add_argument("--page", help="overview, resources, logs, settings")
    parser.add_argument("--log", default="/dev/null", help="JSONL file that the mock hands out as the service's log")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--size", help="WIDTHxHEIGHT of the window")
    parser.add_argument("--text", help="scale of text, 2.0")
    parser.add_argument("--shot", help="take a picture of this name, and leave")
    parser.add_argument("--hold", action="store_true", help="use the display in DISPLAY, and stay until the app ends")
    arguments = parser.parse_args()
    desk = Desk(arguments.build, display=os.environ["DISPLAY"] if arguments.hold else None)
    try:
        if arguments.dark:
            desk.env["ADW_DEBUG_COLOR_SCHEME"] = "prefer-dark"
        if arguments.text:
            desk.scale_text(float(arguments.text))
        if arguments.state != "none":
            desk.start_service(arguments.state, arguments.resources, arguments.log)
        desk.start_app()
        desk.wait_window()
        if arguments.page:
            desk.activate("show-page", arguments.page)
        if arguments.size:
            desk.resize(*arguments.size.split("x"))
        if arguments.shot:
            print(desk.screenshot(arguments.shot))
        elif arguments.hold:
            desk.app.wait()
    finally:
        sys.stderr.write("".join(desk.read_log().splitlines(True)[-40:]))
        desk.close()


if __name__ == "__main__":
    main()
