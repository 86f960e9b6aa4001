"""A door into the bed: a port on this machine's own loopback that leads to one inside.

A listening socket stays in the network where it was made. So it is made first, outside, and handed on
through whatever comes between (also `unshare`, for an ordinary user); inside, a process accepts from
it and connects from where it is.

    door = Door.open(8400)              # before require_rights(), which may run the script again
    with Bed("demo") as bed:
        door.lead_to(host, "127.0.0.1", 8080)  # http://127.0.0.1:8400/ outside is that, seen from `host`
"""

import os
import socket
import sys
import threading

VARIABLE = "FZ_BED_DOOR_{}"  # number of the descriptor, for the script run again
CONNECTIONS_MAX = 64


class Door:
    def __init__(self, listening):
        self._listening = listening
        self.port = listening.getsockname()[1]

    @classmethod
    def open(cls, preferred_port):
        """On the preferred port, or on any if that one is taken or none is preferred (0 and below)."""
        variable = VARIABLE.format(preferred_port)
        inherited = os.environ.get(variable)
        if inherited is not None:
            return cls(socket.socket(fileno=int(inherited)))
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", max(preferred_port, 0)))
        except OSError:
            listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.set_inheritable(True)
        os.environ[variable] = str(listening.fileno())
        return cls(listening)

    def close(self):
        self._listening.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    def lead_to(self, host, address, port):
        """Starts the process that stands in the door; it ends with the bed."""
        return host.spawn(f"door-{self.port}", sys.executable, os.path.abspath(__file__), self._listening.fileno(),
                          address, port, pass_fds=[self._listening.fileno()])


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already


def _serve(connection, target, places):
    with places, connection:
        try:
            inner = socket.create_connection(target, timeout=10)
        except OSError:
            return
        inner.settimeout(None)
        with inner:
            back = threading.Thread(target=_copy, args=(inner, connection), daemon=True)
            back.start()
            _copy(connection, inner)
            back.join()


def main():
    listening = socket.socket(fileno=int(sys.argv[1]))
    target = (sys.argv[2], int(sys.argv[3]))
    places = threading.BoundedSemaphore(CONNECTIONS_MAX)
    while True:
        connection, _ = listening.accept()
        threading.Thread(target=_serve, args=(connection, target, places), daemon=True).start()


if __name__ == "__main__":
    main()
