#!/usr/bin/python3
"""A DNS server of a few lines, and questions to one: messages written and read by hand, without our own code.

    names.py serve ADDRESS ZONE...   ZONE: name=address[,address...]; every question is printed
    names.py ask SERVER NAME TYPE [SECONDS]   prints JSON: code, answers; status 1 without answer
    names.py watch HEX               prints "seen" for every frame of any interface with these bytes in it
"""

import ipaddress
import json
import os
import socket
import struct
import sys

# a TXT record of every name is the name itself
TYPES = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "HTTPS": 65}
ETH_P_ALL = 3


def write_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def read_name(message, at):
    """(name, offset behind it); follows compression as far as such short messages need it."""
    labels = []
    end = None
    while message[at] != 0:
        if message[at] & 0xC0 == 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            continue
        labels.append(message[at + 1:at + 1 + message[at]].decode())
        at += 1 + message[at]
    return ".".join(labels), end or at + 1


def answer(query, zone):
    name, at = read_name(query, 12)
    kind, = struct.unpack_from("!H", query, at)
    print(f"{name.lower()} {kind}", flush=True)
    if name.lower() not in zone:
        return query[:2] + struct.pack("!HHHHH", 0x8183, 1, 0, 0, 0) + query[12:at + 4]
    family = {1: 4, 28: 6}.get(kind)
    records = [ip.packed for ip in zone[name.lower()] if ip.version == family]
    if kind == 16:
        records = [bytes([len(name)]) + name.lower().encode()]
    body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 300, len(data)) + data for data in records)
    return query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0) + query[12:at + 4] + body


def serve(address, *words):
    zone = {}
    for word in words:
        name, _, addresses = word.partition("=")
        zone[name] = [ipaddress.ip_address(text) for text in addresses.split(",") if text]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        print("serving", flush=True)
        while True:
            query, client = server.recvfrom(2048)
            server.sendto(answer(query, zone), client)


def ask(server, name, kind, timeout=30):
    query = os.urandom(2) + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + write_name(name) \
        + struct.pack("!HH", TYPES[kind], 1)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(float(timeout))
        client.connect((server, 53))
        client.send(query)
        try:
            reply = client.recv(4096)
        except (socket.timeout, ConnectionError) as error:
            print(error, file=sys.stderr)
            return 1
    if reply[:2] != query[:2]:
        return 1
    flags, _, n = struct.unpack_from("!HHH", reply, 2)
    _, at = read_name(reply, 12)
    at += 4
    answers = []
    for _ in range(n):
        _, at = read_name(reply, at)
        kind_of, _, ttl, length = struct.unpack_from("!HHIH", reply, at)
        data = reply[at + 10:at + 10 + length]
        if kind_of == 12:
            text = read_name(reply, at + 10)[0]
        else:
            text = data[1:].decode() if kind_of == 16 else str(ipaddress.ip_address(data))
        answers.append({"type": kind_of, "ttl": ttl, "data": text})
        at += 10 + length
    print(json.dumps({"code": flags & 15, "answers": answers}))
    return 0


def watch(text):
    wanted = bytes.fromhex(text)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as tap:
        print("watching", flush=True)
        while True:
            if wanted in tap.recv(65535).lower():
                print("seen", flush=True)


if __name__ == "__main__":
    sys.exit({"serve": serve, "ask": ask, "watch": watch}[sys.argv[1]](*sys.argv[2:]))
