"""The columns of a file of any known format."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firstwatch.market.formats.arrow import arrow_columns
from firstwatch.market.formats.container import ARROW_KINDS, read_bytes
from firstwatch.market.formats.json_rows import as_lines, is_json
from firstwatch.market.table import Columns, Mistakes, text_columns


def read_columns(path: Path, names: Mapping[str, Sequence[str]], mistakes: Mistakes) -> Columns:
    """Read the columns of a file by the roles in ``names``.

    ``names`` gives for each role the column names that may hold it, the best first; the first role is
    the time (epoch seconds, ms, µs or ns, or ISO 8601, UTC without a zone), the others are numbers.
    Without a header the columns are taken by position. Mistakes in rows go to ``mistakes``.

    Raises:
        WrongUseError: the file cannot be read at all, or a column is missing.
    """
    data = read_bytes(path)
    if data.startswith(ARROW_KINDS):
        return arrow_columns(path, data, names, mistakes)
    if is_json(data):
        mistakes.unit = "row"
        data = as_lines(path, data)
    return text_columns(path, data, names, mistakes)
