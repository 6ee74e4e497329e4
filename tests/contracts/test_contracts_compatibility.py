"""A released contract changes only by addition."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_contracts import Catalogue, catalogue
from crm_contracts.compatibility import (
    BrokenContractError,
    breaks,
    broken_contracts,
    read_released,
    release,
)

Schema = dict[str, Any]
PARCEL_SENT = "crm.sales.parcel.sent.v1"
PARCEL: Schema = {
    "title": "Parcel",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "state", "change"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "state": {"enum": ["packed", "sent"]},
        "weight": {"type": ["integer", "null"], "minimum": 0},
        "phone": {"type": ["string", "null"], "maxLength": 50, "x-personal": "phone"},
        "stops": {"type": "array", "items": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "change": {
            "type": "object",
            "additionalProperties": False,
            "required": ["from"],
            "properties": {"from": {"type": "string"}, "seconds": {"type": "integer"}},
        },
    },
}


def test_no_contract_breaks_what_was_released() -> None:
    assert broken_contracts(read_released(), catalogue()) == []


def edited(edit: Callable[[Schema], object]) -> Schema:
    schema = copy.deepcopy(PARCEL)
    edit(schema)
    return schema


def field(*path: str) -> Callable[[Schema], Schema]:
    def find(schema: Schema) -> Schema:
        for name in path:
            schema = schema["items"] if name == "*" else schema["properties"][name]
        return schema

    return find


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda s: s["properties"].pop("weight"), "/weight was removed"),
        (lambda s: field("change")(s)["properties"].pop("seconds"), "/change/seconds was removed"),
        (lambda s: s["required"].remove("state"), "/state is no longer required"),
        (lambda s: field("change")(s)["required"].remove("from"), "/change/from is no longer"),
        (lambda s: s["required"].append("weight"), "/weight is newly required"),
        (lambda s: field("state")(s)["enum"].append("lost"), "/state has enum"),
        (lambda s: field("state")(s)["enum"].remove("sent"), "/state has enum"),
        (lambda s: field("weight")(s).update(type="integer"), "/weight has type"),
        (lambda s: field("id")(s).update(type=["string", "null"]), "/id has type"),
        (lambda s: field("id")(s).update(type="integer"), "/id has type"),
        (lambda s: field("id")(s).update(format="date"), "/id has format"),
        (lambda s: field("id")(s).pop("format"), "/id has format null, was"),
        (lambda s: field("id")(s).update(pattern="^0"), "/id has pattern"),
        (lambda s: field("phone")(s).update(maxLength=60), "/phone has maxLength 60, was 50"),
        (lambda s: field("weight")(s).update(minimum=1), "/weight has minimum"),
        (lambda s: field("phone")(s).pop("x-personal"), "/phone is no longer marked personal"),
        (lambda s: field("phone")(s).update({"x-personal": "name"}), "/phone is no longer marked"),
        (lambda s: field("stops", "*")(s).update(pattern="^[A-Z]{2}$"), "/stops/* has pattern"),
        (lambda s: field("stops")(s).pop("items"), "/stops/* has"),
        (lambda s: s.pop("additionalProperties"), "/ has additionalProperties"),
    ],
)
def test_each_kind_of_break_is_found(edit: Callable[[Schema], object], message: str) -> None:
    found = breaks(PARCEL, edited(edit))
    assert found
    assert all(line.startswith(message) for line in found)


@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s["properties"].update(colour={"type": "string"}),
        lambda s: field("change")(s)["properties"].update(by={"type": "string"}),
        lambda s: s.update(title="A parcel", description="Goods on their way"),
        lambda s: field("id")(s).update(description="Its key", deprecated=True),
        lambda s: field("id")(s).update({"x-personal": "other"}),
        lambda s: s["required"].reverse(),
        lambda s: field("state")(s)["enum"].reverse(),
        lambda s: field("weight")(s)["type"].reverse(),
    ],
)
def test_additions_and_words_break_nothing(edit: Callable[[Schema], object]) -> None:
    assert breaks(PARCEL, edited(edit)) == []


def objects(schema: Schema) -> Iterator[Schema]:
    """A schema and every one below it that has properties."""
    if "properties" in schema:
        yield schema
        for child in schema["properties"].values():
            yield from objects(child)


@st.composite
def contract_and_object(draw: st.DrawFn) -> tuple[Schema, Schema, Schema]:
    """A released schema, a copy of it to be edited, and one object schema within the copy."""
    released = draw(st.sampled_from(list(catalogue()))).schema
    current = copy.deepcopy(released)
    return released, current, draw(st.sampled_from(list(objects(current))))


@given(contract_and_object(), st.data())
def test_any_field_removed_is_found(
    drawn: tuple[Schema, Schema, Schema], choice: st.DataObject
) -> None:
    released, current, part = drawn
    name = choice.draw(st.sampled_from(list(part["properties"])))
    del part["properties"][name]
    part["required"] = [other for other in part["required"] if other != name]
    [message] = breaks(released, current)
    assert message.endswith(f"/{name} was removed")


@given(contract_and_object(), st.data())
def test_any_guarantee_dropped_is_found(
    drawn: tuple[Schema, Schema, Schema], choice: st.DataObject
) -> None:
    released, current, part = drawn
    name = choice.draw(st.sampled_from(part["required"]))
    part["required"].remove(name)
    [message] = breaks(released, current)
    assert f"/{name} is no longer required" in message


@given(contract_and_object(), st.data())
def test_any_constraint_dropped_is_found(
    drawn: tuple[Schema, Schema, Schema], choice: st.DataObject
) -> None:
    released, current, part = drawn
    name, child = choice.draw(st.sampled_from(list(part["properties"].items())))
    keyword = choice.draw(st.sampled_from(sorted(child.keys() - {"title", "description"})))
    del child[keyword]
    assert any(f"/{name}" in message for message in breaks(released, current))


@given(
    contract_and_object(),
    st.from_regex(r"[a-z_]{3,12}", fullmatch=True),
    st.sampled_from([{"type": "string"}, {"enum": ["a"]}, {"type": "object", "required": ["x"]}]),
)
def test_any_optional_field_added_breaks_nothing(
    drawn: tuple[Schema, Schema, Schema], name: str, added: Schema
) -> None:
    released, current, part = drawn
    part["properties"].setdefault(f"new_{name}", added)
    assert breaks(released, current) == []


def rewritten(folder: Path, rewrite: Callable[[str, Any], None], **index: Any) -> Catalogue:
    """The made-up catalogue with changes to the entry of its one event."""
    entry = {"producer": "sales", "consumers": ["reporting"], "summary": "Sent."} | index
    rewrite("catalogue.yaml", {"services": ["sales"], "events": {PARCEL_SENT: entry}})
    return Catalogue.load(folder)


NARROWED = {"title": "Parcel sent", "$ref": "parcel.json", "unevaluatedProperties": False}


def test_a_break_names_who_must_move_first_and_the_way_out(
    folder: Path, rewrite: Callable[[str, Any], None], made_up: Catalogue, tmp_path: Path
) -> None:
    release(made_up, tmp_path / "released")
    rewrite("events/sales/parcel.sent.v1.schema.json", NARROWED)
    changed = rewritten(folder, rewrite, consumers=["marketing"])

    [message] = broken_contracts(read_released(tmp_path / "released"), changed)

    assert message.startswith(f"{PARCEL_SENT}: /sent_on was removed")
    assert "publish crm.sales.parcel.sent.v2 beside it" in message
    assert "until marketing, reporting moved to it" in message


def test_release_keeps_the_old_promise_when_it_is_broken(
    folder: Path, rewrite: Callable[[str, Any], None], made_up: Catalogue, tmp_path: Path
) -> None:
    release(made_up, tmp_path / "released")
    promised = read_released(tmp_path / "released")
    assert promised[PARCEL_SENT].schema == made_up.contract(PARCEL_SENT).schema

    rewrite("events/sales/parcel.sent.v1.schema.json", NARROWED)
    with pytest.raises(BrokenContractError, match="/sent_on was removed"):
        release(Catalogue.load(folder), tmp_path / "released")
    assert read_released(tmp_path / "released") == promised


def test_a_contract_is_withdrawn_only_after_its_consumers(
    folder: Path, rewrite: Callable[[str, Any], None], made_up: Catalogue, tmp_path: Path
) -> None:
    snapshots = tmp_path / "released"
    nothing = Catalogue([], made_up.services, made_up.envelope)
    release(made_up, snapshots)
    with pytest.raises(BrokenContractError, match="withdrawn while reporting consumed it"):
        release(nothing, snapshots)

    release(rewritten(folder, rewrite, consumers=[]), snapshots)
    release(nothing, snapshots)
    assert read_released(snapshots) == {}
