"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "marketing_0001"
down_revision = None
branch_labels = ("marketing",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaigns",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column(
            "budget", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column(
            "actual_cost", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("campaigns_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("campaigns_external_id_unique")),
    )
    op.create_index("campaigns_by_created_at", "campaigns", ["created_at", "id"], unique=False)
    op.create_index("campaigns_by_name", "campaigns", ["name", "id"], unique=False)
    op.create_index(
        "campaigns_by_owner", "campaigns", ["owner_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "campaigns_by_status", "campaigns", ["status", "created_at", "id"], unique=False
    )
    op.create_index("campaigns_by_team", "campaigns", ["team_id", "created_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("campaigns_by_team", table_name="campaigns")
    op.drop_index("campaigns_by_status", table_name="campaigns")
    op.drop_index("campaigns_by_owner", table_name="campaigns")
    op.drop_index("campaigns_by_name", table_name="campaigns")
    op.drop_index("campaigns_by_created_at", table_name="campaigns")
    op.drop_table("campaigns")
