"""Making one of two records of a customer, and two again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm_chassis import merged_keys
from crm_chassis.aggregate import visible_one
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import Problem, conflict, invalid
from crm_chassis.web import stale
from crm_customer.accounts import queries as accounts
from crm_customer.accounts.events import account_changed
from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_changed
from crm_customer.duplicates.models import DuplicateCandidate
from crm_customer.followup.commands import recount
from crm_customer.kinds import KINDS, KindName
from crm_customer.merges import events, links
from crm_customer.merges.combining import (
    changed_since,
    combined,
    fields_of,
    from_json,
    set_fields,
    tags_parted,
    to_json,
)
from crm_customer.merges.models import Merge
from crm_customer.merges.references import MERGED_KEYS
from crm_customer.ownership import Owner, owner_changed
from crm_customer.tags import queries as tags
from crm_customer.tags.attention import note
from crm_customer.tags.bearing import Borne

_NOT_COMPARED = {"tags", "ruled_tags", "team_id", "currency", "typed_phones", "address_parts"}
"""What an undoing does not ask about: tags are given by rules too, the rest goes with others."""


def merge(session: Session, principal: Principal, values: dict[str, Any]) -> Merge:
    """Make one of two records. The merged one is kept, hidden, and everything of it follows.

    :raises Problem: 404 for a record that the caller may not change; 409 for one that was merged;
        412 when one of the two changed since the caller saw it; 422 for a choice that cannot be.
    """
    kind: KindName = values["kind"]
    survivor, merged = _both(session, kind, values["survivor_id"], values["merged_id"])
    if (survivor.version, merged.version) != (values["survivor_version"], values["merged_version"]):
        raise stale()
    for record in (survivor, merged):
        record.require_standing()
    chosen = values["fields"]
    _require_known(KINDS[kind].model, chosen)
    changes = combined(survivor, merged, chosen, tags.categories(session))
    if kind == "account":
        _require_owner(survivor, merged, changes.get("owner_id", survivor.owner_id))
        wanted = changes.get("parent_id", survivor.parent_id)
        changes["parent_id"] = _place_in_tree(
            session, survivor, merged, wanted, chosen="parent_id" in chosen
        )
    done = Merge(
        id=new_id(),
        kind=kind,
        survivor_id=survivor.id,
        merged_id=merged.id,
        status="done",
        fields=chosen,
        survivor_before=to_json({name: getattr(survivor, name) for name in changes}),
        survivor_after=to_json(changes),
        links_before=[],
        links_after=[],
        done_by=principal.id,
    )
    session.add(done)
    if "external_id" in changes:
        _exchange_external_ids(session, survivor, merged)
    owner = Owner.of(survivor)
    set_fields(survivor, changes)
    merged.merged_into = survivor.id
    note(session, survivor)
    session.flush()
    _follow(session, done, survivor, merged)
    _settle_pair(session, done, "merged")
    events.merge_done(session, done)
    _tell(session, kind, survivor, merged, owner)
    return done


def undo(session: Session, principal: Principal, done: Merge) -> None:
    """Make the two records stand again as they were, with all that was theirs.

    :raises Problem: 404 for a record that the caller may not change; 409 when the merge was undone,
        the survivor was merged itself, or a field that the merge set was changed since.
    """
    if done.status == "undone":
        raise conflict("The merge was undone already.")
    survivor, merged = _both(session, done.kind, done.survivor_id, done.merged_id)
    survivor.require_standing()
    _require_unchanged(survivor, done)
    before = from_json(type(survivor), done.survivor_before)
    if "tags" in before:
        before |= tags_parted(
            survivor,
            _borne(done.survivor_before),
            _borne(done.survivor_after),
            tags.categories(session),
        )
    done.status, done.undone_by = "undone", principal.id
    merged.merged_into = None
    for record in (survivor, merged):
        note(session, record)
    session.flush()
    _follow(session, done, survivor, merged)  # first: what is set next may be the merged key
    if "external_id" in before:
        _exchange_external_ids(session, survivor, merged)
    owner = Owner.of(survivor)
    set_fields(survivor, before)
    _settle_pair(session, done, "open")
    events.merge_undone(session, done)
    _tell(session, done.kind, survivor, merged, owner)


def _both(session: Session, kind: KindName, survivor_id: str, merged_id: str) -> tuple[Any, Any]:
    """Both records, locked in one order, so that two merges of them follow one another."""
    if survivor_id == merged_id:
        raise invalid(("merged_id", "A record cannot be merged into itself."))
    found = {
        key: visible_one(session, KINDS[kind].model, key, KINDS[kind].write, lock=True)
        for key in sorted((survivor_id, merged_id))
    }
    return found[survivor_id], found[merged_id]


def _require_known(model: type[Any], chosen: Mapping[str, str]) -> None:
    known = fields_of(model)
    unknown = [field for field in chosen if field not in known]
    if unknown:
        raise invalid(*((f"fields.{field}", f"Can be: {', '.join(known)}.") for field in unknown))


def _require_owner(survivor: Account, merged: Account, owner_id: str | None) -> None:
    """:raises Problem: 422 when a customer of somebody would become nobody's."""
    if owner_id is None and (survivor.owner_id or merged.owner_id):
        raise invalid(("fields.owner_id", "A customer comes into the pool by a release alone."))


