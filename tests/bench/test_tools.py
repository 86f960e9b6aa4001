#!/usr/bin/python3
"""Whether the benchmark's tools do what they say: the delay line delays, loses and lets overtake; requests are
answered; a responder's handshakes are counted. No figure is held against a limit but those that cannot be undercut.

Usage: test_tools.py BUILD [unittest's options]
"""

import json
import os
import sys
import time
import unittest

NETNS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "netns")
sys.path.insert(0, NETNS)

from bed import PATIENCE, Bed  # noqa: E402
from stream import Stream  # noqa: E402
from tools import DelayLine, Initiators, Requests  # noqa: E402
from wgpeers import OurPeer  # noqa: E402

BUILD = None


class ToolsTest(unittest.TestCase):
    def setUp(self):
        self.bed = self.enterContext(Bed("tools"))
        self.a, self.b = self.bed.host("a"), self.bed.host("b")

    def repeat(self, run, is_done):
        """`run`, again and again, until its result is so: there are fractions of a second in which a busy machine does
        nothing. Returns the result."""
        deadline = time.monotonic() + PATIENCE
        while not is_done(result := run()):
            self.assertLess(time.monotonic(), deadline, str(result))
        return result

    def line(self, *options):
        return DelayLine(self.bed, BUILD, self.a, "10.0.0.1/24", self.b, "10.0.0.2/24", "line0", *options)

    def test_delay_is_at_least_what_was_asked_for(self):
        line = self.line("--delay", 20)
        pings = json.loads(self.a.run(sys.executable, os.path.join(NETNS, "pings.py"), "10.0.0.2", "--count", 10).stdout)
        self.assertEqual(pings["received"], 10)
        self.assertGreaterEqual(pings["min_ms"], 40)
        done = line.stop()
        self.assertGreaterEqual(done["a_to_b"]["packets"], 10)
        self.assertEqual((done["a_to_b"]["lost"], done["b_to_a"]["overflows"]), (0, 0))

    def test_order_is_kept_unless_asked_otherwise(self):
        for options, is_kept in ((["--delay", 5], True), (["--delay", 5, "--overtake", 10, "--no-offloads"], False)):
            line = self.line(*options)
            sink = Stream(BUILD).sink(self.b, "10.0.0.2", 5300)
            result = sink.measure(self.a, rate=2000, count=1000)
            sink.stop()
            done = line.stop()
            self.assertEqual((result.reordered == 0, result.doubled), (is_kept, 0), str(result))
            # the sink may have no time to read, the line none to send
            self.assertLessEqual(result.lost, result.socket_drops + done["a_to_b"]["overflows"], str(result))

    def test_loss_and_full_queue(self):
        line = self.line("--loss", 100)
        self.assertNotEqual(self.a.run("ping", "-c1", "-W1", "10.0.0.2", check=False).returncode, 0)
        self.assertGreater(line.stop()["a_to_b"]["lost"], 0)
        line = self.line("--rate", 1, "--limit", 10, "--no-offloads")
        sink = Stream(BUILD).sink(self.b, "10.0.0.2", 5301)
        result = sink.measure(self.a, rate=2000, count=200, size=1000)
        done = line.stop()
        # ends of the run are told again until they get through, so they may overflow as well
        self.assertGreaterEqual(done["a_to_b"]["overflows"], result.lost)
        self.assertGreater(result.lost, 0)
        self.assertLessEqual(done["a_to_b"]["most_waiting"], 10)

    def test_requests(self):
        self.bed.link(self.a, "10.0.0.1/24", self.b, "10.0.0.2/24")
        requests = Requests(BUILD, self.b, "10.0.0.2", 80)
        self.repeat(lambda: requests.get(self.a, at_once=50, seconds=0.3),
                    lambda result: result["done"] > 0 and result["failed"] == 0)

    def test_handshakes_with_cookies(self):
        self.bed.link(self.a, "10.0.0.1/24", self.b, "10.0.0.2/24")
        self.b.ip("route", "add", Initiators.NETWORK, "via", "10.0.0.1")
        initiators = Initiators(self.bed, BUILD, self.a, 300)
        peer = OurPeer(self.bed, self.b, 1, os.path.join(BUILD, "tests/netns/fz-wg"))
        for i, key in enumerate(initiators.public_keys):
            peer.peers += ["--peer", f"key={key},allowed=10.60.{i // 250}.{i % 250 + 1}/32"]
        peer.start()
        options = ("--messages", 6000)
        result = self.repeat(
            lambda: initiators.shake(peer.public_key, "10.0.0.2", peer.port, 0.5, "--outstanding", 8, *options),
            lambda result: result["done"] > 0)
        self.assertLessEqual(result["done"], peer.metrics()["engine_handshakes_received"])
        result = self.repeat(
            lambda: initiators.shake(peer.public_key, "10.0.0.2", peer.port, 0.5, "--rate", 50, *options),
            lambda result: result["done"] > 0)
        # a message that a cookie asks for again counts as well
        self.assertLessEqual(result["sent"], 2 * (50 * result["seconds"] + 1), str(result))


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
