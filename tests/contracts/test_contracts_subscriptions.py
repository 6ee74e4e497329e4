"""Each service reacts to exactly the events that the catalogue says it consumes."""

from importlib import import_module

import pytest

from crm_chassis import directory
from crm_chassis.events import is_voiding
from crm_chassis.service import Definition
from crm_chassis.settings import Settings
from crm_contracts import catalogue


def definition_of(service: str) -> Definition:
    app = import_module(f"crm_{service.replace('-', '_')}.app")
    if hasattr(app, "DEFINITION"):
        return app.DEFINITION
    return app.definition(Settings(service=service, database_url="", broker_url="", token_keys=""))


@pytest.mark.parametrize("service", catalogue().services)
def test_a_service_subscribes_to_what_it_is_listed_for(service: str) -> None:
    definition = definition_of(service)
    listed = {contract.type for contract in catalogue().consumed_by(service)}
    # users and teams are the chassis's to keep, for every service that is listed for them
    chassis_events = set(directory.SUBSCRIPTIONS) | set(filter(is_voiding, listed))
    assert set(definition.subscriptions) - chassis_events == listed - chassis_events
    assert definition.name == service


@pytest.mark.parametrize("service", catalogue().services)
def test_a_service_can_tell_anew_what_others_than_reporting_keep_of_it(service: str) -> None:
    kept = {
        contract.type.split(".")[2]
        for contract in catalogue().produced_by(service)
        if set(contract.consumers) - {"reporting"} and not is_voiding(contract.type)
    }
    assert set(definition_of(service).retelling) == kept
