"""The curves of a run as SVG that stands inside the page, drawn by matplotlib where it is installed.

Colours are the page's own CSS variables, so that the curves follow its light and dark dress; text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from ftcore_plugins.metrics.words import counted, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[int, float]]
Curves = Mapping[str, Points]

# matplotlib draws in these colours, and each is replaced by what stands beside it.
INK, LINE, FAINT, ACCENT, MARK = "#101010", "#202020", "#303030", "#404040", "#505050"
COLOURS = {
    INK: "currentColor",
    LINE: "var(--line)",
    FAINT: "var(--curve-faint)",
    ACCENT: "var(--accent)",
    MARK: "var(--mark)",
}
HELDOUT_LOSS = "loss.loss"

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
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return None
    found = []
    if curves.get("loss"):
        found.append(_loss(curves["loss"], curves.get(HELDOUT_LOSS, ())))
    for key, title in (("learning_rate", "learning rate"), ("grad_norm", "gradient norm")):
        if curves.get(key):
            found.append(_small(key, title, curves[key]))
    return found


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


def _svg(name: str, inches: tuple[float, float], draw: Any) -> Markup:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    # The salt keeps ids apart from those of the page's other drawings, and the same from run to run.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9}):
        figure = Figure(figsize=inches, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(round(value, 12))))
        axes.tick_params(length=0, labelcolor=INK)
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(LINE)
        written = io.StringIO()
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        canvas.print_svg(written, metadata=nothing)
    return Markup(_for_the_page(written.getvalue()))  # noqa: S704  matplotlib's drawing of our numbers; no text of the data


def _for_the_page(svg: str) -> str:
    """matplotlib's file as an element of the page: no prologue, no addresses, the page's colours, font and width."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style\b.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true" focusable="false">', svg, count=1)
    svg = re.sub(r"font-family:[^;\"]*;?", "", svg)
    svg = re.sub(r'<g id="patch_[12]">.*?</g>', "", svg, flags=re.DOTALL)  # the white paper
    svg = re.sub(
        r'\sid="(?:figure|axes|matplotlib|xtick|ytick|line2d|text|patch|legend|matplotlib\.axis)_\d+"', "", svg
    )
    for drawn, wanted in COLOURS.items():
        svg = svg.replace(drawn, wanted)
    return svg


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
