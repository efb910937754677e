"""Reads the bytes of a file, plain, gzipped or zipped, up to a maximum size."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from firstwatch.trading.errors import WrongUseError

ARROW_KINDS = (b"PAR1", b"ARROW1", b"FEA1")
"""Magic bytes of Parquet, Feather and Feather version 1."""


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_READ_BYTES = 1 << 20
_MOST_BYTES = 1 << 30
_MOST_PIPED_BYTES = 1 << 28
_MOST_ZIP_BYTES = 1 << 28
_RATIO = 100
"""Largest compression ratio: rows of numbers compress to a tenth, at best to a fiftieth."""
_LONGEST_LINE = 1 << 14
_FORMS = "give a CSV or JSON file, plain, gzipped or zipped, or Parquet or Feather"


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, unpacked, as long as they look like a table of a reasonable length.

    Raises:
        WrongUseError: the file cannot be read, is damaged, too long, or a zip of several files.
    """
    try:
        with path.open("rb") as file:
            head = file.peek(len(_ZIP))
            if head.startswith(_GZIP):
                data = _unpacked(path, gzip.GzipFile(fileobj=file), file)
            elif head.startswith((_ZIP, _EMPTY_ZIP)):
                data = _unzipped(path, file)
            else:
                data = _unpacked(path, file, None if file.seekable() else file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise WrongUseError(f"{path} is a damaged gzip file; fetch it again") from error
    # The last two are zipfile's own, for a compression that it does not know and for a password.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise WrongUseError(f"{path} is a damaged or encrypted zip file; fetch it again") from error
    except (OSError, ValueError) as error:
        raise WrongUseError(f"cannot read {path}: {getattr(error, 'strerror', error)}; {_FORMS}") from error
    if not data.strip():
        raise WrongUseError(f"{path} is empty; {_FORMS}")
    return data


def _unzipped(path: Path, file: io.BufferedReader) -> bytes:
    """Return the one file of a zip archive."""
    if not file.seekable() or path.stat().st_size > _MOST_ZIP_BYTES:
        raise WrongUseError(f"{path} is a zip that is piped, or too large to be of candles; unzip it first")
    with zipfile.ZipFile(file) as archive:
        inside = [each for each in archive.infolist() if not each.is_dir()]
        if len(inside) != 1:
            raise WrongUseError(
                f"{path} holds {len(inside)} files; unzip it and give the one with the candles"
            )
        most = min(_MOST_BYTES, max(_READ_BYTES, _RATIO * inside[0].compress_size))
        with archive.open(inside[0]) as source:
            return _checked(path, source, lambda _read: most)


def _unpacked(path: Path, source: _Source, packed: io.BufferedReader | None) -> bytes:
    """Return all bytes of ``source``; ``packed``: the file that it is unpacked from, or that is a pipe."""
    most = _MOST_BYTES if packed is None or packed.seekable() else _MOST_PIPED_BYTES

    def limit(read: int) -> int:
        if packed is not None and packed.seekable() and read > _READ_BYTES:
            return min(_MOST_BYTES, _RATIO * packed.tell())
        return most

    return _checked(path, source, limit)


def _checked(path: Path, source: _Source, limit: Callable[[int], int]) -> bytes:
    data = io.BytesIO()
    is_text = True
    while part := source.read(_READ_BYTES):
        if not data.tell():
            is_text = not part.startswith(ARROW_KINDS)
            is_json = part.lstrip()[:1] == b"["
            first = part[:_LONGEST_LINE]
            if is_text and not is_json and len(part) > _LONGEST_LINE and b"\n" not in first:
                raise WrongUseError(f"{path} is not text with a row on each line; {_FORMS}")
        if is_text and b"\0" in part:
            raise WrongUseError(f"{path} is not text with a row on each line; {_FORMS}")
        data.write(part)
        if data.tell() > (most := limit(data.tell())):
            packed = f", {_RATIO} times its packed size" if most < _MOST_PIPED_BYTES else ""
            raise WrongUseError(
                f"{path} has more than {most / 1e6:,.1f} MB{packed}; no file of candles is so long"
            )
    return data.getvalue()
