#!/usr/bin/python3
"""What a screen reader meets in the app, over the real accessibility bus.

Usage: a11y.py tree           JSON: every object with path, role, name, description, focusable, showing, checked, sensitive
       a11y.py press NAME [ROLE]   the default action of the first showing object whose name ends so
       a11y.py where NAME          the middle of the first showing entry whose name ends so, in its window
       a11y.py walk           lists what has no name of its own, and fails if there is any
"""

import json
import sys
import time

import pyatspi
from gi.repository import Atspi

Atspi.set_timeout(60_000, 60_000)  # for an answer; its own are 0.8 s, and 15 s while an app starts
APPS = ("firezone-client-gui", "Firezone", "dev.firezone.Client")
# GTK's own parts of a control, which the control's name speaks for
INNER = ("scroll pane", "viewport", "panel", "filler", "list", "table", "tree table", "window", "frame", "page tab list")


def find_app(timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for app in pyatspi.Registry.getDesktop(0):
            if app is not None and app.name in APPS:
                return app
        time.sleep(0.1)
    sys.exit("the app is not on the accessibility bus")


def has_room(node):
    """GTK 4.8 tells no "showing": what was never on the screen has no size. A page that was left keeps its own."""
    try:
        extents = node.queryComponent().getExtents(pyatspi.WINDOW_COORDS)
    except NotImplementedError:
        return True
    return extents.width > 0 and extents.height > 0


def describe(node, path):
    states = node.getState()
    return {
        "path": path,
        "role": node.getRoleName(),
        "name": node.name or "",
        "description": node.description or "",
        "focusable": states.contains(pyatspi.STATE_FOCUSABLE),
        "showing": states.contains(pyatspi.STATE_VISIBLE) and has_room(node),
        "checked": states.contains(pyatspi.STATE_CHECKED),
        "sensitive": states.contains(pyatspi.STATE_SENSITIVE),
    }


def walk(node, path=""):
    path += "/" + node.getRoleName()
    entry = describe(node, path)
    yield node, entry
    if not entry["showing"] and path.count("/") > 3 and not entry["name"].endswith("Page"):
        return  # a page that was never shown: nothing of it is to be met
    for child in node:
        if child is not None:
            yield from walk(child, path)


def is_nameless(entry):
    if not entry["focusable"] or not entry["showing"] or entry["role"] in INNER:
        return False
    return not entry["name"].strip() or entry["name"].startswith(("Gtk", "Adw", "Fz"))


def press(name, role):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for node, entry in walk(find_app()):
            if entry["showing"] and entry["sensitive"] and entry["name"].endswith(name) and role in ("", entry["role"]):
                try:
                    if node.queryAction().doAction(0):
                        return
                except NotImplementedError:
                    continue
        time.sleep(0.1)
    sys.exit("there is none that can be pressed")


def where(name):
    """Where in its window the entry is."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for node, entry in walk(find_app()):
            if entry["showing"] and entry["sensitive"] and entry["role"] == "text" and entry["name"].endswith(name):
                extents = node.queryComponent().getExtents(pyatspi.WINDOW_COORDS)
                print(extents.x + extents.width // 2, extents.y + extents.height // 2)
                return
        time.sleep(0.1)
    sys.exit("there is none")


def main():
    command = sys.argv[1]
    if command == "where":
        where(sys.argv[2])
        return
    if command == "press":
        press(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else "")
        return
    entries = [entry for _, entry in walk(find_app())]
    if command == "tree":
        print(json.dumps(entries))
        return
    nameless = [e for e in entries if is_nameless(e)]
    for entry in nameless:
        print(f"no name: {entry['path']} {entry['name']!r}")
    print(f"{len(entries)} objects, {len(nameless)} without a name")
    sys.exit(1 if nameless or len(entries) < 5 else 0)


if __name__ == "__main__":
    main()
