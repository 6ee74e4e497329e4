"""Keys that were merged into others."""

import sqlalchemy as sa
from alembic import op

revision = "chassis_0005"
down_revision = "chassis_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "merged_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("merged_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("survivor_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("in_force", sa.Boolean, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_index("merged_keys_by_merged", "merged_keys", ["merged_id"])
    op.create_index("merged_keys_by_survivor", "merged_keys", ["survivor_id"])
    op.create_table(
        "written_keys",
        sa.Column("place", sa.String(100), primary_key=True),
        sa.Column("row_id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("key", sa.Uuid(as_uuid=False), nullable=False),
    )
    op.create_index("written_keys_by_key", "written_keys", ["key", "place"])


def downgrade() -> None:
    op.drop_table("written_keys")
    op.drop_table("merged_keys")
