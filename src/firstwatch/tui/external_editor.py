"""A text goes to the operator's own editor and comes back; whatever the editor does, the text is kept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from firstwatch.manager.external_editor import Left, editor_command, how_it_ended, read_text, write_text
from firstwatch.trading.errors import FirstwatchError, WrongUseError


async def edit_outside(text: str, run: Callable[[Sequence[str]], Awaitable[int]]) -> Left:
    """Return the text as the editor has left it, also where it has failed; ``run`` runs it on the terminal.

    A file that cannot be read stays, and so does that of an editor which outlives this program.

    Raises:
        WrongUseError: there is no editor, it could not start, or its text cannot be read.
        FirstwatchError: the text cannot be written for it.
    """
    command = editor_command()
    path = await asyncio.to_thread(write_text, text)
    try:
        code = await run((*command, str(path)))
    except FirstwatchError:
        path.unlink(missing_ok=True)
        raise
    try:
        left = await asyncio.to_thread(read_text, path)
    except WrongUseError as error:
        raise WrongUseError(f"{error} What the editor has left is in {path}.") from error
    path.unlink(missing_ok=True)
    return Left(left, how_it_ended(command, code))
