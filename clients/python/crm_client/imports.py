"""Import jobs: create one, send its file, follow it to its end, read its errors."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from crm_client import resources
from crm_client.client import Client
from crm_client.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from crm_client.files import content_type_of
from crm_client.mapping import Mapping

POLL_SECONDS = (0.1, 2.0)
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ImportJob:
    """An import as the platform sees it at this moment.

    :ivar service: the service that runs it.
    :ivar state: uploading, queued, running, done or failed.
    :ivar rows_total: 0 until the file is there.
    :ivar failed: rows that were refused; the others are in.
    :ivar detail: why the whole job failed, None when it did not.
    """

    service: str
    id: str
    resource: str
    filename: str
    state: str
    dry_run: bool
    rows_total: int
    rows_done: int
    created: int
    changed: int
    unchanged: int
    failed: int
    detail: str | None

    @property
    def path(self) -> str:
        """Its address at the gateway."""
        return f"{resources.base_path(self.service)}/imports/{self.id}"

    @property
    def ended(self) -> bool:
        """True when nothing will change any more."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one cell, or one row as a whole, was refused.

    :ivar row: its place in the file, the header being row 1.
    """

    row: int
    column: str | None
    field: str | None
    value: str | None
    detail: str


def create(
    client: Client, resource: str, filename: str, mapping: Mapping, *, dry_run: bool = False
) -> ImportJob:
    """Announce an import; it waits for its file.

    :param dry_run: check every row and change nothing.
    """
    service, name = resources.split(resource)
    request = {"resource": name, "filename": filename, "dry_run": dry_run, **mapping.request()}
    return _job(service, client.post(f"{resources.base_path(service)}/imports", request))


def get(client: Client, service: str, job_id: str) -> ImportJob:
    """The job as it stands now."""
    return _job(service, client.get(f"{resources.base_path(service)}/imports/{job_id}"))


def find(client: Client, job_id: str) -> ImportJob:
    """The job, whichever service runs it.

    :raises NotFoundError: no service that may be asked knows it.
    :raises UnavailableError: none of those that answered knows it, and one did not answer.
    """
    trouble: NotFoundError | UnavailableError | None = None
    for service in resources.SERVICES:
        try:
            return get(client, service, job_id)
        except ForbiddenError:
            continue
        except NotFoundError as error:
            trouble = trouble or error
        except UnavailableError as error:
            trouble = error
    if trouble is None:
        raise NotFoundError(404, {"detail": f"No import {job_id} that you may see."})
    raise trouble


def upload(
    client: Client, job: ImportJob, path: Path, progress: Callable[[int], None] = lambda sent: None
) -> ImportJob:
    """Send the file of a job that waits for it; safe to do again after an interruption.

    :param progress: called with the bytes sent so far.
    """
    with _Counted(path, progress) as file:
        try:
            answer = client.upload(f"{job.path}/content", file, content_type_of(path))
        except ConflictError:
            # The file arrived, but the answer to that got lost and the upload was repeated.
            now = get(client, job.service, job.id)
            if now.state == "uploading":
                raise
            return now
    return _job(job.service, answer)


def watch(
    client: Client,
    job: ImportJob,
    *,
    patience: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[ImportJob]:
    """The job, now and whenever asked again, until it has ended.

    :param patience: seconds that the platform may be away meanwhile.
    :param sleep: waits between two looks.
    """
    pause, longest = POLL_SECONDS
    seen_at = time.monotonic()
    while True:
        try:
            job = get(client, job.service, job.id)
            seen_at = time.monotonic()
            yield job
        except (UnreachableError, UnavailableError):
            if time.monotonic() - seen_at > patience:
                raise
        if job.ended:
            return
        sleep(pause)
        pause = min(pause * 1.5, longest)


def errors(client: Client, job: ImportJob) -> Iterator[RowError]:
    """What was refused, in the order of the file, in bounded memory."""
    for item in client.pages(f"{job.path}/errors", {"limit": 200}):
        yield RowError(**_known(RowError, item))


def _job(service: str, answer: dict[str, Any]) -> ImportJob:
    return ImportJob(**{**_known(ImportJob, answer), "service": service})


def _known(kind: type[ImportJob | RowError], answer: dict[str, Any]) -> dict[str, Any]:
    """The fields that this version of the client knows; a later platform may send more."""
    return {field.name: answer.get(field.name) for field in fields(kind)}


class _Counted(io.BufferedReader):
    """A file on disk that tells how far it has been read."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        super().__init__(io.FileIO(path))
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self._progress(self.tell())
        return block