def _place_in_tree(
    session: Session, survivor: Account, merged: Account, parent_id: str | None, *, chosen: bool
) -> str | None:
    """Where the survivor comes to stand, once what stood below the merged account is below it.

    :raises Problem: 422 when the parent chosen stands below the survivor.
    """
    accounts.lock_trees(session)
    if accounts.stands_below(session, survivor.id, merged.id):
        return merged.parent_id
    if parent_id is None or not accounts.stands_below(session, parent_id, survivor.id):
        return parent_id
    if chosen:
        raise invalid(("fields.parent_id", "The account would own itself."))
    return survivor.parent_id


def _exchange_external_ids(session: Session, survivor: Any, merged: Any) -> None:
    """Give each the other's, so that both keys are still known; no two rows ever have the same."""
    mine, theirs = survivor.external_id, merged.external_id
    for record, key in ((merged, None), (survivor, theirs), (merged, mine)):
        record.external_id = key
        session.flush()


def _follow(session: Session, done: Merge, survivor: Any, merged: Any) -> None:
    """Have all that refers to the merged record mean the survivor, or not any more."""
    in_force = done.status == "done"
    if in_force:
        done.links_before, done.links_after = links.moved_links(session, survivor, merged)
        links.replace(session, done.links_before, done.links_after)
    else:
        links.replace(session, done.links_after, done.links_before)
    told = merged_keys.Merge(
        done.id, done.merged_id, done.survivor_id, in_force, 1 if in_force else 2
    )
    moved = MERGED_KEYS.apply(session, done.kind, [told])
    recount(session, {f"{done.kind}_id": [survivor.id, merged.id]})
    if done.kind == "contact":
        session.expire(survivor, ["links"])
        session.expire(merged, ["links"])
    else:
        contacts = {row["contact_id"] for row in done.links_before}
        links.publish_contacts(session, contacts - moved["contacts.account_id"])


def _tell(session: Session, kind: KindName, survivor: Any, merged: Any, before: Owner) -> None:
    """Tell of both records.

    :param before: whose the survivor was.
    """
    if kind == "account":
        account_changed(session, survivor, change=owner_changed(session, survivor, before))
        account_changed(session, merged)
    else:
        contact_changed(session, survivor)
        contact_changed(session, merged)


def _settle_pair(session: Session, done: Merge, state: str) -> None:
    pair = sorted((done.survivor_id, done.merged_id))
    merge_id = done.id if state == "merged" else None
    session.execute(
        update(DuplicateCandidate)
        .where(DuplicateCandidate.first_id == pair[0], DuplicateCandidate.second_id == pair[1])
        .values(
            state=state,
            merge_id=merge_id,
            version=DuplicateCandidate.version + 1,
            updated_at=utc_now(),
        )
    )


def _require_unchanged(survivor: Any, done: Merge) -> None:
    compared = done.survivor_after.keys() - _NOT_COMPARED
    changed = changed_since(survivor, done.survivor_after, sorted(compared))
    if changed:
        errors = [(field, "Changed since the merge.") for field in changed]
        raise Problem(409, "changed-since", "The survivor was changed since.", errors=errors)


def _borne(state: Mapping[str, Any]) -> Borne:
    return Borne(state["tags"], state["ruled_tags"])
