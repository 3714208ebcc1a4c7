"""How a batch is shared among processes."""

from __future__ import annotations

from trainers.batches import batch_bounds
from trainers.parallel.ranks import Ranks


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
