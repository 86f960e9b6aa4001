"""The report: what was expected and what came, then every figure, as Markdown and as JSON."""

import json
import os
import platform
import re
import subprocess

import expectations
import knobs
from measures import FLOWS
from topologies import CHAIN, NO_AQM, OURS, RAW, RIVAL, TITLES

# key, title, format, whether more is better (None: not compared)
ROWS = [
    *((f"{key}_gbit", f"{title}, Gbit/s", "{:.2f}", True) for key, title, *_ in FLOWS),
    *((f"{key}_cpu_s_per_gb", f"engines' CPU-seconds per GB, {title}", "{:.2f}", False) for key, title, *_ in FLOWS),
    *((f"{key}_machine_s_per_gb", f"all CPU-seconds per GB, {title}", "{:.2f}", False) for key, title, *_ in FLOWS[:1]),
    *((f"{key}_retransmits_per_gb", f"retransmits per GB, {title}", "{:.1f}", None) for key, title, *_ in FLOWS),
    *((f"{key}_out_of_order", f"TCP segments out of order, {title}", "{:.0f}", None) for key, title, *_ in FLOWS),
    ("pps_64_1_k", "64-byte UDP, ≤ 0.1 % loss, 1 flow, k/s", "{:.1f}", True),
    ("calls_64_1_k", "the same, with a call for each datagram at both ends", "{:.1f}", True),
    ("pps_64_8_k", "64-byte UDP, ≤ 0.1 % loss, 8 flows, k/s", "{:.1f}", True),
    ("pps_1200_1_k", "1200-byte UDP, ≤ 0.1 % loss, 1 flow, k/s", "{:.1f}", True),
    ("pps_1200_8_k", "1200-byte UDP, ≤ 0.1 % loss, 8 flows, k/s", "{:.1f}", True),
    ("pps_64_1_is_generator_limited", "64-byte UDP, 1 flow: the generator had no more time", "{:.0f}", None),
    ("calls_64_1_is_generator_limited", "the same with a call for each datagram: it had no more time", "{:.0f}", None),
    ("overload_share", "64-byte UDP at twice that, share received of the peak", "{:.2f}", True),
    ("overload_offered_share", "64-byte UDP at twice that, share offered of the peak", "{:.2f}", None),
    ("order_lost_percent", "10 k/s in 8 UDP flows beside TCP both ways: lost, %", "{:.2f}", None),
    ("reordered", "datagrams out of order, all tests", "{:.0f}", None),
    ("doubled", "datagrams doubled, all tests", "{:.0f}", None),
    ("rr_p50_us", "request/response idle, p50, us", "{:.0f}", False),
    ("rr_p99_us", "request/response idle, p99, us", "{:.0f}", False),
    ("rr_p999_us", "request/response idle, p99.9, us", "{:.0f}", False),
    ("pingpong_p50_us", "ping-pong without a pause, p50, us", "{:.0f}", False),
    ("pingpong_p99_us", "ping-pong without a pause, p99, us", "{:.0f}", False),
    ("owd1_p50_us", "one way beside 1 bulk flow, p50, us", "{:.0f}", False),
    ("owd1_p99_us", "one way beside 1 bulk flow, p99, us", "{:.0f}", False),
    ("owd1_lost_percent", "one way beside 1 bulk flow, lost, %", "{:.2f}", None),
    ("owd1_load_gbit", "one way beside 1 bulk flow, its Gbit/s", "{:.2f}", True),
    ("rr1_p50_us", "requests beside 1 bulk flow, p50, us", "{:.0f}", False),
    ("rr1_p99_us", "requests beside 1 bulk flow, p99, us", "{:.0f}", False),
    ("rr1_p50_beyond_wire_ms", "requests beside 1 bulk flow, p50 beyond the wire's time, ms", "{:.2f}", None),
    ("rr1_load_gbit", "requests beside 1 bulk flow, its Gbit/s", "{:.2f}", True),
    ("rr8_p50_us", "requests beside 8 bulk flows, p50, us", "{:.0f}", False),
    ("rr8_p99_us", "requests beside 8 bulk flows, p99, us", "{:.0f}", False),
    ("ping8_p50_ms", "ping beside 8 bulk flows, p50, ms", "{:.2f}", False),
    ("ping8_p99_ms", "ping beside 8 bulk flows, p99, ms", "{:.2f}", False),
    ("ping8_start_p99_ms", "ping beside 8 flows in their first 1.5 s, p99, ms", "{:.2f}", False),
    ("ping8_lost_percent", "ping beside 8 bulk flows, lost, %", "{:.2f}", None),
    ("ping8_load_gbit", "ping beside 8 bulk flows, their Gbit/s", "{:.2f}", True),
    ("cpu8_p50_ms", "ping beside 8 flows, sender at half a CPU, p50, ms", "{:.2f}", False),
    ("cpu8_p99_ms", "ping beside 8 flows, sender at half a CPU, p99, ms", "{:.2f}", False),
    ("cpu8_start_p99_ms", "the same in their first 1.5 s, p99, ms", "{:.2f}", False),
    ("cpu8_load_gbit", "8 flows, sender at half a CPU, Gbit/s", "{:.2f}", True),
    ("cpu8_cpu_share", "CPU that the limited sender had", "{:.2f}", None),
    ("rrul_ping_p50_ms", "4 flows each way: ping, p50, ms", "{:.2f}", False),
    ("rrul_ping_p99_ms", "4 flows each way: ping, p99, ms", "{:.2f}", False),
    ("rrul_rr_p50_us", "4 flows each way: requests, p50, us", "{:.0f}", False),
    ("rrul_rr_p99_us", "4 flows each way: requests, p99, us", "{:.0f}", False),
    ("rrul_load_gbit", "4 flows each way, Gbit/s", "{:.2f}", True),
    ("http_per_second", "web requests per second, 200 at once", "{:.0f}", True),
    ("http_p50_ms", "web requests, p50, ms", "{:.1f}", False),
    ("http_p99_ms", "web requests, p99, ms", "{:.1f}", False),
    ("cold_first_ms", "first packet there and back, ms", "{:.2f}", False),
    ("cold_beyond_rtt_ms", "the same beyond a warm round trip, ms", "{:.2f}", False),
    ("start_ms", "client's start to the first answer, ms", "{:.0f}", None),
    ("hs_per_second", "handshakes per second, 64 outstanding", "{:.0f}", True),
    ("hs_p50_us", "handshake, 64 outstanding, p50, us", "{:.0f}", False),
    ("hs_lost_percent", "handshakes unanswered within a second, %", "{:.2f}", None),
    ("hs_bulk_share", "1 bulk flow beside 2,000 handshakes/s, share", "{:.2f}", True),
    ("hs_bulk_done_per_second", "handshakes per second then", "{:.0f}", True),
    ("many_kb_per_peer", "resident for each peer without a session, KB", "{:.1f}", False),
    ("many_kb_per_session", "resident for each peer with a session, KB", "{:.1f}", False),
    ("many_idle_wakeups_per_s", "wake-ups per second, idle, all with sessions", "{:.2f}", False),
    ("fair_down_share", "A's share, from the gateway", "{:.2f}", None),
    ("fair_down_gbit", "both together, from the gateway, Gbit/s", "{:.2f}", True),
    ("fair_up_share", "A's share, to the gateway", "{:.2f}", None),
    ("fair_up_gbit", "both together, to the gateway, Gbit/s", "{:.2f}", True),
    ("roam_up_gap_ms", "client moves: silence upwards, ms", "{:.1f}", False),
    ("roam_up_lost", "client moves: lost upwards of 3000", "{:.0f}", None),
    ("roam_down_gap_ms", "client moves: silence downwards, ms", "{:.1f}", False),
    ("roam_down_lost", "client moves: lost downwards of 3000", "{:.0f}", None),
    ("idle_wakeups_per_s", "wake-ups per second, idle", "{:.2f}", False),
    ("idle_client_wakeups_per_s", "wake-ups per second, idle: client", "{:.2f}", False),
    ("idle_gateway_wakeups_per_s", "wake-ups per second, idle: gateway with one client", "{:.2f}", False),
    ("idle_cpu_permille", "CPU, idle, permille", "{:.2f}", None),
    ("idle_mb", "resident, one end, idle, MB", "{:.1f}", False),
    ("peak_mb", "resident, one end, at most, MB", "{:.1f}", False),
    ("after_mb", "resident, one end, afterwards, MB", "{:.1f}", False),
    ("soak_growth_mb", "growth through a long bulk, MB", "{:.2f}", None),
    ("retransmits_per_gb", "TCP retransmits per GB, all bulk tests", "{:.1f}", None),
]


