#!/usr/bin/python3
"""The chain on the move, under traffic: the client's network changes, a relayed path becomes a direct one, and what a
relay carries goes in trains as well."""

import json
import os
import signal
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "bench"))

from bed import PATIENCE, require_rights  # noqa: E402
from chain import PRIVATE_V4  # noqa: E402
from duo import LOSSES, delta, gaps_ms  # noqa: E402
from stream import Stream  # noqa: E402
from test_chain import BUILD, ChainCase, close_direct_way  # noqa: E402

PORT = 5300


def metrics(process):
    """All counters of one of our programs, as they are now."""
    after = len(process.log())
    process.send_signal(signal.SIGUSR1)
    return json.loads(process.wait_for_log(r'\{[^\n]*"event":"metrics"[^\n]*\}\n', after=after).group(0))


class MovingCase(ChainCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sink = Stream(BUILD).sink(cls.chain.web_host, PRIVATE_V4, PORT)

    def both_metrics(self):
        return [metrics(process) for process in (self.chain.client, self.chain.gateway)]

    def queue_drops(self):
        """What the kernel threw away in front of our devices, and what a relay had no time to read."""
        counters = {}
        for host in (self.chain.client_host, self.chain.gateway_host):
            for line in host.run("cat", "/proc/net/dev").stdout.splitlines()[2:]:
                device, values = line.split(":")
                if device.strip() == "tun-firezone":
                    counters[f"{host.name} queue"] = int(values.split()[3]) + int(values.split()[11])
        snmp = self.chain.relay_host.run("cat", "/proc/net/snmp").stdout
        names, values = [line.split()[1:] for line in snmp.splitlines() if line.startswith("Udp:")]
        counters["relay"] = sum(int(value) for name, value in zip(names, values) if name.endswith("bufErrors"))
        return counters

    def carry(self, what, action, rate=500, seconds=3, flows=4, size=1000, may_reorder=False):
        """Numbered datagrams to the private server and `action` in their midst. None is doubled or out of order, none
        lost but what was counted; returns the Result."""
        before, queues = self.both_metrics(), self.queue_drops()
        sender = self.sink.start(self.chain.client_host, rate, seconds=seconds, flows=flows, size=size)
        time.sleep(seconds / 4)  # in the midst of the run; nothing depends on where
        action()
        result = sender.wait(seconds + 60)
        counted = {"sink": result.socket_drops, **delta(self.queue_drops(), queues)}
        for who, after, once in zip(("client", "gateway"), self.both_metrics(), before):
            for name, value in delta(after, once).items():
                # what came for a former session of the gateway's; at the client it is no loss of these datagrams
                if LOSSES.search(name) and not (who == "client" and name.startswith("engine_drop_unknown")):
                    counted[f"{who} {name}"] = value
        counted = {name: value for name, value in counted.items() if value}
        print(f"\n{what}: {result}, longest silence {result.longest_silence_ms:.1f} ms; counted: {counted}")
        self.assertEqual((0 if may_reorder else result.reordered, result.doubled), (0, 0))
        self.assertLessEqual(result.lost, sum(counted.values()))
        return result


class NetworkChanges(MovingCase):
    """New sockets, a new connection to the portal, new paths: what leaves meanwhile waits, as much as there is place
    for. The portal lets nobody connect twice in a second."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_both()

    def test_under_load(self):
        self.chain.wait_fetch(True)
        for _ in range(3):
            time.sleep(1.1)
            after = len(self.chain.client.log())

            def change():
                self.chain.client.send_signal(signal.SIGHUP)
                self.chain.client.wait_for_log('"event":"lanes-restarted"', after=after)

            self.carry("network changed", change)
            print(f"the lane stood still for {gaps_ms(self.chain.client.log()[after:])} ms")

    def test_transfer_goes_on(self):
        """A TCP transfer over several changes, every byte compared."""
        self.chain.wait_fetch(True)
        script = os.path.join(HERE, "transfer.py")
        receiver = self.chain.web_host.spawn("receiver", sys.executable, script, "receive", PRIVATE_V4, 7000, 200, 1)
        receiver.wait_for_log("ready")
        receiver.send_signal(signal.SIGSTOP)  # the transfer can not end before the first change
        sender = self.chain.client_host.spawn("sender", sys.executable, script, "send", PRIVATE_V4, 7000, 200, 1)
        for _ in range(2):
            after = len(self.chain.client.log())
            self.chain.client.send_signal(signal.SIGHUP)
            receiver.send_signal(signal.SIGCONT)
            self.chain.client.wait_until(
                lambda: sender.popen.poll() is not None or '"event":"peer-connected"' in self.chain.client.log()[after:],
                "new connection")
            time.sleep(1.1)
        self.assertEqual((sender.popen.wait(300), receiver.popen.wait(PATIENCE)), (0, 0), receiver.log())


class BecomesDirect(MovingCase):
    def test_under_load(self):
        """The direct way opens while the relay carries everything. It is shorter, so the first datagrams on it may pass
        the last ones in the relay, if that has no CPU just then."""
        close_direct_way(self.chain)
        self.start_both()
        self.chain.wait_fetch(True, each=5)
        after = len(self.chain.client.log())

        def open_way():
            self.chain.net.run("nft", "delete", "table", "inet", "firewall")
            self.chain.client.wait_for_log(r'"event":"path-changed"[^\n]*"to":"PeerToPeer"', after=after)

        self.carry("relayed, then direct", open_way, seconds=8, may_reorder=True)


class Relayed(MovingCase):
    """What a relay carries takes the same way through our programs as what goes directly: in trains. (coturn takes and
    gives datagrams one by one, and is what limits it here.)"""

    def figures(self):
        before = self.both_metrics()
        rate = self.chain.iperf(seconds=3)["end"]["sum_received"]["bits_per_second"]
        client, gateway = [delta(after, once) for after, once in zip(self.both_metrics(), before)]
        return {
            "Mbit/s": rate / 1e6,
            "send calls per MB": client["udp_send_calls"] / (client["udp_send_bytes"] / 1e6),
            "datagrams per message out": client["udp_send_datagrams"] / client["udp_send_messages"],
            "datagrams per receive call": gateway["udp_receive_datagrams"] / gateway["udp_receive_calls"],
            "packets per write to the TUN": gateway["rx_packets"] / gateway["rx_super_packets"],
            "handed to the engine": gateway["rx_to_engine"] + client["tx_to_engine"],
        }

    def test_in_trains(self):
        self.start_both()
        self.chain.wait_fetch(True)
        direct = self.figures()
        close_direct_way(self.chain)
        self.chain.wait_fetch(True, timeout=2 * PATIENCE, each=5)
        relayed = self.figures()
        for way, figures in (("direct", direct), ("relayed", relayed)):
            print(f"\n{way}: " + ", ".join(f"{name} {value:.1f}" for name, value in figures.items()))
        self.assertGreater(relayed["datagrams per message out"], 4)
        self.assertLess(relayed["handed to the engine"], 200)


if __name__ == "__main__":
    require_rights()
    unittest.main(verbosity=2)
