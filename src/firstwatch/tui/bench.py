"""The state of Test mode: the draft, the tests, and which of them are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from firstwatch.manager.test_views import DraftView, TestDetails, TestView


@dataclass(frozen=True, slots=True)
class Bench:
    """What Test mode shows. It holds nothing until the mode is first opened."""

    draft: DraftView | None = None
    is_open: bool = False
    """The drafts and tests have been read."""
    tests: tuple[TestView, ...] = ()
    """The newest first."""
    shown: tuple[str, ...] = ()
    """Keys of the tests whose results are shown: the marked ones and the one under the cursor."""
    details: Mapping[str, TestDetails] = field(default_factory=dict)
    """Those that have been read, by key."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Why the details of a test cannot be read, by its key."""

    def test(self, key: str | None) -> TestView | None:
        """Return the test of that key; None: it is not in the list."""
        return next((each for each in self.tests if each.key == key), None)

    @property
    def chosen(self) -> TestView | None:
        """The test, if exactly one is shown."""
        return self.test(self.shown[0]) if len(self.shown) == 1 else None

    @property
    def seen(self) -> tuple[TestDetails, ...]:
        """The details of the tests that are shown, as far as they have been read."""
        return tuple(self.details[key] for key in self.shown if key in self.details)

    def with_draft(self, draft: DraftView | None) -> "Bench":
        """Return the state with another draft."""
        return replace(self, draft=draft)
