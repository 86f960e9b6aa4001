"""What the data path is expected to reach, as ratios to the rival of the same run or as figures of its own.

A row finds its values by (topology, kind of contender, key); a row whose values were not measured says so. Nothing here
fails a run but datagrams out of order: machines differ, and so do minutes.
"""

from topologies import CHAIN, HOPS_MS, NO_AQM, OURS, RAW, RIVAL


class Row:
    """what: title; must, aim: limits; is_least: whether more is better; value(get): the figure, or None.
    `get(topology, kind, key)` gives a median, or None."""

    def __init__(self, what, unit, is_least, must, aim, value):
        self.what, self.unit, self.is_least, self.must, self.aim, self._value = what, unit, is_least, must, aim, value

    def judge(self, get):
        """{value, must, aim, met: "aim", "must", "missed" or None}"""
        value = self._value(get)
        met = None
        if value is not None:
            met = "aim" if self._holds(value, self.aim) else "must" if self._holds(value, self.must) else "missed"
        return {"what": self.what, "unit": self.unit, "is_least": self.is_least, "value": value, "must": self.must,
                "aim": self.aim, "met": met}

    def _holds(self, value, limit):
        return value >= limit if self.is_least else value <= limit


def quotient(topology, key, ours=OURS, other=RIVAL, other_key=None):
    def value(get):
        a, b = get(topology, ours, key), get(topology, other, other_key or key)
        return a / b if a is not None and b else None
    return value


def own(topology, key, scale=1.0, kind=OURS):
    def value(get):
        found = get(topology, kind, key)
        return found * scale if found is not None else None
    return value


def at_least(what, unit, must, aim, value):
    return Row(what, unit, True, must, aim, value)


def at_most(what, unit, must, aim, value):
    return Row(what, unit, False, must, aim, value)


ROWS = [
    at_least("TCP 1 flow", "×", 1.9, 2.3, quotient("direct", "tcp1_up_gbit")),
    at_least("TCP 8 flows, both directions at once", "×", 2.3, 2.8, quotient("direct", "tcp8_both_gbit")),
    at_least("forwarded through the gateway with NAT and filters", "×", 2.0, 2.7,
             quotient("gateway", "tcp1_up_gbit", CHAIN)),
    at_most("engine CPU-seconds per GB", "×", 0.42, 0.30, quotient("direct", "tcp1_up_cpu_s_per_gb")),
    at_least("64-byte UDP, ≤ 0.1 % loss", "×", 5, 7, quotient("direct", "pps_64_1_k")),
    at_least("HTTP requests/s, 200 at once, share of the bare link", "", 0.75, 0.85,
             quotient("gateway", "http_per_second", CHAIN, RAW)),
    at_most("request/response idle, p50", "×", 0.65, 0.5, quotient("direct", "rr_p50_us")),
    at_most("one-way p50 under one bulk flow", "×", 0.10, 0.10, quotient("direct", "owd1_p50_us")),
    at_most("one-way p50 under one bulk flow", "ms", 2.5, 1, own("direct", "owd1_p50_us", 1e-3)),
    at_most("ping RTT with 8 bulk flows, p50", "ms", 5, 1, own("direct", "ping8_p50_ms")),
    at_most("ping RTT with 8 bulk flows, p99", "ms", 5, 2, own("direct", "ping8_p99_ms")),
    at_most("the same, sender limited to half a CPU, p50", "ms", 5, 1, own("direct", "cpu8_p50_ms")),
    at_least("goodput at 2 × overload, share of own peak", "", 0.9, 0.97, own("direct", "overload_share")),
    at_most("memory of one end during and after bulk", "MB", 32, 16, own("direct", "peak_mb")),
    at_most("growth of memory through a long bulk", "MB", 1, 0, own("direct", "soak_growth_mb")),
    at_least("handshakes per second, 64 outstanding", "×", 1.5, 2, quotient("handshakes", "hs_per_second")),
    at_least("bulk beside 2,000 handshakes/s, share of bulk alone", "", 0.7, 0.7, own("handshakes", "hs_bulk_share")),
    at_most("first packet through a cold tunnel, beyond the round trip", "ms", 1.2, 0.7,
            own("cold", "cold_beyond_rtt_ms")),
    at_most("TCP retransmits per GB without link loss", "", 20, 2, own("direct", "retransmits_per_gb")),
    at_least("fairness: 1 flow of A beside 16 of B, from the gateway", "", 0.40, 0.48, own("peers", "fair_down_share")),
    at_least("fairness: 1 flow of A beside 16 of B, to the gateway", "", 0.40, 0.48, own("peers", "fair_up_share")),
    at_most("memory of a peer with a session, of 10,000", "KB", 12, 6, own("many", "many_kb_per_session")),
    at_most("wake-ups per second, 10,000 idle peers", "", 2, 1, own("many", "many_idle_wakeups_per_s")),
    at_most("wake-ups per second, one idle peer", "", 0.5, 0.5, own("direct", "idle_wakeups_per_s")),
    *(at_most(f"wake-ups per second in the whole chain, idle: {name}", "", 0.5, 0.35,
              own("gateway", f"idle_{name}_wakeups_per_s", kind=CHAIN)) for name in ("client", "gateway")),
    *(at_most(f"request beside 1 flow at a round trip of {2 * ms:g} ms, p50 beyond it", "ms", 5, 5,
              own(name, "rr1_p50_beyond_wire_ms")) for name, ms in HOPS_MS.items()),
    *(at_least(f"goodput of 1 flow at a round trip of {2 * ms:g} ms, share of that without AQM", "", 0.95, 1,
               quotient(name, "tcp1_up_gbit", OURS, NO_AQM)) for name, ms in HOPS_MS.items()),
]
