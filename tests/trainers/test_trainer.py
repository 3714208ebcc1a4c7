"""The trainer: its history, its errors, what it keeps, and what it must not look at."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from tests.trainers.curves import same_curve
from trainers.batches import Batches
from trainers.compatibility import check_fits
from trainers.data import ImageData, stratified_split
from trainers.epoch_result import DivergedError, EpochResult, best_epoch
from trainers.evaluation.running_metrics import Summary
from trainers.execution import Execution
from trainers.models import build_model
from trainers.registry import OPTIMIZERS
from trainers.trainer import Trainer
from trainers.validators import ConfigError

Make = Callable[..., Trainer]


def train(trainer: Trainer) -> list[EpochResult]:
    while not trainer.finished:
        trainer.train_epoch()
    return trainer.history


def equal_weights(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, others[name]) for name, value in some.items())


@pytest.fixture
def decree(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets what the next validations find, as (top-1, loss): rounding shall not decide a test."""

    def decree(*figures: tuple[float, float]) -> None:
        found = iter([Summary(loss, 0.0, top1, 0.0, 90.0) for top1, loss in figures])
        monkeypatch.setattr("trainers.trainer.summary_of", lambda *args: next(found))

    return decree


def test_gives_one_result_an_epoch_and_learns(tiny_trainer: Make) -> None:
    trainer = tiny_trainer(epochs=4, schedule="piecewise", milestones=(0.5,), lr=0.1)
    given = []
    while not trainer.finished:
        given.append(trainer.train_epoch())
    assert trainer.history == given
    assert [result.epoch for result in given] == [1, 2, 3, 4]
    assert [result.lr for result in given] == pytest.approx([0.1, 0.1, 0.02, 0.02])
    assert given[0].train_loss == pytest.approx(math.log(10), rel=0.2)
    assert given[-1].train_loss < given[0].train_loss
    assert given[-1].train_top5 >= given[-1].train_top1 > given[0].train_top1
    assert all(result.seconds > 0 and result.val_seconds > 0 for result in given)


