"""Contents as files in a folder that every process of the service sees."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from crm_chassis.storage import Readable

_BLOCK_BYTES = 256 * 1024


class DiskStorage:
    """A file for each content, under a name that is its key.

    A file comes under another name first: under its own it is there whole or not at all.

    :param root: the folder; made when it is first written to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: Readable) -> None:
        path, part = self._paths(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                shutil.copyfileobj(content, file, _BLOCK_BYTES)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def open(self, key: str) -> BinaryIO:
        return self._paths(key)[0].open("rb")

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            for path in self._paths(key):
                path.unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        """The file of a key, and where it is until it is whole."""
        folder = self._root / key[-2:]  # the end of a UUIDv7 is random, its beginning is not
        return folder / key, folder / f"{key}.part"


def _sync_folder(folder: Path) -> None:
    """Have the name of a new file outlive a loss of power, as its bytes do."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
