"""Files that belong to an aggregate: what is known of them here, what is in them in a storage.

The database and the storage have no common transaction, so a timer stands for the contents that
are not certain to be wanted: set before a content is written, and cancelled by the transaction
that makes it an attachment; set again by the one that deletes the attachment. Whatever is killed
in between, the timer fires, and the content goes.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Index, Select, String, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from crm_chassis.auth import visible
from crm_chassis.content_types import HEAD_BYTES, KNOWN_ENDINGS, content_type_of
from crm_chassis.database import Database, Id, Instant, Key, chassis_metadata, new_id, utc_now
from crm_chassis.problems import Problem, conflict, not_found
from crm_chassis.scheduler import TimerHandler, cancel_timers, set_timers
from crm_chassis.settings import Settings, SettingsError
from crm_chassis.storage import Readable, Storage

DISCARD = "chassis.discard_attachment"
"""The kind of the timers that stand for contents to be discarded."""
MOST = 200
"""Attachments of one aggregate."""

_LONGEST_UPLOAD = timedelta(hours=1)
_LONGEST_NAME = 200
_LONGEST_ENDING = 20
# Control characters, and those that turn the direction of writing: "gpj.exe" could be shown
# as "exe.jpg".
_NOT_IN_NAMES = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class _ChassisTables(DeclarativeBase):
    metadata = chassis_metadata


class Attachment(_ChassisTables):
    """A file of an aggregate. What is in it never changes.

    :ivar resource: the kind of the aggregate, ``interactions``; :ivar subject_id: its key.
    :ivar size: in bytes; :ivar sha256: of the content, in hexadecimal digits.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        Index("attachments_by_subject", "resource", "subject_id", "created_at", "id"),
    )

    id: Mapped[Key]
    resource: Mapped[str] = mapped_column(String(60))
    subject_id: Mapped[Id]
    filename: Mapped[str] = mapped_column(String(_LONGEST_NAME))
    content_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    uploaded_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Instant]


@dataclass(frozen=True, kw_only=True)
class Attachable:
    """A resource whose aggregates have attachments, and whose visibility is theirs.

    :ivar resource: its name in paths, ``interactions``.
    :ivar read: the permission to see an aggregate; :ivar write: the one to change it.
    :ivar right: the field right that knowing of its attachments needs besides.
    :ivar reach: narrows a selection of aggregates to those that the current principal reaches
        with a permission; by owner and team when None.
    :ivar changed: told in the transaction that adds or deletes one, with the number there are.
    """

    resource: str
    model: type[Any]
    read: str
    write: str
    right: str | None = None
    reach: Callable[[Select[Any], str], Select[Any]] | None = None
    changed: Callable[[Session, Any, int], None] | None = None

    def find(self, session: Session, key: object, permission: str, *, lock: bool = False) -> Any:
        """The aggregate, if the current principal reaches it with the permission.

        :raises Problem: 404, whether it is not there or not visible.
        """
        chosen = select(self.model).where(self.model.id == str(key))
        statement = (
            self.reach(chosen, permission)
            if self.reach
            else visible(chosen, self.model, permission)
        )
        found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
        if found is None:
            raise not_found(self.model.__name__.lower())
        return found


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be attached.

    :ivar size: of one file, in bytes.
    :ivar endings: of file names, whose kinds of content are accepted.
    """

    size: int
    endings: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """:raises SettingsError: an ending whose content cannot be told."""
        endings = tuple(settings.attachment_types.lower().split())
        if unknown := sorted(set(endings) - KNOWN_ENDINGS):
            raise SettingsError(f"ATTACHMENT_TYPES: cannot be told: {', '.join(unknown)}")
        return cls(settings.attachment_bytes, endings)


@dataclass(frozen=True, slots=True)
class Content:
    """A content that the storage has, and that is nobody's yet."""

    key: str
    filename: str
    content_type: str
    size: int
    sha256: str


def receive(
    database: Database,
    storage: Storage,
    limits: Limits,
    filename: str,
    stream: Readable,
    now: datetime,
) -> Content:
    """Take a content into the storage; it is discarded unless :func:`attach` follows.

    No transaction is open while it comes, however slowly.

    :param now: by the scheduler's clock.
    :raises Problem: 413 or 415 for what is not accepted; 503 when the storage is away.
    """
    name = safe_filename(filename)
    head = _read_head(stream)
    content_type = content_type_of(head, name, limits.endings)
    measured = _Measured(head, stream, limits.size)
    key = new_id()
    with database.transaction() as session:
        set_timers(session, DISCARD, {key: now + _LONGEST_UPLOAD})
    try:
        storage.put(key, measured)
    except OSError as error:
        raise storage_away(error) from error
    return Content(key, name, content_type, measured.size, measured.digest.hexdigest())


