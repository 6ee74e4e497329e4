"""Opportunities: opened, moved, closed, reopened, and imported as they stand."""

import io
import json

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION

DEAL = {"name": "张伟 renewal", "amount": "2500.5", "currency": "CNY", "opened_on": "2026-01-10"}


def opened(sales: Harness, **values: object) -> tuple[Caller, str, str]:
    rep = sales.as_user()
    response = rep.post("/v1/opportunities", json={**DEAL, **values})
    assert response.status_code == 201, response.json
    return rep, f"/v1/opportunities/{response.json['id']}", response.headers["ETag"]


def test_a_deal_goes_its_way_and_every_move_is_logged_and_told(sales: Harness) -> None:
    rep, path, etag = opened(sales)
    moved = rep.put(f"{path}/stage", json={"stage": "proposal"}, headers={"If-Match": etag})
    assert moved.json["probability"] == 50
    won = rep.post(
        f"{path}/win",
        json={"closed_on": "2026-02-01", "amount": "2400.00"},
        headers={"If-Match": moved.headers["ETag"]},
    )
    assert (won.json["stage_type"], won.json["amount"]) == ("won", "2400.00")
    stages = [entry["to_stage"] for entry in rep.get(f"{path}/stage-log").json]
    assert stages == ["prospecting", "proposal", "won"]
    types = [event.type.split(".")[3] for event in sales.published()]
    assert types == ["opened", "stage_changed", "won"]
    change = sales.published()[-1].data["change"]
    assert (change["from_stage"], change["to_stage"]) == ("proposal", "won")


def test_a_closed_deal_is_reopened_before_it_moves(sales: Harness) -> None:
    rep, path, etag = opened(sales)
    lost = rep.post(f"{path}/lose", json={"reason": "price"}, headers={"If-Match": etag})
    tag = {"If-Match": lost.headers["ETag"]}
    assert rep.post(f"{path}/win", json={}, headers=tag).status_code == 409
    again = rep.post(f"{path}/reopen", json={}, headers=tag)
    assert again.json["closed_on"] is None
    assert again.json["lost_reason"] is None
    assert sales.published()[-1].type == "crm.sales.opportunity.reopened.v1"


def test_a_deal_is_not_closed_before_it_was_opened(sales: Harness) -> None:
    rep, path, etag = opened(sales)
    early = rep.post(f"{path}/win", json={"closed_on": "2026-01-09"}, headers={"If-Match": etag})
    assert problem_fields(early) == ["closed_on"]


def test_without_an_amount_a_deal_is_worth_its_products_list_price(sales: Harness) -> None:
    rep = sales.as_user()
    product = rep.post(
        "/v1/products", json={"name": "GTX Pro", "list_price": "4821", "currency": "USD"}
    ).json
    deal = rep.post(
        "/v1/opportunities", json={"name": "x", "product_id": product["id"], "quantity": 3}
    ).json
    assert (deal["amount"], deal["currency"]) == ("14463.00", "USD")
    priceless = rep.post("/v1/opportunities", json={"name": "x"})
    assert problem_fields(priceless) == ["amount", "currency"]


def test_amounts_are_exact_decimals_and_nothing_else(sales: Harness) -> None:
    rep = sales.as_user()
    for amount in (1250.1, "1e5", "NaN", "1,000", "0.12345", "123456789012345", ""):
        response = rep.post("/v1/opportunities", json={**DEAL, "amount": amount})
        assert problem_fields(response) == ["amount"], amount
    deal = rep.post("/v1/opportunities", json={**DEAL, "amount": "-0.0001"}).json
    assert deal["amount"] == "-0.0001"


def test_a_deal_is_given_only_to_somebody_in_reach(sales: Harness) -> None:
    mine, theirs, user = new_id(), new_id(), new_id()
    sales.deliver(
        event("crm.gateway.team.created.v1", {"id": theirs, "name": "Theirs", "parent_id": None}),
        event("crm.gateway.user.created.v1", {"id": user, "name": "Li", "team_id": theirs}),
    )
    rep = sales.as_user({"sales.opportunities.*": "team"}, team=mine)
    assert rep.post("/v1/opportunities", json={**DEAL, "owner_id": user}).status_code == 403
    unknown = rep.post("/v1/opportunities", json={**DEAL, "owner_id": new_id()})
    assert problem_fields(unknown) == ["owner_id"]
    manager = sales.as_user({"sales.opportunities.*": "all"})
    deal = manager.post("/v1/opportunities", json={**DEAL, "owner_id": user}).json
    assert deal["team_id"] == theirs


