"""The app as a screen reader and a keyboard meet it.

    reader = Reader(desk)
    reader.survey()         # every object on the screen: path, role, name, states, where it is in its window
    reader.tab()            # presses Tab until the focus comes round; what had it
    reader.focused()        # what has it now

Speaks the accessibility bus's own protocol, with all questions of one depth on their way at once: a tree of 300
objects takes a fraction of a second, where one question after the other takes ten on a busy machine. Nothing is
cached, so an answer is never older than the question.
"""

import subprocess
import time

from gi.repository import Gio, GLib

ATSPI = "org.a11y.atspi."
ROOT = "/org/a11y/atspi/accessible/root"
STATES = {1: "active", 4: "checked", 8: "enabled", 11: "focusable", 12: "focused", 24: "sensitive", 25: "showing", 30: "visible"}
WINDOW_COORDS = 1
TYPE_PREFIXES = ("Gtk", "Adw", "Fz", "Gdk")


def has_type_name(name):
    """An object that nobody named is called by its type."""
    return name.startswith(TYPE_PREFIXES) and name.isalnum()


class Node(dict):
    """role, name, description, path, at (x, y, width, height or None), window, and a key for each state that is on."""

    def __getattr__(self, key):
        return self.get(key)

    @property
    def spoken(self):
        """The name without what GTK 4.8 puts before it: a button's text with its access key."""
        half = len(self["name"]) // 2
        if self["name"].startswith("_") and self["name"][half:half + 1] == " " and self["name"][1:half] == self["name"][half + 1:]:
            return self["name"][half + 1:]
        return self["name"]

    def __repr__(self):
        return f"{self['role']} {self['name']!r} at {self['at']}"