def attach(
    session: Session, to: Attachable, subject: Any, content: Content, uploaded_by: str
) -> Attachment:
    """Make a content an attachment of an aggregate, which is locked.

    :raises Problem: 409 when the aggregate has too many, or the upload took too long.
    """
    count = _count(session, to, subject.id)
    if count >= MOST:
        raise conflict(f"It has {MOST} attachments, and cannot have more.")
    if not cancel_timers(session, DISCARD, [content.key]):
        raise conflict("The upload took too long; its content is discarded.")
    attachment = Attachment(
        id=content.key,
        resource=to.resource,
        subject_id=subject.id,
        filename=content.filename,
        content_type=content.content_type,
        size=content.size,
        sha256=content.sha256,
        uploaded_by=uploaded_by,
        created_at=utc_now(),
    )
    session.add(attachment)
    if to.changed:
        to.changed(session, subject, count + 1)
    return attachment


def detach(
    session: Session, to: Attachable, subject: Any, attachment: Attachment, now: datetime
) -> None:
    """Delete an attachment of an aggregate, which is locked; its content goes after the commit."""
    count = _count(session, to, subject.id)
    session.delete(attachment)
    set_timers(session, DISCARD, {attachment.id: now})
    if to.changed:
        to.changed(session, subject, count - 1)


def attachments_of(to: Attachable, subject_id: str) -> Select[tuple[Attachment]]:
    return select(Attachment).where(
        Attachment.resource == to.resource, Attachment.subject_id == subject_id
    )


def discarding(storage: Storage) -> TimerHandler:
    """Handler of the ``DISCARD`` timers."""

    def discard(session: Session, keys: Sequence[str], now: datetime) -> None:
        storage.delete(keys)

    return discard


def safe_filename(name: str) -> str:
    """The last part of a path, without what would deceive who reads it; it may be Chinese.

    No file of ours has this name: contents go by their keys.
    """
    text = _NOT_IN_NAMES.sub("", unicodedata.normalize("NFC", name))
    text = re.split(r"[/\\]", text)[-1].strip(" .")
    stem, dot, ending = text.rpartition(".")
    if not dot:
        return text[:_LONGEST_NAME] or "attachment"
    ending = ending[:_LONGEST_ENDING]
    return f"{stem[: _LONGEST_NAME - len(ending) - 1]}.{ending}"


def storage_away(error: OSError) -> Problem:
    """The storage cannot be reached, or is full."""
    return Problem(
        503,
        "storage-away",
        f"The storage of attachments does not answer: {type(error).__name__}.",
        headers={"Retry-After": "5"},
    )


def _count(session: Session, to: Attachable, subject_id: str) -> int:
    counted = attachments_of(to, subject_id).with_only_columns(func.count())
    return session.scalar(counted) or 0


def _read_head(stream: Readable) -> bytes:
    """The first bytes, of which a stream may give fewer at a time than it is asked for."""
    head = b""
    while len(head) < HEAD_BYTES and (block := _read(stream, HEAD_BYTES - len(head))):
        head += block
    return head


def _read(stream: Readable, size: int) -> bytes:
    try:
        return stream.read(size)
    except OSError as error:
        # Not to be taken for a failure of the storage.
        raise Problem(400, "malformed", f"The body could not be read: {error}") from None


class _Measured:
    """A stream that is measured while it is read, after its beginning was looked at.

    :raises Problem: 413 from ``read``, once it is longer than ``limit``.
    """

    def __init__(self, head: bytes, stream: Readable, limit: int) -> None:
        self._head = head
        self._stream = stream
        self._limit = limit
        self.size = 0
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            block = self._head if size < 0 else self._head[:size]
            self._head = self._head[len(block) :]
        else:
            block = _read(self._stream, size)
        self.size += len(block)
        if self.size > self._limit:
            raise too_large(self._limit)
        self.digest.update(block)
        return block


def too_large(limit: int) -> Problem:
    return Problem(413, "too-large", f"The file is larger than {limit} bytes.")
