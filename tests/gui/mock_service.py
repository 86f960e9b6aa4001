#!/usr/bin/python3
"""The tunnel service as the app sees it, without a tunnel: dev.firezone.Client.Tunnel1 on the bus in
DBUS_SYSTEM_BUS_ADDRESS, built from the contract's XML.

Connect goes through connecting to connected, with the objects of a small company behind it. A second
interface, dev.firezone.Client.Mock at /mock, lets a test play portal, network and administrator:

  Set(a{sv})            Manager properties, with PropertiesChanged (and StateChanged for State)
  SetResource(s a{sv})  properties of one resource
  SetGateway(s a{sv})   properties of one gateway, by its number
  Resources(u)          that many resources instead of those there are
  Event(s a{sv})        Manager.Event
  Behave(a{sv})         hang b: no method is answered; refuse s: error name for each method but reading;
                        connect s: state that Connect leads to ("" for none); owner u: uid that sets credentials
  Calls() -> as         methods called so far, with their arguments
  Token() -> s          the credential that was given
  Log(s)                file that OpenLog hands out

Usage: mock_service.py --xml FILE [--log FILE] [--state STATE] [--resources N]
"""

import argparse
import json
import os
import time
import uuid

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

NAME = "dev.firezone.Client.Tunnel1"
PATH = "/dev/firezone/Client/Tunnel1"
MANAGER = NAME + ".Manager"
NOBODY = 0xFFFFFFFF

CONTROL = """<node><interface name="dev.firezone.Client.Mock">
  <method name="Set"><arg type="a{sv}" direction="in"/></method>
  <method name="SetResource"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/></method>
  <method name="SetGateway"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/></method>
  <method name="Resources"><arg type="u" direction="in"/></method>
  <method name="Event"><arg type="s" direction="in"/><arg type="a{sv}" direction="in"/></method>
  <method name="Behave"><arg type="a{sv}" direction="in"/></method>
  <method name="Calls"><arg type="as" direction="out"/></method>
  <method name="Token"><arg type="s" direction="out"/></method>
  <method name="Log"><arg type="s" direction="in"/></method>
</interface></node>"""

OBJECT_MANAGER = """<node><interface name="org.freedesktop.DBus.ObjectManager">
  <method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
  <signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
  <signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal>
</interface></node>"""

EMPTY = {"s": "", "u": 0, "t": 0, "b": False, "as": [], "a{sv}": {}, "o": "/"}


def now_us():
    return int(time.time() * 1e6)


def resource(number, name, kind, address, note, sites, state, rtt_ms=0, bytes_=(0, 0), gateway=0):
    return {
        "Id": str(uuid.UUID(int=number)),
        "Name": name,
        "Kind": kind,
        "Address": address,
        "AddressNote": note,
        "Sites": sites,
        "State": state,
        "Gateway": f"{PATH}/gateway/{gateway}" if gateway else "/",
        "Rtt": int(rtt_ms * 1000),
        "LastActivity": now_us() - number * 7_000_000 if gateway else 0,
        "TxBytes": bytes_[0],
        "RxBytes": bytes_[1],
    }


def company():
    return [
        resource(1, "Internet", "internet", "", "", ["Frankfurt"], "idle"),
        resource(2, "Build farm", "cidr", "10.20.0.0/16", "Runners and caches", ["Frankfurt"], "direct", 8.4,
                 (184_000_000, 2_310_000_000), 1),
        resource(3, "Code", "dns", "code.corp.example", "https://code.corp.example", ["Frankfurt"], "direct", 9.1,
                 (12_400_000, 96_200_000), 1),
        resource(4, "Wiki", "dns", "*.wiki.corp.example", "https://wiki.corp.example/start", ["Lisbon", "Frankfurt"],
                 "relayed", 41.7, (820_000, 9_400_000), 2),
        resource(5, "Staging database", "ip", "10.31.4.17", "Read only; ask #data for writes", ["Lisbon"], "connecting"),
        resource(6, "Printer, 3rd floor", "ip", "fd00:2021:1111::30", "", ["Office"], "offline"),
        resource(7, "Payroll", "dns", "payroll.corp.example", "", ["Frankfurt"], "denied"),
        resource(8, "Metrics", "dns", "metrics.corp.example", "https://metrics.corp.example", ["Lisbon"], "idle"),
    ]


