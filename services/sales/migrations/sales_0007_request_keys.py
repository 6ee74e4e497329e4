"""Customer requests have keys of other systems, to be imported by."""

import sqlalchemy as sa
from alembic import op

revision = "sales_0007"
down_revision = "sales_0006"
branch_labels = None
depends_on = None

_UNIQUE = "requests_external_id_unique"


def upgrade() -> None:
    with op.batch_alter_table("requests") as requests:
        requests.add_column(sa.Column("external_id", sa.String(length=200), nullable=True))
        requests.create_unique_constraint(op.f(_UNIQUE), ["external_id"])


def downgrade() -> None:
    with op.batch_alter_table("requests") as requests:
        requests.drop_constraint(op.f(_UNIQUE), type_="unique")
        requests.drop_column("external_id")
