"""Targets of the company and in receipts; the log of what moves the open pipelines of teams."""

import sqlalchemy as sa
from alembic import op

revision = "sales_0006"
down_revision = "sales_0005"
branch_labels = None
depends_on = None

_OPEN = sa.text("stage_type = 'open'")
_OF_COMPANY = sa.text("scope = 'company'")
_UNIQUE = "targets_scope_measure_member_id_month_currency_unique"
_UNIQUE_BEFORE = "targets_scope_member_id_month_currency_unique"


def upgrade() -> None:
    with op.batch_alter_table("targets") as targets:
        targets.add_column(
            sa.Column("measure", sa.String(length=10), server_default="sales", nullable=False)
        )
        targets.alter_column("member_id", existing_type=sa.Uuid(as_uuid=False), nullable=True)
        targets.drop_constraint(op.f(_UNIQUE_BEFORE), type_="unique")
        targets.create_unique_constraint(
            op.f(_UNIQUE), ["scope", "measure", "member_id", "month", "currency"]
        )
    op.create_index(
        "targets_of_company",
        "targets",
        ["measure", "month", "currency"],
        unique=True,
        postgresql_where=_OF_COMPANY,
        sqlite_where=_OF_COMPANY,
    )
    op.create_index("targets_by_member", "targets", ["member_id", "month", "id"], unique=False)
    op.create_table(
        "deal_moves",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("to_team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("from_owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("to_owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("from_pipeline", sa.String(length=64), nullable=True),
        sa.Column("to_pipeline", sa.String(length=64), nullable=False),
        sa.Column("from_stage", sa.String(length=64), nullable=True),
        sa.Column("to_stage", sa.String(length=64), nullable=False),
        sa.Column("from_stage_order", sa.Integer(), nullable=True),
        sa.Column("to_stage_order", sa.Integer(), nullable=False),
        sa.Column("from_stage_type", sa.String(length=10), nullable=True),
        sa.Column("to_stage_type", sa.String(length=10), nullable=False),
        sa.Column(
            "from_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column(
            "to_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("from_currency", sa.String(length=3), nullable=True),
        sa.Column("to_currency", sa.String(length=3), nullable=False),
        sa.Column("from_expected_close_on", sa.Date(), nullable=True),
        sa.Column("to_expected_close_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.id"],
            name=op.f("deal_moves_opportunity_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deal_moves_pkey")),
    )
    for side in ("from_team", "to_team"):
        columns = [f"{side}_id", "moved_at", "id"]
        op.create_index(f"deal_moves_{side}", "deal_moves", columns, unique=False)
    op.create_index(
        "opportunities_open_by_team",
        "opportunities",
        ["team_id", "id"],
        unique=False,
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    op.create_index(
        "tasks_by_completed_at", "tasks", ["team_id", "completed_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("tasks_by_completed_at", table_name="tasks")
    op.drop_index(
        "opportunities_open_by_team",
        table_name="opportunities",
        postgresql_where=_OPEN,
        sqlite_where=_OPEN,
    )
    for side in ("to_team", "from_team"):
        op.drop_index(f"deal_moves_{side}", table_name="deal_moves")
    op.drop_table("deal_moves")
    op.execute("DELETE FROM targets WHERE scope = 'company' OR measure <> 'sales'")
    op.drop_index("targets_by_member", table_name="targets")
    op.drop_index(
        "targets_of_company",
        table_name="targets",
        postgresql_where=_OF_COMPANY,
        sqlite_where=_OF_COMPANY,
    )
    with op.batch_alter_table("targets") as targets:
        targets.drop_constraint(op.f(_UNIQUE), type_="unique")
        targets.create_unique_constraint(
            op.f(_UNIQUE_BEFORE), ["scope", "member_id", "month", "currency"]
        )
        targets.alter_column("member_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
        targets.drop_column("measure")
