"""torchvision's own random transforms on batches, from seeds made for a whole epoch at once.

They draw from torch's global generator. Here it is seeded for each image, or each batch, and put
back, so what they do is a pure function of the seed and the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from trainers.config import TrainConfig
from trainers.registry import POLICIES
from trainers.seeds import derive_seed

Mix = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Policy:
    """RandAugment (Cubuk et al. 2020) or TrivialAugment (Müller and Hutter 2021), of each image by
    itself, whatever batch it is in."""

    def __init__(self, config: TrainConfig):
        self._seed = config.seed
        entry = POLICIES[config.policy]
        self._transform = entry.load()(**entry.keywords(vars(config)))

    def seeds(self, n: int, epoch: int) -> list[int]:
        """Return one seed for each of the ``n`` images of an epoch, in its order."""
        seed = derive_seed(self._seed, "epoch", epoch, "policy")
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(2**63 - 1, (n,), generator=generator).tolist()

    def __call__(self, images: Tensor, seeds: Sequence[int]) -> Tensor:
        """Return uint8 images (N, H, W, C), changed."""
        changed = [
            self._changed(image, seed)
            for image, seed in zip(images.permute(0, 3, 1, 2), seeds, strict=True)
        ]
        return torch.stack(changed).permute(0, 2, 3, 1)

    def _changed(self, image: Tensor, seed: int) -> Tensor:
        with drawing_from(seed):
            changed: Tensor = self._transform(image)
        return changed


class Mixing:
    """mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019): an image is blended with, or gets a
    box of, the one before it in the batch, and its label alike. One λ a batch, from Beta(α, α);
    where both are on, a coin says which. With several processes each mixes its own share."""

    def __init__(self, config: TrainConfig, classes: int):
        from torchvision.transforms import v2

        self._seed = config.seed
        self._ways: list[Mix] = []
        if config.mixup:
            self._ways.append(v2.MixUp(alpha=config.mixup, num_classes=classes))
        if config.cutmix:
            self._ways.append(v2.CutMix(alpha=config.cutmix, num_classes=classes))

    def __call__(
        self, images: Tensor, labels: Tensor, epoch: int, step: int
    ) -> tuple[Tensor, Tensor]:
        """Return the images (N, C, H, W) with labels (N,) as mixed images and each one's shares (N,
        K)."""
        with drawing_from(derive_seed(self._seed, "epoch", epoch, "mix", step)):
            way = int(torch.randint(len(self._ways), ()))
            return self._ways[way](images, labels)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Return a context manager within which torch's CPU generator is seeded with ``seed``.
    Afterwards it is as before."""
    generator = torch.default_generator
    before = generator.get_state()
    generator.manual_seed(seed)
    try:
        yield
    finally:
        generator.set_state(before)
