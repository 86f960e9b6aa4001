#!/usr/bin/python3
"""A Secret Service on the session bus that can be told to refuse: org.freedesktop.secrets with one collection, in memory.

A second interface, dev.firezone.Client.MockKeyring at /mock:

  Behave(s)     "" as it should; "refuse": nothing is deleted, with an error; "hang": Delete is not answered;
                "locked": all is locked, and nobody gives the password
  Labels() -> as   of the items
  Add(s a{ss})  an item by that label, with attributes
"""

import time

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

ROOT = "/org/freedesktop/secrets"
COLLECTION = ROOT + "/collection/login"
ALIAS = ROOT + "/aliases/default"
SECRET = "org.freedesktop.Secret."

XML = """<node>
<interface name="org.freedesktop.Secret.Service">
  <method name="OpenSession"><arg type="s" direction="in"/><arg type="v" direction="in"/><arg type="v" direction="out"/><arg type="o" direction="out"/></method>
  <method name="SearchItems"><arg type="a{ss}" direction="in"/><arg type="ao" direction="out"/><arg type="ao" direction="out"/></method>
  <method name="Unlock"><arg type="ao" direction="in"/><arg type="ao" direction="out"/><arg type="o" direction="out"/></method>
  <method name="GetSecrets"><arg type="ao" direction="in"/><arg type="o" direction="in"/><arg type="a{o(oayays)}" direction="out"/></method>
  <method name="ReadAlias"><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  <property name="Collections" type="ao" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Collection">
  <method name="CreateItem"><arg type="a{sv}" direction="in"/><arg type="(oayays)" direction="in"/><arg type="b" direction="in"/><arg type="o" direction="out"/><arg type="o" direction="out"/></method>
  <property name="Items" type="ao" access="read"/><property name="Label" type="s" access="read"/>
  <property name="Locked" type="b" access="read"/><property name="Created" type="t" access="read"/>
  <property name="Modified" type="t" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Item">
  <method name="Delete"><arg type="o" direction="out"/></method>
  <method name="GetSecret"><arg type="o" direction="in"/><arg type="(oayays)" direction="out"/></method>
  <property name="Locked" type="b" access="read"/><property name="Attributes" type="a{ss}" access="read"/>
  <property name="Label" type="s" access="read"/><property name="Created" type="t" access="read"/>
  <property name="Modified" type="t" access="read"/>
</interface>
<interface name="org.freedesktop.Secret.Prompt">
  <method name="Prompt"><arg type="s" direction="in"/></method>
  <signal name="Completed"><arg type="b"/><arg type="v"/></signal>
</interface>
<interface name="org.freedesktop.Secret.Session"><method name="Close"/></interface>
<interface name="dev.firezone.Client.MockKeyring">
  <method name="Behave"><arg type="s" direction="in"/></method>
  <method name="Labels"><arg type="as" direction="out"/></method>
  <method name="Add"><arg type="s" direction="in"/><arg type="a{ss}" direction="in"/></method>
</interface></node>"""


