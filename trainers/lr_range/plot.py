"""The curve of a learning-rate range test as a picture."""

from __future__ import annotations

import io
from pathlib import Path

from trainers.atomic_files import write_atomically
from trainers.lr_range.sweep import RangeCurve

CURVE_PNG = "lr_range.png"


def save_picture(folder: Path, curve: RangeCurve) -> None:
    """``lr_range.png`` in ``folder``: loss against rate, the rate on a log axis."""
    from matplotlib.figure import Figure  # without pyplot: no state outside this figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.rates, curve.losses, color="0.75", linewidth=1, label="loss of a mini-batch")
    axes.plot(curve.rates, curve.smoothed, color="tab:blue", label="smoothed")
    if curve.suggestion is not None:
        label = f"falls fastest at {curve.suggestion:.3g}"
        axes.axvline(curve.suggestion, color="tab:red", linestyle="--", label=label)
    axes.set_xscale("log")
    if curve.smoothed:  # the loss explodes at the end; the part that matters is below the start
        axes.set_ylim(0, 1.5 * max(curve.smoothed[: len(curve.smoothed) // 2 + 1]))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(folder / CURVE_PNG, picture.getbuffer())
