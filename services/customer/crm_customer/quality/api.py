"""``/v1/quality``, and the quality of one account or contact"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one
from crm_chassis.problems import invalid
from crm_chassis.web import Blueprint, business_day, reads
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact
from crm_customer.kinds import ACCOUNT, CONTACT
from crm_customer.quality import queries
from crm_customer.quality.schemas import (
    ProgressQuery,
    QualityProgress,
    QualityQuery,
    QualitySummary,
    RecordQuality,
)
from crm_customer.quality.scoring import quality_of

READ = "customer.quality.read"

_DAYS_SHOWN, _MOST_DAYS = timedelta(days=90), timedelta(days=1100)

blueprint = Blueprint("quality", __name__, url_prefix="/v1", description="Quality of records")


@blueprint.route("/quality")
class Quality(MethodView):
    @reads(READ)
    @blueprint.arguments(QualityQuery, location="query")
    @blueprint.response(200, QualitySummary)
    def get(self, query: dict[str, Any], session: Session) -> Any:
        """How complete and valid the records are, by owner or team."""
        return {"items": queries.summary(session, query["kind"], query.get("by"))}


@blueprint.route("/quality/progress")
class Progress(MethodView):
    @reads(READ)
    @blueprint.arguments(ProgressQuery, location="query")
    @blueprint.response(200, QualityProgress)
    def get(self, query: dict[str, Any], session: Session) -> Any:
        """How complete and valid the records were, day by day."""
        last = query.get("last_day", business_day())
        first = query.get("first_day", last - _DAYS_SHOWN)
        if not timedelta(0) <= last - first <= _MOST_DAYS:
            raise invalid(("first_day", f"At most {_MOST_DAYS.days} days up to last_day."))
        return {"items": queries.progress(session, query["kind"], first, last)}


@blueprint.route("/accounts/<uuid:account_id>/quality")
class AccountQuality(MethodView):
    @reads(ACCOUNT.read)
    @blueprint.response(200, RecordQuality)
    def get(self, account_id: object, session: Session) -> Any:
        """What an account lacks, and what is wrong with it."""
        account = visible_one(session, Account, account_id, ACCOUNT.read)
        return _as_document(account)


@blueprint.route("/contacts/<uuid:contact_id>/quality")
class ContactQuality(MethodView):
    @reads(CONTACT.read)
    @blueprint.response(200, RecordQuality)
    def get(self, contact_id: object, session: Session) -> Any:
        """What a contact lacks, and what is wrong with it."""
        contact = visible_one(session, Contact, contact_id, CONTACT.read)
        return _as_document(contact)


def _as_document(record: Account | Contact) -> dict[str, Any]:
    found = quality_of(record)
    return {
        "quality": found.quality,
        "completeness": found.completeness,
        "validity": found.validity,
        "missing": list(found.missing),
        "faults": [{"field": field, "detail": detail} for field, detail in found.faults],
    }
