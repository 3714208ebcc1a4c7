"""The stratified validation split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trainers.data import DataError, stratified_split


def _labels(*counts: int) -> torch.Tensor:
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return labels[torch.from_numpy(np.random.default_rng(1).permutation(len(labels)))]


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        ((10, 20, 30), 0.1, (1, 2, 3)),
        ((100, 104, 106), 0.1, (10, 10, 11)),
        ((3, 50), 0.1, (1, 5)),  # at least one for validation
        ((2, 4), 0.9, (1, 3)),  # at least one for training
        ((500,) * 100, 0.1, (50,) * 100),
    ],
)
def test_every_class_gives_its_share(
    counts: tuple[int, ...], fraction: float, expected: tuple[int, ...]
) -> None:
    labels = _labels(*counts)
    train, val = stratified_split(labels, fraction, seed=0)
    assert torch.bincount(labels[val]).tolist() == list(expected)
    assert train.dtype == val.dtype == torch.int64
    assert torch.cat([train, val]).sort().values.equal(torch.arange(len(labels)))
    assert train.equal(train.sort().values)
    assert val.equal(val.sort().values)


def test_it_depends_on_the_seed_alone() -> None:
    labels = _labels(40, 40)
    first = stratified_split(labels, 0.25, seed=7)[1]
    np.random.seed(3)
    torch.manual_seed(3)
    assert stratified_split(labels, 0.25, seed=7)[1].equal(first)
    assert not stratified_split(labels, 0.25, seed=8)[1].equal(first)
    assert len(stratified_split(labels, 0.25, seed=2**80)[1]) == 20


def test_it_leaves_the_global_generators_alone() -> None:
    state, torch_state = np.random.get_state(legacy=False), torch.get_rng_state()
    stratified_split(_labels(40, 40), 0.25, seed=7)
    np.testing.assert_equal(np.random.get_state(legacy=False), state)
    assert torch.get_rng_state().equal(torch_state)


def test_the_same_split_for_ever() -> None:
    # Studies are taken up again years later: this must not change with a version of numpy.
    labels = torch.tensor([0, 1] * 8)
    assert stratified_split(labels, 0.25, seed=0)[1].tolist() == [3, 6, 9, 12]


def test_every_image_can_be_chosen() -> None:
    labels = _labels(5, 5)
    chosen = {int(i) for seed in range(60) for i in stratified_split(labels, 0.2, seed)[1]}
    assert chosen == set(range(10))


def test_a_class_of_one_image_is_named() -> None:
    with pytest.raises(DataError, match="class 1 has 1 training image, but needs at least 2"):
        stratified_split(torch.tensor([0, 0, 1]), 0.5, seed=0)
    with pytest.raises(DataError, match="class '10' has 1 training image"):
        stratified_split(torch.tensor([0, 0, 1]), 0.5, seed=0, classes=("1", "10"))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match=r"fraction must be in \(0, 1\), got"):
        stratified_split(torch.tensor([0, 0]), fraction, seed=0)


def test_no_labels_are_refused() -> None:
    with pytest.raises(DataError, match="needs labels, got none"):
        stratified_split(torch.tensor([], dtype=torch.int64), 0.5, seed=0)
