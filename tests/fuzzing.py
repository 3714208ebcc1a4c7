"""How many made-up inputs a test tries: few in the suite, ``SHARPSEARCH_FUZZ_EXAMPLES`` if set."""

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
    """Settings of hypothesis with ``few`` examples, or as many as the variable says."""
    examples = int(os.environ.get("SHARPSEARCH_FUZZ_EXAMPLES", few))
    return settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
