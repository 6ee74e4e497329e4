"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "example_0001"
down_revision = None
branch_labels = ("example",)
depends_on = None

_MONEY = sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite")
_ID = sa.Uuid(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("external_id", sa.String(200), unique=True),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("phone", sa.String(50)),
        sa.Column("price", _MONEY, nullable=False),
        sa.Column("rank", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("remind_at", _INSTANT, nullable=False),
        sa.Column("lent", sa.Boolean, nullable=False),
        sa.Column("id", _ID, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", _INSTANT, nullable=False),
        sa.Column("updated_at", _INSTANT, nullable=False),
        sa.Column("owner_id", _ID),
        sa.Column("team_id", _ID),
        sa.CheckConstraint("rank >= 0", name="rank_is_not_negative"),
    )
    op.create_table(
        "readings",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("note_id", _ID, nullable=False),
        sa.Column("title", sa.String(200)),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "amounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", _MONEY, nullable=False),
    )


def downgrade() -> None:
    for table in ("amounts", "readings", "notes"):
        op.drop_table(table)
