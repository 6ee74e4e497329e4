"""Interactions, follow-up and the pool."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0003"
down_revision = "customer_0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_FOLLOWED_UP_AT = sa.text("coalesce(last_contacted_at, created_at)")
_POOL_SETTINGS = "00000000-0000-7000-8000-000000000002"


def _key(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _partial_index(name: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "accounts", columns, postgresql_where=where, sqlite_where=where)


def upgrade() -> None:
    _add_interactions()
    _add_activities()
    for table in ("accounts", "contacts"):
        op.add_column(table, _instant("last_contacted_at", nullable=True))
        op.create_index(f"{table}_by_follow_up", table, [_FOLLOWED_UP_AT, "id"])
    _add_pool()


def _add_interactions() -> None:
    op.create_table(
        "interactions",
        sa.Column("external_id", sa.String(200), nullable=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("direction", sa.String(3), nullable=False),
        sa.Column("channel", sa.String(30), nullable=False),
        _key("account_id", nullable=True),
        _key("contact_id", nullable=True),
        _instant("occurred_at"),
        sa.Column("occurred_on", sa.Date(), nullable=False),
        _instant("ended_at", nullable=True),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("subject", sa.String(500), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("sender", sa.String(254), nullable=True),
        sa.Column("participants", _JSON, nullable=False),
        sa.Column("reference", sa.String(500), nullable=True),
        sa.Column("place", sa.String(500), nullable=True),
        _instant("opened_at", nullable=True),
        _instant("replied_at", nullable=True),
        sa.Column("outcome", sa.String(100), nullable=True),
        sa.Column("attachments", sa.Integer(), nullable=False),
        _key("id"),
        sa.Column("version", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        _key("owner_id", nullable=True),
        _key("team_id", nullable=True),
        sa.PrimaryKeyConstraint("id", name="interactions_pkey"),
        sa.UniqueConstraint("external_id", name="interactions_external_id_unique"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="interactions_account_id_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name="interactions_contact_id_fkey"
        ),
    )
    op.create_index("interactions_by_occurred_at", "interactions", ["occurred_at", "id"])
    for name, column in {
        "account": "account_id",
        "contact": "contact_id",
        "owner": "owner_id",
        "team": "team_id",
        "kind": "kind",
    }.items():
        op.create_index(f"interactions_by_{name}", "interactions", [column, "occurred_at", "id"])


def _add_activities() -> None:
    op.create_table(
        "replica_activities",
        _key("id"),
        _key("account_id", nullable=True),
        _key("contact_id", nullable=True),
        _instant("occurred_at"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="replica_activities_pkey"),
    )
    for name in ("account", "contact"):
        op.create_index(
            f"replica_activities_by_{name}", "replica_activities", [f"{name}_id", "occurred_at"]
        )


def _add_pool() -> None:
    for name in ("owned_since", "claimed_at", "return_due_at"):
        op.add_column("accounts", _instant(name, nullable=True))
    _partial_index("accounts_in_pool", ["created_at", "id"], "owner_id IS NULL")
    _partial_index("accounts_by_return_due", ["return_due_at", "id"], "return_due_at IS NOT NULL")
    _partial_index("accounts_claimed", ["owner_id"], "claimed_at IS NOT NULL")
    op.create_table(
        "ownership_changes",
        _key("id"),
        _key("account_id"),
        _key("from_owner_id", nullable=True),
        _key("from_team_id", nullable=True),
        _key("to_owner_id", nullable=True),
        _key("to_team_id", nullable=True),
        sa.Column("reason", sa.String(10), nullable=False),
        sa.Column("note", sa.String(1000), nullable=True),
        sa.Column("changed_by", sa.String(64), nullable=False),
        _instant("changed_at"),
        sa.PrimaryKeyConstraint("id", name="ownership_changes_pkey"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name="ownership_changes_account_id_fkey"
        ),
    )
    op.create_index(
        "ownership_changes_by_account", "ownership_changes", ["account_id", "changed_at", "id"]
    )
    op.create_index(
        "ownership_changes_by_receiver",
        "ownership_changes",
        ["to_owner_id", "reason", "changed_at"],
    )
    op.create_table(
        "pool_rules",
        _key("team_id", nullable=True),
        sa.Column("level", sa.String(1), nullable=True),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("warn_days", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.String(50), nullable=False),
        _key("id"),
        sa.Column("version", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        sa.CheckConstraint("warn_days < days", name="pool_rules_warn_days"),
        sa.PrimaryKeyConstraint("id", name="pool_rules_pkey"),
        sa.UniqueConstraint("scope", name="pool_rules_scope_unique"),
    )
    settings = op.create_table(
        "pool_settings",
        sa.Column("most_claimed", sa.Integer(), nullable=True),
        sa.Column("most_claims_a_day", sa.Integer(), nullable=True),
        sa.Column("reclaim_after_days", sa.Integer(), nullable=False),
        _key("id"),
        sa.Column("version", sa.Integer(), nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("id", name="pool_settings_pkey"),
    )
    op.execute(
        settings.insert().values(
            id=_POOL_SETTINGS,
            version=1,
            most_claimed=200,
            most_claims_a_day=20,
            reclaim_after_days=0,
            created_at=sa.func.now(),
            updated_at=sa.func.now(),
        )
    )


def downgrade() -> None:
    for table in ("pool_settings", "pool_rules", "ownership_changes"):
        op.drop_table(table)
    for name in ("accounts_claimed", "accounts_by_return_due", "accounts_in_pool"):
        op.drop_index(name, "accounts")
    for name in ("return_due_at", "claimed_at", "owned_since"):
        op.drop_column("accounts", name)
    for table in ("accounts", "contacts"):
        op.drop_index(f"{table}_by_follow_up", table)
        op.drop_column(table, "last_contacted_at")
    op.drop_table("replica_activities")
    op.drop_table("interactions")