def many(n):
    kinds = ["dns", "ip", "cidr"]
    states = ["idle", "idle", "direct", "relayed", "idle", "offline"]
    return [
        resource(100 + i, f"Host {i:04d}", kinds[i % 3], f"host-{i:04d}.corp.example" if i % 3 == 0 else f"10.{i >> 8}.{i & 255}.1",
                 "", [f"Site {i % 7}"], states[i % 6], 5 + i % 50 if states[i % 6] in ("direct", "relayed") else 0)
        for i in range(n)
    ]


class Mock:
    def __init__(self, xml, log, state, n_resources):
        self.log = log
        self.calls = []
        self.token = ""
        self.behave = {"hang": False, "refuse": "", "connect": "connected", "owner": os.getuid()}
        with open(xml, encoding="utf-8") as file:
            contract = Gio.DBusNodeInfo.new_for_xml(file.read())
        self.infos = {info.name: info for info in contract.interfaces}
        self.manager = self.blank(MANAGER)
        self.manager.update(Version="0.1.0", State="signed-out", Owner=NOBODY, StateSince=now_us(), PortalState="off",
                            InternetResource="unavailable", Mode="host-helper", LogFilter="info", DnsMode="none",
                            Features=["udp-gso", "udp-gro", "multi-queue:2", "aead:ipsec-mb"])
        self.resources = {}
        self.gateways = {}
        self.relays = {}
        self.stock = many(n_resources) if n_resources else company()
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        self.register(PATH, self.infos[MANAGER])
        self.register(PATH, self.infos[NAME + ".Diagnostics"])
        self.register(PATH, Gio.DBusNodeInfo.new_for_xml(OBJECT_MANAGER).interfaces[0])
        self.register("/mock", Gio.DBusNodeInfo.new_for_xml(CONTROL).interfaces[0])
        if state != "signed-out":
            self.token = "given"
            self.become_owned({"account": "acme", "actor": "Sam Poe"})
            self.enter(state)
        Gio.bus_own_name_on_connection(self.bus, NAME, Gio.BusNameOwnerFlags.DO_NOT_QUEUE, None, lambda *_: loop.quit())

    # -- the tree --

    def blank(self, interface):
        return {p.name: EMPTY[p.signature] for p in self.infos[interface].properties}

    def register(self, path, info):
        self.bus.register_object(path, info, self.on_call, lambda *a: self.variant(a[3], a[4], self.props_at(a[2], a[3])), None)

    def props_at(self, path, interface):
        return self.manager if interface == MANAGER else {}

    def variant(self, interface, name, values):
        signature = next(p.signature for p in self.infos[interface].properties if p.name == name)
        if signature == "a{sv}":
            return GLib.Variant("a{sv}", {k: GLib.Variant("s", v) for k, v in values[name].items()})
        return GLib.Variant(signature, values[name])

    def pack(self, interface, values, names=None):
        return {name: self.variant(interface, name, values) for name in (names or values)}

    def objects(self):
        tree = {PATH: {MANAGER: self.pack(MANAGER, self.manager), NAME + ".Diagnostics": {}}}
        for path, (interface, values) in self.everything().items():
            tree[path] = {interface: self.pack(interface, values)}
        return tree

    def everything(self):
        found = {p: (NAME + ".Resource", v) for p, v in self.resources.items()}
        found.update({p: (NAME + ".Gateway", v) for p, v in self.gateways.items()})
        found.update({p: (NAME + ".Relay", v) for p, v in self.relays.items()})
        return found

    def emit(self, path, interface, name, arguments):
        self.bus.emit_signal(None, path, interface, name, arguments)

    def add(self, kind, interface, path, values):
        kind[path] = values
        self.emit(PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
                  GLib.Variant("(oa{sa{sv}})", (path, {interface: self.pack(interface, values)})))

    def remove_all(self):
        for path, (interface, _) in self.everything().items():
            self.emit(PATH, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
                      GLib.Variant("(oas)", (path, [interface])))
        self.resources, self.gateways, self.relays = {}, {}, {}

    def add_all(self):
        for values in self.stock:
            self.add(self.resources, NAME + ".Resource", f"{PATH}/resource/{values['Id'].replace('-', '_')}", values)
        if len(self.stock) < 100:
            self.add(self.relays, NAME + ".Relay", PATH + "/relay/1",
                     {"Address": "203.0.113.9:3478", "State": "ready", "Rtt": 11_000})
            for n, site, path, rtt in ((1, "Frankfurt", "direct", 8400), (2, "Lisbon", "relayed", 41_700)):
                gateway = self.blank(NAME + ".Gateway")
                gateway.update(Id=str(uuid.UUID(int=1000 + n)), Site=site, Path=path, Rtt=rtt, LastHandshake=now_us(),
                               LocalCandidate="192.0.2.4:52625", RemoteCandidate=f"198.51.100.{n}:52625",
                               Relay=PATH + "/relay/1" if path == "relayed" else "/", TxBytes=184_000_000, RxBytes=2_310_000_000)
                self.add(self.gateways, NAME + ".Gateway", f"{PATH}/gateway/{n}", gateway)

    def set(self, **changes):
        old = self.manager["State"]
        if "State" in changes and changes["State"] != old:
            changes.setdefault("StateSince", now_us())
            changes.setdefault("StateReason", "")
            changes.setdefault("StateDetail", "")
        changes = {k: v for k, v in changes.items() if self.manager[k] != v}
        if not changes:
            return
        self.manager.update(changes)
        self.emit(PATH, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                  GLib.Variant("(sa{sv}as)", (MANAGER, self.pack(MANAGER, self.manager, changes), [])))
        if "State" in changes:
            self.emit(PATH, MANAGER, "StateChanged",
                      GLib.Variant("(sss)", (self.manager["State"], old, self.manager["StateReason"])))

    def set_object(self, kind, interface, path, changes):
        kind[path].update(changes)
        self.emit(path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                  GLib.Variant("(sa{sv}as)", (f"{NAME}.{interface}", self.pack(f"{NAME}.{interface}", kind[path], changes), [])))

    # -- what a tunnel does --

    def become_owned(self, options):
        self.set(Owner=self.behave["owner"], Account=options.get("account", ""), Actor=options.get("actor", ""),
                 PortalUrl=options.get("api-url", "wss://api.firezone.dev"))

    def enter(self, state):
        if state == "connecting":
            self.set(State=state, PortalState="connecting")
        elif state in ("connected", "degraded"):
            internet = any(r["Kind"] == "internet" for r in self.stock)
            self.set(State=state, PortalState="connected", PortalRtt=23_400, Interface="tun-firezone",
                     Addresses=["100.64.0.7", "fd00:2021:1111::7"], Mtu=1280, DnsMode="resolved",
                     DnsServers=["100.100.111.1"], SessionExpires=now_us() + 5 * 86_400_000_000,
                     InternetResource=("on" if self.manager["InternetResource"] == "on" else "off") if internet else "unavailable")
            if not self.resources:
                self.add_all()
        else:
            self.remove_all()
            self.set(State=state, PortalState="off", PortalRtt=0, Interface="", Addresses=[], Mtu=0, DnsMode="none",
                     DnsServers=[], InternetResource="unavailable")

    def connect(self, options):
        if self.manager["State"] in ("connected", "degraded", "connecting") or not self.behave["connect"]:
            return
        if options.get("internet-resource"):
            self.manager["InternetResource"] = "on"
        self.enter("connecting")
        # polls nothing: the state a person sees for a moment
        GLib.timeout_add(150, lambda: (self.enter(self.behave["connect"]), False)[1]
                         if self.manager["State"] == "connecting" else False)

    def read_token(self, message, index):
        fd = message.get_unix_fd_list().get(index)
        try:
            return os.pread(fd, 4097, 0).decode()
        finally:
            os.close(fd)

    # -- the bus --

    def on_call(self, _bus, _sender, path, interface, method, parameters, invocation):
        values = parameters.unpack()
        if interface == "dev.firezone.Client.Mock":
            invocation.return_value(self.control(method, values))
            return
        self.calls.append(method if method in ("SetCredential", "GetManagedObjects") else f"{method}{json.dumps(list(values))}")
        if self.behave["hang"]:
            return
        if interface == "org.freedesktop.DBus.ObjectManager":
            invocation.return_value(GLib.Variant("(a{oa{sa{sv}}})", (self.objects(),)))
        elif self.behave["refuse"]:
            invocation.return_dbus_error(f"{NAME}.Error.{self.behave['refuse']}", "the mock refuses")
        else:
            self.answer(method, values, invocation)

    def answer(self, method, values, invocation):
        reply = None
        if method == "SetCredential":
            token = self.read_token(invocation.get_message(), values[0])
            if not token:
                invocation.return_dbus_error(NAME + ".Error.InvalidArgument", "no token")
                return
            self.token = token
            self.become_owned(values[1])
            if self.manager["State"] in ("signed-out", "error"):
                self.set(State="offline")
        elif method == "ClearCredential":
            self.token = ""
            self.enter("signed-out")
            self.set(State="signed-out", StateReason="user", Owner=NOBODY, Account="", Actor="", PortalUrl="", SessionExpires=0)
        elif method == "Connect":
            if not self.token:
                invocation.return_dbus_error(NAME + ".Error.NotSignedIn", "there is no credential")
                return
            self.connect(values[0])
        elif method == "Disconnect":
            if self.manager["State"] not in ("signed-out", "offline"):
                self.enter("offline")
        elif method == "SetInternetResource":
            if self.manager["InternetResource"] != "unavailable":
                self.set(InternetResource="on" if values[0] else "off")
        elif method == "SetLogFilter":
            if "=" in values[0] and values[0].endswith("="):
                invocation.return_dbus_error(NAME + ".Error.InvalidArgument", f"bad directive “{values[0]}”")
                return
            self.set(LogFilter=values[0] or "info")
        elif method == "OpenLog":
            fd = os.open(self.log, os.O_RDONLY)
            fds = Gio.UnixFDList.new()
            index = fds.append(fd)
            os.close(fd)
            invocation.return_value_with_unix_fd_list(GLib.Variant("(h)", (index,)), fds)
            return
        elif method == "Export":
            fd = invocation.get_message().get_unix_fd_list().get(values[0])
            os.write(fd, b"the service's archive")
            os.close(fd)
        elif method == "Subscribe":
            reply = GLib.Variant("(u)", (1,))
        elif method == "SelfTest":
            reply = GLib.Variant("(a(sbs))", ([("tun", True, ""), ("dns", True, "")],))
        elif method == "Metrics":
            reply = GLib.Variant("(a{st})", ({"tx": 1},))
        elif method == "Exposition":
            reply = GLib.Variant("(s)", ("",))
        elif method == "WaitForState":
            reply = GLib.Variant("(s)", (self.manager["State"],))
        invocation.return_value(reply)

    def control(self, method, values):
        if method == "Set":
            if "State" in values[0] and values[0]["State"] in ("connected", "connecting", "offline", "signed-out"):
                self.enter(values[0]["State"])
            self.set(**values[0])
        elif method == "SetResource":
            self.set_object(self.resources, "Resource", f"{PATH}/resource/{values[0].replace('-', '_')}", values[1])
        elif method == "SetGateway":
            self.set_object(self.gateways, "Gateway", f"{PATH}/gateway/{values[0]}", values[1])
        elif method == "Resources":
            self.stock = many(values[0])
            if self.resources or self.manager["State"] == "connected":
                self.remove_all()
                self.add_all()
        elif method == "Event":
            details = {k: GLib.Variant("u" if k == "n-resources" else "t" if isinstance(v, int) else "s", v)
                       for k, v in values[1].items()}
            self.emit(PATH, MANAGER, "Event", GLib.Variant("(sa{sv})", (values[0], details)))
        elif method == "Behave":
            self.behave.update(values[0])
        elif method == "Calls":
            return GLib.Variant("(as)", (self.calls,))
        elif method == "Token":
            return GLib.Variant("(s)", (self.token,))
        elif method == "Log":
            self.log = values[0]
        return None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--xml", required=True)
    parser.add_argument("--log", default="/dev/null")
    parser.add_argument("--state", default="signed-out")
    parser.add_argument("--resources", type=int, default=0)
    arguments = parser.parse_args()
    loop = GLib.MainLoop()
    mock = Mock(arguments.xml, arguments.log, arguments.state, arguments.resources)
    loop.run()
