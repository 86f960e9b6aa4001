#!/usr/bin/python3
"""Sends or receives so many megabytes over TCP and checks every byte of them.

Usage: transfer.py send HOST PORT MEGABYTES SEED
       transfer.py receive HOST PORT MEGABYTES SEED

The bytes are a random pattern whose length is a prime, again and again: no two segments in reach of
each other are alike, so a lost, doubled or displaced one is found where it is.
"""

import random
import socket
import sys

PATTERN_BYTES = 1048573
PATIENCE_S = 300


def pattern_of(seed):
    return random.Random(seed).randbytes(PATTERN_BYTES)


def send(host, port, size, pattern):
    with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
        sent = 0
        view = memoryview(pattern)
        while sent < size:
            at = sent % PATTERN_BYTES
            sent += connection.send(view[at:at + min(PATTERN_BYTES - at, size - sent)])
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # until the other side has taken everything
    return sent


def receive(host, port, size, pattern):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as server:
        print("ready", flush=True)
        server.settimeout(PATIENCE_S)
        connection, _ = server.accept()
        connection.settimeout(PATIENCE_S)
        buffer = bytearray(1 << 20)
        view = memoryview(buffer)
        expected = memoryview(pattern)
        got = 0
        while (n := connection.recv_into(buffer)) > 0:
            checked = 0
            while checked < n:
                at = (got + checked) % PATTERN_BYTES
                length = min(PATTERN_BYTES - at, n - checked)
                if view[checked:checked + length] != expected[at:at + length]:
                    sys.exit(f"transfer: a wrong byte between {got + checked} and {got + checked + length}")
                checked += length
            got += n
        connection.close()
    if got != size:
        sys.exit(f"transfer: {got} of {size} bytes")
    return got


def main():
    what, host, port, megabytes, seed = sys.argv[1:]
    action = {"send": send, "receive": receive}[what]
    print(action(host, int(port), int(float(megabytes) * 1e6), pattern_of(int(seed))), "bytes", flush=True)


main()
