"""The picture of a comparison: score against peak memory and against training time, drawn by matplotlib.

The larger a point, the larger the artifact (by its logarithm). Points on the Pareto front are filled; the line shows
the best score that is to be had for so much memory or time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ftcore_plugins.compare.comparison import Comparison
from ftcore_plugins.compare.labels import Box, Circle, place
from ftcore_plugins.compare.pareto import dominators
from ftcore_plugins.compare.results import Result
from ftcore_plugins.html.svg import ACCENT, FAINT, INK, MARK, drawn, dress, has_matplotlib
from ftcore_plugins.metrics.words import number, share, shown, size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES = (9.6, 4.2)
SMALLEST, LARGEST = 3.5, 11.0
"""Radii in points."""

MOST_CHARACTERS = 28


def picture(comparison: Comparison) -> str | None:
    """matplotlib's SVG, or None where it is not installed or no run has all the numbers."""
    known = [result for result, by in zip(comparison.results, comparison.beaten_by, strict=True) if by is not None]
    if not known or not has_matplotlib():
        return None

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        panels = [_Panel(comparison, known, left, "peak memory", [float(result.memory or 0) for result in known], size)]
        unit, seconds = _unit(max(result.seconds or 0.0 for result in known))
        times = [(result.seconds or 0.0) / seconds for result in known]
        panels.append(_Panel(comparison, known, right, f"training time in {unit}", times, number))
        for panel in panels:
            panel.draw()
        change = comparison.scores[0]
        better = {"up": "higher is better", "down": "lower is better"}.get(change.better or "", "")
        left.set_ylabel(f"held-out {change.label}" + (f" ({better})" if better else ""), color=INK)
        figure.draw_without_rendering()  # only now is it known where the points are
        for panel in panels:
            panel.draw_names()

    return drawn("compare", INCHES, draw)


@dataclass(frozen=True, slots=True)
class _Panel:
    """The scores against one cost, given for each of the known runs."""

    comparison: Comparison
    known: Sequence[Result]
    axes: Axes
    title: str
    costs: Sequence[float]
    words: Callable[[float], str]

    @property
    def points(self) -> list[tuple[float, float]]:
        return list(zip(self.costs, (_height(self.comparison, result) for result in self.known), strict=True))

    def draw(self) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes, front = self.axes, self.comparison.front
        axes.margins(x=0.16, y=0.14)
        axes.plot(*zip(*self._staircase(), strict=True), color=FAINT, linewidth=1.4, zorder=1)
        for result, (x, y), radius in zip(self.known, self.points, _radii(self.known), strict=True):
            colour = ACCENT if result in front else MARK
            face = ACCENT if result in front else "none"
            axes.plot([x], [y], "o", markersize=2 * radius, markeredgewidth=1.4, color=colour, markerfacecolor=face)
        is_share = self.comparison.scores[0].percent
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: self.words(value) if value >= 0 else ""))
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: share(value) if is_share else number(round(value, 12)))
        )
        axes.set_xlabel(self.title, color=INK)
        dress(axes)

    def draw_names(self) -> None:
        """The name of each run near its point, with a line to it where it could not stand close by."""
        axes = self.axes
        circles = [Circle(x, y, r) for (x, y), r in zip(self._drawn(self.points), _radii(self.known), strict=True)]
        texts = [_cut(result.name) for result in self.known]
        room = axes.get_window_extent()
        sizes = [_extent(axes, text) for text in texts]
        boxes = place(circles, sizes, Box(room.x0, room.y0, room.x1, room.y1), self._line_boxes())
        for text, box, circle in zip(texts, boxes, circles, strict=True):
            x, y = box.nearest(circle.x, circle.y)
            if box.distance(circle) > 8:
                axes.plot([circle.x, x], [circle.y, y], color=INK, linewidth=0.5, transform=None, zorder=0)
            axes.text(box.left, box.bottom + 2, text, color=INK, transform=None, parse_math=False, in_layout=False)

    def _drawn(self, points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
        """Where the points are in the picture, in points from its corner."""
        return [(float(x), float(y)) for x, y in self.axes.transData.transform(points)]

    def _line_boxes(self) -> list[Box]:
        corners = pairwise(self._drawn(self._staircase()))
        return [Box(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in corners]

    def _staircase(self) -> list[tuple[float, float]]:
        """The best score for at most so much, from the cheapest run on."""
        sign = -1 if self.comparison.scores[0].better == "up" else 1
        costs = [(x, sign * y) for x, y in self.points]
        best = sorted({point for point, by in zip(costs, dominators(costs), strict=True) if not by})
        corners = [(after[0], before[1]) for before, after in pairwise(best)]
        return [(x, sign * y) for x, y in sorted([*best, *corners], key=lambda point: (point[0], -point[1]))]


def _unit(seconds: float) -> tuple[str, float]:
    """The unit in which so long a time reads well, and its seconds."""
    return ("seconds", 1.0) if seconds < 180 else ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def _cut(name: str) -> str:
    text = shown(name, one_line=True)
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"


def _extent(axes: Axes, text: str) -> tuple[float, float]:
    """Width and height of a text in points. The page's own font is rarely wider than matplotlib's."""
    drawing = axes.text(0, 0, text, parse_math=False)
    extent = drawing.get_window_extent()
    drawing.remove()
    return extent.width, extent.height + 1


def _radii(known: Sequence[Result]) -> list[float]:
    logs = [math.log(max(1, result.bytes)) for result in known]
    span = max(logs) - min(logs)
    return [SMALLEST + (LARGEST - SMALLEST) * ((log - min(logs)) / span if span else 0.5) for log in logs]


def _height(comparison: Comparison, result: Result) -> float:
    change = comparison.score(result)
    assert change is not None
    assert change.new is not None, "a result that is compared has a score"
    return change.new


def words(comparison: Comparison) -> str:
    """The picture in words, for those who do not see it."""
    front = ", ".join(shown(result.name, one_line=True) for result in comparison.front)
    return (
        f"{comparison.scores[0].label} on held-out rows against peak memory and training time; "
        f"not beaten in all three: {front}"
    )
