# SPDX-License-Identifier: GPL-2.0-only
"""What tests/bench/guest.sh printed, as numbers.

One value per job, target and metric is the median over the rounds; the spread is (highest - lowest) /
median; a ratio is median by median, and its pairs are the lowest and the highest ratio of one round.
"""

import json
import re
import statistics
from collections import defaultdict

OURS = "chiscsi"
DIGESTS = "+digests"
SHARED = ("kworker", "ksoftirqd")  # Threads that serve the initiator as well.
TICKS_PER_S = 100
GIB = 1 << 30
PERCENTILES = {"p50_us": "50.000000", "p90_us": "90.000000", "p99_us": "99.000000", "p999_us": "99.900000"}


class Job:
    """SIZE-KIND-qDEPTH[+digests], and which metric is its figure."""

    def __init__(self, name):
        size, unit, self.kind, depth, _ = re.fullmatch(r"(\d+)([kM])-(\w+)-q(\d+)(\+digests)?", name).groups()
        self.size = int(size) << {"k": 10, "M": 20}[unit]
        self.depth = int(depth)
        # column of the figures, unit, digits, more is better
        if self.depth == 1:
            self.metric, self.unit, self.digits, self.more = "lat_us", "us (less is better)", 0, False
        elif self.size < 64 << 10:
            self.metric, self.unit, self.digits, self.more = "iops", "IOPS", 0, True
        else:
            self.metric, self.unit, self.digits, self.more = "mbps", "MB/s", 1, True


def one_run(job, fields):
    """One bench-run line as a flat dictionary."""
    words = dict(f.split("=", 1) for f in fields[:-1])
    fio = json.loads(fields[-1])["jobs"][0]
    all_io = fio["mixed"]
    ios = all_io["total_ios"]
    out = {
        "error": fio["error"], "ios": ios, "iops": all_io["iops"], "mbps": all_io["bw_bytes"] / 1e6,
        "lat_us": all_io["lat_ns"]["mean"] / 1e3,
        "machine_us_per_io": int(words["busy"]) * 1e6 / TICKS_PER_S / max(ios, 1),
        "machine_busy": int(words["busy"]) / max(int(words["all"]), 1),
        "threads": {},
    }
    for key, name in PERCENTILES.items():
        out[key] = all_io["clat_ns"].get("percentile", {}).get(name, 0) / 1e3
    for entry in filter(None, words["cpu"].split(",")):
        name, ns, runs = entry.rsplit(":", 2)
        out["threads"][name] = {"us_per_io": int(ns) / 1e3 / max(ios, 1), "runs_per_io": int(runs) / max(ios, 1)}
    own = [t for n, t in out["threads"].items() if n not in SHARED]
    out["cpu_us_per_io"] = sum(t["us_per_io"] for t in own)
    out["cpu_s_per_gib"] = out["cpu_us_per_io"] / 1e6 * GIB / Job(job).size
    out["runs_per_io"] = sum(t["runs_per_io"] for t in own)
    out["kworker_us_per_io"] = out["threads"].get("kworker", {"us_per_io": 0})["us_per_io"]
    return out


def one_count(fields):
    """One bench-calls line: calls of the target's threads per I/O."""
    words = dict(f.split("=", 1) for f in fields[:-1])
    ios = json.loads(fields[-1])["jobs"][0]["mixed"]["total_ios"]
    return {key + "_per_io": int(words[key]) / max(ios, 1) for key in ("sends", "receives")}


def summary(values):
    middle = statistics.median(values)
    return {"median": middle, "spread": (max(values) - min(values)) / middle if middle else 0.0, "values": values}


def ratio(ours, theirs):
    """Two lists of runs next to each other; None where nothing can be divided."""
    pairs = [a / b for a, b in zip(ours, theirs) if b]
    if not pairs or not statistics.median(theirs):
        return None
    return {"ratio": statistics.median(ours) / statistics.median(theirs), "pairs": [min(pairs), max(pairs)]}


def threads_median(runs):
    names = sorted({n for r in runs for n in r["threads"]})
    zero = {"us_per_io": 0.0, "runs_per_io": 0.0}
    return {n: {k: statistics.median([r["threads"].get(n, zero)[k] for r in runs]) for k in zero} for n in names}


class Figures:
    """All figures of one run of the benchmark."""

    def __init__(self, path):
        self.runs = defaultdict(list)  # (job, target) -> flat dictionaries, by round
        self.calls, self.sessions, self.machine = {}, {}, {}
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                kind, *fields = line.rstrip("\n").split("\t")
                if kind == "bench-run":
                    self.runs[fields[0], fields[1]].append(one_run(fields[0], fields[2:]))
                elif kind == "bench-calls":
                    self.calls[fields[0], fields[1]] = one_count(fields[2:])
                elif kind == "bench-session":
                    self.sessions["-".join(fields[:2])] = dict(w.split("=", 1) for w in fields[2:])
                elif kind == "bench-machine":
                    self.machine = dict(w.split("=", 1) for w in fields)

    def values(self, job, target, metric):
        return [r[metric] for r in self.runs.get((job, target), [])]

    def median(self, job, target, metric):
        values = self.values(job, target, metric)
        return statistics.median(values) if values else None

    def against(self, job, peer, metric):
        return ratio(self.values(job, OURS, metric), self.values(job, peer, metric))

    def digest_cost(self, job, target, metric):
        """What a job has with digests, of what it has without."""
        return ratio(self.values(job + DIGESTS, target, metric), self.values(job, target, metric))

    def problems(self, jobs, targets, rounds):
        for job in jobs:
            for target in targets:
                runs = self.runs.get((job, target), [])
                if len(runs) < rounds:
                    yield f"{job} on {target}: {len(runs)} results of {rounds}"
                if any(r["error"] or not r["ios"] for r in runs):
                    yield f"{job} on {target}: fio reports errors"

    def as_json(self, jobs, peers):
        out = {}
        for job in jobs:
            targets, ratios = {}, {}
            for target in [OURS] + peers:
                runs = self.runs.get((job, target))
                if not runs:
                    continue
                keys = [k for k in runs[0] if k not in ("error", "threads")]
                targets[target] = {k: summary([r[k] for r in runs]) for k in keys}
                targets[target]["threads"] = threads_median(runs)
                targets[target].update(self.calls.get((job, target), {}))
                if target != OURS and OURS in targets:
                    ratios[target] = {k: self.against(job, target, k) for k in keys}
            out[job] = {"figure": Job(job).metric, "targets": targets, "ratios": ratios}
        return out
