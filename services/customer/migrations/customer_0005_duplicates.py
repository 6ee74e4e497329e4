"""Duplicates, merges and quality."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0005"
down_revision = "customer_0004"
branch_labels = None
depends_on = None

_ID = sa.Uuid(as_uuid=False)
_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_INSTANT = sa.DateTime(timezone=True)
_PERCENT = sa.SmallInteger()
_RECORDS = ("accounts", "contacts")
_SCORES = ("completeness", "validity", "quality")


def _aggregate(name: str, *columns: sa.Column, **indexes: Sequence[str]) -> None:
    op.create_table(
        name,
        *columns,
        sa.Column("id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"{name}_pkey"),
    )
    for index, names in indexes.items():
        op.create_index(f"{name}_{index}", name, list(names))


def upgrade() -> None:
    for table in _RECORDS:
        op.add_column(table, sa.Column("merged_into", _ID, nullable=True))
        for column in _SCORES:
            op.add_column(table, sa.Column(column, _PERCENT, nullable=False, server_default="-1"))
        op.create_index(f"{table}_by_quality", table, ["quality", "id"])
    op.create_table(
        "duplicate_keys",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("key", "record_id", name="duplicate_keys_pkey"),
    )
    _aggregate(
        "duplicate_candidates",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("first_id", _ID, nullable=False),
        sa.Column("second_id", _ID, nullable=False),
        sa.Column("score", _PERCENT, nullable=False),
        sa.Column("reasons", _JSON, nullable=False),
        sa.Column("by_phone", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.String(64), nullable=True),
        sa.Column("merge_id", _ID, nullable=True),
        by_second=("second_id",),
        queue=("kind", "state", "score", "id"),
        by_score=("score", "id"),
        by_created_at=("created_at", "id"),
    )
    op.create_index(
        "duplicate_candidates_pair", "duplicate_candidates", ["first_id", "second_id"], unique=True
    )
    _aggregate(
        "duplicate_scans",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("parts_done", sa.Integer(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.String(64), nullable=False),
        sa.Column("finished_at", _INSTANT, nullable=True),
        by_created_at=("created_at", "id"),
    )
    op.create_index(
        "duplicate_scans_running",
        "duplicate_scans",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
        sqlite_where=sa.text("state = 'running'"),
    )
    op.create_table(
        "duplicate_thresholds",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("entry_from", _PERCENT, nullable=False),
        sa.Column("review_from", _PERCENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="duplicate_thresholds_pkey"),
    )
    _aggregate(
        "merges",
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("survivor_id", _ID, nullable=False),
        sa.Column("merged_id", _ID, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("survivor_before", _JSON, nullable=False),
        sa.Column("survivor_after", _JSON, nullable=False),
        sa.Column("links_before", _JSON, nullable=False),
        sa.Column("links_after", _JSON, nullable=False),
        sa.Column("done_by", sa.String(64), nullable=False),
        sa.Column("undone_by", sa.String(64), nullable=True),
        by_created_at=("created_at", "id"),
        by_survivor=("survivor_id", "created_at", "id"),
        by_merged=("merged_id", "created_at", "id"),
    )
    op.create_table(
        "quality_days",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("owner_id", _ID, nullable=True),
        sa.Column("team_id", _ID, nullable=True),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("valid", sa.Integer(), nullable=False),
        sa.Column("quality_sum", sa.Integer(), nullable=False),
        sa.Column("completeness_sum", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="quality_days_pkey"),
    )
    op.create_index("quality_days_by_day", "quality_days", ["kind", "day"])


def downgrade() -> None:
    for table in (
        "quality_days",
        "merges",
        "duplicate_thresholds",
        "duplicate_scans",
        "duplicate_candidates",
        "duplicate_keys",
    ):
        op.drop_table(table)
    for table in _RECORDS:
        op.drop_index(f"{table}_by_quality", table)
        for column in (*_SCORES, "merged_into"):
            op.drop_column(table, column)