def test_an_epoch_is_what_a_plain_loop_does(
    tiny_trainer: Make, digits: ImageData, tiny_config
) -> None:
    """The same batches through torch's own SGD, one tensor at a time, and hand-made figures."""
    options = {"lr": 0.05, "nesterov": True, "lr_base_batch": 24, "augment": "flip"}
    trainer = tiny_trainer(**options)
    model = copy.deepcopy(trainer.model)
    result = trainer.train_epoch()
    config = tiny_config(**options)
    indices, val_indices = stratified_split(digits.train_labels, 0.2, 0)
    batches = Batches(config, digits, torch.device("cpu"), channels_last=True)
    sgd = torch.optim.SGD(
        model.parameters(), 0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=False
    )
    losses, right = [], []
    for images, labels in batches.training(indices, 1):
        sgd.zero_grad()
        logits = model(images)
        F.cross_entropy(logits, labels).backward()
        sgd.step()
        losses.append(F.cross_entropy(logits.detach(), labels, reduction="none"))
        right.append((logits.argmax(dim=1) == labels).float())
    for name, value in model.state_dict().items():
        torch.testing.assert_close(trainer.model.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert result.train_loss == pytest.approx(float(torch.cat(losses).mean()), rel=1e-4)
    trained_top1 = 100 * float(torch.cat(right).mean())
    assert result.train_top1 == pytest.approx(trained_top1, abs=0.84)  # one image of 120
    means = torch.stack([part.mean() for part in losses])
    assert result.train_loss_std == pytest.approx(float(means.std(correction=0)), rel=1e-3)
    model.eval()
    images, labels = next(batches.validation(val_indices))
    logits = model(images).detach()
    assert len(labels) == len(val_indices) == 30
    assert result.val_loss == pytest.approx(float(F.cross_entropy(logits, labels)), rel=1e-3)
    accuracy = float((logits.argmax(dim=1) == labels).float().mean())
    assert result.val_top1 == pytest.approx(100 * accuracy, abs=3.4)  # one image of 30


def test_weights_are_drawn_from_the_seed_alone(tiny_trainer: Make) -> None:
    first = tiny_trainer(seed=3).model.state_dict()
    torch.rand(7)
    assert equal_weights(first, tiny_trainer(seed=3).model.state_dict())
    assert not equal_weights(first, tiny_trainer(seed=4).model.state_dict())


def test_sam_with_rho_zero_trains_as_sgd_bit_for_bit(tiny_trainer: Make) -> None:
    sam, sgd = tiny_trainer(optimizer="sam", rho=0.0), tiny_trainer(optimizer="sgd")
    assert same_curve(train(sam), train(sgd))
    assert equal_weights(sam.model.state_dict(), sgd.model.state_dict())
    perturbed = tiny_trainer(optimizer="sam", rho=0.1)
    assert not same_curve(train(perturbed), sgd.history)


def test_sam_wraps_any_update_rule(tiny_trainer: Make) -> None:
    plain = train(tiny_trainer(optimizer="adamw", lr=0.01))
    assert plain[-1].train_loss < plain[0].train_loss
    assert same_curve(train(tiny_trainer(optimizer="sam_adamw", lr=0.01, rho=0.0)), plain)
    assert not same_curve(train(tiny_trainer(optimizer="sam_adamw", lr=0.01, rho=0.1)), plain)


def test_sam_counts_every_batch_once(tiny_trainer: Make) -> None:
    trainer = tiny_trainer(optimizer="sam", rho=0.1, batch_size=48)
    trainer.train_epoch()
    counters = [v for k, v in trainer.model.state_dict().items() if "num_batches" in k]
    assert {int(counter) for counter in counters} == {3}  # 120 images


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 121},
            "batch_size must be at most 120, the images of the training split, got 121",
        ),
        (
            {"augment": "crop_flip_cutout", "cutout_size": 9},
            "cutout_size must be at most 8, the side of the images, got 9",
        ),
        (
            {"normalize": "cifar10"},
            "normalize must be computed or half for images of 1 channel(s), got 'cifar10'",
        ),
    ],
)
def test_a_setting_that_does_not_fit_the_data_is_refused(
    tiny_trainer: Make, options, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny_trainer(**options)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model", "options", "fits"),
    [
        ("resnet9", {}, False),
        ("resnet200", {"depth": 10}, False),
        ("resnet200", {"depth": 10, "batch_norm": False}, True),
        ("cnn200", {"depth": 3}, True),
    ],
)
def test_batches_of_one_image_are_refused_where_batch_norm_sees_one_pixel(
    tiny_config, model: str, options, fits: bool
) -> None:
    """Before any training: the check needs no network."""
    config = tiny_config(model=model, batch_size=1, **options)
    if fits:
        return check_fits(config, 240, 8, 1, 10)
    with pytest.raises(ConfigError) as caught:
        check_fits(config, 240, 8, 1, 10)
    assert str(caught.value) == (
        f"batch_size must be at least 2 for model={model} on images of 8 pixels, got 1: "
        "BatchNorm cannot normalise a single value"
    )
    check_fits(dataclasses.replace(config, batch_size=2), 240, 8, 1, 10)


def test_one_class_is_not_a_classification(tiny_trainer: Make, digits: ImageData) -> None:
    zeros = dataclasses.replace(
        digits, classes=("0",), train_labels=torch.zeros_like(digits.train_labels)
    )
    with pytest.raises(ConfigError, match="must have at least 2 classes, got 1"):
        tiny_trainer(zeros)


def test_the_whole_split_may_be_one_batch(tiny_trainer: Make) -> None:
    assert tiny_trainer(batch_size=120).train_epoch().train_loss_std == 0


