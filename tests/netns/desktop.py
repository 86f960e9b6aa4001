"""The app on one's own desktop, its tunnel in the bed.

    this machine's desktop                     the bed
    app ──── private system bus ──────── firezone-client-tunnel   in the namespace "desktop"
    browser ─ http://127.0.0.1:8400/ ─── portal's sign-in page
      └─ firezone-fd0020211111://… ─► app, by a desktop file that is there while the demonstration is

The app belongs to whoever sits at the desktop: with sudo that is not root. Its settings are kept in
memory, the service has its own bus, state and log folders in the bed, and DNS is left alone: nothing of
an installed client is touched.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dbus"))

from bed import BedError  # noqa: E402

SCHEME = "firezone-fd0020211111"
SERVICE_NAME = "dev.firezone.Client.Tunnel1"
BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>{kind}</type><listen>unix:path={socket}</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/></policy>
</busconfig>
"""


def why_not(build, needs_display=True):
    """Why the app cannot be opened here; None if it can."""
    if needs_display and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display (DISPLAY, WAYLAND_DISPLAY)"
    if os.environ.get("FZ_BED_UNSHARED"):
        return "it needs root: the desktop's bus does not know the user that this shell is inside the bed (sudo -E make run)"
    for program in ("app/firezone-client-gui", "helper/firezone-client-tunnel"):
        if not os.access(os.path.join(build, "src", program), os.X_OK):
            return f"{program} is not built"
    if shutil.which("dbus-daemon") is None:
        return "dbus-daemon is not installed"
    return None


