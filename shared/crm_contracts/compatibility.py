"""Whether the contracts still keep what their last release promised.

A contract changes only by addition: the one change allowed is a new, optional field (or a mark
``x-personal`` on an old one). Everything else is a new version, because a contract has two kinds of
readers who cannot be asked: consumers released earlier, who read new events, and consumers released
later, who read old events out of logs and archives. A wider field breaks the first, a narrower one
the second. That includes a new value in an ``enum``: a consumer that branches on the value has no
branch for it. A field whose values are meant to grow is therefore a string, not an ``enum``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crm_contracts.catalogue import FOLDER, Catalogue, UnknownEventType
from crm_contracts.schema import Schema

RELEASED = FOLDER / "released"

_ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"}
_COMPARED_BY_PART = {"properties", "required", "items", "x-personal"}
_SETS = {"type", "enum"}


class BrokenContractError(Exception):
    """A release was asked for, but contracts break what the last one promised."""

    def __init__(self, breaks: list[str]) -> None:
        super().__init__("\n".join(breaks))
        self.breaks = breaks


@dataclass(frozen=True, kw_only=True)
class Released:
    """A contract as last released, one file each under ``released/``."""

    type: str
    consumers: tuple[str, ...]
    schema: Schema


def breaks(released: Schema, current: Schema) -> list[str]:
    """What ``current`` no longer keeps of ``released``, one message each; empty when it keeps all.

    Both are bundled schemas (:meth:`crm_contracts.schema.SchemaFolder.bundle`).
    """
    return list(_breaks(released, current, ""))


def _breaks(released: Schema, current: Schema, at: str) -> Iterator[str]:
    yield from _changed_keywords(released, current, at)
    yield from _changed_guarantees(released, current, at)
    if "x-personal" in released and released["x-personal"] != current.get("x-personal"):
        yield f"{at or '/'} is no longer marked personal ({released['x-personal']})"
    properties = current.get("properties", {})
    for name, child in released.get("properties", {}).items():
        if name in properties:
            yield from _breaks(child, properties[name], f"{at}/{name}")
        else:
            yield f"{at}/{name} was removed"
    if "items" in released or "items" in current:
        yield from _breaks(released.get("items", {}), current.get("items", {}), f"{at}/*")


def _changed_keywords(released: Schema, current: Schema, at: str) -> Iterator[str]:
    for keyword in sorted((released.keys() | current.keys()) - _ANNOTATIONS - _COMPARED_BY_PART):
        before, now = released.get(keyword), current.get(keyword)
        if _comparable(keyword, before) != _comparable(keyword, now):
            yield f"{at or '/'} has {keyword} {json.dumps(now)}, was {json.dumps(before)}"


def _comparable(keyword: str, value: Any) -> Any:
    if keyword not in _SETS or value is None:
        return value
    members = value if isinstance(value, list) else [value]
    return {json.dumps(member) for member in members}


def _changed_guarantees(released: Schema, current: Schema, at: str) -> Iterator[str]:
    before, now = set(released.get("required", ())), set(current.get("required", ()))
    kept = current.get("properties", {}).keys()
    for name in sorted((before - now) & kept):
        yield f"{at}/{name} is no longer required, so consumers may miss it"
    for name in sorted(now - before):
        yield f"{at}/{name} is newly required, which events published before do not keep"


def broken_contracts(released: Mapping[str, Released], catalogue: Catalogue) -> list[str]:
    """Every promise of the last release that the catalogue breaks, and the way out of it."""
    messages: list[str] = []
    for promise in released.values():
        try:
            contract = catalogue.contract(promise.type)
        except UnknownEventType:
            if promise.consumers:
                messages.append(_withdrawn(promise))
            continue
        consumers = {*promise.consumers, *contract.consumers}
        messages += (
            f"{promise.type}: {found}. {_way_out(promise.type, contract.version, consumers)}"
            for found in breaks(promise.schema, contract.schema)
        )
    return messages


def _withdrawn(promise: Released) -> str:
    return (
        f"{promise.type}: was withdrawn while {_listed(set(promise.consumers))} consumed it. "
        "Move them first, release it once with no consumers, then withdraw it"
    )


def _way_out(event_type: str, version: int, consumers: set[str]) -> str:
    successor = f"{event_type.rpartition('.')[0]}.v{version + 1}"
    movers = f"{_listed(consumers)} moved to it" if consumers else "nobody needs the old one"
    return f"Leave it as it was and publish {successor} beside it, until {movers}"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def read_released(folder: Path = RELEASED) -> dict[str, Released]:
    """The last release of every contract, by event type."""
    documents = (json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json")))
    return {
        document["type"]: Released(**document | {"consumers": tuple(document["consumers"])})
        for document in documents
    }


def release(catalogue: Catalogue, folder: Path = RELEASED) -> None:
    """Make the catalogue's present contracts the released ones.

    :raises BrokenContractError: when they break what the last release promised; nothing is written.
    """
    last = read_released(folder)
    if found := broken_contracts(last, catalogue):
        raise BrokenContractError(found)
    folder.mkdir(exist_ok=True)
    for withdrawn in last.keys() - set(catalogue.types):
        (folder / f"{withdrawn}.json").unlink()
    for contract in catalogue:
        promise = Released(
            type=contract.type,
            consumers=contract.consumers,
            schema=contract.schema,
        )
        text = json.dumps(asdict(promise), ensure_ascii=False, indent=2)
        (folder / f"{contract.type}.json").write_text(f"{text}\n", "utf-8")
