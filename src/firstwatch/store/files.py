"""The store's files: their paths and permissions, and checks for damage."""

import os
import re
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import ClassVar

from firstwatch.trading.errors import StoreError

STORE_FILE = "firstwatch.db"
VAULT_FOLDER = "vault"

REMEDY_OF_DAMAGE = "Nothing was changed; put a backup (firstwatch.db.backup-*) in its place, or move it away"

_MAGIC = b"SQLite format 3\x00"

# File systems of another machine: SQLite's locks and shared memory do not work across machines.
_NETWORK = frozenset(
    {"nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "afpfs", "ncpfs", "ceph", "lustre",
     "glusterfs", "beegfs", "gpfs", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.glusterfs", "davfs",
     "fuse.davfs2"}
)  # fmt: skip

_MOUNTS = Path("/proc/self/mounts")


def store_path(folder: Path) -> Path:
    """Return the path of a data folder's database."""
    return folder.absolute() / STORE_FILE


def check_folder(folder: Path, *, make: bool) -> None:
    """Check that the data folder can hold a store; ``make``: create it if it is missing.

    Raises:
        StoreError: it is not a folder, cannot be created, lies on a network file system, or other users may
            have put files into it.
    """
    try:
        if make and not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat()
        if not stat.S_ISDIR(mode.st_mode):
            raise StoreError(f"{folder} is not a folder; choose another data folder with FIRSTWATCH_HOME.")
        if problem := next(_access_problems(folder, mode), None):
            raise StoreError(f"{problem}; or choose another data folder with FIRSTWATCH_HOME.")
        # An existing folder is made private only if it is clearly ours.
        is_ours = mode.st_uid == os.geteuid() and (store_path(folder).exists() or not any(folder.iterdir()))
        if make and is_ours and mode.st_mode & 0o077:
            folder.chmod(0o700)
    except FileNotFoundError as error:
        raise StoreError(
            f"There is no data folder {folder} yet; the first command that saves makes it."
        ) from error
    except OSError as error:
        raise StoreError(
            f"The data folder {folder} cannot be used: {error.strerror}. "
            "Change its permissions, or choose another with FIRSTWATCH_HOME."
        ) from error
    kind = file_system_of(folder, _MOUNTS)
    if kind in _NETWORK:
        raise StoreError(
            f"The data folder {folder} lies on a network file system ({kind}), where locks do not hold. "
            "Choose a local folder with FIRSTWATCH_HOME."
        )


def _access_problems(folder: Path, found: os.stat_result) -> Iterator[str]:
    """Yield the ways in which another user could have put files into the data folder, with the remedies."""
    if found.st_uid != os.geteuid():
        yield f"The data folder {folder} belongs to another user; work as that user (chown if it is yours)"
    if found.st_mode & 0o022:
        yield (
            f"Other users may write into the data folder {folder} (mode {stat.S_IMODE(found.st_mode):04o}):"
            f" check that every file in it is yours, then chmod 700 {folder}"
        )
    for path, found_inside in _inside(folder):
        if stat.S_ISLNK(found_inside.st_mode):
            yield f"{path} is a symbolic link; put the file itself there, so that it lies in the data folder"
        elif found_inside.st_uid != os.geteuid():
            yield f"{path} belongs to another user; take it out of the folder, or chown it if it is yours"


def _inside(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the entries of a data folder and its vault, without those that vanish meanwhile."""
    vault = folder / VAULT_FOLDER
    folders = [folder, vault] if vault.is_dir() and not vault.is_symlink() else [folder]
    for path in chain.from_iterable(each.iterdir() for each in folders):
        with suppress(FileNotFoundError):
            yield path, path.lstat()


def loose_modes(folder: Path) -> list[str]:
    """Return the paths that other users may read or write: the data folder and what is in it."""
    found = [(folder, folder.lstat()), *_inside(folder)]
    return [str(path) for path, mode in found if mode.st_mode & 0o077]


def file_system_of(folder: Path, mounts: Path) -> str | None:
    """Return the type of the file system that holds ``folder``; None: the system has no mount table."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    place = folder.resolve()
    best: tuple[int, str | None] = (-1, None)
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Blanks and other special characters are octal escapes.
        mount = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[1]))
        # A later line of the same mount point lies on top of the earlier one.
        if place.is_relative_to(mount) and len(mount.parts) >= best[0]:
            best = (len(mount.parts), fields[2])
    return best[1]


