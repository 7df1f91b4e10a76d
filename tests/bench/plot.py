"""A plot as SVG, written as text: what a node costs, in milliseconds, by how many nodes there are."""

# Copyright: baremetal.lifecycle contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.bench.figures import Spread

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 92, 120, 52, 56

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-weight: 600; font-size: 15px }
    .soft { fill: #59636e }
    .back { fill: #ffffff }
    .grid { stroke: #d1d9e0 }
    .axis { stroke: #59636e }
    .line { fill: none; stroke-width: 2.5 }
    .s1 .line { stroke-dasharray: 7 4 }
    .name { font-weight: 600 }
    .s0 .line, .s0 .range { stroke: #0969da }
    .s0 .mark, .s0 .name { fill: #0969da }
    .s1 .line, .s1 .range { stroke: #9a6700 }
    .s1 .mark, .s1 .name { fill: #9a6700 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .soft { fill: #9198a1 }
      .back { fill: #0d1117 }
      .grid { stroke: #3d444d }
      .axis { stroke: #9198a1 }
      .s0 .line, .s0 .range { stroke: #4493f8 }
      .s0 .mark, .s0 .name { fill: #4493f8 }
      .s1 .line, .s1 .range { stroke: #d29922 }
      .s1 .mark, .s1 .name { fill: #d29922 }
    }
"""


@dataclass(frozen=True)
class Series:
    """One line: a spread for each number of nodes."""

    name: str
    points: dict[int, Spread]


def get_step(highest: float, steps: int = 5) -> float:
    """Return the distance of an axis's marks: 1, 2 or 5 times a power of ten, for at most ``steps`` of them."""
    if highest <= 0:
        return 1.0
    power: float = 10 ** math.floor(math.log10(highest / steps))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power * steps >= highest)


class _Scale:
    """Where a point is: x by the logarithm of the nodes, y from zero."""

    def __init__(self, series: t.Sequence[Series]) -> None:
        self._series = series
        self.sizes = sorted({size for line in series for size in line.points})
        highest = max(point.high for line in series for point in line.points.values())
        self.step = get_step(highest)
        self.top = self.step * math.ceil(highest / self.step)

    def is_highest(self, nodes: int, point: Spread) -> bool:
        """Return whether no series has a higher point there: its number stands above it, others' below."""
        return point.median >= max(line.points[nodes].median for line in self._series if nodes in line.points)

    def x(self, nodes: int) -> float:
        """Return the place of a number of nodes; a single one is in the middle."""
        first, last = math.log(self.sizes[0]), math.log(self.sizes[-1])
        share = (math.log(nodes) - first) / (last - first) if last > first else 0.5
        return round(LEFT + 24 + share * (WIDTH - LEFT - RIGHT - 48), 1)

    def y(self, value: float) -> float:
        """Return the place of a value."""
        return round(HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM), 1)


def _draw_axes(scale: _Scale, x_title: str) -> t.Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for number in range(round(scale.top / scale.step) + 1):
        value = number * scale.step
        y = scale.y(value)
        yield f'<line class="{"grid" if number else "axis"}" x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield f'<text class="soft" x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{value:,.10g} ms</text>'
    for size in scale.sizes:
        x = scale.x(size)
        yield f'<line class="axis" x1="{x}" y1="{bottom}" x2="{x}" y2="{bottom + 5}"/>'
        yield f'<text class="soft" x="{x}" y="{bottom + 21}" text-anchor="middle">{size:,}</text>'
    middle = (LEFT + right) / 2
    yield f'<text class="soft" x="{middle}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_title)}</text>'


def _draw_series(scale: _Scale, number: int, series: Series, name_y: float) -> t.Iterator[str]:
    points = sorted(series.points.items())
    places = [(scale.x(size), point) for size, point in points]
    yield f'<g class="s{number}">'
    yield f'<polyline class="line" points="{" ".join(f"{x},{scale.y(point.median)}" for x, point in places)}"/>'
    for size, point in points:
        x = scale.x(size)
        y = scale.y(point.median)
        yield f'<line class="range" x1="{x}" y1="{scale.y(point.low)}" x2="{x}" y2="{scale.y(point.high)}"/>'
        if number:
            yield f'<rect class="mark" x="{x - 4}" y="{y - 4}" width="8" height="8"/>'
        else:
            yield f'<circle class="mark" cx="{x}" cy="{y}" r="4.5"/>'
        number_y = scale.y(point.high) - 10 if scale.is_highest(size, point) else scale.y(point.low) + 20
        yield f'<text x="{x}" y="{number_y}" text-anchor="middle">{point.median:,.0f}</text>'
    yield f'<text class="name" x="{places[-1][0] + 34}" y="{name_y}">{escape(series.name)}</text>'
    yield "</g>"


def _place_names(scale: _Scale, series: t.Sequence[Series]) -> list[float]:
    """Return the y of each line's name: at its end, and at least a line of text from the others."""
    ends = [scale.y(line.points[max(line.points)].median) + 4 for line in series]
    order = sorted(range(len(ends)), key=lambda number: ends[number])
    for upper, lower in zip(order, order[1:]):
        ends[lower] = max(ends[lower], ends[upper] + 18)
    return ends


def draw(title: str, x_title: str, series: t.Sequence[Series]) -> str:
    """Return the plot; ``title`` says what y is and its unit."""
    scale = _Scale(series)
    names = _place_names(scale, series)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{HEIGHT}"/>',
        f'<text class="title" x="16" y="28">{escape(title)}</text>',
        *_draw_axes(scale, x_title),
    ]
    for number, line in enumerate(series):
        lines += _draw_series(scale, number, line, names[number])
    return "\n".join([*lines, "</svg>"]) + "\n"
