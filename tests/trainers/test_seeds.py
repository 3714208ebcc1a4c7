"""Seeds: the same for the same purpose, for ever; another for any other."""

from __future__ import annotations

import hashlib

from trainers.seeds import derive_seed


def test_is_the_first_63_bits_of_a_hash_of_seed_and_purpose() -> None:
    digest = hashlib.sha256(b"17/epoch/3/data").hexdigest()
    assert derive_seed(17, "epoch", 3, "data") == int(digest[:16], 16) // 2


def test_every_purpose_has_its_own() -> None:
    purposes = [("weights",), *(("epoch", e, what) for e in range(200) for what in ("data", "x"))]
    seeds = {derive_seed(seed, *purpose) for seed in range(20) for purpose in purposes}
    assert len(seeds) == 20 * len(purposes)
    assert all(0 <= seed < 2**63 for seed in seeds)
