#!/usr/bin/python3
"""Every step down the ladder of abilities (src/runtime/fz-ladder.h), forced while traffic flows: nothing is lost but
what was injected, nothing comes twice or out of order, and log and counters say what happened.

Usage: test_ladder.py --fz-wg PROGRAM --build BUILD [CASE …]
"""

import errno
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import cases  # noqa: E402
import faults  # noqa: E402
from bed import Bed  # noqa: E402
from duo import Duo, delta, expect  # noqa: E402

MEGABYTES = 5


def log_has_demotion(duo, what, after):
    return re.search(r'"event":"ladder-demoted"[^\n]*"offload":"%s"' % what, duo.left.process.log()[after:])


def average_train(duo, what):
    """Datagrams per message, of a run's traffic from the left."""
    before = duo.left.metrics()
    duo.carry(what, lambda: duo.transfers(MEGABYTES))
    change = delta(duo.left.metrics(), before)
    return change["udp_send_datagrams"] / change["udp_send_messages"]


def segmentation_refused(options, name):
    """A pair of its own for each way: after three minutes, skipped or not, a key ends, and one end alone skips."""
    with Bed(f"segment-{name.lower()}") as bed:
        duo = Duo(bed, options, "--skip", "61")
        refusal = duo.faults.rule("sendmmsg", getattr(errno, name), segmented=True)
        duo.start()
        expect(average_train(duo, "trains") > 1.5, "no trains to begin with")
        before, log = duo.left.metrics(), len(duo.left.process.log())

        def refuse():
            refusal.on()
            duo.transfers(MEGABYTES)

        duo.carry(f"segmentation refused: {name}", refuse)
        change = delta(duo.left.metrics(), before)
        tries = 2 if name == "EINVAL" else 1  # that may be about the source address, which is given up first
        expect(refusal.hits == tries, f"{name}: asked {refusal.hits} times")
        expect(change["udp_send_demotions"] == 1, f"{name}: {change}")
        expect(log_has_demotion(duo, "udp4 segmentation, for a minute", log), f"{name}: not in the log")
        duo.left.skip_time()
        duo.carry(f"{name}, a minute later", lambda: duo.transfers(MEGABYTES))
        expect(refusal.hits == 2 * tries, f"{name}: not tried again after a minute ({refusal.hits} times)")
        refusal.off()
        expect(average_train(duo, f"{name}, and no more") == 1, "trains before the minute is over")
        duo.left.skip_time()
        expect(average_train(duo, f"{name}, all is well again") > 1.5, "no trains after another minute")
        left, _ = duo.finish()
        expect(left["udp_send_demotions"] == 2, f"{left}")


def case_segmentation(options):
    """UDP_SEGMENT refused in mid-flow, in each way that kernels do it; tried again after a minute."""
    for name in ("EIO", "EINVAL", "EMSGSIZE"):
        segmentation_refused(options, name)


def case_send(options):
    """Calls that take half of a batch, or nothing; and losses that are injected."""
    with Bed("send") as bed:
        duo = Duo(bed, options)
        refused = duo.faults.rule("sendmmsg", errno.EIO, segmented=True)
        rules = {  # what is injected, and the counter that tells of it
            "half of a batch": (duo.faults.rule("sendmmsg", partial=True, every=2), "udp_send_partial"),
            "EAGAIN every other time": (duo.faults.rule("sendmmsg", errno.EAGAIN, every=2), "udp_send_blocked"),
            "EINTR every third time": (duo.faults.rule("sendmmsg", errno.EINTR, every=3), None),
            "ENOBUFS now and then": (duo.faults.rule("sendmmsg", errno.ENOBUFS, every=200), "udp_send_lost_no_buffer"),
        }
        duo.start()
        for is_demoted in (False, True):
            if is_demoted:
                refused.on()  # many messages in a call instead of a few trains
            for name, (rule, counter) in rules.items():
                if name.startswith("half") and not is_demoted:
                    counter = None  # of a single train there is no half
                before = duo.left.metrics()
                struck = rule.hits

                def has_happened():
                    """A machine without CPU to spare makes few large calls of much traffic."""
                    duo.transfers(1)
                    return rule.hits > struck and (
                        counter is None or delta(duo.left.metrics(), before).get(counter, 0) > 0)

                rule.on()
                what = f"{name}, {'datagrams' if is_demoted else 'trains'}"
                duo.carry(what, lambda: duo.left.process.wait_until(has_happened, f"{what}, counted"))
                rule.off()
        duo.finish()


