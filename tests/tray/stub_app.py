"""The app as the tray sees it: a menu and actions on the session bus, told by JSON lines on standard input.

    {"menu": [ITEM…], "actions": {NAME: {"enabled": true, "state": VALUE, "type": "s"}}}

ITEM: {"label", "action", "target"}, {"label", "submenu": [ITEM…]} or {"label"?, "section": [ITEM…]}. VALUE is a boolean,
a string or a pair of strings. Prints a JSON line [NAME, PARAMETER] for each activation, and "ready" first.
"""

import json
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

APP_ID, APP_PATH = "dev.firezone.Client", "/dev/firezone/Client"


def variant(value):
    if isinstance(value, bool):
        return GLib.Variant("b", value)
    if isinstance(value, list):
        return GLib.Variant("(ss)", tuple(value))
    return GLib.Variant("s", value)


def say(value):
    print(json.dumps(value), flush=True)


def fill(menu, items):
    menu.remove_all()
    for wanted in items:
        if "section" in wanted:
            section = Gio.Menu()
            fill(section, wanted["section"])
            menu.append_section(wanted.get("label"), section)
        elif "submenu" in wanted:
            submenu = Gio.Menu()
            fill(submenu, wanted["submenu"])
            menu.append_submenu(wanted["label"], submenu)
        else:
            item = Gio.MenuItem.new(wanted["label"], None)
            target = variant(wanted["target"]) if "target" in wanted else None
            if "action" in wanted:
                item.set_action_and_target_value("app." + wanted["action"], target)
            menu.append_item(item)


class App:
    def __init__(self):
        self.menu = Gio.Menu()
        self.actions = Gio.SimpleActionGroup()
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
        self.bus.export_menu_model(APP_PATH + "/menus/tray", self.menu)
        self.bus.export_action_group(APP_PATH, self.actions)

    def on_activate(self, action, parameter):
        say([action.get_name(), None if parameter is None else parameter.unpack()])

    def put_action(self, name, wanted):
        action = self.actions.lookup_action(name)
        if action is None:
            kind = GLib.VariantType(wanted["type"]) if "type" in wanted else None
            if "state" in wanted:
                action = Gio.SimpleAction.new_stateful(name, kind, variant(wanted["state"]))
            else:
                action = Gio.SimpleAction.new(name, kind)
            action.connect("activate", self.on_activate)
            self.actions.add_action(action)
        action.set_enabled(wanted.get("enabled", True))
        if "state" in wanted:
            action.set_state(variant(wanted["state"]))

    def on_line(self, channel, condition):
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        told = json.loads(line)
        for name, wanted in told.get("actions", {}).items():
            self.put_action(name, wanted)
        if "menu" in told:
            fill(self.menu, told["menu"])
        say("done")
        return True

    def run(self):
        def on_acquired(*_unused):
            say("ready")

        Gio.bus_own_name_on_connection(self.bus, APP_ID, Gio.BusNameOwnerFlags.NONE, on_acquired, None)
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, self.on_line)
        GLib.MainLoop().run()


if __name__ == "__main__":
    App().run()
