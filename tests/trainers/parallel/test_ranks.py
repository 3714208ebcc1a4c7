"""How a batch is shared among processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist
from torch import nn

from tests.trainers.cuda.fake_card import FakeCard
from trainers.batches import batch_bounds
from trainers.execution import Execution
from trainers.parallel.ranks import ParallelRanks, Ranks


def test_shares_cover_a_batch_once() -> None:
    shares = []
    for rank in range(3):
        ranks = Ranks()
        ranks.rank, ranks.size = rank, 3
        shares.append(ranks.share(10, 21))
    assert shares == [(10, 13), (13, 17), (17, 21)]


def test_no_share_of_the_last_batch_is_too_small() -> None:
    # 35 = 16 + 16 + 3: three images cannot give two processes two each.
    assert batch_bounds(35, 16, smallest=4) == [(0, 16), (16, 35)]
    assert batch_bounds(36, 16, smallest=4) == [(0, 16), (16, 32), (32, 36)]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, card: FakeCard) -> list[Any]:
    """What of torch's is called, in its order, and on which of two cards."""
    calls: list[Any] = []
    card.count = 2

    def meet(backend: str, **given: Any) -> None:
        calls.append((backend, card.current))

    monkeypatch.setattr(dist, "init_process_group", meet)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: calls.append("finished"))
    aborted = "torch.distributed.distributed_c10d._abort_process_group"
    monkeypatch.setattr(aborted, lambda: calls.append("aborted"))
    return calls


@pytest.mark.parametrize(
    ("device", "order"),
    [("cuda", [("nccl", 1), "aborted"]), ("cpu", [("gloo", 0), "finished"])],
)
def test_each_process_has_its_card_before_it_meets_the_others_and_waits_for_none_at_its_end(
    called: list[Any], monkeypatch: pytest.MonkeyPatch, device: str, order: list[Any]
) -> None:
    ranks = ParallelRanks(Execution(device, processes=2), 1, Path("rendezvous"))
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    ranks.close()
    assert called == order


def test_statistics_stay_with_each_process(tmp_path: Path) -> None:
    ranks = ParallelRanks(Execution(), 0, tmp_path / "rendezvous")
    try:
        network = ranks.wrap(nn.BatchNorm1d(3))
        assert isinstance(network, nn.parallel.DistributedDataParallel)
        assert not network.will_sync_module_buffers()
    finally:
        ranks.close()
    assert not dist.is_initialized()
