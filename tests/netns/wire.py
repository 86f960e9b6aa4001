#!/usr/bin/python3
"""A UDP wire in user space between two peers: reorders, duplicates, and moves its ends on request.

Usage: wire.py A_SIDE_IP A_SIDE_PORT B_IP B_PORT [--reorder PERCENT] [--duplicate PERCENT] [--seed N]

A sends to A_SIDE_IP:A_SIDE_PORT; what arrives there goes to B from a socket of the wire's own, and
back. Commands on standard input, one a line; each is answered with a line "ok":

    move-a IP   B seems to have moved: A hears from a new port of IP from now on
    move-b IP   A seems to have moved: B hears from a new port of IP from now on
    show        answers the counters: to_b to_a reordered duplicated too_late

A datagram that is reordered is held until up to eight later ones have passed it, or 20 ms.
"""

import argparse
import random
import selectors
import socket
import sys
import time

HOLD_S = 0.02
HOLD_DATAGRAMS = 8


class Way:
    """One direction, with the datagrams that wait to be overtaken."""

    def __init__(self, reorder, duplicate, rng):
        self.reorder, self.duplicate, self.rng = reorder, duplicate, rng
        self.held = []  # [datagram, how many may still pass, deadline]
        self.sent = self.reordered = self.duplicated = 0

    def put(self, datagram, send):
        if self.rng.random() * 100 < self.reorder:
            self.held.append([datagram, self.rng.randint(1, HOLD_DATAGRAMS), time.monotonic() + HOLD_S])
            self.reordered += 1
            return
        self._send(datagram, send)
        if self.rng.random() * 100 < self.duplicate:
            self._send(datagram, send)
            self.duplicated += 1
        for entry in self.held:
            entry[1] -= 1
        self.release(send)

    def release(self, send):
        now = time.monotonic()
        due = [entry for entry in self.held if entry[1] <= 0 or entry[2] <= now]
        self.held = [entry for entry in self.held if entry not in due]
        for entry in due:
            self._send(entry[0], send)

    def _send(self, datagram, send):
        self.sent += 1
        try:
            send(datagram)
        except OSError:
            pass  # the other end is not there yet, or not any more


class Wire:
    def __init__(self, options):
        rng = random.Random(options.seed)
        self.to_a = Way(options.reorder, options.duplicate, rng)
        self.to_b = Way(options.reorder, options.duplicate, rng)
        self.selector = selectors.DefaultSelector()
        self.a_sockets = []  # the newest last; old ones are still heard
        self.b_sockets = []
        self.n_too_late = 0  # datagrams of B to an end that has moved
        self.a = None  # where A was seen last
        self.b = (options.b_ip, options.b_port)
        self._open(self.a_sockets, options.a_ip, options.a_port)
        self._open(self.b_sockets, "", 0)
        self.selector.register(sys.stdin, selectors.EVENT_READ, "command")

    def _open(self, sockets, ip, port):
        new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        new.bind((ip, port))
        new.setblocking(False)
        self.selector.register(new, selectors.EVENT_READ, sockets)
        sockets.append(new)

    def _send_a(self, datagram):
        if self.a is not None:
            self.a_sockets[-1].sendto(datagram, self.a)

    def _send_b(self, datagram):
        self.b_sockets[-1].sendto(datagram, self.b)

    def _receive(self, from_socket, sockets):
        for _ in range(64):
            try:
                datagram, address = from_socket.recvfrom(65536)
            except BlockingIOError:
                return
            if sockets is self.a_sockets:
                self.a = address
                self.to_b.put(datagram, self._send_b)
            elif from_socket is self.b_sockets[-1]:  # the old mapping is gone, as with a NAT
                self.to_a.put(datagram, self._send_a)
            else:
                self.n_too_late += 1

    def _command(self):
        line = sys.stdin.readline()
        if line == "":
            sys.exit(0)
        words = line.split()
        if words[0] == "move-a":
            self._open(self.a_sockets, words[1], 0)
        elif words[0] == "move-b":
            self._open(self.b_sockets, words[1], 0)
        elif words[0] == "show":
            print(self.to_b.sent, self.to_a.sent, self.to_b.reordered + self.to_a.reordered,
                  self.to_b.duplicated + self.to_a.duplicated, self.n_too_late, flush=True)
            return
        print("ok", flush=True)

    def run(self):
        print("ready", flush=True)
        while True:
            is_holding = self.to_a.held or self.to_b.held
            for key, _ in self.selector.select(HOLD_S / 4 if is_holding else None):
                if key.data == "command":
                    self._command()
                else:
                    self._receive(key.fileobj, key.data)
            self.to_a.release(self._send_a)
            self.to_b.release(self._send_b)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("a_ip")
    parser.add_argument("a_port", type=int)
    parser.add_argument("b_ip")
    parser.add_argument("b_port", type=int)
    parser.add_argument("--reorder", type=float, default=0)
    parser.add_argument("--duplicate", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    Wire(parser.parse_args()).run()


main()
