"""Draw plots as SVG; the only importer of matplotlib."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.results import Plot

# Text stays text, and the same figures give the same file.
mpl.rcParams["svg.fonttype"] = "none"
mpl.rcParams["svg.hashsalt"] = "relevo"


def draw(plot: Plot, path: Path) -> None:
    """
    Draw a plot.

    Args:
        plot: What to draw.
        path: The SVG file to write.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in plot.series.items():
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=4, label=name)
    axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
    if plot.log_x:
        axes.set_xscale("symlog" if any(x <= 0 for line in plot.series.values() for x, _ in line) else "log")
    if plot.log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    if len(plot.series) > 1:
        axes.legend(frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})
