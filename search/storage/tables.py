"""Two drivers that start at once on a new database both make its tables; one comes too late."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

TRIES = 20
SECONDS_BETWEEN_TRIES = 0.2

Database = TypeVar("Database")


def with_tables(make: Callable[[], Database]) -> Database:
    """What ``make`` opens, once the tables are whole, whoever made them."""
    for _ in range(TRIES):
        try:
            return make()
        except (OperationalError, ProgrammingError, IntegrityError) as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
            time.sleep(SECONDS_BETWEEN_TRIES)
    return make()
