#!/usr/bin/python3
"""Echo requests, and whether each was answered: prints JSON (sent, received, min_ms, avg_ms, max_ms).

Usage: pings.py TARGET [--count N] [--interval S] [--wait S] [--size BYTES] [--whole]

The ping of iputils goes by the round trips that it has seen: it waits no longer than twice the longest of them for the last
answer, so one that a busy machine holds up for some milliseconds is lost to it. Here each has `--wait` seconds.
`--whole`: not to be fragmented.
"""

import argparse
import json
import os
import select
import socket
import struct
import time

IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 10, 23, 2
HEAD = struct.Struct("!BBHHH")


def checksum(data):
    """Of the Internet (RFC 1071); over IPv6 it is the kernel's affair."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Pings:
    def __init__(self, options):
        self.options = options
        self.is_v6 = ":" in options.target
        family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if self.is_v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
        self.socket = socket.socket(family, socket.SOCK_RAW, protocol)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        if options.whole and self.is_v6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
        elif options.whole:
            self.socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)
        self.request, self.reply = (128, 129) if self.is_v6 else (8, 0)
        self.identity = int.from_bytes(os.urandom(2), "big")
        self.payload = os.urandom(options.size)
        self.waiting = {}  # number: when it was sent
        self.times = []

    def send(self, number):
        body = HEAD.pack(self.request, 0, 0, self.identity, number) + self.payload
        if not self.is_v6:
            body = HEAD.pack(self.request, 0, checksum(body), self.identity, number) + self.payload
        self.waiting[number] = time.monotonic()
        try:
            self.socket.sendto(body, (self.options.target, 0))
        except OSError:
            pass  # no route, no room: one that will not be answered

    def receive(self, until):
        """What comes before `until`, or until all are answered and nothing is left to be read."""
        while True:
            left = until - time.monotonic()
            if not select.select([self.socket], [], [], max(left, 0))[0]:
                return
            try:
                packet = self.socket.recv(65536)
            except OSError:
                continue  # an ICMP error; who is not answered is counted
            message = packet if self.is_v6 else packet[(packet[0] & 15) * 4:]
            if len(message) < HEAD.size:
                continue
            kind, _, _, identity, number = HEAD.unpack_from(message)
            if kind == self.reply and identity == self.identity and message[HEAD.size:] == self.payload and number in self.waiting:
                self.times.append(time.monotonic() - self.waiting.pop(number))
                if not self.waiting and len(self.times) == self.options.count:
                    return

    def run(self):
        for number in range(self.options.count):
            self.send(number)
            is_last = number == self.options.count - 1
            self.receive(time.monotonic() + (self.options.wait if is_last else self.options.interval))
        found = [time * 1000 for time in self.times]
        print(json.dumps({
            "sent": self.options.count, "received": len(found), "min_ms": min(found, default=None),
            "avg_ms": sum(found) / len(found) if found else None, "max_ms": max(found, default=None)}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--interval", type=float, default=0.02)
    parser.add_argument("--wait", type=float, default=15)
    parser.add_argument("--size", type=int, default=56)
    parser.add_argument("--whole", action="store_true")
    Pings(parser.parse_args()).run()


if __name__ == "__main__":
    main()