def test_a_left_over_image_does_not_stop_batch_norm_on_1x1_maps(
    tiny_trainer: Make, digits: ImageData
) -> None:
    """ResNet-9 of report B ends at 1 x 1 for 8 x 8 images; 120 = 119 + 1."""
    trainer = tiny_trainer(model="resnet9", batch_size=119)
    assert math.isfinite(trainer.train_epoch().train_loss)


@pytest.mark.parametrize("optimizer", ["sgd", "sam"])
def test_an_exploding_loss_ends_the_trial_at_once(tiny_trainer: Make, optimizer: str) -> None:
    trainer = tiny_trainer(lr=1e6, optimizer=optimizer)
    with pytest.raises(DivergedError, match=r"^diverged in epoch 1: training loss is ") as caught:
        train(trainer)
    assert caught.value.epoch == 1
    assert trainer.history == []


def test_divergence_crosses_processes_with_its_epoch() -> None:
    again = pickle.loads(pickle.dumps(DivergedError(3, "training loss is nan")))
    assert str(again) == "diverged in epoch 3: training loss is nan"
    assert again.epoch == 3


def test_weights_that_are_no_numbers_are_found_by_the_validation(tiny_trainer: Make) -> None:
    trainer = tiny_trainer(batch_size=120)
    last = trainer.model.state_dict()["norm.running_mean"]
    last.fill_(math.nan)  # as if the last step of the epoch had done it
    with pytest.raises(DivergedError, match="epoch 1: validation loss is nan"):
        trainer.train_epoch()


def test_a_large_validation_loss_alone_is_no_divergence(
    tiny_trainer: Make, decree: Callable[..., None]
) -> None:
    """BatchNorm's running statistics lag behind fast weights: the network learns all the same."""
    decree((10.0, 1e6), (20.0, 2.0))
    history = train(tiny_trainer(epochs=2))
    assert [result.val_loss for result in history] == [1e6, 2.0]


def result_of(epoch: int, **figures: float) -> EpochResult:
    return EpochResult.from_mapping({"epoch": epoch, **figures})


