"""A kernel that refuses what a test says, for one real program (fz-faults.c, preloaded).

    faults = Faults(bed, "left", build)
    no_trains = faults.rule("sendmmsg", errno.EIO, segmented=True)
    peer.start(wrapper=faults.wrapper)
    no_trains.on(); ...; no_trains.off(); no_trains.hits
"""

import errno
import mmap
import os
import socket
import struct

from bed import BedError

RULE = struct.Struct("=IIiIIIII")
N_RULES = 16
CALLS = {name: number for number, name in enumerate(
    ("", "readv", "writev", "sendmmsg", "recvmmsg", "sendmsg", "recvmsg", "setsockopt", "tunsetoffload",
     "tungetfeatures"))}
FLAGS_AT, HITS_AT = 16, 24
ACTIVE, SEGMENTED, PARTIAL = 1, 2, 4

# what a rule for setsockopt, tunsetoffload or writev is about
UDP_SEGMENT, UDP_GRO = socket.SOL_UDP << 16 | 103, socket.SOL_UDP << 16 | 104
TIMESTAMPS = socket.SOL_SOCKET << 16 | 35
OFFLOAD_USO, OFFLOAD_TSO, OFFLOAD_TSO_ECN = 0x60, 0x06, 0x08
RUN_TCP4, RUN_TCP6, RUN_UDP = 1, 4, 5
FEATURE_VNET_HEADER = 0x4000


class Rule:
    """One thing that the kernel refuses while it is on."""

    def __init__(self, memory, number, flags):
        self._memory, self._at, self._flags = memory, number * RULE.size, flags

    def _write(self, flags):
        struct.pack_into("=I", self._memory, self._at + FLAGS_AT, flags)

    def on(self):
        self._write(self._flags | ACTIVE)

    def off(self):
        self._write(self._flags)

    @property
    def hits(self):
        return struct.unpack_from("=I", self._memory, self._at + HITS_AT)[0]


class Faults:
    def __init__(self, bed, name, build):
        library = os.path.join(os.path.abspath(build), "tests", "netns", "fz-faults.so")
        if not os.access(library, os.R_OK):
            raise BedError(f"{library} is not built")
        path = bed.path(f"{name}.faults")
        with open(path, "wb") as file:
            file.truncate(N_RULES * RULE.size)
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), N_RULES * RULE.size)
        self._n_rules = 0
        # sanitizers want to be the first library, and are only told that they are not
        sanitizers = os.environ.get("ASAN_OPTIONS", "")
        self.wrapper = ("env", f"LD_PRELOAD={library}", f"FZ_FAULTS={path}",
                        f"ASAN_OPTIONS={sanitizers}{':' if sanitizers else ''}verify_asan_link_order=0")

    def rule(self, call, error=errno.EIO, what=0, every=1, segmented=False, partial=False):
        """A rule that is off. `every`: only each so manyth call; `segmented`: only one that sends a train;
        `partial`: takes half of a batch instead of failing."""
        if self._n_rules == N_RULES:
            raise BedError("too many rules")
        flags = (SEGMENTED if segmented else 0) | (PARTIAL if partial else 0)
        RULE.pack_into(self._memory, self._n_rules * RULE.size, CALLS[call], what, error, every, flags, 0, 0, 0)
        rule = Rule(self._memory, self._n_rules, flags)
        self._n_rules += 1
        return rule