def cell(summary, key, form):
    value = summary.get(key)
    if value is None:
        return "–"
    text = form.format(value["median"])
    if len(value["samples"]) > 1:
        text += f" ({form.format(value['min'])}–{form.format(value['max'])})"
    return text


def ratio(ours, theirs, key):
    if key not in ours or key not in theirs or not theirs[key]["median"]:
        return "–"
    return f"{ours[key]['median'] / theirs[key]['median']:.2f} ×"


def of_kind(measures, *kinds):
    """The measure of the first kind that is there, or None."""
    for kind in kinds:
        for measure in measures:
            if measure.contender.kind == kind:
                return measure
    return None


def table(measures, has_rival):
    summaries = {measure: measure.summary() for measure in measures}
    ours, rival = of_kind(measures, CHAIN, OURS), of_kind(measures, RIVAL)
    # a topology without the rival on purpose has nothing to compare
    columns = [measure.contender.name for measure in measures]
    columns += ["ours : rival"] if rival or not has_rival else []
    lines = ["| | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for key, title, form, is_compared in ROWS:
        if any(key in summary for summary in summaries.values()):
            cells = [cell(summary, key, form) for summary in summaries.values()]
            if not has_rival:
                cells.append("RIVAL NOT TO BE HAD" if is_compared is not None else "")
            elif rival:
                cells.append(ratio(summaries[ours], summaries[rival], key) if is_compared is not None and ours else "")
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


MET = {"aim": "**yes**, aim too", "must": "**yes**", "missed": "**NO**", None: "not measured in this run"}


def number(value):
    return "–" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def expected_table(judged):
    lines = ["| metric | must | aim | found | met |", "|---|---|---|---|---|"]
    for row in judged:
        sign = "≥" if row["is_least"] else "≤"
        lines.append(f"| {row['what']} | {sign} {number(row['must'])} {row['unit']} | {number(row['aim'])} {row['unit']} | "
                     f"{number(row['value'])} {row['unit'] if row['value'] is not None else ''} | {MET[row['met']]} |")
    return "\n".join(lines)


def judge(results):
    def get(topology, kind, key):
        measure = of_kind(results.get(topology, []), kind)
        value = measure.summary().get(key) if measure else None
        return value["median"] if value else None

    judged = [row.judge(get) for row in expectations.ROWS]
    counted = [measure.counts["reordered"] for measures in results.values() for measure in measures
               if measure.contender.kind in (OURS, CHAIN, NO_AQM) and measure.counts["datagrams"]]
    n = sum(counted) if counted else None
    judged.append({"what": "reordered datagrams within a flow, any test", "unit": "", "is_least": False, "value": n,
                   "must": 0, "aim": 0, "met": None if n is None else "missed" if n else "aim"})
    return judged


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    model = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    wanted = ["avx2", "avx512f", "avx512ifma", "vaes", "sha_ni"]
    return {
        "kernel": platform.release(),
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_flags": [flag for flag in wanted if flags and re.search(rf"\b{flag}\b", flags.group(1))],
        "load_before": os.getloadavg()[0],
        "congestion_control": "cubic",
        "mtu": knobs.MTU,
        "tcp_buffers": knobs.TCP_BUFFERS,
        "quota_period_us": knobs.QUOTA_PERIOD_US,
        "iperf3": subprocess.run(["iperf3", "--version"], capture_output=True, text=True).stdout.split("\n")[0],
    }


def markdown(results, judged, facts):
    about = facts["machine"]
    lines = [f"# Benchmark, {facts['date']}", "",
             f"{about['cpu']}, {about['cpus']} CPUs ({' '.join(about['cpu_flags'])}), Linux {about['kernel']}, load "
             f"{about['load_before']:.1f} before; MTU {about['mtu']}, cubic; median (min–max) of {facts['rounds']} "
             f"interleaved rounds, bulk {facts['seconds']} s, what stands beside a load {facts['short']} s.",
             f"Rival: {facts['rival']}.",
             f"Ours: {facts['ladder']}"]
    if about["load_before"] > 0.5:
        lines.append("**The machine was busy with something else: only ratios mean something, and little.**")
    lines += ["", "## Expected", "", expected_table(judged)]
    if facts["failures"]:
        lines += ["", "## FAILED", ""] + [f"- {text}" for text in facts["failures"]]
    for name, measures in results.items():
        lines += ["", f"## {TITLES[name]}", "", table(measures, facts["has_rival"])]
    for name in facts["plots"]:
        lines += ["", f"![{name}]({name})"]
    return "\n".join(lines) + "\n"


def as_json(results, judged, facts):
    return json.dumps({**facts, "expected": judged, "results": {
        name: {measure.contender.name: {"kind": measure.contender.kind, "ladder": measure.ladder,
                                        "counts": measure.counts, "curve": getattr(measure, "curve", None),
                                        "figures": measure.summary()} for measure in measures}
        for name, measures in results.items()}}, indent=1)


__all__ = ["RAW", "as_json", "judge", "machine", "markdown", "of_kind"]
