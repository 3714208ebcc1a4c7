"""Optuna's Gaussian process, told also of trials that did not complete."""

from __future__ import annotations

import warnings

import optuna


class GPSampler(optuna.samplers.GPSampler):
    def __init__(self, seed: int):
        with warnings.catch_warnings():  # the name is ours to offer; the warning is not the user's
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            super().__init__(seed=seed)
