"""Run by alembic: migrates on the connection that the caller opened.

All in the caller's transaction, or, where there is none, each migration in its own.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from crm_chassis.database import Money, UTCDateTime


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Write column types so that a migration does not change when the chassis does."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(item, Money):
        return 'sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite")'
    return False


attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes.get("metadata"),
    include_name=attributes.get("include_name"),
    render_item=render_item,
    transaction_per_migration=not attributes["connection"].in_transaction(),
)
with context.begin_transaction():
    context.run_migrations()