def test_a_deal_does_not_refer_to_what_is_not_there(sales: Harness) -> None:
    rep, path, etag = opened(sales)
    wrong = {name: new_id() for name in ("account_id", "campaign_id", "contact_id", "product_id")}
    refused = rep.post("/v1/opportunities", json=DEAL | wrong)
    assert (refused.status_code, problem_fields(refused)) == (422, sorted(wrong))
    refused = rep.patch(path, json=wrong, headers={"If-Match": etag})
    assert (refused.status_code, problem_fields(refused)) == (422, sorted(wrong))
    assert len(sales.published()) == 1


MAPPING = {
    "resource": "opportunities",
    "columns": {
        "id": "external_id",
        "agent": "owner",
        "product": "product",
        "account": "account",
        "stage": "stage",
        "from": "opened_on",
        "to": "closed_on",
        "value": "amount",
    },
    "constants": {"currency": "USD"},
    "values": {"product": {"GTXPro": "GTX Pro"}, "stage": {"Won": "won", "Lost": "lost"}},
}
HEADER = "id,agent,product,account,stage,from,to,value\n"


def imported(sales: Harness, rows: str, **options: object) -> tuple[dict, list[dict]]:
    admin = sales.as_user()
    job = admin.post("/v1/imports", json={**MAPPING, **options}).json
    path = f"/v1/imports/{job['id']}"
    content = io.BytesIO((HEADER + rows).encode("utf-8-sig"))
    assert admin.put(f"{path}/content", input_stream=content).status_code == 202
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    return admin.get(path).json, admin.get(f"{path}/errors").json["items"]


def known_names(sales: Harness) -> None:
    admin = sales.as_user()
    admin.post("/v1/products", json={"name": "GTX Pro", "list_price": "4821", "currency": "USD"})
    sales.deliver(
        event("crm.gateway.user.created.v1", {"id": new_id(), "name": "李娜", "team_id": new_id()}),
        event("crm.customer.account.created.v1", {"id": new_id(), "name": "Cancity"}),
    )


def test_rows_become_deals_as_they_stand_once(sales: Harness) -> None:
    known_names(sales)
    rows = (
        "A1,李娜,GTXPro,Cancity,Won,2017-01-02,2017-03-01,4514\n"
        "A2,李娜,GTX Pro,,prospecting,,,\n"
        "A3,李娜,GTX Pro,Cancity,Lost,2017-01-02,2017-02-01,0\n"
    )
    job, errors = imported(sales, rows)
    assert errors == []
    assert (job["state"], job["created"], job["rows_done"]) == ("done", 3, 3)
    deals = {d["external_id"]: d for d in sales.as_user().get("/v1/opportunities").json["items"]}
    assert deals["A1"]["closed_on"] == "2017-03-01"
    assert deals["A2"]["amount"] == "4821.00"
    assert deals["A2"]["opened_on"] is None
    before = len(sales.published())
    job, _ = imported(sales, rows)
    assert (job["created"], job["changed"], job["unchanged"]) == (0, 0, 3)
    assert len(sales.published()) == before


def test_bad_rows_are_reported_by_row_and_column_and_the_rest_is_kept(sales: Harness) -> None:
    known_names(sales)
    rows = (
        "B1,Nobody,GTX Pro,Cancity,Won,2017-01-02,2017-03-01,1\n"
        "B2,李娜,GTX Pro,Cancity,Won,2017-01-02,,1\n"
        "B3,李娜,GTX Pro,Cancity,Won,2017-13-02,2017-03-01,ten\n"
        "B4,李娜,GTX Pro,Cancity,Won,2017-01-02,2017-03-01,1\n"
    )
    job, errors = imported(sales, rows)
    assert (job["created"], job["failed"]) == (1, 3)
    places = {(error["row"], error["column"]) for error in errors}
    assert places == {(2, "agent"), (3, "to"), (4, "from"), (4, "value")}


def test_a_dry_run_reports_and_keeps_nothing(sales: Harness) -> None:
    known_names(sales)
    before = len(sales.published())
    job, errors = imported(
        sales,
        "C1,李娜,GTX Pro,Cancity,Won,2017-01-02,2017-03-01,1\nC2,Nobody,,,,,,\n",
        dry_run=True,
    )
    assert (job["created"], job["failed"]) == (1, 1)
    assert errors[0]["row"] == 3
    assert sales.as_user().get("/v1/opportunities").json["items"] == []
    assert len(sales.published()) == before


