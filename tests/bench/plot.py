# SPDX-License-Identifier: GPL-2.0-only
"""One run as a picture (SVG): per job and peer the ratio, with the pairs of all rounds as its spread.

To the right is better for us everywhere: a metric of which less is better is turned over. The axis is
logarithmic, so that half and twice are as far from 1.
"""

import math
from xml.sax.saxutils import escape

from figures import OURS, Job

ROW, LEFT, WIDTH, TOP = 18, 190, 560, 62
COLOURS = ("#1f77b4", "#d95f02", "#2ca02c")
TICKS = (0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1, 1.25, 1.5, 2, 3, 5, 10, 20, 50)


def points(figures, jobs, peers):
    """(job, peer, ratio, all pairs), with more as better."""
    for name in jobs:
        job = Job(name)
        for peer in peers:
            whole = figures.against(name, peer, job.metric)
            if not whole or not whole["ratio"]:
                continue
            both = zip(figures.values(name, OURS, job.metric), figures.values(name, peer, job.metric))
            pairs = [a / b for a, b in both if a and b]
            turn = 1 if job.more else -1
            yield name, peer, whole["ratio"] ** turn, [p ** turn for p in pairs]


class Axis:
    def __init__(self, values):
        self.low = math.log(min(values + [0.5]) * 0.93)
        self.high = math.log(max(values + [2.0]) * 1.07)

    def x(self, value):
        return LEFT + WIDTH * (math.log(value) - self.low) / (self.high - self.low)

    def ticks(self):
        return [t for t in TICKS if self.low <= math.log(t) <= self.high]


def line(x1, y1, x2, y2, colour, width):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def text(x, y, words, anchor="middle", colour="#222"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def one_row(axis, y, ratio, pairs, colour):
    yield line(axis.x(min(pairs)), y, axis.x(max(pairs)), y, colour, 2)
    yield from (f'<circle cx="{axis.x(p):.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>' for p in pairs)
    yield f'<circle cx="{axis.x(ratio):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>'
    yield text(LEFT + WIDTH + 30, y + 4, f"{ratio:.2f}", "end", colour)


def svg(figures, jobs, peers, title):
    """The whole picture as text, or None when there is nothing to show."""
    rows = list(points(figures, jobs, peers))
    if not rows:
        return None
    axis = Axis([v for _, _, ratio, pairs in rows for v in pairs + [ratio]])
    height = TOP + ROW * (len(rows) + 1) + 14
    width = LEFT + WIDTH + 45
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="11">',
           f'<rect width="{width}" height="{height}" fill="white"/>', *(text(8, 15 + 14 * i, words, "start") for i, words in enumerate(title))]
    for i, peer in enumerate(peers):
        out.append(text(LEFT + 190 * i, 47, f"{OURS} / {peer} (right is better)", "start", COLOURS[i % len(COLOURS)]))
    for tick in axis.ticks():
        strong = tick == 1
        out.append(line(axis.x(tick), TOP - 6, axis.x(tick), height - 22, "#222" if strong else "#ddd", 1))
        out.append(text(axis.x(tick), height - 8, f"{tick:g}"))
    seen = None
    for i, (name, peer, ratio, pairs) in enumerate(rows):
        y = TOP + ROW * (i + 0.5)
        if name != seen:
            out.append(text(LEFT - 10, y + 4, name, "end"))
        seen = name
        out.extend(one_row(axis, y, ratio, pairs, COLOURS[peers.index(peer) % len(COLOURS)]))
    return "\n".join(out + ["</svg>", ""])
