"""Whether the card computes what the CPU computes, in the precision asked for, without waits."""

from __future__ import annotations

import torch

from benchmarks.gpu_check.check import Setting, expect, needs_gpu, short
from benchmarks.gpu_check.settings import FEW, config, random_images
from trainers.config import TrainConfig
from trainers.cuda.cards import find_gpus
from trainers.cuda.precision import compute_as
from trainers.data import ImageData
from trainers.execution import Execution
from trainers.models import MODELS
from trainers.trainer import Trainer

# The most by which losses may differ, as a share: that of the first step, whose weights are the
# same, by rounding alone; later ones by what training makes of it.
FIRST, LATER = 1e-4, 1e-2
LR = 0.0003  # a higher one makes more of it
SMALLEST = ("lenet", "resnet9")  # models
SIDE = 1024
ERRORS = {"float32": 1e-5, "tf32": 1e-2, "bfloat16": 5e-2}  # of a product, relative


def reached(setting: Setting) -> None:
    """Every visible card computes, as a search asks before any worker starts."""
    needs_gpu(setting, "there is no card to reach")
    setting.record("cards", [vars(card) for card in find_gpus()])


def precision(setting: Setting) -> None:
    """Errors of a product and of a convolution, against float64: what is called float32 is not
    TF32, and TF32 is."""
    for name in ("float32", "tf32") if setting.cuda else ("float32",):
        compute_as(Execution(setting.device, name))
        for what, error in _errors(setting).items():
            setting.record(f"{what}/{name}", short(error))
            expect(error <= ERRORS[name], f"{what} in {name}: an error of {error:.2g}")
            rough = error > ERRORS["float32"]
            expect(rough is (name == "tf32"), f"{what} in {name}: an error of {error:.2g}")


def _errors(setting: Setting) -> dict[str, float]:
    """The convolution has as many channels as any network here: for few ones cuDNN may take a
    float32 kernel also where TF32 is allowed."""
    torch.manual_seed(0)
    side = setting.of(SIDE, SIDE // 8)
    a, b = torch.randn(side, side), torch.randn(side, side)
    images, weights = torch.randn(16, 256, 16, 16), torch.randn(256, 256, 3, 3)
    convolve = torch.nn.functional.conv2d
    on = setting.device
    pairs = {
        "product": (a.double() @ b.double(), a.to(on) @ b.to(on)),
        "convolution": (
            convolve(images.double(), weights.double()),
            convolve(images.to(on), weights.to(on)),
        ),
    }
    return {
        what: float((got.cpu().double() - right).norm() / right.norm())
        for what, (right, got) in pairs.items()
    }


def curves(setting: Setting) -> None:
    """Losses of every named model, step by step, in float32: the device's against the CPU's. On the
    CPU itself, images in the other memory layout, for which there are other kernels."""
    data = random_images(FEW)
    steps, batch = setting.of(6, 2), setting.of(32, 8)
    here = Execution(setting.device, channels_last=setting.cuda)
    setting.record("allowed", {"first": FIRST, "later": LATER})
    for model in SMALLEST if setting.smallest else MODELS:
        options = {"optimizer": "sam"} if model == "wide_resnet" else {}
        chosen = config(model, batch_size=batch, lr=LR, augment="crop_flip_cutout", **options)
        expected = _losses(chosen, data, Execution(), steps)
        got = _losses(chosen, data, here, steps)
        shares = [abs(a - b) / abs(b) for a, b in zip(got, expected, strict=True)]
        setting.record(f"largest_differences/{model}", short(max(shares)))
        expect(shares[0] <= FIRST, f"{model}: first losses {got[0]:.7g} and {expected[0]:.7g}")
        expect(max(shares) <= LATER, f"{model}: losses {got} and {expected}")


def _losses(chosen: TrainConfig, data: ImageData, execution: Execution, steps: int) -> list[float]:
    trainer = Trainer(chosen, data, execution)
    trainer.model.train()
    batches = trainer.batches.endless(trainer.train_indices)
    return [float(trainer.step(*next(batches))[0]) for _ in range(steps)]


def waits(setting: Setting) -> None:
    """No step waits for the card: torch itself raises where one would."""
    needs_gpu(setting, "nothing is waited for")
    data = random_images(FEW)
    sam = config("wide_resnet", optimizer="sam", augment="crop_flip_cutout", clip_norm=1.0)
    adamw = config("lenet", optimizer="adamw", ema_decay=0.9)
    settings = {
        "SGD, bfloat16": (config("resnet9"), Execution("cuda", "bfloat16")),
        "AdamW, averaged weights": (adamw, Execution("cuda")),
        "SAM, all augmentation": (sam, Execution("cuda")),
        "the same by a graph": (sam, Execution("cuda", graph=True)),
    }
    for name, (chosen, way) in settings.items():
        trainer = Trainer(chosen, data, way)
        trainer.train_epoch()  # kernels are chosen, and a graph is captured
        steps = trainer.batches.steps(len(trainer.train_indices))
        try:
            for step, _ in enumerate(trainer.epoch_in_steps(), 1):
                torch.cuda.set_sync_debug_mode("error" if step < steps else "default")
        finally:
            torch.cuda.set_sync_debug_mode("default")
        setting.record(f"steps_without_a_wait/{name}", steps - 1)
