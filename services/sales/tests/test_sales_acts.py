"""Changes of settings are kept with who made them and what they are now."""

from __future__ import annotations

from crm_chassis.testing_harness import Harness


def test_a_change_of_settings_is_an_administrative_act(sales: Harness) -> None:
    manager = sales.as_user()
    version = manager.get("/v1/settings/orders").headers["ETag"]
    body = {"unpaid_after_hours": 5}
    changed = manager.patch("/v1/settings/orders", json=body, headers={"If-Match": version})
    assert changed.status_code == 200, changed.json
    (act,) = manager.get("/v1/administrative-acts?act=settings.change").json["items"]
    assert (act["actor"], act["subject"]) == (manager.id, "/v1/settings/orders")
    assert act["detail"] == {"fields": sorted(body), "values": body}


def test_a_change_that_was_refused_is_none(sales: Harness) -> None:
    manager = sales.as_user()
    body = {"unpaid_after_hours": 5}
    refused = manager.patch("/v1/settings/orders", json=body, headers={"If-Match": '"999"'})
    assert refused.status_code == 412
    assert manager.get("/v1/administrative-acts").json["items"] == []


def test_acts_are_for_those_with_the_permission(sales: Harness) -> None:
    manager = sales.as_user(grants={"sales.settings.*": "all"})
    assert manager.get("/v1/administrative-acts").status_code == 403
