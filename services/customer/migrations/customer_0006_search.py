"""Search: its columns, which a worker fills for the customers that are there, and its indexes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0006"
down_revision = "customer_0005"
branch_labels = None
depends_on = None

_TABLES = ("accounts", "contacts")


def upgrade() -> None:
    numbers = postgresql.ARRAY(sa.Integer()).with_variant(sa.Text(), "sqlite")
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    waiting = sa.text("searched IS NULL")
    for table in _TABLES:
        op.add_column(table, sa.Column("searched", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("searched_phones", sa.Text(), nullable=True))
        op.add_column(table, sa.Column("terms", numbers, nullable=True))
        op.create_index(
            f"{table}_unsearched", table, ["id"], postgresql_where=waiting, sqlite_where=waiting
        )
        if on_postgresql:
            op.create_index(f"{table}_by_terms", table, ["terms"], postgresql_using="gin")
            # By how common a term is the planner decides whether to ask the index at all.
            op.execute(f"ALTER TABLE {table} ALTER COLUMN terms SET STATISTICS 300")


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for table in _TABLES:
        if on_postgresql:
            op.drop_index(f"{table}_by_terms", table_name=table)
        op.drop_index(f"{table}_unsearched", table_name=table)
        for column in ("terms", "searched_phones", "searched"):
            op.drop_column(table, column)
