"""Made-up inputs: the same few in each run of the suite, or others, as many as
``SHARPSEARCH_FUZZ_EXAMPLES`` says."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**6)
    | st.sampled_from([2**60, 10**400])
    | st.floats()
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def fuzzed(few: int) -> settings:
    """Return hypothesis' settings for the same ``few`` examples each time, or for as many random
    ones as the variable says."""
    asked = os.environ.get("SHARPSEARCH_FUZZ_EXAMPLES")
    return settings(
        max_examples=int(asked or few),
        derandomize=asked is None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
