"""Drawings by matplotlib as SVG: inside a page, or as a file of their own. Text stays text.

Inside a page colours are the page's own CSS variables, so that drawings follow its light and dark dress; a file has
the light dress on white paper, since it may be shown anywhere.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# matplotlib draws in these colours, and each is replaced by what stands beside it: inside a page, and in a file.
INK, LINE, FAINT, ACCENT, MARK = "#101010", "#202020", "#303030", "#404040", "#505050"
IN_PAGE = {
    INK: "currentColor",
    LINE: "var(--line)",
    FAINT: "var(--curve-faint)",
    ACCENT: "var(--accent)",
    MARK: "var(--mark)",
}
IN_FILE = {INK: "#414b59", LINE: "#dfe3e9", FAINT: "#b3c6f5", ACCENT: "#2456d6", MARK: "#b45309"}


def has_matplotlib() -> bool:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def drawn(name: str, inches: tuple[float, float], draw: Callable[[Figure], None]) -> str:
    """matplotlib's SVG of what `draw` puts on a figure without paper. The same drawing gives the same text.

    `name` keeps ids apart from those of a page's other drawings.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9}):
        figure = Figure(figsize=inches, layout="constrained", dpi=72)  # a point of an SVG is a 72nd of an inch
        canvas = FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        draw(figure)
        written = io.StringIO()
        canvas.print_svg(written, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return written.getvalue()


def dress(axes: Axes) -> None:
    """Axes as all drawings have them: a line below, a faint grid across, no ticks."""
    axes.patch.set_visible(False)
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LINE)


def for_page(svg: str) -> Markup:
    """The drawing as an element of a page: no prologue, no addresses, the page's colours, font and width.

    It is safe to put in: matplotlib has escaped whatever text was drawn.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style\b.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = re.sub(r'<svg\b[^>]*?(viewBox="[^"]*")[^>]*>', r'<svg \1 aria-hidden="true" focusable="false">', svg, count=1)
    svg = re.sub(r"font-family:[^;\"]*;?", "", svg)
    svg = re.sub(
        r'\sid="(?:figure|axes|matplotlib|xtick|ytick|line2d|text|patch|legend|matplotlib\.axis)_\d+"', "", svg
    )
    return Markup(_coloured(svg, IN_PAGE))  # noqa: S704


def for_file(svg: str) -> str:
    """The drawing as a file that any program shows, on white paper."""
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return _coloured(re.sub(r"(<svg\b[^>]*>)", rf"\1\n {paper}", svg, count=1), IN_FILE)


def _coloured(svg: str, colours: Mapping[str, str]) -> str:
    for colour, wanted in colours.items():
        svg = svg.replace(colour, wanted)
    return svg