def _answers(path):
    """Whether somebody listens: the socket is there before that."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(path) == 0


class Person:
    """Whoever sits at the desktop: the user who called sudo, or else the one who runs this."""

    def __init__(self):
        uid = int(os.environ.get("SUDO_UID", os.getuid()))
        entry = pwd.getpwuid(uid)
        self.uid, self.gid, self.name = uid, entry.pw_gid, entry.pw_name
        self.environment = {**os.environ, "HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
        if "SUDO_UID" in os.environ:
            runtime = f"/run/user/{uid}"
            self.environment["XDG_RUNTIME_DIR"] = runtime
            if os.path.exists(f"{runtime}/bus"):
                self.environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime}/bus"
        self.data_home = (self.environment.get("XDG_DATA_HOME") if "SUDO_UID" not in os.environ else None) \
            or os.path.join(entry.pw_dir, ".local", "share")

    def command(self, *argv):
        if self.uid == os.getuid():
            return list(argv)
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--init-groups", *argv]


class Desktop:
    def __init__(self, bed, chain, sign_in_url):
        self.bed, self.chain, self.sign_in_url = bed, chain, sign_in_url
        self.person = Person()
        self.host = self.service = self.app = self._polkit = None
        self._handler = None
        self._cache_is_ours = False

    def start(self):
        """Service and app; returns when the app runs. `close` ends what the bed does not."""
        self.host = self.chain.add_client_host("desktop")
        self._start_bus("system")
        self._start_polkit()
        self.start_service()
        self._register_links()
        self.start_app()

    # -- the system's side --

    def _start_bus(self, kind):
        path = self.bed.path(f"{kind}-bus")
        config = self.bed.path(f"{kind}-bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(BUS_CONFIG.format(kind=kind, socket=path))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"]
        if kind == "session":
            os.chown(self.bed.folder, self.person.uid, -1)  # where its socket goes
            command = self.person.command(*command)
        daemon = self.bed.spawn(f"{kind}-bus", *command)
        daemon.wait_until(lambda: _answers(path), "answer of the bus")
        self.person.environment[f"DBUS_{kind.upper()}_BUS_ADDRESS"] = f"unix:path={path}"

    def _start_polkit(self):
        """On this bus there is nobody but the person at the desktop, who may do everything."""
        from bus import MockPolkit  # needs PyGObject, so not before it is needed
        self._polkit = MockPolkit(self.person.environment["DBUS_SYSTEM_BUS_ADDRESS"])
        self._polkit.reset("yes")

    def start_service(self):
        """Also after it has ended."""
        config = self.bed.path("client.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"[portal]\napi-url={self.chain.api_url}\nauth-url={self.sign_in_url}\n"
                       "[session]\nwhen-owner-leaves=keep\n[dns]\ndns-control=disabled\n")
        for name in ("service-logs", "service-state"):
            os.makedirs(self.bed.path(name), exist_ok=True)
        self.service = self.host.spawn(
            "service", self.chain.program("helper", "firezone-client-tunnel"), "--config", config,
            "--log-dir", self.bed.path("service-logs"), "--firezone-id", "desktop-1", "--firezone-name", "desktop",
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.person.environment["DBUS_SYSTEM_BUS_ADDRESS"],
                 "STATE_DIRECTORY": self.bed.path("service-state"), "FIREZONE_NO_TELEMETRY": "true"})
        self.service.wait_until(lambda: self._has_owner("system", SERVICE_NAME), f"owner of {SERVICE_NAME}")

    def _has_owner(self, kind, name):
        result = subprocess.run(
            self.person.command("gdbus", "call", f"--{kind}", "-d", "org.freedesktop.DBus", "-o", "/", "-m",
                                "org.freedesktop.DBus.NameHasOwner", name),
            capture_output=True, text=True, env=self.person.environment)
        return "true" in result.stdout

    # -- the person's side --

    def _app_environment(self):
        return {"DBUS_SYSTEM_BUS_ADDRESS": self.person.environment["DBUS_SYSTEM_BUS_ADDRESS"],
                "GSETTINGS_SCHEMA_DIR": os.path.join(self.chain.build, "data"), "GSETTINGS_BACKEND": "memory"}

    def _register_links(self):
        """A desktop file for the answer of the sign-in, unless an installed client has one: then that is asked."""
        folder = os.path.join(self.person.data_home, "applications")
        self._cache_is_ours = not os.path.exists(os.path.join(folder, "mimeinfo.cache"))
        path = os.path.join(folder, f"firezone-demo-{os.getpid()}.desktop")
        words = [f"{name}={value}" for name, value in self._app_environment().items()]
        if "DBUS_SESSION_BUS_ADDRESS" not in self.person.environment:
            self._start_bus("session")
            words.append(f"DBUS_SESSION_BUS_ADDRESS={self.person.environment['DBUS_SESSION_BUS_ADDRESS']}")
        program = self.chain.program("app", "firezone-client-gui")
        content = (f"[Desktop Entry]\nType=Application\nNoDisplay=true\nName=Firezone (make run)\n"
                   f"Exec=env {' '.join(words)} {program} %u\nMimeType=x-scheme-handler/{SCHEME};\n")
        self._as_person("sh", "-c", 'mkdir -p "$1" && cat > "$2"', "sh", folder, path, input=content)
        self._handler = path
        self._update_database()

    def _update_database(self):
        if shutil.which("update-desktop-database") is not None:
            self._as_person("update-desktop-database", "-q", os.path.dirname(self._handler))

    def _as_person(self, *argv, input=None):
        result = subprocess.run(self.person.command(*argv), input=input, capture_output=True, text=True,
                                env=self.person.environment)
        if result.returncode != 0:
            raise BedError(f"{argv[0]}: {result.stderr.strip()}")

    def spawn_app(self, name):
        return self.bed.spawn(
            name, *self.person.command(self.chain.program("app", "firezone-client-gui")),
            env={**self.person.environment, **self._app_environment()})

    def start_app(self):
        """Also after it has ended."""
        self.app = self.spawn_app("app")
        self.app.wait_until(lambda: self._has_owner("session", "dev.firezone.Client"), "app on the session bus")

    def close(self):
        if self._handler is not None and os.path.exists(self._handler):
            os.unlink(self._handler)
            if self._cache_is_ours:
                cache = os.path.join(os.path.dirname(self._handler), "mimeinfo.cache")
                if os.path.exists(cache):
                    os.unlink(cache)
            else:
                self._update_database()
        if self._polkit is not None:
            self._polkit.stop()
