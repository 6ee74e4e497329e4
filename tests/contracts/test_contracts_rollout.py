"""May a version go beside what runs: every reason why not, each made on purpose."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crm_sales
from crm_contracts import Catalogue, catalogue
from crm_contracts.compatibility import breaks
from crm_contracts.reading import unreadable
from crm_contracts.rollout import Answer, compare
from crm_contracts.schema import Schema
from crm_contracts.statements import MalformedStatement, Statement, read_statement, state

SENT = "crm.sales.parcel.sent.v1"
SENT_2 = "crm.sales.parcel.sent.v2"
LOST = "crm.sales.parcel.lost.v1"

Edit = Callable[[Schema], object]


def unchanged(_schema: Schema) -> None:
    pass


@pytest.fixture
def sales(made_up: Catalogue) -> Statement:
    """Sales 1.0.0, which publishes one event for reporting."""
    return state("sales", "1.0.0", made_up)


@pytest.fixture
def reporting(made_up: Catalogue) -> Statement:
    """Reporting 1.0.0, which handles it."""
    return state("reporting", "1.0.0", made_up)


def publishing(
    statement: Statement, *events: str, edit: Edit = unchanged, version: str
) -> Statement:
    """The next version of a producer, which publishes these events by an edited schema."""
    schema = copy.deepcopy(statement.publishes[SENT])
    edit(schema)
    meant_for = dict.fromkeys(events, ("reporting",))
    publishes = dict.fromkeys(events, schema)
    return replace(statement, version=version, publishes=publishes, meant_for=meant_for)


def handling(
    statement: Statement, *events: str, edit: Edit = unchanged, version: str = "2.0.0"
) -> Statement:
    """The next version of a consumer, which handles these events by an edited schema."""
    schema = copy.deepcopy(statement.handles[SENT])
    edit(schema)
    return replace(statement, version=version, handles=dict.fromkeys(events, schema))


def field(name: str) -> Callable[[Schema], Schema]:
    return lambda schema: schema["properties"][name]


def kinds(answer: Answer) -> set[str]:
    return {finding.kind for finding in answer.findings}


def blocked(answer: Answer, kind: str, *words: str) -> None:
    """It may not go, for the one reason, which is told in words that have these in them."""
    assert not answer.may_go
    [finding] = [finding for finding in answer.findings if finding.blocks]
    assert finding.kind == kind
    for word in words:
        assert word in finding.message
    assert f"no:   {finding.message}" in answer.text()
    assert "may not be rolled out now" in answer.text()


def test_a_version_that_changes_nothing_may_go(sales: Statement, reporting: Statement) -> None:
    newer = replace(sales, version="1.0.1")
    answer = compare(newer, [sales, reporting])
    assert answer.may_go
    assert answer.findings == []
    assert answer.text().splitlines()[-1] == "It may be rolled out now."


def test_a_field_more_may_go(sales: Statement, reporting: Statement) -> None:
    def add(schema: Schema) -> None:
        schema["properties"]["weight"] = {"type": "integer"}

    newer = publishing(sales, SENT, edit=add, version="1.1.0")
    assert compare(newer, [sales, reporting]).may_go
    # and back again, though reporting has learnt of it meanwhile
    learnt = handling(reporting, SENT, edit=add)
    back = compare(sales, [newer, learnt])
    assert back.may_go
    assert kinds(back) == {"field-gone"}


def test_a_type_that_somebody_handles_may_not_be_dropped(
    sales: Statement, reporting: Statement
) -> None:
    newer = publishing(sales, version="2.0.0")
    answer = compare(newer, [sales, reporting])
    blocked(answer, "withdrawn", "reporting 1.0.0", SENT, "sales 2.0.0")
    assert answer.order == ["reporting", "sales"]
    assert "Order: reporting before sales." in answer.text()


def test_a_type_may_be_dropped_when_its_consumers_handle_the_next(
    sales: Statement, reporting: Statement
) -> None:
    both = publishing(sales, SENT, SENT_2, version="1.1.0")
    newer = publishing(sales, SENT_2, version="2.0.0")
    assert compare(newer, [both, handling(reporting, SENT, SENT_2)]).may_go
    assert compare(newer, [both, replace(reporting, handles={})]).may_go
    assert not compare(newer, [both, reporting]).may_go


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s["properties"].pop("sent_on"), "/sent_on is gone"),
        (lambda s: s["required"].remove("sent_on"), "/sent_on may be missing"),
        (lambda s: field("id")(s).update(type=["string", "null"]), "/id may be null"),
        (lambda s: field("id")(s).update(type="integer"), "/id may be integer"),
        (lambda s: field("id")(s).pop("type"), "/id may be anything"),
        (lambda s: field("sent_on")(s).pop("format"), "/sent_on has format no limit"),
        (lambda s: field("sent_on")(s).update(format="time"), "/sent_on has format time"),
        (
            lambda s: field("stops")(s)["items"]["properties"]["city"].update(type="number"),
            "/stops/*/city may be",
        ),
    ],
)
def test_what_a_consumer_cannot_read_may_not_be_published(
    edit: Edit, words: str, sales: Statement, reporting: Statement
) -> None:
    newer = publishing(sales, SENT, edit=edit, version="1.1.0")
    blocked(compare(newer, [sales, reporting]), "unreadable", words, "reporting 1.0.0", SENT_2)


def test_a_field_that_a_consumer_reads_may_not_go_away_though_it_is_optional(
    sales: Statement, reporting: Statement
) -> None:
    newer = publishing(sales, SENT, edit=lambda s: s["properties"].pop("stops"), version="1.1.0")
    answer = compare(newer, [sales, reporting])
    assert not answer.may_go
    assert kinds(answer) == {"field-gone"}
    assert "stops/*/city" in answer.text()


def test_a_consumer_may_not_want_more_than_the_producer_at_work_keeps(
    sales: Statement, reporting: Statement
) -> None:
    newer = handling(reporting, SENT, edit=lambda s: s["required"].append("stops"))
    answer = compare(newer, [reporting, sales])
    blocked(answer, "stricter", "/stops may be missing", "sales 1.0.0")
    assert answer.order == ["sales", "reporting"]
    shorter = handling(reporting, SENT, edit=lambda s: field("id")(s).update(maxLength=10))
    blocked(compare(shorter, [reporting, sales]), "stricter", "/id has maxLength no limit")


def test_the_older_of_two_producers_at_work_counts(sales: Statement, reporting: Statement) -> None:
    def require(schema: Schema) -> None:
        schema["required"].append("stops")

    newer_sales = publishing(sales, SENT, edit=require, version="1.1.0")
    newer = handling(reporting, SENT, edit=require)
    assert compare(newer, [reporting, newer_sales]).may_go
    blocked(compare(newer, [reporting, newer_sales, sales]), "stricter", "sales 1.0.0")


def test_a_consumer_may_not_need_a_version_that_nobody_publishes(
    sales: Statement, reporting: Statement
) -> None:
    newer = handling(reporting, SENT_2)
    answer = compare(newer, [reporting, sales])
    blocked(answer, "deaf", SENT_2, SENT, "Roll out a sales that publishes it first")
    assert answer.order == ["sales", "reporting"]
    # nor one that nobody publishes any more, as when it goes back too far
    moved = publishing(sales, SENT_2, version="2.0.0")
    answer = compare(reporting, [newer, moved])
    assert answer.order == ["reporting"]
    assert {finding.kind for finding in answer.findings if finding.blocks} == {"deaf"}


def test_both_versions_at_once_let_either_go_first(sales: Statement, reporting: Statement) -> None:
    both = handling(reporting, SENT, SENT_2)
    assert compare(both, [reporting, sales]).may_go
    publishes_both = publishing(sales, SENT, SENT_2, version="1.1.0")
    assert compare(publishes_both, [sales, reporting]).may_go


def test_a_new_event_had_better_be_handled_first(sales: Statement, reporting: Statement) -> None:
    newer = publishing(sales, SENT, LOST, version="1.1.0")
    answer = compare(newer, [sales, reporting])
    assert answer.may_go
    assert kinds(answer) == {"unheard"}
    assert answer.order == ["reporting", "sales"]
    first = compare(handling(reporting, SENT, LOST), [reporting, sales])
    assert first.may_go
    assert kinds(first) == {"early"}


def test_two_versions_at_one_queue_are_told_of(sales: Statement, reporting: Statement) -> None:
    publishes_both = publishing(sales, SENT, LOST, version="1.1.0")
    more = handling(reporting, SENT, LOST)
    assert kinds(compare(more, [reporting, publishes_both])) == {"bind-last"}
    assert "unbind" in kinds(compare(reporting, [more, publishes_both]))


def test_a_field_that_becomes_personal_is_told_of(sales: Statement, reporting: Statement) -> None:
    newer = publishing(
        sales,
        SENT,
        edit=lambda s: field("id")(s).update({"x-personal": "other"}),
        version="1.1.0",
    )
    answer = compare(newer, [sales, reporting])
    assert answer.may_go
    assert kinds(answer) == {"personal"}


def test_who_does_not_run_is_told_of(sales: Statement) -> None:
    answer = compare(sales, [])
    assert answer.may_go
    assert kinds(answer) == {"not-asked"}
    assert "reporting" in answer.text()


@given(st.sampled_from(list(catalogue())), st.data())
def test_whatever_may_be_released_can_be_read_by_versions_before(
    contract: Any, data: st.DataObject
) -> None:
    """An addition, which is all that a release may bring, is never in anybody's way."""
    grown = copy.deepcopy(contract.schema)
    grown["properties"]["added"] = data.draw(
        st.sampled_from([{"type": "string"}, {"type": "object"}, {}])
    )
    assert breaks(contract.schema, grown) == []
    assert unreadable(contract.schema, grown) == []
    assert unreadable(grown, contract.schema) == []