class HeldFile:
    """A descriptor of a store's file, kept as long as this process has connections to it.

    Whatever descriptor of a file a process closes, the kernel drops all of its POSIX locks on the file, those
    of SQLite too: another process would take the store for its own and remove the write-ahead log. So a file
    that is held is looked at by the descriptor that is there (``problem_of_damage``).
    """

    _held: ClassVar[dict[tuple[int, int], "HeldFile"]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, descriptor: int) -> None:
        """Use ``hold``."""
        self.descriptor = descriptor
        self._users = 0

    @classmethod
    def hold(cls, path: Path) -> "HeldFile":
        """Return the file of that path, which is kept until ``release`` is called as often.

        Raises:
            OSError: it cannot be opened.
        """
        with cls._guard:
            found = path.stat()
            held = cls._held.get((found.st_dev, found.st_ino))
            if held is None:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                found = os.fstat(descriptor)
                held = cls._held.setdefault((found.st_dev, found.st_ino), cls(descriptor))
            held._users += 1
            return held

    def release(self) -> None:
        """Close the file when nothing in this process has it open any more."""
        with self._guard:
            self._users -= 1
            if self._users == 0:
                found = os.fstat(self.descriptor)
                self._held.pop((found.st_dev, found.st_ino), None)
                os.close(self.descriptor)


def problem_of_damage(path: Path) -> str | None:
    """Return what is wrong with the length or header of a store's file; None: nothing.

    Raises:
        StoreError: the file cannot be read.
    """
    try:
        held = HeldFile.hold(path)
        try:
            header = os.pread(held.descriptor, 100, 0)
            size = os.fstat(held.descriptor).st_size
        finally:
            held.release()
    except OSError as error:
        raise StoreError(f"The store {path} cannot be read: {error.strerror}.") from error
    if len(header) < 100:
        return f"it has {size} bytes, less than a database's header"
    if not header.startswith(_MAGIC):
        return "it does not begin as a database does"
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    bytes_expected = pages * (65536 if page_size == 1 else page_size)
    log = path.with_name(path.name + "-wal")
    # The missing pages may still be in a write-ahead log.
    if size < bytes_expected and not (log.exists() and log.stat().st_size):
        return f"it has {size} bytes of {bytes_expected}"
    return None


_SENTENCES = {
    "SQLITE_FULL": "the disk is full. Nothing of this step was saved; free some space",
    "SQLITE_IOERR": "the disk reports an error. Nothing of this step was saved; check the disk",
    "SQLITE_READONLY": "the file or its folder is read-only. Change its permissions",
    "SQLITE_CANTOPEN": "it cannot be opened. Check that the folder is there and may be written",
    "SQLITE_CORRUPT": "it is damaged. " + REMEDY_OF_DAMAGE,
    "SQLITE_NOTADB": "it is not a database. " + REMEDY_OF_DAMAGE,
    "SQLITE_BUSY": "another process has held it for too long. Try again",
    "SQLITE_LOCKED": "another process has held it for too long. Try again",
    "SQLITE_PERM": "permission is denied. Change its permissions",
    "SQLITE_TOOBIG": "a value is too big for it",
}


_NOT_TEXT = "Could not decode to UTF-8"
"""Start of ``sqlite3``'s message for text that is not UTF-8; that error has no code."""


def unusable(error: sqlite3.Error, path: Path, act: str) -> StoreError | None:
    """Return the error for a failure of the machine or the file; None: it is a defect of the program."""
    name = getattr(error, "sqlite_errorname", "")
    if str(error).startswith(_NOT_TEXT):
        name = "SQLITE_CORRUPT"
    for prefix, sentence in _SENTENCES.items():
        if name == prefix or name.startswith(prefix + "_"):
            return StoreError(f"Cannot {act} the store {path}: {sentence}.")
    return None
