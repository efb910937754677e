"""What stands on a terminal, from what a program has written to it: text and places, without colours."""

import re
from codecs import getincrementaldecoder

from rich.cells import cell_len

_SEQUENCE = re.compile(
    r"\x1b(?:\[(?P<arguments>[0-?]*)[ -/]*(?P<final>[@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[ -/]*)?$")


class Sight:
    """A terminal of a size. It knows what the screen of this program writes, and ignores the rest."""

    def __init__(self, width: int, height: int) -> None:
        self._width = width
        self._cells = [[" "] * width for _ in range(height)]
        self._row = self._column = 0
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""

    @property
    def lines(self) -> list[str]:
        """The lines, from the top."""
        return ["".join(row) for row in self._cells]

    def __contains__(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def feed(self, data: bytes) -> None:
        """Go on with what was written; a sequence that is cut goes on with the next."""
        text = self._rest + self._decode(data)
        unfinished = _UNFINISHED.search(text)
        end = len(text) if unfinished is None else unfinished.start()
        self._rest = text[end:]
        at = 0
        for found in _SEQUENCE.finditer(text, 0, end):
            self._write(text[at : found.start()])
            self._obey(found["arguments"] or "", found["final"] or "")
            at = found.end()
        self._write(text[at:end])

    def _obey(self, arguments: str, final: str) -> None:
        if final == "H":
            row, _, column = arguments.partition(";")
            self._row, self._column = int(row or 1) - 1, int(column or 1) - 1
        elif final == "J":
            for row in self._cells:
                row[:] = [" "] * self._width

    def _write(self, text: str) -> None:
        for sign in text:
            if sign == "\r":
                self._column = 0
            elif sign == "\n":
                self._row += 1
            elif (width := cell_len(sign)) and self._row < len(self._cells) and self._column < self._width:
                self._cells[self._row][self._column] = sign
                self._cells[self._row][self._column + 1 : self._column + width] = [""] * (width - 1)
                self._column += width
