#!/usr/bin/python3
"""New sockets, a new device, and peers that move, all of it under load: what we have in hand is not lost.

Usage: test_rebind.py --fz-wg PROGRAM --build BUILD [CASE …]

The network loses and reorders nothing in these beds: an old address stays reachable while a new one is in use, as with
two links, and a wire is a single queue. So datagrams that come in another order, or do not come and were not dropped by
CoDel or by a full queue of the kernel's own, were in our hands.
"""

import errno
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
from bed import Bed  # noqa: E402
from duo import Duo, delta, expect, gaps_ms  # noqa: E402

REBINDS = 8


def rebind(peer):
    after = len(peer.process.log())
    peer.process.send_signal(signal.SIGHUP)
    peer.process.wait_for_log('"event":"lanes-restarted"', after=after)


def case_rebind(options):
    """Both ends open new sockets again and again; both paths work all the time."""
    for fz_options in ([], ["--two-threads"], ["--lanes", "2"]):
        with Bed("rebind") as bed:
            duo = Duo(bed, options, *fz_options)
            duo.start()
            duo.carry("undisturbed")

            def both():
                for _ in range(REBINDS):
                    for peer in (duo.left, duo.right):
                        rebind(peer)

            wait = duo.start_transfer(duo.left, 30)
            duo.carry(f"{2 * REBINDS} rebinds {' '.join(fz_options)}", both, seconds=3)
            wait()
            gaps = sorted(gaps_ms(duo.left.process.log()) + gaps_ms(duo.right.process.log()))
            expect(len(gaps) == 2 * REBINDS, f"{len(gaps)} rebinds")
            print(f"  the lanes stood still for {gaps[0]:.1f} to {gaps[-1]:.1f} ms, median {gaps[len(gaps) // 2]:.1f}")
            for metrics in duo.finish():
                refused = [name for name in metrics if "udp" in name and "_lost" in name and metrics[name]]
                expect(not refused, f"lost on the way out: {[(name, metrics[name]) for name in refused]}")


def case_rebind_blocked(options):
    """The old sockets are full when they are replaced: what they did not take goes out through the new ones."""
    with Bed("blocked") as bed:
        duo = Duo(bed, options)
        full = duo.faults.rule("sendmmsg", errno.EAGAIN)
        duo.start()
        before = duo.left.metrics()

        def replace():
            full.on()
            duo.left.process.wait_until(lambda: full.hits > 0, "socket that is full")
            duo.left.process.send_signal(signal.SIGHUP)
            full.off()
            duo.left.process.wait_for_log('"event":"lanes-restarted"')

        duo.carry("a rebind of full sockets", replace)
        change = delta(duo.left.metrics(), before)
        expect(change.get("udp_send_lost_no_buffer", 0) == 0, f"trains were given up: {change}")
        duo.finish()


def case_device_replaced(options):
    """Somebody deletes the device; what is staged leaves, what comes in waits for the new one."""
    with Bed("replaced") as bed:
        duo = Duo(bed, options)
        duo.start()
        for _ in range(3):
            duo.carry("undisturbed")
            before = duo.left.metrics()
            after = len(duo.left.process.log())
            senders = duo.begin(1.2)
            time.sleep(0.3)  # in the midst of the run; nothing depends on where
            duo.left.host.ip("link", "del", duo.left.device)
            duo.left.process.wait_for_log('"event":"lanes-restarted"', after=after)
            results = [sender.wait(60) for sender in senders]
            for result in results:  # the kernel threw away what was in its own queue, and had no route for a while
                expect(result.reordered == 0 and result.doubled == 0 and result.received > 0, f"{result}")
            change = delta(duo.left.metrics(), before)
            in_hand = {name: change[name] for name in change if change[name] and name.startswith("udp_send_lost")}
            expect(not in_hand, f"lost on the way out: {in_hand}")
            # at most the batch that was being written
            lost = change.get("tun_write_lost_packets", 0)
            print(f"  device replaced: silence {max(r.longest_silence_ms for r in results):.1f} ms, "
                  f"the lanes stood still for {gaps_ms(duo.left.process.log()[after:])[0]:.1f} ms, {lost} packets had no device to go to",
                  flush=True)
        duo.finish()


def roaming_link(bed):
    """left – router – right, and the router can give the left another address: a stateless translation, so that
    datagrams to the old one still arrive."""
    def make(left, right):
        router = bed.host("router")
        bed.link(left, "10.1.0.1/24", router, "10.1.0.254/24", "wan", "side1")
        bed.link(right, "10.2.0.2/24", router, "10.2.0.254/24", "wan", "side2")
        router.sysctl(net__ipv4__ip_forward=1)
        left.ip("route", "add", "default", "via", "10.1.0.254")
        right.ip("route", "add", "default", "via", "10.2.0.254")
        make.router = router
    return make


def move(router, address, port):
    """From now on the right sees the left at `address`:`port`, on 10.2.0.0/24's side."""
    router.nft("table ip roam {}\ndelete table ip roam\n"
               "table ip roam {\n"
               "  chain back { type filter hook prerouting priority raw; policy accept;\n"
               '    iifname "side2" udp sport 51802 ip daddr 10.3.0.0/16 udp dport set 51801 ip daddr set 10.1.0.1\n'
               "  }\n"
               "  chain out { type filter hook postrouting priority 300; policy accept;\n"
               f'    oifname "side2" udp sport 51801 udp sport set {port} ip saddr set {address}\n'
               "  }\n}\n")


def case_roam(options):
    """The left is seen at another port or address again and again; the right follows it."""
    with Bed("roam") as bed:
        link = roaming_link(bed)
        duo = Duo(bed, options, link=link)
        duo.endpoints = ("10.2.0.2", None)
        duo.start()
        duo.carry("undisturbed")

        def wander():
            for i in range(REBINDS):
                after = len(duo.right.process.log())
                address, port = f"10.3.0.{i // 2 + 1}", 60001 + i
                move(link.router, address, port)
                duo.right.process.wait_for_log(
                    r'"event":"peer-moved"[^\n]*"remote":"%s:%d"' % (address.replace(".", r"\."), port), after=after)

        duo.carry(f"{REBINDS} moves", wander, seconds=2.4)
        duo.finish()


def case_shutdown(options):
    """Ends at any moment under load, also in the midst of a rebind: in time, with status 0, and nothing left behind."""
    rng = random.Random(7)
    with Bed("shutdown") as bed:
        duo = Duo(bed, options)
        duo.start()
        longest = 0
        for i in range(int(os.environ.get("FZ_SHUTDOWN_ROUNDS", "12"))):
            senders = [duo.stream.spawn(source.host, "send", target.v4, 5300, "--rate", 20000, "--seconds", 60, "--size", 600)
                       for source, target in ((duo.left, duo.right), (duo.right, duo.left))]
            time.sleep(rng.uniform(0.02, 0.2))  # any moment will do
            if i % 3 == 0:
                duo.left.process.send_signal(signal.SIGHUP)
            started = time.monotonic()
            status = duo.left.stop()
            longest = max(longest, time.monotonic() - started)
            expect(status == 0 and "Sanitizer" not in duo.left.process.log(), f"status {status}: {duo.left.process.log()[-3000:]}")
            expect(f" {duo.left.device}:" not in duo.left.host.ip("link"), "the device is still there")
            for sender in senders:
                sender.stop(signal.SIGKILL)
            duo.left.start()
        print(f"  the longest end took {longest * 1000:.0f} ms")


cases.run(globals())
