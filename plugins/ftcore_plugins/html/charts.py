"""The curves of a run as SVG that stands inside the page, drawn by matplotlib where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

from ftcore_plugins.html.svg import ACCENT, FAINT, INK, MARK, drawn, dress, for_page, has_matplotlib
from ftcore_plugins.metrics.words import counted, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = Sequence[tuple[int, float]]
Curves = Mapping[str, Points]

HELDOUT_LOSS = "loss.loss"

NO_CURVES = {
    "loss", "learning_rate", "grad_norm", "epoch", "tokens", "trained_tokens", "num_tokens", "seconds", "memory_bytes",
}  # fmt: skip
"""Numbers of a step that are drawn by themselves, or that nobody looks at as a curve."""

# A page of more points is larger and looks the same: a curve is at most some 600 pixels wide.
MAX_POINTS = 600


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing and the same in words, for those who do not see it."""

    name: str
    title: str
    svg: Markup
    words: str


def charts(curves: Curves) -> list[Chart] | None:
    """Loss, learning rate and gradient norm, as far as there are numbers. None when matplotlib is not installed."""
    if not has_matplotlib():
        return None
    found = []
    if curves.get("loss"):
        found.append(_loss(curves["loss"], curves.get(HELDOUT_LOSS, ())))
    for key, title in (("learning_rate", "learning rate"), ("grad_norm", "gradient norm")):
        if curves.get(key):
            found.append(_small(key, title, curves[key]))
    return found


def strategy_charts(curves: Curves) -> list[Chart]:
    """What the strategy itself measured at each step, such as the reward and the divergence."""
    if not has_matplotlib():
        return []
    theirs = [key for key, points in curves.items() if points and key not in NO_CURVES and "." not in key]
    return [_small(key, key.replace("_", " ").replace("/", " "), curves[key]) for key in theirs]


def _loss(points: Points, heldout: Points) -> Chart:
    def draw(axes: Axes) -> None:
        raw, smooth = thinned(points), thinned(smoothed(points))
        axes.plot(*_columns(raw), color=FAINT, linewidth=1, marker="o" if len(raw) < 3 else "")
        axes.plot(*_columns(smooth), color=ACCENT, linewidth=1.8, label="training")
        if heldout:
            axes.plot(
                *_columns(heldout), color=MARK, linewidth=1, linestyle=":", marker="o", markersize=4, label="held out"
            )
            axes.legend(frameon=False, labelcolor=INK, fontsize=9)

    words = _in_words("training loss", points)
    if heldout:
        words += f"; {_in_words('held-out loss', heldout)}"
    return Chart("loss", "loss", _svg("loss", (5.0, 3.55), draw), words)


def _small(key: str, title: str, points: Points) -> Chart:
    def draw(axes: Axes) -> None:
        few = thinned(points)
        axes.plot(*_columns(few), color=ACCENT, linewidth=1.4, marker="o" if len(few) < 3 else "")
        if min(value for _, value in few) >= 0:
            axes.set_ylim(0, 1.08 * max(value for _, value in few) or 1)

    return Chart(key, title, _svg(key, (3.3, 1.62), draw), _in_words(title, points))


def smoothed(points: Points) -> Points:
    """An exponential mean over about a twentieth of the run, without the pull of a starting value toward zero."""
    keep = 1 - 1 / max(1.0, len(points) / 20)
    mean, weight, result = 0.0, 0.0, []
    for step, value in points:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        result.append((step, mean / weight))
    return result


def thinned(points: Points, most: int = MAX_POINTS) -> Points:
    """At most `most` points, each the mean of its stretch of steps."""
    if len(points) <= most:
        return points
    edges = [len(points) * part // most for part in range(most + 1)]
    stretches = (points[a:b] for a, b in pairwise(edges))
    return [(stretch[len(stretch) // 2][0], sum(value for _, value in stretch) / len(stretch)) for stretch in stretches]


def _svg(name: str, inches: tuple[float, float], draw: Callable[[Axes], None]) -> Markup:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def draw_alone(figure: Figure) -> None:
        axes = figure.add_subplot()
        draw(axes)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 12))))
        dress(axes)

    return for_page(drawn(name, inches, draw_alone))


def _columns(points: Points) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]


def _in_words(what: str, points: Points) -> str:
    first, last = points[0][1], points[-1][1]
    if len(points) == 1:
        return f"{what} {number(first)}"
    low = min(value for _, value in points)
    high = max(value for _, value in points)
    return (
        f"{what} from {number(first)} to {number(last)} over {counted(points[-1][0], 'step')}, "
        f"lowest {number(low)}, highest {number(high)}"
    )
