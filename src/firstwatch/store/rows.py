"""One row that cannot be read is that row's trouble: it is named, and the others are read."""

from collections.abc import Iterator
from contextlib import contextmanager

from firstwatch.trading.errors import DamagedRowError


@contextmanager
def row(name: str) -> Iterator[None]:
    """Say of which row it is that what the block reads cannot be understood.

    Raises:
        DamagedRowError: it was changed by hand or by the disk, or a newer program has written it.
    """
    try:
        yield
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        # What pydantic says is a page long; the first thing that is wrong is enough.
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise DamagedRowError(f"{name} cannot be read ({reason}); firstwatch doctor looks at all") from error
