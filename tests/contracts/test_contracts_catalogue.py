"""The catalogue names every contract, its producer and its consumers, and nothing else."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from crm_contracts import Catalogue, Contract, UnknownEventType, catalogue
from crm_contracts.catalogue import FOLDER

CONTRACTS = list(catalogue())
PARCEL_SENT = "crm.sales.parcel.sent.v1"
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)


def stem(contract: Contract) -> str:
    _, producer, name = contract.type.split(".", 2)
    return f"{producer}/{name}"


@pytest.mark.parametrize("kind", ["schema", "example"])
def test_every_file_is_in_the_catalogue_and_the_reverse(kind: str) -> None:
    events = FOLDER / "events"
    files = {
        path.relative_to(events).as_posix().removesuffix(f".{kind}.json")
        for path in events.rglob(f"*.{kind}.json")
    }
    assert files == {stem(contract) for contract in CONTRACTS}


@each_contract
def test_producer_and_consumers_are_services(contract: Contract) -> None:
    services = set(catalogue().services)
    assert contract.producer in services
    assert set(contract.consumers) <= services - {contract.producer}
    assert len(set(contract.consumers)) == len(contract.consumers)


@each_contract
def test_every_contract_says_what_it_tells(contract: Contract) -> None:
    assert contract.summary.endswith(".")
    assert contract.schema["title"]


def test_reporting_hears_everything() -> None:
    assert set(catalogue().consumed_by("reporting")) == set(CONTRACTS)


def test_every_service_but_the_gateway_hears_of_users_and_teams() -> None:
    directory = set(catalogue().produced_by("gateway"))
    assert directory
    for service in set(catalogue().services) - {"gateway"}:
        assert directory <= set(catalogue().consumed_by(service))


def test_catalogue_is_read_once() -> None:
    assert catalogue() is catalogue()


def test_unknown_event_type_is_a_key_error_that_names_it() -> None:
    with pytest.raises(UnknownEventType, match=r"crm\.sales\.deal\.won\.v1 is not in the catal"):
        catalogue().contract("crm.sales.deal.won.v1")
    assert issubclass(UnknownEventType, KeyError)


def test_a_catalogue_can_be_read_from_another_folder(made_up: Catalogue) -> None:
    assert made_up.types == (PARCEL_SENT,)
    contract = made_up.contract(PARCEL_SENT)
    assert (contract.version, contract.producer, contract.consumers) == (
        1,
        "sales",
        ("reporting",),
    )
    assert made_up.produced_by("sales") == made_up.consumed_by("reporting") == (contract,)
    assert made_up.produced_by("reporting") == made_up.consumed_by("sales") == ()


def test_bundle_unites_an_event_with_its_aggregate(made_up: Catalogue) -> None:
    schema = made_up.contract(PARCEL_SENT).schema
    assert schema["$id"] == "urn:crm:sales:parcel:sent:v1"
    assert schema["title"] == "Parcel sent"
    assert schema["required"] == ["id", "sent_on"]
    assert list(schema["properties"]) == ["id", "stops", "sent_on"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("event_type", ["crm.marketing.parcel.sent.v1", "crm.sales.parcel.v1"])
def test_a_type_must_name_its_producer_and_its_event(
    folder: Path, rewrite: Callable[[str, Any], None], event_type: str
) -> None:
    entry = {"producer": "sales", "consumers": [], "summary": "A parcel was sent."}
    rewrite("catalogue.yaml", {"services": ["sales"], "events": {event_type: entry}})
    with pytest.raises(ValueError, match=event_type):
        Catalogue.load(folder)


@pytest.mark.parametrize("reference", ["../../catalogue.yaml", "https://example.com/parcel.json"])
def test_a_reference_never_leads_out_of_the_folder(
    folder: Path, rewrite: Callable[[str, Any], None], reference: str
) -> None:
    rewrite("events/sales/parcel.sent.v1.schema.json", {"$ref": reference})
    with pytest.raises((ValueError, OSError)):
        Catalogue.load(folder)


def test_the_events_of_a_service_stand_together() -> None:
    """What every service tells of itself, ``events.``, stands behind all of them."""
    nouns = [contract.type.rsplit(".", 2)[0] for contract in CONTRACTS]
    own = [noun for noun in nouns if not noun.endswith(".events")]
    assert nouns[: len(own)] == own
    producers = [noun.split(".")[1] for noun in own]
    assert len(list(groupby(producers))) == len(set(producers))