@pytest.mark.parametrize(
    ("objective", "values", "expected"),
    [
        ("val_top1", [], 0),
        ("val_top1", [5.0], 1),
        ("val_top1", [1.0, 3.0, 2.0], 2),
        ("val_top1", [3.0, 3.0], 1),
        ("val_top5", [1.0, 2.0, 2.0, 1.0], 2),
        ("val_loss", [1.0, 3.0, 2.0], 1),
        ("val_loss", [1.0, 0.5, 0.5], 2),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best(objective, values, expected: int) -> None:
    history = [result_of(i, **{objective: value}) for i, value in enumerate(values, start=1)]
    assert best_epoch(history, objective) == expected


def test_the_objective_chooses_the_weights_and_ends_the_trial(
    tiny_trainer: Make, decree: Callable[..., None]
) -> None:
    """The loss is best after the second epoch, top-1 after the third."""
    figures = [(50.0, 1.0), (40.0, 0.5), (60.0, 0.7), (60.0, 0.9), (60.0, 0.8), (60.0, 0.8)]
    expected = {"val_loss": (2, 4), "val_top1": (3, 5)}  # best epoch, last with a patience of 1
    for objective, (best, last) in expected.items():
        decree(*figures)
        trainer, kept = tiny_trainer(objective=objective, epochs=6, early_stopping=1), []
        while not trainer.finished:
            trainer.train_epoch()
            kept.append(copy.deepcopy(trainer.model.state_dict()))
        assert (trainer.best_epoch, len(kept)) == (best, last)
        assert equal_weights(trainer.best_weights, kept[best - 1])


def test_stops_early_when_nothing_gets_better(
    tiny_trainer: Make, decree: Callable[..., None]
) -> None:
    decree(*[(10.0, 1.0)] * 20)
    trainer = tiny_trainer(epochs=20, early_stopping=2)
    assert len(train(trainer)) == 4  # the best and three more
    assert trainer.finished


def test_of_equal_epochs_the_first_is_kept(tiny_trainer: Make, decree: Callable[..., None]) -> None:
    decree(*[(10.0, 1.0)] * 3)
    trainer = tiny_trainer(epochs=3)
    trainer.train_epoch()
    first = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    assert len(train(trainer)) == 3
    assert equal_weights(trainer.best_weights, first)
    assert not equal_weights(trainer.model.state_dict(), first)


def test_batches_are_counted_once_an_epoch(tiny_trainer: Make) -> None:
    """By BatchNorm, and in the averaged weights; a checkpoint has the count as ever."""
    trainer = tiny_trainer(optimizer="sam", ema_decay=0.9)
    norms = [m for m in trainer.model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for epoch in (1, 2):
        steps = [[norm.num_batches_tracked for norm in norms] for _ in trainer.epoch_in_steps()]
        assert steps == [[None] * len(norms)] * 3  # 120 images
        for weights in (trainer.state()["model"], trainer.state()["ema"]):
            counts = [int(v) for k, v in weights.items() if k.endswith("num_batches_tracked")]
            assert counts == [3 * epoch] * len(norms)


def test_images_rounded_in_advance_change_no_bit(digits: ImageData, tiny_config) -> None:
    options = {"optimizer": "sam", "augment": "crop_flip_cutout"}
    options |= {"crop_padding": 1, "cutout_size": 4}
    trainers = [
        Trainer(tiny_config(**options), digits, Execution(precision="bfloat16")) for _ in range(2)
    ]
    trainers[1].batches._dtype = torch.float32
    images = [next(t.batches.training(t.train_indices, 1))[0].dtype for t in trainers]
    assert images == [torch.bfloat16, torch.float32]
    assert same_curve(train(trainers[0]), train(trainers[1]))


def test_test_figures_are_those_of_the_best_epoch(
    tiny_trainer: Make, digits: ImageData, tiny_config, decree: Callable[..., None]
) -> None:
    options = {"lr": 0.5, "batch_size": 24}
    decree((50.0, 1.0), (60.0, 1.0), (40.0, 1.0))
    trainer, kept = tiny_trainer(**options), []
    while not trainer.finished:
        trainer.train_epoch()
        kept.append(copy.deepcopy(trainer.model))
    best = trainer.best_epoch
    assert (best, len(kept)) == (2, 3)
    found = trainer.test()
    batches = Batches(tiny_config(**options), digits, torch.device("cpu"), channels_last=True)
    with torch.no_grad():
        logits = torch.cat([kept[best - 1].eval()(images) for images, _ in batches.test()])
    right = (logits.argmax(dim=1) == digits.test_labels).float().mean()
    assert found.top1 == pytest.approx(100 * float(right))
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, digits.test_labels)))
    assert equal_weights(trainer.model.state_dict(), kept[best - 1].state_dict())
    assert found.images == 50


def test_test_data_never_influences_selection(tiny_trainer: Make, digits: ImageData) -> None:
    shuffled = dataclasses.replace(
        digits,
        test_labels=digits.test_labels.flip(0),
        test_images=255 - digits.test_images,
    )
    plain, other = tiny_trainer(), tiny_trainer(shuffled)
    assert same_curve(train(plain), train(other))
    assert equal_weights(plain.best_weights, other.best_weights)
    assert plain.test().loss != other.test().loss


