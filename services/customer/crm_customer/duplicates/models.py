"""Keys by which alike records find each other, pairs to be looked at, and the scans for them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, SmallInteger, String, Table, Text, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Id, Instant, Json, Version
from crm_customer.tables import Tables

ORIGINS = ("entry", "import", "conversion", "scan")
STATES = ("open", "dismissed", "merged")
SCAN_STATES = ("running", "done")
ACCEPT, REJECT, UPDATE = POLICIES = ("accept", "reject", "update")
"""What becomes of a row of a file that is like a record with another key."""

duplicate_keys = Table(
    "duplicate_keys",
    Tables.metadata,
    Column("key", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", Uuid(as_uuid=False), primary_key=True),
)
"""The keys of every record that stands for itself, written in the transaction of the record."""


class DuplicateCandidate(Versioned, Tables):
    """Two records that may be one customer.

    :ivar first_id: the older of the two; :ivar second_id: the other.
    :ivar score: percent.
    :ivar by_phone: True when a telephone number is among the reasons.
    :ivar note: why somebody entered the second beside the first, or dismissed the pair.
    """

    __tablename__ = "duplicate_candidates"
    __table_args__ = (
        Index("duplicate_candidates_pair", "first_id", "second_id", unique=True),
        Index("duplicate_candidates_by_second", "second_id"),
        Index("duplicate_candidates_queue", "kind", "state", "score", "id"),
        Index("duplicate_candidates_by_score", "score", "id"),
        Index("duplicate_candidates_by_created_at", "created_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(10))
    first_id: Mapped[Id]
    second_id: Mapped[Id]
    score: Mapped[int] = mapped_column(SmallInteger)
    reasons: Mapped[list[str]] = mapped_column(Json)
    by_phone: Mapped[bool]
    state: Mapped[str] = mapped_column(String(10))
    origin: Mapped[str] = mapped_column(String(10))
    note: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    merge_id: Mapped[Id | None]


class DuplicateScan(Versioned, Tables):
    """A search for duplicates among all records of a kind, part by part of the keys.

    :ivar found: pairs that were not known before.
    """

    __tablename__ = "duplicate_scans"
    __table_args__ = (
        Index("duplicate_scans_by_created_at", "created_at", "id"),
        Index(
            "duplicate_scans_running",
            "kind",
            unique=True,
            postgresql_where=text("state = 'running'"),
            sqlite_where=text("state = 'running'"),
        ),
    )

    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10))
    parts: Mapped[int]
    parts_done: Mapped[int]
    found: Mapped[int]
    started_by: Mapped[str] = mapped_column(String(64))
    finished_at: Mapped[Instant | None]

    @property
    def progress(self) -> int:
        """Percent of the keys that were looked at."""
        return 100 * self.parts_done // self.parts


class DuplicateThresholds(Tables):
    """From which score on, in percent, two records of a kind count as duplicates: a row a kind.

    :ivar entry_from: a new record is refused; :ivar review_from: a pair goes to the review queue.
    """

    __tablename__ = "duplicate_thresholds"

    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    version: Mapped[Version] = mapped_column(server_default="1")  # the release before writes none
    entry_from: Mapped[int] = mapped_column(SmallInteger)
    review_from: Mapped[int] = mapped_column(SmallInteger)

    __mapper_args__ = {"version_id_col": version, "eager_defaults": False}
