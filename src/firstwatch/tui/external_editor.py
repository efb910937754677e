"""A text goes to the operator's own editor and comes back; whatever the editor does, the text is kept."""

from collections.abc import Awaitable, Callable, Sequence

from firstwatch.manager.external_editor import editor_command, read_text, write_text
from firstwatch.trading.errors import WrongUseError
from firstwatch.tui.state import cleaned_text


async def edit_outside(text: str, run: Callable[[Sequence[str]], Awaitable[int]]) -> str:
    """Return the text as the editor has left it; ``run`` runs a program on the terminal.

    Raises:
        WrongUseError: there is no editor, it could not start or has failed, or its text cannot be read.
    """
    command = editor_command()
    path = write_text(text)
    try:
        code = await run((*command, str(path)))
        if code:
            how = f"with code {code}" if code > 0 else f"by signal {-code}"
            raise WrongUseError(f"{command[0]} ended {how}: the text is as it was.")
        return cleaned_text(read_text(path))
    finally:
        path.unlink(missing_ok=True)
