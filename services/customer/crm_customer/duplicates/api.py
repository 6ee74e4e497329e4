"""``/v1/duplicate-candidates``, ``/v1/duplicate-scans`` and ``/v1/settings/duplicates``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import current_principal
from crm_chassis.fields import Reference
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_customer.duplicates import commands, queries
from crm_customer.duplicates.models import DuplicateCandidate, DuplicateScan
from crm_customer.duplicates.schemas import (
    CandidateView,
    Decision,
    NewScan,
    ScanView,
    Thresholds,
    ThresholdsView,
)
from crm_customer.kinds import KIND_NAMES, KINDS, KindName

REVIEW, DECIDE = "customer.duplicates.read", "customer.duplicates.write"
SCAN = "customer.duplicate_scans.write"
SETTINGS_READ, SETTINGS_WRITE = "customer.settings.read", "customer.settings.write"

LISTING = Listing(
    DuplicateCandidate,
    sorts={"score": DuplicateCandidate.score, "created_at": DuplicateCandidate.created_at},
    default="-score",
    filters={
        "kind": equals(DuplicateCandidate.kind),
        "state": equals(DuplicateCandidate.state),
        "origin": equals(DuplicateCandidate.origin),
        "first_id": equals(DuplicateCandidate.first_id, Reference),
        "second_id": equals(DuplicateCandidate.second_id, Reference),
        "score_from": at_least(DuplicateCandidate.score, fields.Integer),
        "score_to": at_most(DuplicateCandidate.score, fields.Integer),
    },
    search=[],
)
SCANS = Listing(
    DuplicateScan,
    sorts={"created_at": DuplicateScan.created_at},
    default="-created_at",
    filters={"kind": equals(DuplicateScan.kind), "state": equals(DuplicateScan.state)},
    search=[],
)

blueprint = Blueprint("duplicates", __name__, url_prefix="/v1", description="Duplicates")


def _visible_candidates() -> Select[tuple[DuplicateCandidate]]:
    """Of the kinds that the current principal may read at all."""
    principal = current_principal()
    return queries.visible_candidates(
        [name for name, kind in KINDS.items() if principal.may(kind.read)]
    )


def _candidate(session: Session, candidate_id: object) -> DuplicateCandidate:
    statement = _visible_candidates().where(DuplicateCandidate.id == str(candidate_id))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise not_found("pair of records")
    return found


@blueprint.route("/duplicate-candidates")
class Candidates(MethodView):
    @reads(REVIEW)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(CandidateView))
    def get(self, query: dict[str, Any], session: Session) -> Page[DuplicateCandidate]:
        """List pairs of records that may be one customer: the review queue is ?state=open."""
        return LISTING.page(session, _visible_candidates(), query)


@blueprint.route("/duplicate-candidates/<uuid:candidate_id>")
class CandidateById(MethodView):
    @reads(REVIEW)
    @blueprint.response(200, CandidateView)
    def get(self, candidate_id: object, session: Session) -> Any:
        """Read a pair of records."""
        return versioned(session, _candidate(session, candidate_id))


@blueprint.route("/duplicate-candidates/<uuid:candidate_id>/state")
class CandidateState(MethodView):
    @writes(DECIDE, if_match=True)
    @blueprint.arguments(Decision)
    @blueprint.response(200, CandidateView)
    def put(self, decision: dict[str, Any], candidate_id: object, session: Session) -> Any:
        """Dismiss a pair of records, which stays so, or take it up again."""
        candidate = _candidate(session, candidate_id)
        check_version(candidate)
        commands.decide(candidate, decision["state"], decision.get("note"), current_principal().id)
        return versioned(session, candidate)


@blueprint.route("/duplicate-scans")
class Scans(MethodView):
    @reads(SCAN)
    @blueprint.arguments(SCANS.schema, location="query")
    @blueprint.response(200, page_schema(ScanView))
    def get(self, query: dict[str, Any], session: Session) -> Page[DuplicateScan]:
        """List scans."""
        return SCANS.page(session, select(DuplicateScan), query)

    @writes(SCAN)
    @blueprint.arguments(NewScan)
    @blueprint.response(202, ScanView)
    def post(self, new: dict[str, Any], session: Session) -> Any:
        """Have all records of a kind be looked through for duplicates."""
        scan = commands.start_scan(session, current_principal(), new["kind"])
        session.flush()
        return scan


@blueprint.route("/duplicate-scans/<uuid:scan_id>")
class ScanById(MethodView):
    @reads(SCAN)
    @blueprint.response(200, ScanView)
    def get(self, scan_id: object, session: Session) -> Any:
        """How far a scan is."""
        scan = session.get(DuplicateScan, str(scan_id))
        if scan is None:
            raise not_found("scan")
        return scan


_KIND = f"any({','.join(KIND_NAMES)})"


@blueprint.route(f"/settings/duplicates/<{_KIND}:kind>")
class ThresholdsByKind(MethodView):
    @reads(SETTINGS_READ)
    @blueprint.response(200, ThresholdsView)
    def get(self, kind: KindName, session: Session) -> Any:
        """From which score on records count as duplicates."""
        return versioned(session, queries.thresholds(session, kind))

    @writes(SETTINGS_WRITE, act="settings.change", keeps=Thresholds().fields, if_match=True)
    @blueprint.arguments(Thresholds)
    @blueprint.response(200, ThresholdsView)
    def put(self, values: dict[str, Any], kind: KindName, session: Session) -> Any:
        """Set from which score on records count as duplicates."""
        thresholds = queries.thresholds(session, kind)
        check_version(thresholds)
        change_fields(thresholds, values)
        return versioned(session, thresholds)
