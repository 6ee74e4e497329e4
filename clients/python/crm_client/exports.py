"""Exports: CSV or a workbook, as a stream or as a file that is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from crm_client import resources
from crm_client.client import Client
from crm_client.files import CSV
from crm_client.transport import Params


def stream(
    client: Client, resource: str, filters: Params | None = None, content_type: str = CSV
) -> Iterator[bytes]:
    """The file block by block: a header of field names, then a row for each record.

    :param filters: as for :meth:`Client.list`. What you may not see is masked as it is there.
    :param content_type: CSV or XLSX of :mod:`crm_client.files`.
    """
    service, name = resources.split(resource)
    path = f"{resources.base_path(service)}/exports/{name}"
    return client.download(path, filters, accept=content_type)


def write(blocks: Iterable[bytes], path: Path) -> None:
    """Write blocks to a file, which appears, or replaces the one there, only when complete.

    It can be read by its owner alone, since an export holds personal data.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            for block in blocks:
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