def test_a_file_that_is_no_csv_is_a_named_problem(sales: Harness) -> None:
    admin = sales.as_user()
    job = admin.post("/v1/imports", json=MAPPING).json
    for content in (
        b"\xff\xfe\x00bad",
        HEADER.encode() + b"x" * 9 + b"\xff",
        b"other,columns\n1,2\n",
        HEADER.encode() + b'"open,quote',
    ):
        response = admin.put(f"/v1/imports/{job['id']}/content", input_stream=io.BytesIO(content))
        assert response.status_code == 422, content
        assert problem_fields(response)
    assert admin.get(f"/v1/imports/{job['id']}").json["state"] == "uploading"


def test_the_export_is_the_list_as_csv(sales: Harness) -> None:
    opened(sales)
    lines = sales.as_user().get("/v1/exports/opportunities?stage=prospecting").text.splitlines()
    assert "张伟 renewal" in lines[1]
    assert len(lines) == 2


def test_the_openapi_document_names_every_operation(sales: Harness) -> None:
    document = json.loads(sales.anonymous().get("/openapi.json").data)
    assert "/v1/opportunities/{opportunity_id}/win" in document["paths"]


def test_a_deal_closed_on_an_earlier_day_was_in_its_stage_until_then(sales: Harness) -> None:
    known_names(sales)
    columns = {**MAPPING["columns"], "from": ["opened_on", "stage_since"]}
    row = "D1,李娜,GTX Pro,Cancity,proposal,2025-02-01,,100\n"
    assert imported(sales, row, columns=columns)[0]["created"] == 1
    assert imported(sales, row, columns=columns)[0]["unchanged"] == 1
    rep = sales.as_user()
    (deal,) = rep.get("/v1/opportunities").json["items"]
    assert deal["stage_since"] == "2025-02-01T00:00:00Z"
    path, tag = f"/v1/opportunities/{deal['id']}/lose", {"If-Match": f'"{deal["version"]}"'}
    assert rep.post(path, json={"reason": "price", "closed_on": "2025-02-21"}, headers=tag).json
    seconds = sales.published()[-1].data["change"]["seconds_in_stage"]
    assert 20 <= seconds / 86_400 < 22


def lost_to_a_competitor(sales: Harness) -> tuple[Caller, str]:
    """A deal out of a file that was lost since, to a competitor."""
    known_names(sales)
    assert imported(sales, "E1,李娜,GTX Pro,,proposal,2025-02-01,,100\n")[0]["created"] == 1
    rep = sales.as_user()
    rival = rep.post("/v1/competitors", json={"name": "Rival"}).json["id"]
    (deal,) = rep.get("/v1/opportunities").json["items"]
    path, tag = f"/v1/opportunities/{deal['id']}", {"If-Match": f'"{deal["version"]}"'}
    loss = {"reason": "price", "competitor_id": rival, "closed_on": "2025-02-21"}
    lost = rep.post(f"{path}/lose", json=loss, headers=tag)
    assert lost.json["lost_reason"] == "price"
    return rep, path


def took_the_deal(rep: Caller, path: str) -> bool:
    (competitor,) = rep.get(f"{path}/competitors").json
    return bool(competitor["took_the_deal"])


def test_a_row_that_takes_a_lost_deal_up_again_forgets_its_end(sales: Harness) -> None:
    rep, path = lost_to_a_competitor(sales)
    assert imported(sales, "E1,李娜,GTX Pro,,proposal,2025-02-01,,100\n")[0]["changed"] == 1
    deal = rep.get(path).json
    assert (deal["stage_type"], deal["closed_on"], deal["lost_reason"]) == ("open", None, None)
    assert not took_the_deal(rep, path)


def test_a_row_that_says_a_lost_deal_is_won_forgets_why_it_was_lost(sales: Harness) -> None:
    rep, path = lost_to_a_competitor(sales)
    row = "E1,李娜,GTX Pro,,Won,2025-02-01,2025-03-01,100\n"
    assert imported(sales, row)[0]["changed"] == 1
    deal = rep.get(path).json
    assert (deal["stage_type"], deal["closed_on"]) == ("won", "2025-03-01")
    assert deal["lost_reason"] is None
    assert not took_the_deal(rep, path)


def test_a_row_that_says_what_is_known_keeps_why_a_deal_was_lost(sales: Harness) -> None:
    rep, path = lost_to_a_competitor(sales)
    assert imported(sales, "E1,李娜,GTX Pro,,Lost,2025-02-01,2025-02-22,100\n")[0]["changed"] == 1
    assert rep.get(path).json["lost_reason"] == "price"
    assert took_the_deal(rep, path)
