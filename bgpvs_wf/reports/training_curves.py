"""The curves of a training, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bgpvs_wf.reports.chart_style import MARKERS, draw_chart, method_colours, say_empty

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORES = {
    "bg_dice": "BG Dice",
    "pvs_dice": "PVS Dice",
    "nuclei_dice": "Dice of nuclei in the head",
    "brain_dice": "Dice of the brain",
}
"""Name of a score to how a chart calls it."""


def training_curves(trainings: Mapping[str, Any]) -> str:
    """Draw loss (lines) and scores on cases held out (markers) over the steps of trainings.

    Parameters
    ----------
    trainings : mapping of str to mapping
        Name of a training to its `losses` (pairs of step and loss) and `scores` (mappings with
        `step`), as `bgpvs_wf.learning.training.loop.Progress` has them.

    Returns
    -------
    str
        SVG.
    """
    colours = method_colours(list(trainings))

    def paint(axes: Axes) -> None:
        trained = {name: one for name, one in trainings.items() if one["losses"]}
        if not trained:
            say_empty(axes, "Nothing was trained.")
            return
        right = axes.twinx()
        for name, training in trained.items():
            steps, losses = zip(*training["losses"], strict=True)
            axes.plot(steps, losses, color=colours[name], linewidth=0.8, label=f"{name}, loss")
            kinds = [key for key in SCORES if any(key in one for one in training["scores"])]
            for key, marker in zip(kinds, MARKERS, strict=False):
                points = [(one["step"], one[key]) for one in training["scores"] if key in one]
                x, y = zip(*points, strict=True)
                style: Any = {"color": colours[name], "marker": marker, "markersize": 4}
                right.plot(x, y, linewidth=1.4, label=f"{name}, {SCORES[key]}", **style)
        axes.set_xlabel("Step")
        axes.set_ylabel("Loss")
        right.set_ylabel("Dice on cases held out")
        right.set_ylim(0, 1)
        right.spines["right"].set_visible(True)
        handles = [*axes.get_legend_handles_labels()[0], *right.get_legend_handles_labels()[0]]
        labels = [*axes.get_legend_handles_labels()[1], *right.get_legend_handles_labels()[1]]
        axes.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)

    return draw_chart(paint, (6.6, 4.4), title="Training")