def test_validation_images_are_not_trained_on(tiny_trainer: Make, digits: ImageData) -> None:
    """Other pixels in the validation images change the validation figures alone."""
    _, val_indices = stratified_split(digits.train_labels, 0.2, 0)
    images = digits.train_images.clone()
    images[val_indices] = 255 - images[val_indices]
    plain = tiny_trainer(normalize="half")
    other = tiny_trainer(dataclasses.replace(digits, train_images=images), normalize="half")
    assert [r.train_loss for r in train(plain)] == [r.train_loss for r in train(other)]
    assert plain.history[-1].val_loss != other.history[-1].val_loss


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_goes_on_from_its_state_as_if_never_stopped(tiny_trainer: Make, optimizer: str) -> None:
    options = {"epochs": 4, "optimizer": optimizer, "dropout": 0.2, "augment": "crop_flip"}
    whole, begun, resumed = (tiny_trainer(**options) for _ in range(3))
    begun.train_epoch()
    begun.train_epoch()
    resumed.load(copy.deepcopy(begun.state()), copy.deepcopy(begun.best_weights))
    assert same_curve(train(whole), train(resumed))
    assert equal_weights(whole.model.state_dict(), resumed.model.state_dict())


def test_the_network_is_the_configured_one(tiny_trainer: Make) -> None:
    trainer = tiny_trainer(model="wide_resnet", depth=16, width=2)
    options = {"model": "wide_resnet", "depth": 16, "width": 2, "dropout": 0.0}
    expected = build_model(options, num_classes=10, in_channels=1, image_size=8)
    shapes = {name: value.shape for name, value in trainer.model.state_dict().items()}
    assert shapes == {name: value.shape for name, value in expected.state_dict().items()}


def test_an_epoch_result_comes_back_from_plain_values(tiny_trainer: Make) -> None:
    result = tiny_trainer().train_epoch()
    assert EpochResult.from_mapping(result.to_dict()) == result


def test_an_epoch_of_an_earlier_release_lacks_a_field_and_one_of_a_later_has_more(
    tiny_trainer: Make,
) -> None:
    values = tiny_trainer().train_epoch().to_dict()
    del values["val_top5"]
    result = EpochResult.from_mapping({**values, "val_top10": 3.0})
    assert math.isnan(result.val_top5)
    assert {**result.to_dict(), "val_top5": None} == {**values, "val_top5": None}


@pytest.mark.parametrize("optimizer", ["sgd", "sam", "adamw", "sam_adamw"])
def test_a_step_is_torchs_with_the_gradient_cut_to_its_longest(
    tiny_trainer: Make, optimizer: str
) -> None:
    """SAM over each rule, and clipping, against the same written with ``torch.optim``."""
    rho, longest, lr = 0.1, 0.05, 0.02
    trainer = tiny_trainer(optimizer=optimizer, lr=lr, rho=rho, clip_norm=longest)
    model = copy.deepcopy(trainer.model).train()
    weights = list(model.parameters())
    start = [weight.detach().clone() for weight in weights]
    torchs = (
        torch.optim.AdamW(weights, lr, weight_decay=5e-4)
        if "adamw" in optimizer
        else torch.optim.SGD(weights, lr, momentum=0.9, weight_decay=5e-4)
    )
    batches = list(trainer.batches.training(trainer.train_indices, 1))
    for images, labels in batches[:3]:
        trainer.model.train()
        trainer.step(images, labels)
        loss = F.cross_entropy(model(images), labels)
        gradients = torch.autograd.grad(loss, weights)
        if "sam" in optimizer:
            norm = torch.cat([g.flatten() for g in gradients]).norm()
            at = {
                name: value + rho * gradient / norm
                for (name, value), gradient in zip(model.named_parameters(), gradients, strict=True)
            }
            higher = F.cross_entropy(torch.func.functional_call(model, at, images), labels)
            gradients = torch.autograd.grad(higher, weights)
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        assert norm > longest
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient * longest / norm
        torchs.step()
    ways = []
    for end in (trainer.model.parameters(), weights):
        ways.append(torch.cat([(b - a).flatten() for a, b in zip(start, end, strict=True)]))
    found, expected = ways  # all weights at once: Adam makes rounding of one tiny gradient large
    assert (found - expected).norm() < 1e-4 * expected.norm()
