#!/usr/bin/python3
"""A strict reader of the Prometheus text format 0.0.4, and a judge of what is in it.

As a program: reads standard input; status 1 and a sentence if something is wrong. Where Debian's
python3-prometheus-client is installed, its reader must find the same samples.
"""

import math
import re
import sys

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)\Z")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?|\+Inf)\Z")
TYPES = {"counter", "gauge", "histogram"}


class ExpositionError(Exception):
    pass


def demand(holds, text):
    if not holds:
        raise ExpositionError(text)


def unescape(text):
    return re.sub(r"\\(.)", lambda found: "\n" if found.group(1) == "n" else found.group(1), text)


def read_labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        demand(found, f"labels: {line}")
        demand(found.group(1) not in labels, f"a label twice: {line}")
        labels[found.group(1)] = unescape(found.group(2))
        at = found.end()
        demand(found.group(3) == "" or at < len(text), f"a comma too many: {line}")
    return labels


class Family:
    def __init__(self, name, text):
        self.name, self.help, self.type = name, text, None
        self.samples = []  # (name, labels, value), as they came

    def suffixes(self):
        return ("_bucket", "_sum", "_count") if self.type == "histogram" else ("",)


def read(text):
    """Families by name, in order."""
    families, current, seen = {}, None, set()
    demand(text.endswith("\n"), "the last line does not end")
    for line in text[:-1].split("\n"):
        demand(line == line.strip() and line != "", f"white space: {line!r}")
        if line.startswith("# HELP "):
            name, help_text = line[7:].split(" ", 1)
            demand(NAME.match(name) and name not in families, f"a family twice, or its name: {line}")
            demand(not re.search(r"\\[^\\n]", help_text), f"escapes: {line}")
            current = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            demand(current and current.name == name and current.type is None, f"type without help: {line}")
            demand(kind in TYPES, f"unknown type: {line}")
            current.type = kind
        else:
            found = SAMPLE.match(line)
            demand(found, f"no sample: {line}")
            name, labels = found.group(1), read_labels(found.group(2) or "", line)
            demand(current and current.type, f"a sample without family: {line}")
            demand(name in [current.name + suffix for suffix in current.suffixes()], f"a stranger here: {line}")
            demand(NUMBER.match(found.group(3)), f"no number: {line}")
            key = (name, tuple(sorted(labels.items())))
            demand(key not in seen, f"twice: {line}")
            seen.add(key)
            current.samples.append((name, labels, float(found.group(3).replace("+Inf", "inf"))))
    return families


def judge_histogram(family):
    groups = {}
    for name, labels, value in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        group = groups.setdefault(key, {"_bucket": []})
        if name.endswith("_bucket"):
            group["_bucket"].append((float(labels["le"].replace("+Inf", "inf")), value))
        else:
            demand("le" not in labels, f"{family.name}: le where it does not belong")
            group[name[len(family.name):]] = value
    for key, group in groups.items():
        bounds = [bound for bound, _ in group["_bucket"]]
        counts = [count for _, count in group["_bucket"]]
        demand(bounds == sorted(set(bounds)) and bounds[-1:] == [math.inf], f"{family.name}{key}: bounds {bounds}")
        demand(counts == sorted(counts), f"{family.name}{key}: not cumulative: {counts}")
        demand(group.get("_count") == counts[-1], f"{family.name}{key}: _count")
        demand("_sum" in group, f"{family.name}{key}: no _sum")


def judge(families):
    """Prometheus' naming rules, and what holds within a family."""
    for family in families.values():
        demand(family.type and family.samples, f"{family.name}: empty")
        demand(family.help.endswith("."), f"{family.name}: help is no sentence")
        demand((family.type == "counter") == family.name.endswith("_total"), f"{family.name}: _total is for counters")
        demand(not re.search(r"_(ms|us|ns|milliseconds|kb|mb|percent)(_|\Z)", family.name), f"{family.name}: unit")
        demand(re.match(r"(firezone|process)_", family.name), f"{family.name}: prefix")
        names = {tuple(sorted(set(labels) - {"le"})) for _, labels, _ in family.samples}
        demand(len(names) == 1, f"{family.name}: different labels: {names}")
        if family.type == "histogram":
            judge_histogram(family)
        if family.name.endswith("_info"):
            demand(all(value == 1 for _, _, value in family.samples), f"{family.name}: not 1")


def compare(families, text):
    """The same samples as Prometheus' own reader finds."""
    try:
        from prometheus_client.parser import text_string_to_metric_families  # pylint: disable=import-outside-toplevel
    except ImportError:
        return
    theirs = {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
              for family in text_string_to_metric_families(text) for sample in family.samples}
    ours = {(name, tuple(sorted(labels.items()))): value
            for family in families.values() for name, labels, value in family.samples}
    demand(ours == theirs, f"read differently: {sorted(set(ours.items()) ^ set(theirs.items()))[:5]}")


def check(text):
    families = read(text)
    judge(families)
    compare(families, text)
    return families


def total(families, name, **labels):
    """Sum of the family's samples that have these labels."""
    return sum(value for _, own, value in families[name].samples if labels.items() <= own.items())


def main():
    try:
        families = check(sys.stdin.buffer.read().decode("utf-8"))
    except (ExpositionError, UnicodeDecodeError) as error:
        sys.exit(f"exposition: {error}")
    print(f"{len(families)} families, {sum(len(family.samples) for family in families.values())} samples")


if __name__ == "__main__":
    main()
