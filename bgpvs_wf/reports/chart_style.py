"""How charts look, and how they become SVG that may stand in a page beside others."""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OKABE_ITO = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#000000",
)
"""Colours that colour-blind readers tell apart (Okabe and Ito 2008); yellow is lost on paper."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#1d2127"
QUIET = "#5a626d"
LINE = "#b9bec6"

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bgpvs-wf",
    "path.simplify": False,
    # Names of methods and subjects are names, whatever dollars they hold.
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "font.family": "sans-serif",
    # The first is bundled with matplotlib and wide: what fits in it fits in the others.
    "font.sans-serif": ["DejaVu Sans", "Arial", "Helvetica"],
    "font.size": 9.0,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "hatch.linewidth": 0.6,
    "hatch.color": LINE,
}


def draw_chart(
    paint: Callable[[Axes], None], size: tuple[float, float], *, title: str, room: float = 6.0
) -> str:
    """Draw a chart and return it as SVG text, the same for the same input.

    Parameters
    ----------
    paint : callable
        Draws on the axes it is given.
    size : tuple of float
        Width and height in inches, as printed.
    title : str
        Above the axes, and the chart's name for those who do not see it.
    room : float
        Points between title and axes.

    Returns
    -------
    str
        An `svg` element that is a whole file, and that can stand in an HTML page: it refers to
        nothing outside of itself, and has no style or name that meets another chart's. The CSS
        variable `--inches` on it is the width.
    """
    import matplotlib
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's fonts draw the text; that ours lack a letter does not matter.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots()
        paint(axes)
        axes.set_title(plain(title, 70), pad=room)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    return _embeddable(buffer.getvalue(), title, size[0])


def method_colours(methods: Sequence[str]) -> dict[str, str]:
    """Return a colour for every method, the first the strongest; they repeat after seven."""
    return {name: OKABE_ITO[i % len(OKABE_ITO)] for i, name in enumerate(methods)}


def plain(name: object, longest: int = 28) -> str:
    r"""Return a name on one line, cut where it is too long for a chart.

    Examples
    --------
    >>> plain("a\nb"), plain("abcdefgh", 5)
    ('a b', 'abcd…')
    """
    text = " ".join(re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", " ", str(name)).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def say_empty(axes: Axes, why: str) -> None:
    """Write on empty axes why there is nothing to see."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=QUIET)


def _embeddable(svg: str, title: str, inches: float) -> str:
    """Take away prolog and style sheet; keep only names that are used, and make them unique."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", svg, count=1, flags=re.DOTALL)
    own = "c" + hashlib.sha256(svg.encode("utf-8", "replace")).hexdigest()[:8]
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', svg))

    def rename(tag: re.Match[str]) -> str:
        def name(match: re.Match[str]) -> str:
            return f' id="{own}{match[1]}"' if match[1] in used else ""

        text = re.sub(r' id="([^"]*)"', name, tag[0])
        return re.sub(r'(url\(|href=")#', rf"\1#{own}", text)

    # Only inside of tags: text that people wrote stays as it is.
    svg = re.sub(r"<[^>]*>", rename, svg)
    label = html.escape(plain(title, 200))
    named = (
        f'<svg role="img" aria-label="{label}" style="--inches:{inches:.2f}" '
        'stroke-linejoin="round"'
    )
    return svg.replace("<svg", named, 1).rstrip() + "\n"
