"""What the first release wrote: attributes of the study, without a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_version_2(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The record of version 2 that says the same; None where the first release did not write
    ``attributes``, or a crash came before it had written them all."""
    identity = attributes.get("identity")
    if identity is None:
        return None
    space, data = attributes.get("space", {}), attributes.get("dataset", {})
    search = dict(attributes.get("search", {}))
    return {
        "version": 2,
        "space": {
            **space,
            "name": identity["space"],
            "preset": attributes.get("preset", "full"),
            "recipe": identity["recipe"],
            "baseline": attributes.get("baseline", {}),
            "parameters": identity["parameters"],
        },
        "data": {**data, "fingerprint": identity["dataset"]},
        "execution": attributes["execution"],
        "objectives": [identity["objective"]],
        "strategy": search,
        "references": attributes.get("references", []),
        "lr_range": attributes.get("lr_range"),
        "provenance": {**attributes.get("provenance", {}), "storage": search.get("storage", "")},
        "folder": attributes.get("folder", ""),
    }
