"""Every figure that the five reports published is a reference of exactly one space.

The list below was copied from the reports by hand, row by row of their tables: what was measured
or printed, not what was set (baselines have tests of their own).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from spaces import SPACES, named_space
from spaces.space import Reference

# space: lines of "metric value | setting where it differs from the baseline".
PUBLISHED = {
    "resnet50_cosine": """
        parameters 23520842
        macs_with_norm_and_pool 1312000000
        test_top1 95.53
        test_top1 95.33 | said_in=text
        test_top1 95.49 | epoch=197
        test_top1 95.37 | epoch=198
        test_top1 95.50 | epoch=199
        test_top1 95.38 | epoch=200
        seconds_per_epoch 90
        wall_seconds 18840
        gpu_utilization 100
        gpu_peak_memory_mb 7500
        gpu_power_w 76
        test_seconds 7.72
        test_gpu_peak_memory_mb 1796
        test_gpu_utilization 98
    """,
    "lenet_batch": """
        output_channels 3 | layer=input
        output_side 32 | layer=input
        output_channels 6 | layer=conv1
        output_side 14 | layer=conv1
        output_channels 16 | layer=conv2
        output_side 5 | layer=conv2
        output_channels 400 | layer=flatten
        output_channels 120 | layer=fc1
        output_channels 84 | layer=fc2
        output_channels 10 | layer=fc3
        wall_seconds 33.66
        gpu_utilization 38
        test_top1 53.36
        wall_seconds 33.23 | batch_size=200
        gpu_utilization 40 | batch_size=200
        test_top1 45.43 | batch_size=200
        wall_seconds 33.13 | batch_size=300
        gpu_utilization_low 35 | batch_size=300
        gpu_utilization_high 41 | batch_size=300
        test_top1 40.69 | batch_size=300
        test_top1 53.98 | measured_by=plain loop
        test_top1 46.13 | batch_size=200, measured_by=plain loop
        test_top1 39.62 | batch_size=300, measured_by=plain loop
    """,
    "lenet_epochs": """
        test_top1 60 | epoch=20
        test_top1 65
        test_top1 53 | epochs=2, batch_size=4, normalize=half
        class_top1 33 | class=plane, epochs=2, batch_size=4, normalize=half
        class_top1 79 | class=car, epochs=2, batch_size=4, normalize=half
        class_top1 32 | class=bird, epochs=2, batch_size=4, normalize=half
        class_top1 59 | class=cat, epochs=2, batch_size=4, normalize=half
        class_top1 56 | class=deer, epochs=2, batch_size=4, normalize=half
        class_top1 27 | class=dog, epochs=2, batch_size=4, normalize=half
        class_top1 63 | class=frog, epochs=2, batch_size=4, normalize=half
        class_top1 54 | class=horse, epochs=2, batch_size=4, normalize=half
        class_top1 80 | class=ship, epochs=2, batch_size=4, normalize=half
        class_top1 51 | class=truck, epochs=2, batch_size=4, normalize=half
        train_loss 1.1 | epochs=4, batch_size=4, normalize=half
        train_top1 61 | epochs=4, batch_size=4, normalize=half
        test_top1 57 | epochs=4, batch_size=4, normalize=half
        class_top1 55 | class=plane, epochs=4, batch_size=4, normalize=half
        class_top1 76 | class=car, epochs=4, batch_size=4, normalize=half
        class_top1 52 | class=bird, epochs=4, batch_size=4, normalize=half
        class_top1 32 | class=cat, epochs=4, batch_size=4, normalize=half
        class_top1 65 | class=deer, epochs=4, batch_size=4, normalize=half
        class_top1 52 | class=dog, epochs=4, batch_size=4, normalize=half
        class_top1 52 | class=frog, epochs=4, batch_size=4, normalize=half
        class_top1 67 | class=horse, epochs=4, batch_size=4, normalize=half
        class_top1 81 | class=ship, epochs=4, batch_size=4, normalize=half
        class_top1 39 | class=truck, epochs=4, batch_size=4, normalize=half
    """,
    "resnet9_plain": """
        output_channels 64 | layer=stem
        output_side 32 | layer=stem
        output_channels 128 | layer=block1
        output_side 16 | layer=block1
        output_channels 256 | layer=block2
        output_side 8 | layer=block2
        output_channels 512 | layer=block3
        output_side 4 | layer=block3
        output_channels 512 | layer=pool
        output_side 1 | layer=pool
        output_channels 10 | layer=classifier
        epochs_until_stable_low 6
        epochs_until_stable_high 8
        test_top1 71
        gpu_utilization 96
        gpu_peak_memory_mb 646
        gpu_power_w 34
    """,
    "resnet9_lr_range": """
        suggested_lr 0.005
        train_top1 99 | augment=none
        test_top1 82 | augment=none
        class_top1 87 | class=plane, augment=none
        class_top1 88 | class=car, augment=none
        class_top1 77 | class=bird, augment=none
        class_top1 61 | class=cat, augment=none
        class_top1 83 | class=deer, augment=none
        class_top1 79 | class=dog, augment=none
        class_top1 91 | class=frog, augment=none
        class_top1 85 | class=horse, augment=none
        class_top1 94 | class=ship, augment=none
        class_top1 85 | class=truck, augment=none
        train_top1 91
        test_top1 88
        class_top1 87 | class=plane
        class_top1 98 | class=car
        class_top1 77 | class=bird
        class_top1 80 | class=cat
        class_top1 90 | class=deer
        class_top1 79 | class=dog
        class_top1 89 | class=frog
        class_top1 92 | class=horse
        class_top1 96 | class=ship
        class_top1 93 | class=truck
    """,
    "cnn200": """
        val_top1 29.10
        test_loss_batch_sum 0.0496
        test_top1 28.67
        seconds_per_epoch 48 | processes=2
        seconds_per_epoch 90 | processes=1
        speedup_low 1.8 | processes=2
        speedup_high 1.9 | processes=2
    """,
    "resnet200": """
        val_top1 23.40
        test_loss_batch_sum 0.0587
        test_top1 22.81
        seconds_per_epoch 210 | processes=2
        seconds_per_epoch 360 | processes=1
    """,
    "wrn_sam": """
        test_top1 84.36
        test_top5 96.65
        test_loss 0.5081
        test_error 16.5 | depth=28, augment=crop_flip
        test_error 18.8 | depth=28, augment=crop_flip, optimizer=sgd
        test_error 14.9 | depth=28
        test_error 16.9 | depth=28, optimizer=sgd
    """,
}
# Counted in the reports, not in the list above.
FIGURES = {
    "resnet50_cosine": 2 + 2 + 4 + 2 + 3 + 3,
    "lenet_batch": (3 * 2 + 4) + 3 * 3 + 1 + 3,  # shapes; table; utilisation is an interval once
    "lenet_epochs": 2 + (1 + 10) + (3 + 10),
    "resnet9_plain": (5 * 2 + 1) + 3 + 3,
    "resnet9_lr_range": 1 + 2 * (2 + 10),
    "cnn200": 3 + 2 + 2,
    "resnet200": 3 + 2,
    "wrn_sam": 3 + 4,
}

Figure = tuple[str, float, frozenset[str]]


def copied(space: str) -> Iterator[Figure]:
    for line in PUBLISHED[space].strip().splitlines():
        figure, _, setting = line.partition("|")
        metric, value = figure.split()
        parts = (part.strip() for part in setting.split(","))
        yield metric, float(value), frozenset(part for part in parts if part)


def stated(references: tuple[Reference, ...]) -> Iterator[Figure]:
    for item in references:
        setting = frozenset(f"{name}={value}" for name, value in item.setting.items())
        yield item.metric, item.value, setting


def test_every_space_is_listed() -> None:
    assert set(PUBLISHED) == set(FIGURES) == set(SPACES)


@pytest.mark.parametrize("space", PUBLISHED)
def test_a_spaces_references_are_the_published_figures(space: str) -> None:
    references = named_space(space).references
    assert Counter(stated(references)) == Counter(copied(space))
    assert len(references) == FIGURES[space]
    assert all("report" in item.source or "paper" in item.source for item in references)


def test_all_figures_are_counted() -> None:
    assert sum(len(named_space(space).references) for space in SPACES) == 126


@pytest.mark.parametrize("space", PUBLISHED)
def test_one_setting_has_one_figure_of_a_metric(space: str) -> None:
    seen = Counter((metric, setting) for metric, _, setting in copied(space))
    assert max(seen.values()) == 1