@given(st.sampled_from(list(catalogue())), st.data())
def test_any_required_field_that_goes_is_found(contract: Any, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(contract.schema["required"]))
    less = copy.deepcopy(contract.schema)
    del less["properties"][name]
    less["required"].remove(name)
    assert unreadable(contract.schema, less) == [f"/{name} is gone"]


@pytest.mark.parametrize("service", catalogue().services)
def test_the_platform_as_it_is_goes_together(service: str) -> None:
    statements = {name: state(name, "1.0.0", catalogue()) for name in catalogue().services}
    assert compare(statements[service], list(statements.values())).findings == []


def test_a_statement_is_read_as_it_was_written(sales: Statement, reporting: Statement) -> None:
    for statement in (sales, reporting):
        assert read_statement(json.dumps(statement.document())) == statement
    for text in ("", "[]", '{"service": "sales"}'):
        with pytest.raises(MalformedStatement):
            read_statement(text)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crm_contracts", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_by_words_json_and_exit_status(
    tmp_path: Path, sales: Statement, reporting: Statement
) -> None:
    def kept(statement: Statement) -> Path:
        path = tmp_path / f"{statement}.json"
        path.write_text(json.dumps(statement.document()))
        return path

    newer = publishing(sales, version="2.0.0")
    running = (kept(sales), kept(reporting))
    refused = run("compare", kept(newer), *running)
    assert (refused.returncode, refused.stderr) == (1, "")
    assert "Order: reporting before sales." in refused.stdout
    answer = json.loads(run("compare", kept(newer), *running, "--json").stdout)
    assert (answer["may_go"], answer["order"]) == (False, ["reporting", "sales"])
    assert run("compare", kept(sales), *running).returncode == 0
    (tmp_path / "broken.json").write_text("?")
    for broken in (tmp_path / "broken.json", tmp_path / "missing.json"):
        told = run("compare", broken)
        assert told.returncode == 2
        assert broken.name in told.stderr


def test_what_is_installed_states_its_version() -> None:
    stated = read_statement(run("state", "sales").stdout)
    assert str(stated) == f"sales {crm_sales.__version__}"
    assert stated == state("sales", stated.version, catalogue())
