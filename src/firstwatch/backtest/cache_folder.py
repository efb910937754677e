"""Folders of this user's cache, for what can be made anew at any time."""

import os
import stat
from pathlib import Path

from platformdirs import user_cache_path


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache that only its owner may enter (mode 0700); it is made if absent.

    What lies in it is run and believed, so a folder or a link of another user is refused.

    Raises:
        OSError: it cannot be made, or is not this user's.
    """
    folder = user_cache_path("firstwatch") / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a folder of this user")
    if stat.S_IMODE(found.st_mode) != 0o700:
        folder.chmod(0o700)
    return folder
