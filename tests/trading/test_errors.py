"""What is said of an exception that is not one of the program's own."""

import pytest

from firstwatch.trading.errors import said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError(), "timeout error"),
        (ConnectionResetError("  "), "connection reset error"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
    ],
)
def test_an_error_without_words_is_called_by_its_name(error: Exception, sentence: str) -> None:
    assert said(error) == sentence