class Keyring:
    def __init__(self):
        self.items, self.behaviour, self.n_made, self.registered = {}, "", 0, {}
        self.faces = {i.name: i for i in Gio.DBusNodeInfo.new_for_xml(XML).interfaces}
        self.bus = Gio.bus_get_sync(Gio.BusType.SESSION)
        self.register(ROOT, SECRET + "Service")
        for path in (COLLECTION, ALIAS):
            self.register(path, SECRET + "Collection")
        self.register(ROOT + "/session/1", SECRET + "Session")
        self.register("/prompt", SECRET + "Prompt")
        self.register("/mock", "dev.firezone.Client.MockKeyring")
        Gio.bus_own_name_on_connection(self.bus, "org.freedesktop.secrets", Gio.BusNameOwnerFlags.NONE, None, None)

    def register(self, path, face):
        self.registered[path] = self.bus.register_object(path, self.faces[face], self.on_call, self.get_property, None)

    def is_locked(self):
        return self.behaviour == "locked"

    def get_property(self, _bus, _sender, path, _face, name):
        item = self.items.get(path, {"attributes": {}, "label": "Login", "modified": 0})
        return {"Collections": lambda: GLib.Variant("ao", [COLLECTION]), "Items": lambda: GLib.Variant("ao", list(self.items)),
                "Locked": lambda: GLib.Variant("b", self.is_locked()), "Label": lambda: GLib.Variant("s", item["label"]),
                "Attributes": lambda: GLib.Variant("a{ss}", item["attributes"]),
                "Created": lambda: GLib.Variant("t", item["modified"]),
                "Modified": lambda: GLib.Variant("t", item["modified"])}[name]()

    def add(self, label, attributes, value):
        self.n_made += 1
        path = f"{COLLECTION}/{self.n_made}"
        self.items[path] = {"label": label, "attributes": attributes, "value": value, "modified": int(time.time()) + self.n_made}
        self.register(path, SECRET + "Item")
        return path

    def remove(self, path):
        del self.items[path]
        self.bus.unregister_object(self.registered.pop(path))

    def search(self, wanted):
        found = [p for p, item in self.items.items() if all(item["attributes"].get(k) == v for k, v in wanted.items())]
        return ([], found) if self.is_locked() else (found, [])

    def secret(self, path, session):
        return (session, b"", self.items[path]["value"], "text/plain")

    def on_call(self, _bus, _sender, path, face, method, parameters, invocation):
        values = parameters.unpack()
        if method == "Delete" and self.behaviour == "hang":
            return
        if method == "OpenSession" and values[0] != "plain":
            invocation.return_dbus_error("org.freedesktop.DBus.Error.NotSupported", "plain alone")
        elif method in ("Delete", "CreateItem", "GetSecret") and self.is_locked():
            invocation.return_dbus_error("org.freedesktop.Secret.Error.IsLocked", "it is locked")
        elif method == "Delete" and self.behaviour == "refuse":
            invocation.return_dbus_error("org.freedesktop.DBus.Error.AccessDenied", "the mock does not delete")
        else:
            reply = self.answer(path, face, method, values, parameters)
            invocation.return_value(reply)

    def answer(self, path, _face, method, values, parameters):
        if method == "OpenSession":
            return GLib.Variant("(vo)", (GLib.Variant("s", ""), ROOT + "/session/1"))
        if method == "SearchItems":
            return GLib.Variant("(aoao)", self.search(values[0]))
        if method == "Unlock":
            return GLib.Variant("(aoo)", ([], "/prompt") if self.is_locked() else (values[0], "/"))
        if method == "GetSecrets":
            return GLib.Variant("(a{o(oayays)})", ({p: self.secret(p, values[1]) for p in values[0] if p in self.items},))
        if method == "GetSecret":
            return GLib.Variant("((oayays))", (self.secret(path, values[0]),))
        if method == "ReadAlias":
            return GLib.Variant("(o)", (COLLECTION,))
        if method == "CreateItem":
            attributes = values[0][SECRET + "Item.Attributes"]
            for old in [p for p, item in self.items.items() if values[2] and item["attributes"] == attributes]:
                self.remove(old)
            value = bytes(parameters.get_child_value(1).get_child_value(2).unpack())
            return GLib.Variant("(oo)", (self.add(values[0][SECRET + "Item.Label"], attributes, value), "/"))
        if method == "Delete":
            self.remove(path)
            return GLib.Variant("(o)", ("/",))
        if method == "Prompt":  # the person closes it
            self.bus.emit_signal(None, "/prompt", SECRET + "Prompt", "Completed",
                                 GLib.Variant("(bv)", (True, GLib.Variant("ao", []))))
        elif method == "Behave":
            self.behaviour = values[0]
        elif method == "Labels":
            return GLib.Variant("(as)", ([item["label"] for item in self.items.values()],))
        elif method == "Add":
            self.add(values[0], values[1], b"an older one")
        return None


if __name__ == "__main__":
    keyring = Keyring()
    GLib.MainLoop().run()
