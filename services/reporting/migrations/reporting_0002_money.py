"""Orders, receipts, interactions, life cycles, customer requests and targets in receipts."""

import sqlalchemy as sa
from alembic import op

revision = "reporting_0002"
down_revision = "reporting_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "interactions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=True),
        sa.Column("direction", sa.String(length=10), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("occurred_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("interactions_occurred_on", "interactions", ["occurred_on", "id"], unique=False)
    op.create_table(
        "life_cycles",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("customer_type", sa.String(length=10), nullable=True),
        sa.Column("stage", sa.String(length=20), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("entered_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("life_cycles_entered_on", "life_cycles", ["entered_on", "id"], unique=False)
    op.create_table(
        "order_returns",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("returned_on", sa.Date(), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "order_returns_returned_on", "order_returns", ["returned_on", "id"], unique=False
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("number", sa.String(length=40), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("placed_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("orders_placed_on", "orders", ["placed_on", "id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("received_on", sa.Date(), nullable=True),
        sa.Column("method", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("receipts_received_on", "receipts", ["received_on", "id"], unique=False)
    op.create_table(
        "rollup_interactions",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_index(
        "rollup_interactions_account",
        "rollup_interactions",
        ["member"],
        unique=False,
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.create_table(
        "rollup_life_cycles",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_table(
        "rollup_orders",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_index(
        "rollup_orders_account",
        "rollup_orders",
        ["member"],
        unique=False,
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.create_table(
        "rollup_receipts",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_index(
        "rollup_receipts_account",
        "rollup_receipts",
        ["member"],
        unique=False,
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.create_table(
        "rollup_returns",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("delivered_on", sa.Date(), nullable=True),
        sa.Column("seconds_to_delivery", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("requests_delivered_on", "requests", ["delivered_on", "id"], unique=False)
    op.create_index("requests_opened_on", "requests", ["opened_on", "id"], unique=False)
    op.create_table(
        "rollup_delivered_requests",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.BigInteger(), nullable=False),
        sa.Column("timed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_index(
        "rollup_delivered_requests_account",
        "rollup_delivered_requests",
        ["member"],
        unique=False,
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.create_table(
        "rollup_requests",
        sa.Column(
            "dimension",
            sa.String(length=20).with_variant(sa.String(length=20, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "grain",
            sa.String(length=5).with_variant(sa.String(length=5, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column(
            "member",
            sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "team",
            sa.String(length=36).with_variant(sa.String(length=36, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "currency",
            sa.String(length=3).with_variant(sa.String(length=3, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dimension", "grain", "day", "member", "team", "currency"),
    )
    op.create_index(
        "rollup_requests_account",
        "rollup_requests",
        ["member"],
        unique=False,
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.add_column(
        "targets",
        sa.Column("measure", sa.String(length=10), server_default="sales", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("targets", "measure")
    op.drop_index(
        "rollup_requests_account",
        table_name="rollup_requests",
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.drop_table("rollup_requests")
    op.drop_index(
        "rollup_delivered_requests_account",
        table_name="rollup_delivered_requests",
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.drop_table("rollup_delivered_requests")
    op.drop_index("requests_opened_on", table_name="requests")
    op.drop_index("requests_delivered_on", table_name="requests")
    op.drop_table("requests")
    op.drop_table("rollup_returns")
    op.drop_index(
        "rollup_receipts_account",
        table_name="rollup_receipts",
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.drop_table("rollup_receipts")
    op.drop_index(
        "rollup_orders_account",
        table_name="rollup_orders",
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.drop_table("rollup_orders")
    op.drop_table("rollup_life_cycles")
    op.drop_index(
        "rollup_interactions_account",
        table_name="rollup_interactions",
        postgresql_where=sa.text("dimension = 'account' AND grain = 'day'"),
        sqlite_where=sa.text("dimension = 'account' AND grain = 'day'"),
    )
    op.drop_table("rollup_interactions")
    op.drop_index("receipts_received_on", table_name="receipts")
    op.drop_table("receipts")
    op.drop_index("orders_placed_on", table_name="orders")
    op.drop_table("orders")
    op.drop_index("order_returns_returned_on", table_name="order_returns")
    op.drop_table("order_returns")
    op.drop_index("life_cycles_entered_on", table_name="life_cycles")
    op.drop_table("life_cycles")
    op.drop_index("interactions_occurred_on", table_name="interactions")
    op.drop_table("interactions")
