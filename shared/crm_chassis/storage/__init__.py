"""Where large contents are kept: files beside the database, or a bucket.

Whoever keeps something chooses its key, and has it in the database beside what else is known of
it. A storage knows keys and bytes, nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url

from crm_chassis.settings import Settings, SettingsError
from crm_chassis.storage.disk import DiskStorage


class Readable(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes: ...


class Storage(Protocol):
    """Contents by key. Every method may raise OSError, when the storage cannot be reached."""

    def put(self, key: str, content: Readable) -> None:
        """Keep all that ``content`` gives, or nothing of it when reading raises."""

    def open(self, key: str) -> BinaryIO:
        """The content, to be read once and closed.

        :raises FileNotFoundError: there is none with this key.
        """

    def delete(self, keys: Iterable[str]) -> None:
        """Forget contents, also those that came in part; a key without one is no error."""


def open_storage(settings: Settings) -> Storage:
    """The storage that the settings name; without any, a folder beside the SQLite database.

    :raises SettingsError: there is no such database, or the address is not one.
    """
    if settings.attachments_url:
        if urlsplit(settings.attachments_url).scheme not in ("http", "https"):
            raise SettingsError("ATTACHMENTS_URL: not an http(s) address of a bucket")
        from crm_chassis.storage.s3 import S3Storage  # its library is an optional extra

        return S3Storage(settings.attachments_url)
    if settings.attachments_dir:
        return DiskStorage(Path(settings.attachments_dir) / settings.service)
    database = make_url(settings.database_url)
    if database.get_backend_name() != "sqlite" or not database.database:
        raise SettingsError("the environment is not complete\n  ATTACHMENTS_DIR or ATTACHMENTS_URL")
    return DiskStorage(Path(database.database).parent / "attachments" / settings.service)
