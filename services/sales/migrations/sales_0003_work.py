"""Activities, tasks, comments, requests and reviews."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "sales_0003"
down_revision = "sales_0002"
branch_labels = None
depends_on = None

_TABLES = (
    "activities",
    "assignment_rules",
    "comments",
    "follow_ups",
    "requests",
    "reviews",
    "tasks",
    "work_settings",
    "assignment_turns",
    "mentions",
    "request_log",
    "review_closings",
    "review_deals",
    "review_questions",
)
_USUAL_SETTINGS = {
    "id": "00000000-0000-7000-8000-000000000003",
    "version": 1,
    "lead_reminder_hours": 24,
    "activity_contacts_lead": True,
    "follow_up_days": 14,
    "stuck_days": 30,
    "stuck_percent": 200,
    "big_percentile": 90,
}


def upgrade() -> None:
    _replicas()
    _leads()
    op.create_index(
        "opportunities_idle",
        "opportunities",
        ["stage_since", "id"],
        unique=False,
        sqlite_where=sa.text("stage_type = 'open'"),
        postgresql_where=sa.text("stage_type = 'open'"),
    )
    _work()
    now = datetime.now(UTC)
    settings = sa.table(
        "work_settings",
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("updated_at", sa.DateTime(timezone=True)),
        sa.column("id", sa.Uuid(as_uuid=False)),
        *(sa.column(name) for name in _USUAL_SETTINGS if name != "id"),
    )
    op.bulk_insert(settings, [_USUAL_SETTINGS | {"created_at": now, "updated_at": now}])


def _replicas() -> None:
    op.add_column("replica_accounts", sa.Column("owner_id", sa.Uuid(as_uuid=False)))
    op.add_column("replica_accounts", sa.Column("team_id", sa.Uuid(as_uuid=False)))
    op.create_index("replica_accounts_owner", "replica_accounts", ["owner_id"])
    op.create_index("replica_accounts_team", "replica_accounts", ["team_id"])
    # Accounts told of before are without their owner: let them be told of again.
    op.execute("UPDATE replica_accounts SET sequence = 0")
    op.create_table(
        "replica_contacts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("external_id", sa.String(length=200)),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False)),
        sa.Column("owner_id", sa.Uuid(as_uuid=False)),
        sa.Column("team_id", sa.Uuid(as_uuid=False)),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_contacts_pkey")),
    )
    op.create_index("replica_contacts_account", "replica_contacts", ["account_id"])
    op.create_index("replica_contacts_external_id", "replica_contacts", ["external_id"])
    op.create_index("replica_contacts_name", "replica_contacts", ["name"])
    op.create_index("replica_contacts_owner", "replica_contacts", ["owner_id"])
    op.create_index("replica_contacts_team", "replica_contacts", ["team_id"])


def _leads() -> None:
    op.add_column("leads", sa.Column("reminded_at", sa.DateTime(timezone=True)))
    op.create_index("leads_by_owner_status", "leads", ["owner_id", "status", "id"])
    op.create_index(
        "leads_waiting",
        "leads",
        ["owner_id", "reminded_at", "id"],
        sqlite_where=sa.text("reminded_at IS NOT NULL"),
        postgresql_where=sa.text("reminded_at IS NOT NULL"),
    )


def _work() -> None:
    op.create_table(
        "activities",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("notes", sa.String(length=4000), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(length=100), nullable=True),
        sa.Column("related_type", sa.String(length=20), nullable=False),
        sa.Column("related_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("activities_pkey")),
    )
    op.create_index(
        "activities_by_account", "activities", ["account_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "activities_by_contact", "activities", ["contact_id", "occurred_at", "id"], unique=False
    )
    op.create_index("activities_by_occurred_at", "activities", ["occurred_at", "id"], unique=False)
    op.create_index(
        "activities_by_owner", "activities", ["owner_id", "occurred_at", "id"], unique=False
    )
    op.create_index(
        "activities_by_related", "activities", ["related_id", "occurred_at", "id"], unique=False
    )
    op.create_table(
        "assignment_rules",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column(
            "sources",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "regions",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "industries",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "campaign_ids",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("score_from", sa.Integer(), nullable=True),
        sa.Column("score_to", sa.Integer(), nullable=True),
        sa.Column("strategy", sa.String(length=20), nullable=False),
        sa.Column(
            "members",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "region_members",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("assignment_rules_pkey")),
    )
    op.create_index(
        "assignment_rules_by_position", "assignment_rules", ["position", "id"], unique=False
    )
    op.create_table(
        "comments",
        sa.Column("related_type", sa.String(length=20), nullable=False),
        sa.Column("related_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("author_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("text", sa.String(length=4000), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("comments_pkey")),
    )
    op.create_index(
        "comments_by_related", "comments", ["related_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "follow_ups",
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("follow_ups_pkey")),
    )
    op.create_index(
        "follow_ups_due",
        "follow_ups",
        ["due_told_at", "id"],
        unique=False,
        postgresql_where=sa.text("due_told_at IS NOT NULL"),
        sqlite_where=sa.text("due_told_at IS NOT NULL"),
    )
    op.create_table(
        "requests",
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=4000), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column(
            "sales_value", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("development_owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("planned_start_on", sa.Date(), nullable=True),
        sa.Column("planned_delivery_on", sa.Date(), nullable=True),
        sa.Column("started_on", sa.Date(), nullable=True),
        sa.Column("delivered_on", sa.Date(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("service_owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("feedback", sa.String(length=4000), nullable=True),
        sa.Column("satisfaction", sa.Integer(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("declined_reason", sa.String(length=200), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("requests_pkey")),
    )
    op.create_index(
        "requests_by_account", "requests", ["account_id", "opened_at", "id"], unique=False
    )
    op.create_index(
        "requests_by_development_owner",
        "requests",
        ["development_owner_id", "opened_at", "id"],
        unique=False,
    )
    op.create_index("requests_by_opened_at", "requests", ["opened_at", "id"], unique=False)
    op.create_index("requests_by_owner", "requests", ["owner_id", "opened_at", "id"], unique=False)
    op.create_index(
        "requests_by_service_owner",
        "requests",
        ["service_owner_id", "opened_at", "id"],
        unique=False,
    )
    op.create_index("requests_by_status", "requests", ["status", "opened_at", "id"], unique=False)
    op.create_index("requests_by_team", "requests", ["team_id", "opened_at", "id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("week", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("stuck_days", sa.Integer(), nullable=False),
        sa.Column("stuck_percent", sa.Integer(), nullable=False),
        sa.Column("big_percentile", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("reviews_pkey")),
        sa.UniqueConstraint("team_id", "week", name=op.f("reviews_team_id_week_unique")),
    )
    op.create_index("reviews_by_owner", "reviews", ["owner_id", "week", "id"], unique=False)
    op.create_index("reviews_by_week", "reviews", ["week", "id"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=4000), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("remind_minutes", sa.Integer(), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("related_type", sa.String(length=20), nullable=True),
        sa.Column("related_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("tasks_pkey")),
    )
    op.create_index("tasks_by_account", "tasks", ["account_id", "due_at", "id"], unique=False)
    op.create_index("tasks_by_contact", "tasks", ["contact_id", "due_at", "id"], unique=False)
    op.create_index("tasks_by_created_at", "tasks", ["created_at", "id"], unique=False)
    op.create_index("tasks_by_due_at", "tasks", ["due_at", "id"], unique=False)
    op.create_index("tasks_by_owner", "tasks", ["owner_id", "status", "due_at", "id"], unique=False)
    op.create_index("tasks_by_related", "tasks", ["related_id", "due_at", "id"], unique=False)
    op.create_index("tasks_by_team", "tasks", ["team_id", "due_at", "id"], unique=False)
    op.create_table(
        "work_settings",
        sa.Column("lead_reminder_hours", sa.Integer(), nullable=True),
        sa.Column("activity_contacts_lead", sa.Boolean(), nullable=False),
        sa.Column("follow_up_days", sa.Integer(), nullable=True),
        sa.Column("stuck_days", sa.Integer(), nullable=False),
        sa.Column("stuck_percent", sa.Integer(), nullable=False),
        sa.Column("big_percentile", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("work_settings_pkey")),
    )
    op.create_table(
        "assignment_turns",
        sa.Column("rule_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["assignment_rules.id"],
            name=op.f("assignment_turns_rule_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("assignment_turns_pkey")),
    )
    op.create_table(
        "mentions",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("comment_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("related_type", sa.String(length=20), nullable=False),
        sa.Column("related_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["comment_id"],
            ["comments.id"],
            name=op.f("mentions_comment_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("mentions_pkey")),
        sa.UniqueConstraint(
            "comment_id", "user_id", name=op.f("mentions_comment_id_user_id_unique")
        ),
    )
    op.create_index("mentions_by_user", "mentions", ["user_id", "created_at", "id"], unique=False)
    op.create_index(
        "mentions_unread",
        "mentions",
        ["user_id", "created_at", "id"],
        unique=False,
        postgresql_where=sa.text("read_at IS NULL"),
        sqlite_where=sa.text("read_at IS NULL"),
    )
    op.create_table(
        "request_log",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("request_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["requests.id"],
            name=op.f("request_log_request_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("request_log_pkey")),
    )
    op.create_index(
        "request_log_by_request", "request_log", ["request_id", "entered_at", "id"], unique=False
    )
    op.create_table(
        "review_closings",
        sa.Column("review_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("expected_close_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["review_id"],
            ["reviews.id"],
            name=op.f("review_closings_review_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("review_id", "opportunity_id", name=op.f("review_closings_pkey")),
    )
    op.create_table(
        "review_deals",
        sa.Column("review_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "reasons",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("days_in_stage", sa.Integer(), nullable=False),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("expected_close_on", sa.Date(), nullable=True),
        sa.Column("previous_close_on", sa.Date(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("note", sa.String(length=4000), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["review_id"],
            ["reviews.id"],
            name=op.f("review_deals_review_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("review_deals_pkey")),
        sa.UniqueConstraint(
            "review_id", "opportunity_id", name=op.f("review_deals_review_id_opportunity_id_unique")
        ),
    )
    op.create_table(
        "review_questions",
        sa.Column("review_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("deal_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("asked_by", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("answer", sa.String(length=4000), nullable=True),
        sa.Column("answered_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["deal_id"],
            ["review_deals.id"],
            name=op.f("review_questions_deal_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["review_id"],
            ["reviews.id"],
            name=op.f("review_questions_review_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("review_questions_pkey")),
    )
    op.create_index("review_deals_by_amount", "review_deals", ["review_id", "amount", "id"])
    op.create_index(
        "review_questions_by_created_at", "review_questions", ["created_at", "id"], unique=False
    )
    op.create_index(
        "review_questions_by_owner",
        "review_questions",
        ["owner_id", "status", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "review_questions_by_review",
        "review_questions",
        ["review_id", "created_at", "id"],
        unique=False,
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("opportunities_idle", "opportunities")
    op.drop_index("leads_waiting", "leads")
    op.drop_index("leads_by_owner_status", "leads")
    op.drop_column("leads", "reminded_at")
    op.drop_table("replica_contacts")
    op.drop_index("replica_accounts_team", "replica_accounts")
    op.drop_index("replica_accounts_owner", "replica_accounts")
    op.drop_column("replica_accounts", "team_id")
    op.drop_column("replica_accounts", "owner_id")
