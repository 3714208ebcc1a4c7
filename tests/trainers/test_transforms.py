"""Mixed batches by their formulas; policies image by image against torchvision called alone."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import beta, kstest
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchvision.transforms import v2

from trainers.config import TrainConfig
from trainers.transforms import Mixing, Policy, drawing_from

CLASSES = 5


def mixed(images: Tensor, labels: Tensor, step: int = 0, epoch: int = 1, **options):
    return Mixing(TrainConfig(**options), CLASSES)(images, labels, epoch, step)


def batch(n: int = 5, side: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(n, 3, side, side, generator=generator)
    return images, torch.arange(n) % CLASSES


def before(values: Tensor) -> Tensor:
    """Each one's predecessor in the batch; the first one's is the last."""
    return torch.cat([values[-1:], values[:-1]])


def own_share(labels: Tensor, shares: Tensor) -> float:
    """λ, of labels of which no two neighbours are equal."""
    found = shares[torch.arange(len(labels)), labels]
    assert torch.allclose(found, found[0].expand(len(found)), rtol=0, atol=1e-6)
    return float(found[0])


@pytest.mark.parametrize("step", range(3))
def test_mixup_blends_images_and_labels_by_the_same_share(step: int) -> None:
    images, labels = batch()
    found, shares = mixed(images, labels, step, mixup=1.0)
    share = own_share(labels, shares)
    assert 0 < share < 1
    torch.testing.assert_close(found, share * images + (1 - share) * before(images))
    target = F.one_hot(labels, CLASSES)
    torch.testing.assert_close(shares, share * target + (1 - share) * before(target))


@pytest.mark.parametrize("step", range(4))
def test_cutmix_pastes_one_box_and_its_share_of_the_label(step: int) -> None:
    images, labels = batch()
    found, shares = mixed(images, labels, step, cutmix=1.0)
    pasted = (found != images).any(dim=1)
    assert torch.equal(found, torch.where(pasted[:, None], before(images), images))
    rows, columns = pasted[0].any(dim=1), pasted[0].any(dim=0)
    assert torch.equal(pasted, (rows[:, None] & columns).expand_as(pasted))
    for line in (rows, columns):  # one stretch
        assert int(line.int().diff().abs().sum()) <= 2
    share = own_share(labels, shares)
    assert share == pytest.approx(1 - float(pasted[0].float().mean()), abs=1e-6)
    assert (share < 1) == bool(pasted.any())


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_shares_are_of_the_beta_distribution(alpha: float) -> None:
    images, labels = torch.zeros(2, 1, 1, 1), torch.tensor([0, 1])
    mixing = Mixing(TrainConfig(mixup=alpha), CLASSES)
    shares = [float(mixing(images, labels, 1, step)[1][0, 0]) for step in range(500)]
    assert kstest(shares, beta(alpha, alpha).cdf).pvalue > 0.01


def test_with_both_about_half_of_the_batches_are_blended() -> None:
    images, labels = batch(2, 4)
    kinds = [
        bool((mixed(images, labels, step, mixup=1.0, cutmix=1.0)[0] == images).any())
        for step in range(200)
    ]
    assert 70 < sum(kinds) < 130  # five times the spread of a fair coin


def images_of(n: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (n, 12, 12, channels), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("name", "options", "torchvisions"),
    [
        ("trivialaugment", {}, v2.TrivialAugmentWide()),
        ("randaugment", {"num_ops": 3, "magnitude": 15}, v2.RandAugment(3, 15)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_policy_is_torchvisions_of_each_image_with_a_seed_of_its_own(
    name: str, options: dict, torchvisions: v2.Transform, channels: int
) -> None:
    images, policy = images_of(20, channels), Policy(TrainConfig(policy=name, **options))
    seeds = policy.seeds(20, epoch=4)
    assert len(set(seeds)) == 20
    found = policy(images, seeds)
    for image, seed, changed in zip(images, seeds, found, strict=True):
        torch.manual_seed(seed)
        assert torch.equal(changed.permute(2, 0, 1), torchvisions(image.permute(2, 0, 1)))
    assert (found != images).any()
    assert torch.equal(policy(images[7:], seeds[7:]), found[7:])  # in any batch


def test_seeds_follow_from_seed_and_epoch_alone() -> None:
    def seeds(seed: int, epoch: int) -> list[int]:
        return Policy(TrainConfig(policy="trivialaugment", seed=seed)).seeds(4, epoch)

    torch.manual_seed(1)
    some = seeds(0, 1)
    torch.rand(3)
    assert some == seeds(0, 1)
    assert len({tuple(some), tuple(seeds(1, 1)), tuple(seeds(0, 2))}) == 3


def test_the_global_generator_stays_as_it_was() -> None:
    images, labels = batch()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    mixed(images, labels, mixup=1.0, cutmix=1.0)
    Policy(TrainConfig(policy="trivialaugment"))(images_of(2), [1, 2])
    with drawing_from(7):
        drawn = torch.rand(1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(drawn, torch.rand(1, generator=torch.Generator().manual_seed(7)))
