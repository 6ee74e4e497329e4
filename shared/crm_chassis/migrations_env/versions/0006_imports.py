"""Workbooks on their way to the worker, and the names by which a dry run finds earlier rows."""

import sqlalchemy as sa
from alembic import op

revision = "chassis_0006"
down_revision = "chassis_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "import_files",
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("import_files_pkey")),
    )
    op.create_table(
        "import_names",
        sa.Column("job_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("hash", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "hash", "row", name=op.f("import_names_pkey")),
    )


def downgrade() -> None:
    op.drop_table("import_names")
    op.drop_table("import_files")
