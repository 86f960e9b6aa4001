#!/usr/bin/python3
"""Writes the seeds of the fuzz corpora into tests/data/fuzz/<target>/.

They are only where a fuzzer starts, so they are simple and by hand. Running it again changes
nothing but its own files; findings that were added beside them stay.
"""

import hashlib
import hmac
import os
import struct
import zlib

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "fuzz")


def write(target, name, data):
    folder = os.path.join(ROOT, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "seed-" + name), "wb") as file:
        file.write(data)


# -- forms --

write("form", "link", b"as=gui-client&state=" + b"5f" * 32 + b"&nonce=" + b"a0" * 32)
write("form", "headless", b"as=headless-client&redirect_to=%2Fsettings&utm_source=mail")
write("form", "posted", b"email=sam%40acme.test&password=correct+horse%20battery&form=1795281990.CKHN9xuXstAzgcKV"
                        b"&as=client&state=s&nonce=n")
write("form", "text", "a=%C3%B6&b=ö&c=%E2%82%AC+x".encode())
write("form", "refused", b"a=1&a=2&b=%00&c=%zz&=&%")
write("form", "cookies", b"fz_form=IPexiH67prypiktW1u-HKSZV1I7loav0rQV6oIAR_Zc; client_auth=Lr0QmuDFa72eWTXm; x")
write("form", "token", b"1000.CKHN9xuXstAzgcKVae6ECt6Ufa4WHjzsfXzaywFj_Ck")
write("form", "html", b"<script>\"'&</script>\xff")

# -- IP --

