#!/usr/bin/python3
"""Whether fz-stream's sink finds what it is there to find: datagrams of this test's own making, lost, doubled and out
of order, over the loopback; and whether its sender and its echo keep to the format.

Usage: test_stream.py FZ_STREAM [unittest's options]
"""

import json
import select
import signal
import socket
import struct
import subprocess
import sys
import unittest

HEAD = struct.Struct("!IIIHHQQ")
MAGIC, DATA, END, HEARD = 0x665a7374, 1, 2, 3
PROGRAM = None


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class StreamTest(unittest.TestCase):
    def start(self, *argv):
        process = subprocess.Popen([PROGRAM, *map(str, argv)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def sink(self, *options):
        self.port = free_port()
        sink = self.start("sink", "127.0.0.1", self.port, "--flows-told", *options)
        self.assertEqual(sink.stdout.readline(), "ready\n")
        return sink

    def tell(self, numbers_by_flow, totals, run=7):
        """Sends these sequence numbers, then the ends until each was heard."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", self.port))
            for flow, numbers in enumerate(numbers_by_flow):
                for number in numbers:
                    sender.send(HEAD.pack(MAGIC, run, DATA, flow, len(totals), number, 0))
            sender.send(b"not ours")
            for flow, total in enumerate(totals):
                for _ in range(50):
                    sender.send(HEAD.pack(MAGIC, run, END, flow, len(totals), total, 0))
                    if select.select([sender], [], [], 1)[0]:
                        break
                self.assertEqual(HEAD.unpack(sender.recv(2048))[2:4], (HEARD, flow))

    def wait_until_read(self):
        """Until nothing lies in the sink's socket."""
        waiting = True
        while waiting:
            with open("/proc/net/udp", encoding="ascii") as file:
                fields = [line.split() for line in file][1:]
            waiting = [line for line in fields if line[1].endswith(f":{self.port:04X}") and line[4].split(":")[1] != "00000000"]

    def assert_flow(self, flow, **expected):
        self.assertEqual({key: flow[key] for key in expected}, expected)

    def test_every_way_to_go_wrong(self):
        sink = self.sink()
        self.tell([[0, 1, 3, 2, 2, 6, 7], [0, 1, 2], []], [9, 3, 4])
        result = json.loads(sink.stdout.readline())
        self.assertTrue(result["complete"])
        in_trouble, whole, silent = result["each"]
        self.assert_flow(in_trouble, received=6, lost=3, reordered=1, doubled=1, longest_loss=2)
        self.assert_flow(whole, received=3, lost=0, reordered=0, doubled=0)
        self.assert_flow(silent, received=0, lost=4, reordered=0, doubled=0)
        self.assert_flow(result["all"], received=9, lost=7, reordered=1, doubled=1)
        self.assertEqual(sink.wait(10), 0)

    def test_far_jump_and_late_one(self):
        sink = self.sink()
        far = 1 << 20  # farther than the sink's memory of numbers
        self.tell([[0, far, far + 1, 1, far + 1]], [far + 2])
        flow, = json.loads(sink.stdout.readline())["each"]
        self.assert_flow(flow, received=4, lost=far - 2, reordered=1, doubled=1, longest_loss=far - 1)

    def test_runs_do_not_mix(self):
        sink = self.sink("--runs", 2)
        self.tell([[0, 1]], [2], run=7)
        first = json.loads(sink.stdout.readline())
        self.tell([[2, 0]], [3], run=8)
        second = json.loads(sink.stdout.readline())
        self.assertEqual((first["run"], first["all"]["lost"], first["all"]["reordered"]), (7, 0, 0))
        self.assertEqual((second["run"], second["all"]["lost"], second["all"]["reordered"]), (8, 1, 1))

    def test_ended_early_says_so(self):
        sink = self.sink()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("127.0.0.1", self.port))
            sender.send(HEAD.pack(MAGIC, 7, DATA, 0, 1, 4, 0))
            sender.send(HEAD.pack(MAGIC, 7, END, 0, 2, 4, 0))  # another number of flows: not of this run
            self.assertFalse(select.select([sender], [], [], 0.1)[0])
            self.wait_until_read()
        sink.send_signal(signal.SIGTERM)
        result = json.loads(sink.stdout.readline())
        self.assertFalse(result["complete"])
        self.assertEqual(result["all"]["lost"], 4)

    def test_sender(self):
        sink = self.sink()
        sender = self.start("send", "127.0.0.1", self.port, "--rate", 5000, "--count", 1000, "--flows", 3, "--size", 200)
        sent, sunk = json.loads(sender.stdout.readline()), json.loads(sink.stdout.readline())
        self.assertEqual((sent["sent"], sent["refused"], sent["heard"]), (1000, 0, True))
        self.assertEqual(sent["run"], sunk["run"])
        self.assertEqual(sunk["all"]["received"] + sunk["all"]["lost"], 1000)
        self.assertEqual((sunk["all"]["reordered"], sunk["all"]["doubled"]), (0, 0))
        self.assertEqual(sunk["bytes"], sunk["all"]["received"] * 200)
        self.assertGreaterEqual(sent["seconds"], 0.199 - sent["forfeited"] / 5000)  # paced, never faster

    def test_trains(self):
        """Many at a call are counted one by one, whoever of the two ends has them together."""
        for at_sink, at_sender in ([], ["--trains"]), (["--trains"], []), (["--trains"], ["--trains"]):
            sink = self.sink(*at_sink)
            sender = self.start("send", "127.0.0.1", self.port, "--rate", 200000, "--count", 1001, "--flows", 2,
                                "--size", 67, *at_sender)
            sent, sunk = json.loads(sender.stdout.readline()), json.loads(sink.stdout.readline())
            self.assertEqual((sent["sent"], sent["refused"], sent["heard"]), (1001, 0, True))
            self.assertEqual(sunk["all"]["received"] + sunk["all"]["lost"], 1001)
            self.assertGreater(sunk["all"]["received"], 0)
            self.assertEqual((sunk["all"]["reordered"], sunk["all"]["doubled"]), (0, 0))
            self.assertEqual(sunk["bytes"], sunk["all"]["received"] * 67)

    def test_ask(self):
        port = free_port()
        echo = self.start("echo", "127.0.0.1", port)
        self.assertEqual(echo.stdout.readline(), "ready\n")
        for pace in (["--rate", 0], ["--rate", 2000], ["--rate", 0, "--pause", 0.0005]):
            for _ in range(20):  # an answer that takes more than a second counts as none; not every time
                result = json.loads(self.start("ask", "127.0.0.1", port, "--count", 100, *pace).stdout.readline())
                if result["answered"] == 100:
                    break
            self.assertEqual((result["asked"], result["answered"]), (100, 100))
            self.assertLessEqual(0, result["p50_us"])
            self.assertLessEqual(result["p50_us"], result["p99_us"])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
