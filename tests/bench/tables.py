# SPDX-License-Identifier: GPL-2.0-only
"""The tables that tests/bench/report prints."""

from figures import DIGESTS, OURS, Job, summary


def table(head, rows):
    widths = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  ".join(cells).rstrip())


def ratio_cells(c):
    """A ratio and its pairs."""
    if c is None:
        return ["-", "-"]
    return [f"{c['ratio']:.2f}", f"{c['pairs'][0]:.2f}..{c['pairs'][1]:.2f}"]


def show_figures(figures, jobs, peers):
    head = ["job", "unit", OURS] + [cell for p in peers for cell in (p, "ratio", "pairs")]
    rows = []
    for name in jobs:
        job = Job(name)
        row = [name, job.unit]
        for target in [OURS] + peers:
            values = figures.values(name, target, job.metric)
            s = summary(values) if values else None
            row.append(f"{s['median']:.{job.digits}f} +-{s['spread'] * 50:.0f}%" if s else "-")
            row += ratio_cells(figures.against(name, target, job.metric)) if target != OURS else []
        rows.append(row)
    table(head, rows)


# heading, metric, digits
COST = (("own us/IO", "cpu_us_per_io", 0), ("own s/GiB", "cpu_s_per_gib", 2), ("runs/IO", "runs_per_io", 2),
        ("machine us/IO", "machine_us_per_io", 0), ("kworker us/IO", "kworker_us_per_io", 0))
CALLS = (("sends/IO", "sends_per_io"), ("receives/IO", "receives_per_io"))
LATENCY = (("p50", "p50_us"), ("p90", "p90_us"), ("p99", "p99_us"), ("p99.9", "p999_us"))


def cost_cells(figures, job, target):
    for _, metric, digits in COST:
        median = figures.median(job, target, metric)
        cell = "-" if median is None else f"{median:.{digits}f}"
        if target != OURS and metric != "cpu_s_per_gib":
            cell += f" ({ratio_cells(figures.against(job, target, metric))[0]})"
        yield cell


def show_costs(figures, jobs, peers):
    print(f"\nper I/O, in brackets {OURS}'s part of it (less is better); own: processor time of the target's threads; runs: how\n"
          "often they were given a processor; machine: busy time of all processors; kworker: time of all kworkers; sends,\n"
          "receives: the threads' socket calls, counted in a round of its own")
    rows = []
    for job in jobs:
        for target in [OURS] + peers:
            calls = figures.calls.get((job, target), {})
            rows.append([job if target == OURS else "", target] + list(cost_cells(figures, job, target))
                        + [f"{calls[m]:.2f}" if m in calls else "-" for _, m in CALLS])
    table(["job", "target"] + [c[0] for c in COST + CALLS], rows)


def show_latency(figures, jobs, peers):
    targets = [OURS] + peers
    print(f"\nlatency in us, {' : '.join(targets)}")
    rows = []
    for job in jobs:
        medians = [[figures.median(job, t, metric) for t in targets] for _, metric in LATENCY]
        rows.append([job] + [" : ".join("-" if m is None else f"{m:.0f}" for m in cell) for cell in medians])
    table(["job"] + [c[0] for c in LATENCY], rows)


def show_digests(figures, jobs, peers):
    """Jobs that ran on both sessions: each target next to itself."""
    plain = [j for j in jobs if j + DIGESTS in jobs]
    if not plain:
        return
    print("\nwith header and data digests, of the same without")
    rows = []
    for job in plain:
        for words, metric in ((Job(job).unit, Job(job).metric), ("own us (less is better)", "cpu_us_per_io")):
            rows.append([job, words] + [c for t in [OURS] + peers for c in ratio_cells(figures.digest_cost(job, t, metric))])
    table(["job", "figure"] + [c for t in [OURS] + peers for c in (t, "pairs")], rows)


def show(figures, jobs, peers):
    show_figures(figures, jobs, peers)
    show_costs(figures, jobs, peers)
    show_latency(figures, jobs, peers)
    show_digests(figures, jobs, peers)