def case_device(options):
    """Runs that the device refuses in mid-flow, one kind after the other."""
    with Bed("device") as bed:
        duo = Duo(bed, options)
        kinds = {"tun tcp4 runs": duo.faults.rule("writev", errno.EINVAL, what=faults.RUN_TCP4),
                 "tun tcp6 runs": duo.faults.rule("writev", errno.EIO, what=faults.RUN_TCP6),
                 "tun udp runs": duo.faults.rule("writev", errno.EINVAL, what=faults.RUN_UDP)}
        blocks = duo.faults.rule("readv", errno.EINTR, every=7)
        pending = duo.faults.rule("recvmmsg", errno.ECONNREFUSED, every=7)
        duo.start()
        blocks.on()
        pending.on()
        for name, rule in kinds.items():
            before, log = duo.left.metrics(), len(duo.left.process.log())

            def refuse():
                rule.on()
                duo.transfers(MEGABYTES)

            duo.carry(f"{name} refused", refuse)
            change = delta(duo.left.metrics(), before)
            # the batch in hand may hold several runs that were made before the first was refused
            expect(1 <= rule.hits <= 64, f"{name}: refused {rule.hits} times")
            expect(change["tun_write_refused_runs"] == rule.hits, f"{name}: {change}")
            expect(log_has_demotion(duo, name, log), f"{name}: not in the log")
            # a kind that is refused does not cost the others
            others = change["rx_packets"] / change["rx_super_packets"]
            print(f"  {change['rx_packets']} packets written in {change['rx_super_packets']} calls ({others:.1f} each)")
        expect(blocks.hits > 0 and pending.hits > 0, "interrupted reads never happened")
        left, _ = duo.finish()
        expect(left.get("tun_write_lost_packets", 0) == 0, f"{left}")


def case_old_kernel(options):
    """A kernel without sendmmsg and recvmmsg: found out in mid-flow."""
    with Bed("old") as bed:
        duo = Duo(bed, options)
        send, receive = (duo.faults.rule(name, errno.ENOSYS) for name in ("sendmmsg", "recvmmsg"))
        duo.start()
        for name, rule in (("sendmmsg", send), ("recvmmsg", receive)):
            def refuse():
                rule.on()
                duo.transfers(1)

            duo.carry(f"no {name}", refuse)
            # once for the lane and once for the engine, which sends by itself
            expect(1 <= rule.hits <= 2, f"{name} called {rule.hits} times without success")
        duo.finish()


STARTS = (
    # (name, what is refused: call, what), what the ladder's line says
    ("no uso, no gro", [("tunsetoffload", faults.OFFLOAD_USO), ("setsockopt", faults.UDP_GRO)],
     r"vnet_hdr=yes csum=yes tso=yes tso_ecn=yes uso=no .*udp4 [^|]*gso=yes[^|]* gro=no timestamp=yes"),
    ("no tso, no timestamps", [("tunsetoffload", faults.OFFLOAD_TSO), ("setsockopt", faults.TIMESTAMPS)],
     r"vnet_hdr=yes csum=yes tso=no tso_ecn=no uso=no .*udp4 [^|]* gro=yes timestamp=no"),
    ("no vnet header, no gso", [("tungetfeatures", 0), ("setsockopt", faults.UDP_SEGMENT)],
     r"vnet_hdr=no csum=no tso=no tso_ecn=no uso=no .*udp4 [^|]*gso=no gro=yes"),
    ("nothing at all", [("tungetfeatures", 0), ("setsockopt", faults.UDP_SEGMENT), ("setsockopt", faults.UDP_GRO),
                        ("setsockopt", faults.TIMESTAMPS), ("sendmmsg", 0), ("recvmmsg", 0)],
     r"vnet_hdr=no .*udp4 [^|]*gso=no gro=no timestamp=no"),
)


def case_start(options):
    """What is found missing at the start."""
    for i, (name, refusals, line) in enumerate(STARTS):
        with Bed(f"start{i}") as bed:
            duo = Duo(bed, options)
            rules = []
            for call, what in refusals:
                error = faults.FEATURE_VNET_HEADER if call == "tungetfeatures" else errno.ENOSYS
                rules.append(duo.faults.rule(call, error, what=what))
                rules[-1].on()
            duo.start()
            duo.left.process.wait_for_log(r'"event":"dataplane-ready"')
            ladder = re.search(r'[^\n]*"event":"dataplane-ready"[^\n]*', duo.left.process.log()).group(0)
            expect(re.search(line, ladder), f"{name}: {ladder}")
            for rule, (call, _) in zip(rules, refusals):
                expect(rule.hits > 0, f"{name}: {call} never happened")
            duo.carry(name, lambda: duo.transfers(MEGABYTES))
            left, _ = duo.finish()
            expect(not any(left.get(key, 0) for key in ("udp_send_demotions", "tun_write_refused_runs")),
                   f"{name}: what was known at the start is not tried: {left}")


cases.run(globals())
