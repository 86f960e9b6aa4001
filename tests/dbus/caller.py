#!/usr/bin/python3
"""One connection to a bus, steered by lines of JSON: what bus.Caller starts with a user's uid.

Usage: caller.py ADDRESS

In: {"id", "op": "call", …}. Out: first {"name"}, then {"id", "result" | "error", "message"} for each call
in the order of the answers, and {"signal", "path", "interface", "arguments"} for each signal
of the service. Ends with its standard input.
"""

import fcntl
import json
import os
import socket
import sys

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

PATH = "/dev/firezone/Client/Tunnel1"
F_SETPIPE_SZ = 1031  # fcntl's, since Python 3.10
never_read = []  # descriptors, and sockets


def say(**message):
    print(json.dumps(message), flush=True)


def open_descriptor(spec):
    """A descriptor of the kind that bus.Caller.call() describes."""
    kind, _, rest = spec.partition(":")
    if kind in ("sealed", "half-sealed", "unsealed"):
        fd = os.memfd_create("credential", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
        os.write(fd, rest.encode())
        seals = {"sealed": fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE,
                 "half-sealed": fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW, "unsealed": 0}[kind]
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return fd
    if kind == "file":
        return os.open(rest, os.O_RDONLY | os.O_CLOEXEC)
    if kind == "write":
        return os.open(rest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    if kind == "full-pipe":  # and nobody will ever read from it
        unread, fd = os.pipe()
        os.write(fd, bytes(fcntl.fcntl(unread, F_SETPIPE_SZ, 4096)))
        never_read.append(unread)
        return fd
    if kind == "pipe":
        return os.pipe()[0]
    if kind == "dead-pipe":
        reader, fd = os.pipe()
        os.close(reader)
        return fd
    if kind in ("socket", "dead-socket"):
        ours, theirs = socket.socketpair()
        if kind == "socket":
            never_read.append(ours)
        else:
            ours.close()
        return theirs.detach()
    if kind == "lonely-socket":  # connected to nobody
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach()
    if kind == "device":
        return os.open(rest, os.O_WRONLY | os.O_CLOEXEC)
    if kind == "path":
        return os.open(rest, os.O_PATH | os.O_CLOEXEC)
    raise ValueError(spec)


def read_descriptors(fds):
    """What was returned: contents and whether it can be written."""
    out = []
    for fd in fds.steal_fds() if fds is not None else []:
        access = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
        out.append({"text": os.read(fd, 65536).decode(errors="replace"), "is_read_only": access == os.O_RDONLY})
        os.close(fd)
    return out


class Connection:
    def __init__(self, address):
        flags = Gio.DBusConnectionFlags
        self._bus = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self._bus.signal_subscribe(None, None, None, None, None, Gio.DBusSignalFlags.NONE, self._on_signal)
        say(name=self._bus.get_unique_name())

    def _on_signal(self, bus, sender, path, interface, signal, arguments):
        if path.startswith(PATH):
            say(signal=signal, path=path, interface=interface, arguments=arguments.unpack())

    def handle(self, request):
        message = Gio.DBusMessage.new_method_call(request["destination"], request["path"], request["interface"],
                                                  request["member"])
        arguments = GLib.Variant.parse(None, request["arguments"].replace("{}", "@a{sv} {}"), None, None)
        if arguments.n_children() > 0:
            message.set_body(arguments)
        if request["interactive"]:
            message.set_flags(Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
        if request["fd"] is not None:
            fd = open_descriptor(request["fd"])
            message.set_unix_fd_list(Gio.UnixFDList.new_from_array([fd]))
        timeout_ms = request["timeout_ms"] if request["timeout_ms"] > 0 else GLib.MAXINT
        self._bus.send_message_with_reply(message, Gio.DBusSendMessageFlags.NONE, timeout_ms, None,
                                          self._on_reply, request["id"])

    def _on_reply(self, bus, result, number):
        try:
            reply, fds = self._bus.send_message_with_reply_finish(result), None
            fds = reply.get_unix_fd_list()
            if reply.get_message_type() == Gio.DBusMessageType.ERROR:
                body = reply.get_body()
                say(id=number, error=reply.get_error_name(), message=body.unpack()[0] if body else "")
                return
        except GLib.Error as error:
            say(id=number, error="local", message=error.message)
            return
        body = reply.get_body()
        values = list(body.unpack()) if body is not None else []
        if fds is not None:
            values = read_descriptors(fds)
        say(id=number, result=values[0] if len(values) == 1 else (values or None))


def main():
    loop = GLib.MainLoop()
    connection = Connection(sys.argv[1])
    buffer = b""

    def on_input(fd, condition):
        nonlocal buffer
        chunk = os.read(fd, 65536)
        if not chunk:
            loop.quit()
            return False
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            request = json.loads(line)
            try:
                connection.handle(request)
            except (GLib.Error, OSError, ValueError) as error:
                say(id=request["id"], error="caller.py", message=str(error))
        return True

    GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_input)
    loop.run()


if __name__ == "__main__":
    main()
