"""What a survivor becomes of two records: field by field, nothing lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Column

from crm_chassis.problems import invalid
from crm_customer.accounts.models import Account
from crm_customer.addresses import MOST_ENTRIES
from crm_customer.contacts.models import Contact
from crm_customer.tags.bearing import Bearer, Borne, Categories, borne, given_by_hand, together

SURVIVOR, MERGED = "survivor", "merged"
SIDES = (SURVIVOR, MERGED)

_PROFILE = (
    "external_id",
    "name",
    "region",
    "level",
    "preferences",
    "needs",
    "satisfaction",
    "source",
    "owner_id",
    "created_on",
)
_SINGLE: Mapping[type[Any], tuple[str, ...]] = {
    Account: (
        *_PROFILE,
        "kind",
        "industry",
        "website",
        "employees",
        "annual_revenue",
        "founded_year",
        "parent_id",
    ),
    Contact: (*_PROFILE, "account_id", "sex", "job_title", "birthday"),
}
_LISTS = ("phones", "emails", "addresses")
_TAGS = "tags"
_MAPPINGS = ("consent", "custom")
_TOGETHER = {"annual_revenue": ("currency",), "owner_id": ("team_id",)}
"""What goes with a field's value."""


def fields_of(model: type[Any]) -> list[str]:
    """The fields for which a side can be chosen."""
    return sorted((*_SINGLE[model], *_LISTS, *_MAPPINGS, _TAGS))


def combined(
    survivor: Any, merged: Any, chosen: Mapping[str, str], categories: Categories
) -> dict[str, Any]:
    """The survivor's attributes that change.

    Where no side is chosen, a single value is the survivor's, or the merged record's where the
    survivor has none; lists are joined, mappings too, the survivor's entries before the other's;
    of two consents for a channel the later one stands. Tags are joined that were given by hand;
    those that rules gave are for the rules to give.

    :param categories: of the tags; two of one category are never joined, the survivor's stands.
    :raises Problem: 422 when a joined list would be too long.
    """
    values: dict[str, Any] = {}
    for field in _SINGLE[type(survivor)]:
        of = _side(survivor, merged, field, chosen)
        values |= {name: getattr(of, name) for name in (field, *_TOGETHER.get(field, ()))}
    for field in _LISTS:
        of = {SURVIVOR: [survivor], MERGED: [merged]}.get(chosen.get(field, ""), [survivor, merged])
        values[field] = list(dict.fromkeys(entry for each in of for entry in getattr(each, field)))
    values["custom"] = _joined(survivor.custom, merged.custom, chosen.get("custom"))
    values["consent"] = _joined(
        *_later_last(survivor.consent, merged.consent), chosen.get("consent")
    )
    _require_short(survivor, values)
    values |= _written_forms(survivor, merged, values)
    changed = {name: value for name, value in values.items() if value != getattr(survivor, name)}
    tags = _tags(survivor, merged, chosen.get(_TAGS), categories)
    return changed if tags == Borne(survivor.tags, survivor.ruled_tags) else changed | asdict(tags)


def _side(survivor: Any, merged: Any, field: str, chosen: Mapping[str, str]) -> Any:
    if field in chosen:
        return merged if chosen[field] == MERGED else survivor
    known = getattr(survivor, field) is not None or getattr(merged, field) is None
    return survivor if known else merged


def _joined(
    survivor: Mapping[str, Any], merged: Mapping[str, Any], side: str | None
) -> dict[str, Any]:
    """Both mappings in one; of an entry in both, that of the side chosen, or the survivor's."""
    return {**survivor, **merged} if side == MERGED else {**merged, **survivor}


def _later_last(
    survivor: Mapping[str, Any], merged: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The consents of both, each without those that the other knows later of."""
    both = survivor.keys() & merged.keys()
    later = {channel for channel in both if merged[channel]["at"] > survivor[channel]["at"]}
    return (
        {channel: said for channel, said in survivor.items() if channel not in later},
        {channel: said for channel, said in merged.items() if channel not in both - later},
    )


def _tags(survivor: Bearer, merged: Bearer, side: str | None, categories: Categories) -> Borne:
    """What the survivor bears then."""
    mine = given_by_hand(survivor) if side != MERGED else set()
    theirs = given_by_hand(merged) if side != SURVIVOR else set()
    return borne(together(mine, theirs, categories), survivor.ruled_tags, categories)


def tags_parted(
    survivor: Bearer, before: Borne, after: Borne, categories: Categories
) -> dict[str, list[str]]:
    """The two lists of what the survivor bears once a merge is undone.

    What it was given by hand since then stays; what rules gave before it is for them to look at.

    :param before: what it bore before the merge; :param after: what the merge made of that.
    """
    was, became = given_by_hand(before), given_by_hand(after)
    kept = given_by_hand(survivor) - (became - was)
    given = together(kept, (was - became) & categories.keys(), categories)
    return asdict(borne(given, categories.keys() & before.ruled_tags, categories))


def _require_short(survivor: Any, values: Mapping[str, Any]) -> None:
    too_long = [
        (f"fields.{field}", f"More than {MOST_ENTRIES} together: choose a side.")
        for field in ("phones", "emails", "addresses")
        if len(values[field]) > max(MOST_ENTRIES, len(getattr(survivor, field)))
    ]
    if too_long:
        raise invalid(*too_long)


def _written_forms(survivor: Any, merged: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What belongs to the entries of lists: how numbers were typed, addresses by their parts."""
    typed = {**(merged.typed_phones or {}), **(survivor.typed_phones or {})}
    parts = {
        line: known
        for record in (merged, survivor)
        for line, known in zip(record.addresses, record.postal_addresses, strict=True)
    }
    return {
        "typed_phones": {each: typed[each] for each in values["phones"] if each in typed},
        "address_parts": [parts[line] for line in values["addresses"]],
    }


def to_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as a JSON document keeps them."""
    return {
        name: str(value) if isinstance(value, Decimal | date) else value
        for name, value in values.items()
    }


def from_json(model: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that were kept as a JSON document."""
    columns = model.__table__.c
    return {name: _read(columns[name], value) for name, value in values.items()}


def _read(column: Column[Any], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    readers: Mapping[type[Any], Any] = {date: date.fromisoformat, Decimal: Decimal}
    return readers.get(_python_type(column), str)(value)


def _python_type(column: Column[Any]) -> type[Any]:
    try:
        return column.type.python_type
    except NotImplementedError:
        return object


def set_fields(record: Any, values: Mapping[str, Any]) -> None:
    """Set attributes; ``phones`` first, which takes what was typed for them along."""
    for name in sorted(values, key=_after_phones):
        setattr(record, name, values[name])


def _after_phones(name: str) -> bool:
    return name != "phones"


def changed_since(record: Any, after: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """The fields that are not as the merge left them."""
    return [name for name in names if to_json({name: getattr(record, name)})[name] != after[name]]
