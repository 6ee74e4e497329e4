"""Which of the files sent for an import is taken."""

import sqlalchemy as sa
from alembic import op

revision = "chassis_0010"
down_revision = "chassis_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("import_jobs", sa.Column("upload", sa.Uuid(as_uuid=False), nullable=True))


def downgrade() -> None:
    op.drop_column("import_jobs", "upload")