class Reader:
    def __init__(self, desk, app="firezone-client-gui"):
        self.desk = desk
        address = desk.session.call_sync("org.a11y.Bus", "/org/a11y/bus", "org.a11y.Bus", "GetAddress", None, None,
                                         Gio.DBusCallFlags.NONE, 60_000, None).unpack()[0]
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self.context = GLib.MainContext.new()
        self.context.push_thread_default()
        try:
            self.bus = Gio.DBusConnection.new_for_address_sync(address, flags, None, None)
            self.bus.signal_subscribe(None, ATSPI + "Event.Object", "StateChanged", None, "focused", Gio.DBusSignalFlags.NONE,
                                      self.on_focus)
        finally:
            self.context.pop_thread_default()
        self.told_focus = None  # object that the app has told of since the last key
        self.app = None
        self.app_name = app

    # -- the bus --

    def ask_all(self, questions):
        """[(path, interface, method, arguments)] -> answers in the same order; None where there is none."""
        answers = [None] * len(questions)
        left = [len(questions)]

        def on_answer(bus, result, i):
            left[0] -= 1
            try:
                answers[i] = bus.call_finish(result).unpack()
            except GLib.Error:
                pass  # gone meanwhile, or not of that interface

        self.context.push_thread_default()
        try:
            for i, (path, interface, method, arguments) in enumerate(questions):
                self.bus.call(self.app, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE, 60_000, None, on_answer, i)
            while left[0]:
                self.context.iteration(True)
        finally:
            self.context.pop_thread_default()
        return answers

    def find_app(self, timeout=60):
        """The app's name on this bus; it has another one after each start."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.app = "org.a11y.atspi.Registry"
            children = self.ask_all([(ROOT, ATSPI + "Accessible", "GetChildren", None)])[0]
            for name, path in (children or ([],))[0]:
                self.app = name
                told = self.ask_all([(path, "org.freedesktop.DBus.Properties", "Get",
                                      GLib.Variant("(ss)", (ATSPI + "Accessible", "Name")))])[0]
                if told and told[0] == self.app_name:
                    return path
            time.sleep(0.05)
        raise AssertionError(f"{self.app_name} is not on the accessibility bus")

    # -- the tree --

    def survey(self):
        """What is on the screen, in the order of the tree; pages that are not shown are left out."""
        root = self.find_app()
        tree = {"path": "", "at": None, "window": -1, "object": root, "children": []}
        level = [tree]
        while level:
            below = []
            children = self.ask_all([(n["object"], ATSPI + "Accessible", "GetChildren", None) for n in level])
            for node, answer in zip(level, children):
                for i, (_, path) in enumerate(answer[0] if answer else []):
                    child = Node(object=path, parent=node, children=[], window=i if node is tree else node["window"])
                    below.append(child)
            level = self.look(below)
        nodes = []
        self.flatten(tree, nodes)
        return nodes

    def look(self, nodes):
        """Fills in what the nodes say of themselves, and keeps those that are on the screen."""
        get_all = GLib.Variant("(s)", (ATSPI + "Accessible",))
        questions = []
        for node in nodes:
            path = node["object"]
            questions += [(path, "org.freedesktop.DBus.Properties", "GetAll", get_all),
                          (path, ATSPI + "Accessible", "GetRoleName", None), (path, ATSPI + "Accessible", "GetState", None),
                          (path, ATSPI + "Component", "GetExtents", GLib.Variant("(u)", (WINDOW_COORDS,)))]
        answers = iter(self.ask_all(questions))
        kept = []
        for node in nodes:
            properties, role, state, extents = next(answers), next(answers), next(answers), next(answers)
            if properties is None or role is None or state is None:
                continue
            bits = state[0][0] | state[0][1] << 32
            node.update({name: True for bit, name in STATES.items() if bits >> bit & 1})
            node.update(name=properties[0].get("Name", ""), description=properties[0].get("Description", ""), role=role[0],
                        at=tuple(extents[0]) if extents else None)
            node["path"] = f"{node['parent']['path']}/{role[0]}"
            is_shown = node.visible and (node.at is None or (node.at[2] > 0 and node.at[3] > 0))
            if is_shown or node["parent"]["window"] == -1:
                node["parent"]["children"].append(node)
                kept.append(node)
        return kept

    def flatten(self, node, nodes):
        for child in node["children"]:
            nodes.append(child)
            self.flatten(child, nodes)

    def act(self, node):
        """Does the node's default action; False if it has none."""
        answer = self.ask_all([(node["object"], ATSPI + "Action", "DoAction", GLib.Variant("(i)", (0,)))])[0]
        return bool(answer and answer[0])

    # -- the focus --

    def on_focus(self, _bus, sender, path, _interface, _signal, parameters):
        if sender == self.app and parameters.unpack()[1]:
            self.told_focus = path

    def focused(self):
        """The deepest object that has the focus in the active window; None if nothing tells that it has."""
        found = [n for n in self.survey() if n.focused and n.role != "frame"]
        return found[-1] if found else None

    def wait_handled(self):
        """Returns when the app has done what it was sent before, by the display as well: it does one event a turn, and
        answers on this bus after what it had to tell on it. A key is no more than ten events."""
        for _ in range(12):
            self.ask_all([(ROOT, ATSPI + "Accessible", "GetRoleName", None)])

    def press(self, key):
        """Presses a key; what has the focus then, which most objects tell by themselves and others when asked."""
        self.told_focus = None
        # the display answers the second question after it has sent away what it had at the first
        subprocess.run(["xdotool", "key", key, "getmouselocation", "getmouselocation"], env=self.desk.env, check=True, capture_output=True)
        self.wait_handled()
        if self.told_focus is None:
            return self.focused()
        node = Node(object=self.told_focus, parent={"window": 0, "path": "", "children": []}, children=[])
        return self.look([node])[0]

    def tab(self, most=120, key="Tab"):
        """Whether the focus came round, what had it, and how many stops nothing told of."""
        self.desk.wait_focus()
        seen, n_silent, objects = [], 0, set()
        for _ in range(most):
            node = self.press(key)
            if node is None:
                n_silent += 1
            elif node["object"] in objects:
                return node["object"] == seen[0]["object"], seen, n_silent
            else:
                objects.add(node["object"])
                seen.append(node)
        return False, seen, n_silent
