#!/usr/bin/python3
"""Request and response over UDP, one at a time: the latency of an idle path.

Usage: rr.py answer IP PORT          until it is ended
       rr.py ask IP PORT COUNT       prints p50, p90, p99 and the losses as JSON
       rr.py first IP PORT           asks until it is answered once, prints the instant (CLOCK_MONOTONIC, s)
"""

import json
import socket
import sys
import time


def answer(ip, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((ip, port))
        print("ready", flush=True)
        while True:
            datagram, address = server.recvfrom(2048)
            server.sendto(datagram, address)


def ask(ip, port, count):
    times, n_lost = [], 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((ip, port))
        client.settimeout(1)
        for i in range(count):
            request = i.to_bytes(4, "big") + bytes(60)
            started = time.perf_counter_ns()
            client.send(request)
            try:
                while client.recv(2048) != request:  # a late one of before
                    pass
            except socket.timeout:
                n_lost += 1
                continue
            times.append(time.perf_counter_ns() - started)
            time.sleep(0.0005)  # idle in between
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(share * len(times)))] / 1000  # noqa: E731
    print(json.dumps({"p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99), "lost": n_lost}))


def first(ip, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.002)
        print("asking", flush=True)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                client.sendto(b"first", (ip, port))
                client.recv(2048)
                print(f"answered {time.monotonic():.6f}", flush=True)
                return
            except OSError:  # no route yet, unreachable, or too early
                continue


def main():
    what, ip, port, *rest = sys.argv[1:]
    if what == "answer":
        answer(ip, int(port))
    elif what == "first":
        first(ip, int(port))
    else:
        ask(ip, int(port), int(rest[0]))


main()
