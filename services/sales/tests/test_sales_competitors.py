"""Competitors on deals, and the reasons why deals are lost."""

from typing import Any

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, problem_fields

DEAL = {"name": "x", "amount": "10", "currency": "EUR"}


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def known(sales: Harness, *names: str) -> tuple[Caller, list[str]]:
    admin = sales.as_user()
    ids = [admin.post("/v1/competitors", json={"name": name}).json["id"] for name in names]
    return admin, ids


def opened(caller: Caller) -> str:
    return f"/v1/opportunities/{caller.post('/v1/opportunities', json=DEAL).json['id']}"


def met(caller: Caller, path: str, version: int, *competitors: dict[str, Any]) -> Any:
    body = {"competitors": list(competitors)}
    return caller.put(f"{path}/competitors", json=body, headers=tag(version))


def test_competitors_are_added_changed_and_told(sales: Harness) -> None:
    admin, (globex,) = known(sales, "Globex")
    path = f"/v1/competitors/{globex}"
    changed = admin.patch(path, json={"strengths": "Price"}, headers=tag(1))
    assert changed.json["strengths"] == "Price"
    assert admin.patch(path, json={"name": "G"}, headers=tag(1)).status_code == 412
    types = [event.type.removeprefix("crm.sales.") for event in sales.published()]
    assert types == ["competitor.created.v1", "competitor.changed.v1"]
    assert admin.post("/v1/competitors", json={"name": "Globex"}).status_code == 409
    assert [c["name"] for c in admin.get("/v1/competitors?q=lob").json["items"]] == ["Globex"]
    reader = sales.as_user({"sales.competitors.read": "all"})
    assert reader.post("/v1/competitors", json={"name": "x"}).status_code == 403
    assert reader.get(f"{path}/record").status_code == 403


def test_a_deal_meets_competitors_with_their_arguments(sales: Harness) -> None:
    admin, (globex, initech) = known(sales, "Globex", "Initech")
    path = opened(admin)
    both = ({"competitor_id": globex, "strengths": "Price"}, {"competitor_id": initech})
    response = met(admin, path, 1, *both)
    assert {c["competitor_id"]: c["strengths"] for c in response.json} == {
        globex: "Price",
        initech: None,
    }
    assert response.headers["ETag"] == '"2"'
    assert admin.get(path).json["competitor_ids"] == sorted([globex, initech])
    assert sales.published()[-1].data["competitor_ids"] == sorted([globex, initech])
    assert met(admin, path, 2, *both).headers["ETag"] == '"2"'
    assert met(admin, path, 1, *both).status_code == 412
    assert len(met(admin, path, 2, {"competitor_id": initech}).json) == 1
    found = admin.get(f"/v1/opportunities?competitor_id={initech}").json["items"]
    assert [path.endswith(deal["id"]) for deal in found] == [True]
    assert admin.get(f"/v1/opportunities?competitor_id={globex}").json["items"] == []
    unknown = met(admin, path, 3, {"competitor_id": globex}, {"competitor_id": new_id()})
    assert problem_fields(unknown) == ["competitors.1.competitor_id"]
    twice = met(admin, path, 3, {"competitor_id": globex}, {"competitor_id": globex})
    assert len(problem_fields(twice)) == 2


def test_a_competitors_record_counts_the_deals_that_the_asker_sees(sales: Harness) -> None:
    _, (globex, initech) = known(sales, "Globex", "Initech")
    rep = sales.as_user({"sales.opportunities.*": "own", "sales.competitors.read": "all"})
    open_, won, lost, lost_to_other = (opened(rep) for _ in range(4))
    for path in (open_, won, lost, lost_to_other):
        assert met(rep, path, 1, {"competitor_id": globex}).status_code == 200
    rep.post(f"{won}/win", json={}, headers=tag(2))
    rep.post(f"{lost}/lose", json={"reason": "p", "competitor_id": globex}, headers=tag(2))
    other = {"reason": "p", "competitor_id": initech}
    assert rep.post(f"{lost_to_other}/lose", json=other, headers=tag(2)).status_code == 200
    record = rep.get(f"/v1/competitors/{globex}/record").json
    assert record == {"open": 1, "won": 1, "lost": 1, "lost_to_others": 1}
    assert rep.get(f"/v1/competitors/{initech}/record").json["lost"] == 1
    stranger = sales.as_user({"sales.opportunities.*": "own", "sales.competitors.read": "all"})
    assert set(stranger.get(f"/v1/competitors/{globex}/record").json.values()) == {0}
    kept = met(rep, lost, 3)
    assert kept.status_code == 409
    reopened = rep.post(f"{lost}/reopen", json={}, headers=tag(3))
    assert reopened.status_code == 200
    assert rep.get(f"{lost}/competitors").json[0]["took_the_deal"] is False


def test_a_reason_is_one_of_those_agreed_on_or_free_text(sales: Harness) -> None:
    admin = sales.as_user()
    price = admin.post("/v1/lost-reasons", json={"name": "Too expensive"}).json
    assert admin.post("/v1/lost-reasons", json={"name": "TOO expensive"}).status_code == 409
    path = opened(admin)
    lost = admin.post(f"{path}/lose", json={"reason": "too EXPENSIVE"}, headers=tag(1)).json
    assert lost["lost_reason"] == "Too expensive"
    renamed = admin.patch(
        f"/v1/lost-reasons/{price['id']}", json={"name": "Price", "active": False}, headers=tag(1)
    )
    assert renamed.json["name"] == "Price"
    assert admin.get(path).json["lost_reason"] == "Too expensive"
    free = opened(admin)
    lost = admin.post(f"{free}/lose", json={"reason": "pRICE"}, headers=tag(1)).json
    assert lost["lost_reason"] == "pRICE"
    assert admin.get("/v1/lost-reasons?active=true").json["items"] == []
    types = [e.type for e in sales.published() if "lost_reason" in e.type]
    assert types == ["crm.sales.lost_reason.created.v1", "crm.sales.lost_reason.changed.v1"]
