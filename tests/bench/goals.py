# SPDX-License-Identifier: GPL-2.0-only
"""The goals of docs/performance.md, row by row, next to what was measured.

What needs many sessions is measured by tests/bench/sessions; its newest file is looked at here.
"""

import glob
import json
import os

from figures import OURS
from tables import table

# goal, job, metric, peer, at least (1) or at most (-1), bound
RATIOS = (
    ("4k random read, depth 16, IOPS / lio", "4k-randread-q16", "iops", "lio", 1, 1.5),
    ("4k random write, depth 16, IOPS / lio", "4k-randwrite-q16", "iops", "lio", 1, 1.5),
    ("256k sequential read / lio", "256k-read-q8", "mbps", "lio", 1, 1.5),
    ("256k sequential write / lio", "256k-write-q8", "mbps", "lio", 1, 1.5),
    ("4k latency, depth 1 / lio", "4k-randread-q1", "lat_us", "lio", -1, 0.8),
    ("target's processor time per 4k read / lio", "4k-randread-q16", "cpu_us_per_io", "lio", -1, 0.5),
)
DIGEST_JOB, DIGEST_BOUND = "256k-read-q8", 0.85
SEND_JOB, SEND_BOUND = "256k-read-q8", 2.0
MANY = 1000
NOT_HERE = "not measured here"


def reaches(value, side, bound):
    return value * side >= bound * side


def verdict(measured, side, bound):
    """By the median; and whether all pairs say the same."""
    met = reaches(measured["ratio"], side, bound)
    word = "met" if met else "missed"
    if all(reaches(p, side, bound) == met for p in measured["pairs"]):
        return word
    return word + ", pairs on both sides"


def single(value):
    return None if value is None else {"ratio": value, "pairs": [value, value]}


def row(goal, side, bound, measured, digits=2):
    """A row of the table and of the JSON file; measured as ratio() has it, or None."""
    if measured and not measured["pairs"]:
        measured = single(measured["ratio"])
    out = {"goal": goal, "bound": ("at least " if side > 0 else "at most ") + f"{bound:g}", "measured": measured}
    out["verdict"] = verdict(measured, side, bound) if measured else NOT_HERE
    out["cells"] = [goal, out["bound"], f"{measured['ratio']:.{digits}f}" if measured else "-",
                    "{:.{d}f}..{:.{d}f}".format(*measured["pairs"], d=digits) if measured else "-", out["verdict"]]
    return out


def own_rows(figures):
    for goal, job, metric, peer, side, bound in RATIOS:
        yield row(goal, side, bound, figures.against(job, peer, metric))
    sends = figures.calls.get((SEND_JOB, OURS), {}).get("sends_per_io")
    yield row("send calls per 256 KiB read", -1, SEND_BOUND, single(sends))
    yield row("256k reads with digests / without", 1, DIGEST_BOUND, figures.digest_cost(DIGEST_JOB, OURS, "mbps"))


def newest_sessions(folder):
    files = glob.glob(os.path.join(folder, "*-sessions.json"))
    return max(files, key=os.path.getmtime) if files else None


def of_many_sessions(folder):
    """The newest file of tests/bench/sessions; what it has not is empty."""
    path = newest_sessions(folder)
    if not path:
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def session_rows(folder):
    """A run that was smaller than a goal asks for says nothing about it."""
    found = of_many_sessions(folder)
    idle = found.get("idle", {}).get(OURS, {})
    if idle.get("sessions", 0) < MANY:
        idle = {}
    ours = found.get("logins", {}).get(OURS, {})
    asked_enough = ours.get("asked", 0) >= MANY and found.get("silent", 0) > 0
    rate = found["logins"].get("tgt", {}).get("ours_to_it") if asked_enough else None
    jobs = found.get("io", {})
    one = next(iter(jobs), "")
    active = jobs.get(one.replace("1@", "256@"), {}).get(OURS, {}) if one.startswith("1@") else {}
    yield row("memory per idle session, KiB", -1, 16, single(idle.get("kb")), 1)
    yield row("threads of all idle sessions", -1, 0, single(idle.get("threads_more")), 0)
    yield row("4k IOPS, 256 sessions / one", 1, 0.9, active.get("to_the_first_job"))
    yield row("login rate / tgt", 1, 2, rate)
    yield row("logins done, of those asked for", 1, 1, single(min(ours["done"]) / ours["asked"]) if asked_enough else None, 3)


def all_rows(figures, folder):
    return list(own_rows(figures)) + list(session_rows(folder))


def show(rows, folder):
    print("\ngoals of docs/performance.md")
    table(["goal", "bound", "measured", "pairs", "verdict"], [r["cells"] for r in rows])
    path = newest_sessions(folder)
    print("rows about many sessions: " + (path or "run tests/bench/sessions first"))
