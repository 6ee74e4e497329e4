"""What is done about records that may be the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal, current_principal
from crm_chassis.database import insert_into, lock, new_id, utc_now
from crm_chassis.problems import Problem, conflict
from crm_chassis.scheduler import set_timers
from crm_customer.accounts.models import Account
from crm_customer.duplicates import queries
from crm_customer.duplicates.identity import identity_of, key_range, keys_of
from crm_customer.duplicates.models import (
    DuplicateCandidate,
    DuplicateScan,
)
from crm_customer.duplicates.queries import Found, alike
from crm_customer.kinds import KINDS, KindName

SCAN_TIMER = "customer.duplicate_scan"
_KEYS_A_PART = 10_000
_MOST_CANDIDATES = 10
_RECOGNISED = 90
"""Percent from which on a caller may know that a record is there which they may not see."""


def admit(session: Session, kind: KindName, record: Any, reason: str | None) -> None:
    """Let a new record in, unless it is there already.

    A record that the caller may not see is told of as ``hidden``, without anything of it, and only
    when what the caller knows is enough to recognise it. Telephone numbers count only for those
    who may see them: else a guessed number could be confirmed.

    :param record: made, and not stored yet.
    :param reason: why to store it all the same; kept, with what it is like, in the review queue.
    :raises Problem: 409 with the records it is like, when there is no such reason.
    """
    identity = identity_of(kind, _with_company(session, kind, record))
    if not current_principal().may(KINDS[kind].phone):
        identity = queries.without_phones(identity)
    lock(session, *keys_of(identity))  # of two at once neither would find the other
    found = alike(session, kind, [identity], "entry_from")
    seen = queries.visible_ids(session, kind, {each.other.id for each in found})
    telling = [each for each in found if each.other.id in seen or each.match.score >= _RECOGNISED]
    if telling and reason is None:
        raise _duplicate(kind, telling, seen)
    pairs = [(record.id, each) for each in found]
    _propose(session, kind, pairs, "entry", reason, current_principal().id)


def _with_company(session: Session, kind: KindName, record: Any) -> Any:
    if kind == "account" or record.account_id is None:
        return record
    company = session.scalar(select(Account.name).where(Account.id == record.account_id))
    names = ("id", "name", "phones", "emails", "addresses", "region", "birthday", "sex")
    known = {name: getattr(record, name) for name in (*names, "account_id")}
    return SimpleNamespace(**known, account_name=company)


def _duplicate(kind: KindName, found: Sequence[Found], seen: set[str]) -> Problem:
    candidates = [
        {
            "id": each.other.id,
            "score": each.match.score,
            "reasons": list(each.match.reasons),
        }
        for each in found
        if each.other.id in seen
    ]
    members = {"candidates": candidates[:_MOST_CANDIDATES], "hidden": len(candidates) < len(found)}
    detail = f"Such {'a contact' if kind == 'contact' else 'an account'} may be there already."
    return Problem(409, "duplicate", detail, members=members)


def propose(session: Session, kind: KindName, records: Sequence[Any], origin: str) -> None:
    """Put what stored records are like into the review queue, refusing nothing."""
    if not records:
        return
    session.flush()
    asked = queries.identities(session, kind, {record.id for record in records})
    found = alike(session, kind, list(asked.values()), "review_from")
    _propose(session, kind, [(each.one.id, each) for each in found], origin)


def _propose(
    session: Session,
    kind: KindName,
    pairs: Iterable[tuple[str, Found]],
    origin: str,
    note: str | None = None,
    by: str | None = None,
) -> int:
    """Queue pairs that are not there yet; what was dismissed stays so.

    :returns: how many were new.
    """
    rows = {}
    for record_id, found in pairs:
        first, second = sorted((record_id, found.other.id))
        rows[first, second] = _row(kind, first, second, found, origin, note, by)
    if not rows:
        return 0
    statement = (
        insert_into(session, DuplicateCandidate.__table__)
        .on_conflict_do_nothing(index_elements=["first_id", "second_id"])
        .returning(DuplicateCandidate.__table__.c.id)
    )
    return len(session.scalars(statement, [rows[pair] for pair in sorted(rows)]).all())


def _row(
    kind: KindName,
    first: str,
    second: str,
    found: Found,
    origin: str,
    note: str | None,
    by: str | None,
) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": new_id(),
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "kind": kind,
        "first_id": first,
        "second_id": second,
        "score": found.match.score,
        "reasons": list(found.match.reasons),
        "by_phone": "phone" in found.match.reasons,
        "state": "open",
        "origin": origin,
        "note": note,
        "decided_by": by,
    }


def decide(candidate: DuplicateCandidate, state: str, note: str | None, by: str) -> None:
    """Dismiss a pair, or take it up again.

    :raises Problem: 409 when the two were merged.
    """
    if candidate.state == "merged":
        raise conflict("The two were merged: undo the merge.")
    candidate.state, candidate.decided_by = state, by
    if note is not None:
        candidate.note = note


def start_scan(session: Session, principal: Principal, kind: KindName) -> DuplicateScan:
    """Look for duplicates among all records of a kind; the worker does it.

    :raises Problem: 409 while such a scan is running.
    """
    running = select(DuplicateScan.id).where(
        DuplicateScan.kind == kind, DuplicateScan.state == "running"
    )
    if session.scalar(running) is not None:
        raise conflict(f"A scan of the {kind}s is running.")
    parts = -(-queries.count_keys(session, kind) // _KEYS_A_PART) or 1
    scan = DuplicateScan(
        id=new_id(),
        kind=kind,
        state="running",
        parts=parts,
        parts_done=0,
        found=0,
        started_by=principal.id,
    )
    session.add(scan)
    set_timers(session, SCAN_TIMER, {scan.id: utc_now()})
    return scan


def scan_parts(session: Session, scan_ids: Sequence[str], now: datetime) -> None:
    """Look at the next part of each scan, and have the one after it be due."""
    scans = select(DuplicateScan).where(DuplicateScan.id.in_(scan_ids)).with_for_update()
    again = [scan.id for scan in session.scalars(scans) if not _scan_part(session, scan, now)]
    set_timers(session, SCAN_TIMER, dict.fromkeys(again, now))


def _scan_part(session: Session, scan: DuplicateScan, now: datetime) -> bool:
    """:returns: True when the scan is done."""
    if scan.state != "running":
        return True
    kind: KindName = "account" if scan.kind == "account" else "contact"
    least, most = key_range(kind)
    width = (most - least) // scan.parts + 1
    first = least + width * scan.parts_done
    found = queries.alike_by_key(session, kind, first, min(first + width - 1, most))
    scan.found += _propose(session, kind, [(each.one.id, each) for each in found], "scan")
    scan.parts_done += 1
    if scan.parts_done < scan.parts:
        return False
    scan.state, scan.finished_at = "done", now
    return True
