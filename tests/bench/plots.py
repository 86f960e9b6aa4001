"""Pictures of a run: throughput, latency under load, packets a second; PNG by matplotlib, without a display."""

import os

from topologies import CHAIN, NO_AQM, OURS, RAW, RIVAL

COLOURS = {RAW: "#9a9996", OURS: "#1c71d8", CHAIN: "#26a269", RIVAL: "#e66100", NO_AQM: "#99c1f1"}

# file, title, unit, logarithmic, bars as (topology, key, scale, label)
PICTURES = [
    ("throughput.png", "Throughput (more is better)", "Gbit/s", False, [
        ("direct", "tcp1_up_gbit", 1, "1 flow\nup"), ("direct", "tcp1_down_gbit", 1, "1 flow\ndown"),
        ("direct", "tcp8_up_gbit", 1, "8 flows\nup"), ("direct", "tcp8_both_gbit", 1, "8 flows\nboth ways"),
        ("gateway", "tcp1_up_gbit", 1, "gateway\n1 flow up"), ("gateway", "tcp1_down_gbit", 1, "gateway\n1 flow down"),
        ("gateway", "tcp8_up_gbit", 1, "gateway\n8 flows up")]),
    ("latency.png", "Latency under load (less is better)", "ms", True, [
        ("direct", "rr_p50_us", 1e-3, "idle\np50"), ("direct", "owd1_p50_us", 1e-3, "one way,\n1 flow\np50"),
        ("direct", "owd1_p99_us", 1e-3, "one way,\n1 flow\np99"), ("direct", "ping8_p50_ms", 1, "ping,\n8 flows\np50"),
        ("direct", "ping8_p99_ms", 1, "ping,\n8 flows\np99"), ("direct", "cpu8_p50_ms", 1, "half a CPU,\n8 flows\np50"),
        ("gateway", "ping8_p50_ms", 1, "gateway,\n8 flows\np50"), ("gateway", "ping8_p99_ms", 1, "gateway,\n8 flows\np99")]),
    ("packets.png", "Small packets and requests (more is better)", "thousand per second", True, [
        ("direct", "pps_64_1_k", 1, "64 bytes\n1 flow"), ("direct", "pps_64_8_k", 1, "64 bytes\n8 flows"),
        ("direct", "pps_1200_1_k", 1, "1200 bytes\n1 flow"), ("gateway", "http_per_second", 1e-3, "web requests\n200 at once"),
        ("handshakes", "hs_per_second", 1e-3, "handshakes\n64 outstanding")]),
    ("delay.png", "1 flow over a wire with delay (more is better)", "Gbit/s", False, [
        ("delay01", "tcp1_up_gbit", 1, "0.1 ms"), ("delay20", "tcp1_up_gbit", 1, "20 ms"),
        ("delay100", "tcp1_up_gbit", 1, "100 ms")]),
]


def figures_of(results, bars):
    """{(kind, name): {place: (median, down to min, up to max)}}, scaled."""
    series = {}
    for place, (topology, key, scale, _) in enumerate(bars):
        for measure in results.get(topology, []):
            value = measure.summary().get(key)
            if value is None or value["median"] <= 0:
                continue
            # the same colour and name wherever a contender stands
            kind = measure.contender.kind
            name = "raw link" if kind == RAW else measure.contender.name.replace(", bare engine", "")
            median = value["median"] * scale
            series.setdefault((kind, name), {})[place] = (
                median, median - value["min"] * scale, value["max"] * scale - median)
    order = list(COLOURS)
    return dict(sorted(series.items(), key=lambda item: order.index(item[0][0])))


def draw(pyplot, path, title, unit, is_logarithmic, bars, series):
    used = [place for place in range(len(bars)) if any(place in values for values in series.values())]
    figure, axes = pyplot.subplots(figsize=(max(6, 1.5 * len(used) + 1.5), 5), dpi=110)
    width = 0.84 / len(series)
    for i, ((kind, name), values) in enumerate(series.items()):
        at = [used.index(place) + (i - (len(series) - 1) / 2) * width for place in values]
        medians = [value[0] for value in values.values()]
        spread = [[value[1] for value in values.values()], [value[2] for value in values.values()]]
        drawn = axes.bar(at, medians, width * 0.94, yerr=spread, capsize=2, label=name, color=COLOURS[kind],
                         error_kw={"elinewidth": 0.9, "ecolor": "#3d3846"})
        axes.bar_label(drawn, [f"{value:.2g}" if value < 10 else f"{value:.0f}" for value in medians], padding=2,
                       fontsize=7)
    if is_logarithmic:
        axes.set_yscale("log")
    axes.margins(y=0.12)
    axes.set_xticks(range(len(used)), [bars[place][3] for place in used], fontsize=8)
    axes.set_ylabel(unit)
    axes.set_title(title + "; median, min to max")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="lower center", ncols=min(4, len(series)), frameon=False, fontsize=8)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.savefig(path)
    pyplot.close(figure)


def draw_all(results, folder):
    """Returns the names of what was drawn; ImportError without matplotlib."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = []
    for name, title, unit, is_logarithmic, bars in PICTURES:
        series = figures_of(results, bars)
        if series:
            draw(pyplot, os.path.join(folder, name), title, unit, is_logarithmic, bars, series)
            names.append(name)
    return names