V4 = (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
V6 = (bytes.fromhex("fd00000000000000000000000000000a"), bytes.fromhex("fd00000000000000000000000000000b"))


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(protocol, payload, ident=1, flags=0x4000, tos=0, options=b""):
    ihl = 5 + len(options) // 4
    head = struct.pack(">BBHHHBBH", 0x40 | ihl, tos, ihl * 4 + len(payload), ident, flags, 64, protocol, 0)
    head += V4[0] + V4[1] + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(protocol, payload, extensions=b"", first=None, tclass=0):
    return (struct.pack(">IHBB", 6 << 28 | tclass << 20, len(extensions) + len(payload),
                        protocol if first is None else first, 64) + V6[0] + V6[1] + extensions + payload)


def with_checksum(addresses, protocol, segment, at):
    pseudo = addresses[0] + addresses[1] + struct.pack(">II", len(segment), protocol)
    segment = segment[:at] + b"\0\0" + segment[at + 2:]
    return segment[:at] + struct.pack(">H", checksum(pseudo + segment)) + segment[at + 2:]


def tcp(addresses, payload, seq=1000, flags=0x10, options=bytes.fromhex("0101080a0000000100000002")):
    words = 5 + len(options) // 4
    return with_checksum(addresses, 6, struct.pack(">HHIIBBHHH", 40000, 443, seq, 77, words << 4, flags, 512, 0, 0)
                         + options + payload, 16)


def udp(addresses, payload):
    return with_checksum(addresses, 17, struct.pack(">HHHH", 5000, 53, 8 + len(payload), 0) + payload, 6)


def make_ip():
    packets = {
        "tcp4": ipv4(6, tcp(V4, b"hello")),
        "tcp4-ect": ipv4(6, tcp(V4, b"hello"), tos=2),
        "tcp6": ipv6(6, tcp(V6, b"hello"), tclass=1),
        "udp4": ipv4(17, udp(V4, b"query")),
        "udp6": ipv6(17, udp(V6, b"query")),
        "echo4": ipv4(1, with_checksum((b"", b""), 0, bytes.fromhex("0800000012340001") + b"ping", 2)),
        "echo6": ipv6(58, with_checksum(V6, 58, bytes.fromhex("8000000012340001") + b"ping", 2)),
        "options4": ipv4(17, udp(V4, b"query"), options=bytes.fromhex("94040000")),
        "fragment4": ipv4(17, b"second part", flags=0x2001),
        "fragment6": ipv6(17, b"part", bytes.fromhex("1100000100000001"), first=44),
        "atomic6": ipv6(17, udp(V6, b"query"), bytes.fromhex("1100000000000001"), first=44),
        "hop-by-hop6": ipv6(17, udp(V6, b"query"), bytes.fromhex("1100010400000000"), first=0),
        "unreachable4": ipv4(1, bytes.fromhex("0303000000000000") + ipv4(17, udp(V4, b"x"))[:28]),
        "control": struct.pack(">IHBB", 6 << 28, 8, 255, 64) + bytes(32) + bytes(8),
        "probe": bytes.fromhex("6000000000083a40" "01000000000000000000dead01ce0001"
                               "01000000000000000000dead01ce0002" "8000000000010001"),
        "padded4": ipv4(17, udp(V4, b"query")) + bytes(7),
    }
    for name, packet in packets.items():
        write("ip", name, b"\x03" + packet)


# -- super-packets: 10 bytes of vnet header in native order, then the packet --

def vnet(flags, gso, header, size, start, offset):
    return struct.pack("<BBHHHH", flags, gso, header, size, start, offset)


def make_segment():
    body = bytes(range(256)) * 4
    write("segment", "tcp4", vnet(1, 1, 52, 300, 20, 16) + ipv4(6, tcp(V4, body, flags=0x18)))
    write("segment", "tcp4-cwr", vnet(1, 0x81, 52, 300, 20, 16) + ipv4(6, tcp(V4, body, flags=0x90)))
    write("segment", "tcp6", vnet(1, 4, 72, 200, 40, 16) + ipv6(6, tcp(V6, body)))
    write("segment", "udp4", vnet(1, 5, 28, 100, 20, 6) + ipv4(17, udp(V4, body)))
    write("segment", "udp6", vnet(1, 5, 48, 100, 40, 6) + ipv6(17, udp(V6, body)))
    write("segment", "single-tcp4", vnet(1, 0, 0, 0, 20, 16) + ipv4(6, tcp(V4, b"abc")))
    write("segment", "single-udp6", vnet(0, 0, 0, 0, 0, 0) + ipv6(17, udp(V6, b"abc")))
    write("segment", "tiny-segments", vnet(1, 1, 52, 1, 20, 16) + ipv4(6, tcp(V4, body[:64])))
    write("segment", "empty", vnet(1, 1, 52, 100, 20, 16) + ipv4(6, tcp(V4, b"")))


# -- lanes: see fuzz-lane.c for the script --

def make_lane():
    def flow(shape, length):
        return bytes([0, shape, length])

    turn = b"\x07"
    for role in range(3):
        write("lane", "tcp-run-%d" % role, bytes([role]) + flow(0, 100) * 6 + flow(0, 20) + turn + flow(1, 90) * 3)
    write("lane", "udp-runs", b"\0" + flow(2, 60) * 4 + flow(3, 70) * 4 + flow(2, 60))
    write("lane", "interleaved", b"\0" + (flow(0, 50) + flow(1, 50) + flow(2, 50) + flow(3, 50)) * 3)
    write("lane", "push-and-ecn", b"\0" + flow(0x10, 50) + flow(0, 50) + flow(0x20, 50) + flow(0x48, 50) * 2)
    write("lane", "sessions", b"\0" + b"".join(bytes([i * 8, 0, 40]) for i in (0, 1, 2, 0, 1)))
    write("lane", "raw-inner", b"\0\x02\x20" + ipv4(17, udp(V4, b"abcd")))
    write("lane", "control", b"\1\x02\x30" + ipv6(255, bytes(8)))
    write("lane", "garbage", b"\0\x03\x20\x04\0\0\0" + bytes(range(100, 128)) + flow(0, 10))
    write("lane", "handshake", b"\2\x03\x94\x01\0\0\0" + bytes(144))
    write("lane", "replay", b"\0" + flow(0, 9) + b"\x04\x01\x00\x00\x01" + b"\x06\x30\x00" + flow(0, 9)
          + b"\x04\x01\x00\x05\x01")
    write("lane", "keepalives", b"\0\x05\x0d\x15\x05" + turn + b"\x87\xb4" + flow(0, 9))


# -- STUN --

def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun(kind, attributes, key=None, fingerprint=True):
    def head(length):
        return struct.pack(">HHI", kind, length, 0x2112A442) + bytes(range(12))

    body = b"".join(attributes)
    if key is not None:
        mac = hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest()
        body += attribute(0x0008, mac)
    if fingerprint:
        crc = zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E
        body += attribute(0x8028, struct.pack(">I", crc))
    return head(len(body)) + body


def make_stun():
    mapped4 = bytes.fromhex("0001a1472112a443")
    mapped6 = bytes.fromhex("0002a147") + bytes(range(16))
    key = b"anything"
    write("stun", "binding-request", stun(0x0001, []))
    write("stun", "ice-check", stun(0x0001, [
        attribute(0x0006, b"rrrr:llll"), attribute(0x802A, bytes(8)), attribute(0x0024, bytes([0x6E, 0, 1, 255])),
        attribute(0x0025, b"")], key))
    write("stun", "success4", stun(0x0101, [attribute(0x0020, mapped4)], key))
    write("stun", "success6", stun(0x0101, [attribute(0x0020, mapped6)], key))
    write("stun", "role-conflict", stun(0x0111, [attribute(0x0009, b"\0\0\x04\x57Role Conflict")], key))
    write("stun", "unauthenticated", stun(0x0113, [
        attribute(0x0009, b"\0\0\x04\x01Unauthorized"), attribute(0x0014, b"firezone"), attribute(0x0015, b"nonce-1")],
        fingerprint=False))
    write("stun", "allocate-success", stun(0x0103, [
        attribute(0x0016, mapped4), attribute(0x0016, mapped6), attribute(0x000D, struct.pack(">I", 600)),
        attribute(0x0020, mapped4), attribute(0x8022, b"relay")], key))
    write("stun", "channel-bind", stun(0x0009, [
        attribute(0x000C, bytes([0x40, 0, 0, 0])), attribute(0x0012, mapped4), attribute(0x0006, b"user"),
        attribute(0x0014, b"firezone"), attribute(0x0015, b"nonce-1")], key))
    write("stun", "unknown", stun(0x0017, [attribute(0x7777, b"abc"), attribute(0xFFFF, b"")]))
    write("stun", "short-attribute", stun(0x0101, [attribute(0x0020, b"\0\1")]))


# -- resolv.conf, and what is asked of who may write it --

def make_resolv():
    texts = {
        "set": "set etc-resolv-conf corp.example 100.100.111.1 fd00:2021:1111:8000:100:100:111:2\n",
        "set-record": "set resolvconf - 100.100.111.254\n",
        "restore": "restore\n",
        "foreign": "set etc-resolv-conf - 8.8.8.8\n",
        "domain": "set etc-resolv-conf a..b 100.100.111.1\n",
        "file": "# by hand\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nsearch a.example b.example\noptions ndots:2\n",
        "network-manager": "# Generated by NetworkManager\nsearch lan.example\nnameserver 192.0.2.1\n",
        "stub": "nameserver 127.0.0.53\noptions edns0 trust-ad\n",
        "odd": "\r\nsearch\n\noptions\tnameserver 1.2.3.4\nnameserver\t\t2001:db8::1 x\ndomain -a.\n",
    }
    for name, text in texts.items():
        write("resolv", name, text.encode())


# -- candidates --

def make_candidate():
    lines = {
        "host": "candidate:fffeec1862ee8d3b 1 udp 2130706175 192.0.2.10 52625 typ host ufrag abcd",
        "host6": "candidate:1 1 UDP 2130706431 2001:db8::1 1 typ host",
        "srflx": "candidate:12 1 udp 1694498559 198.51.100.7 40000 typ srflx raddr 0.0.0.0 rport 0 ufrag abcd",
        "relay": "candidate:7 1 udp 37748479 203.0.113.3 49999 typ relay raddr :: rport 0",
        "prflx": "candidate:x 1 udp 1 192.0.2.1 65535 typ prflx",
        "extensions": "candidate:a 1 udp 5 192.0.2.1 9 typ host generation 0 network-id 3 ufrag zz",
        "spaces": "candidate:a  1   udp 5 192.0.2.1 9 typ host",
        "tcp": "candidate:a 1 tcp 5 192.0.2.1 9 typ host tcptype active",
        "component": "candidate:a 2 udp 5 192.0.2.1 9 typ host",
        "prefix": "a=candidate:a 1 udp 5 192.0.2.1 9 typ host",
        "overflow": "candidate:a 1 udp 99999999999 192.0.2.1 99999 typ host",
        "empty": "",
    }
    for name, line in lines.items():
        write("candidate", name, line.encode())


# -- lines of logs --


def make_logline():
    head = '{"time":"2026-03-01T09:12:44.031Z","severity":"INFO","target":"ice",'
    lines = {
        "ours": head + '"message":"it is \\"up\\"\\u00fc\\ud83d\\ude00","event":"path-up","rtt_ms":3,"is_relayed":false}',
        "stackdriver": '{"time":"2024-01-01T00:00:00.5+01:00","target":"a::b","span":{"id":[1,{"a":"}"}],"name":"s"},'
                       '"spans":[{"name":"s"}],"severity":"WARNING","message":"m"}',
        "text": "2026-08-21T12:34:56.789Z  INFO firezone_tunnel::peer: new peer key=value cid=1",
        "text-no-time": " WARN connlib: slow",
        "torn": head + '"message":"it is \\"u',
        "foreign": "thread 'main' panicked at src/main.rs:1:2: \x1b[31m",
        "secrets": head + '"token":"abc","a":{"password":[1,"x"]},"m":"mail alice@corp.example from 10.0.0.1, [fe80::1]:53, '
                   'Authorization: Bearer abcdefghijkl, wss://u:p@host.example/?fragment=SFMyNTY.aaaaaa"}',
        "shapes": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV "
                  "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg= 0123456789abcdef0123456789abcdef *.corp.example",
        "empty": "",
    }
    for name, line in lines.items():
        write("logline", name, line.encode())


# -- WireGuard: see fuzz-wireguard.c for the steps; the top bit chooses the end --

RUN_MS, RUN_S, START, SEND, CUT, REPLAY, GARBAGE, SEAL = range(8)
EXHAUSTED, EARLY, CAPTURE, CONFIRM, LIMIT, RESTART, FORGET, LOSS = range(8, 16)
OTHER = 0x80


def make_wireguard():
    connect = [START, RUN_MS, 10]
    scripts = {
        "connect-and-talk": [0] + connect + [SEND, SEND | OTHER, RUN_MS, 10],
        "rekey": [0] + connect + [SEND, RUN_S, 61, RUN_S, 61, SEND, RUN_S, 90],
        "expire": [1] + connect + [CUT, RUN_S, 255, RUN_S, 255],
        "lost-initiation": [2, CUT, START, RUN_S, 1, CUT, RUN_S, 5],
        "both-at-once": [0, START, START | OTHER, RUN_MS, 20, SEND, SEND | OTHER, RUN_S, 100],
        "cookie": [0, LIMIT | OTHER, 0, START, RUN_S, 4, SEND, RUN_S, 1],
        "replays": [0] + connect + [REPLAY | OTHER, 0, 9, 0, REPLAY, 1, 9, 0, REPLAY | OTHER, 4, 9, 0,
                                    REPLAY | OTHER, 0, 50, 1],
        "garbage": [0] + connect + [GARBAGE | OTHER, 1, 0] + list(range(100)),
        "short-garbage": [0] + connect + [GARBAGE, 0, 40, 4, 0, 0, 0] + list(range(36)),
        "response-garbage": [0, START, GARBAGE, 2, 0] + [0] * 8 + [1, 3, 2, 1] + list(range(80)),
        "restart": [0] + connect + [RESTART | OTHER, 0, SEND, RUN_S, 20, RESTART, 1] + connect,
        "loss": [1, LOSS, 100, 200, LOSS | OTHER, 100, 200, START, RUN_S, 20, SEND, SEND | OTHER, RUN_S, 100],
        "exhausted": [2] + connect + [EXHAUSTED, 1, EXHAUSTED, 2, RUN_S, 1],
        "held-confirmation": [0, CAPTURE, 4, START, RUN_MS, 10, CONFIRM | OTHER, 1, SEND | OTHER, EARLY, SEAL, 40],
        "forget": [0, START, FORGET, RUN_S, 3, SEAL, 0],
    }
    for name, script in scripts.items():
        write("wireguard", name, bytes(script))


# -- DNS --

def make_dns():
    def name(text):
        return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"

    def question(text, kind, flags=0x0100, counts=(1, 0, 0, 0)):
        return struct.pack(">HH4H", 0x1234, flags, *counts) + name(text) + struct.pack(">HH", kind, 1)

    def record(kind, data, ttl=300, owner=b"\xc0\x0c"):
        return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data

    for kind in (1, 12, 15, 16, 28, 33, 65):
        write("dns", "query-%d" % kind, question("Web.corp.example", kind))
    write("dns", "edns", question("web.corp.example", 1, counts=(1, 0, 0, 1)) + b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0))
    write("dns", "canary", question("use-application-dns.net", 1))
    write("dns", "root", question("", 2))
    write("dns", "longest", question(".".join(["a" * 63] * 3 + ["b" * 61]), 1))
    write("dns", "reverse", question("1.0.96.100.in-addr.arpa", 12))
    write("dns", "odd-bytes", question("a", 1)[:12] + b"\3a.b\1\xff\0\0\1\0\1")
    write("dns", "reply", question("a", 1, 0x8180, (1, 2, 1, 0)) + record(5, name("b.c"), 7)
          + record(1, bytes([192, 0, 2, 1]), 300, b"\xc0\x1f") + record(2, name("ns.c"), 60))
    write("dns", "nxdomain", question("a", 28, 0x8183, (1, 0, 1, 0)) + record(6, name("ns.c") + bytes(21)))
    write("dns", "truncated", question("a", 16, 0x8380))
    write("dns", "huge-lifetime", question("a", 1, 0x8180, (1, 1, 0, 0)) + record(1, bytes(4), 0xFFFFFFFF))
    write("dns", "pointer-loop", struct.pack(">HH4H", 1, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c\0\1\0\1" + record(1, bytes(4)))


make_dns()
make_ip()
make_segment()
make_lane()
make_stun()
make_candidate()
make_resolv()
make_logline()
make_wireguard()
