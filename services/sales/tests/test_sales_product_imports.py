"""Products out of files: what a row does not say stays as it is."""

import io
from typing import Any

from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Harness
from crm_sales.app import DEFINITION


def imported(sales: Harness, content: str) -> tuple[dict[str, Any], list[str]]:
    """The job, and the fields that it refused."""
    admin = sales.as_user()
    columns = {name: name for name in content.splitlines()[0].split(",")}
    job = admin.post("/v1/imports", json={"resource": "products", "columns": columns}).json
    path = f"/v1/imports/{job['id']}"
    admin.put(f"{path}/content", input_stream=io.BytesIO(content.encode()))
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    errors = admin.get(f"{path}/errors").json["items"]
    return admin.get(path).json, [error["field"] for error in errors]


def currencies(sales: Harness) -> dict[str, str]:
    products = sales.as_user().get("/v1/products").json["items"]
    return {product["external_id"]: product["currency"] for product in products}


def test_a_new_product_without_a_currency_is_priced_in_the_base_currency(sales: Harness) -> None:
    file = "external_id,name,list_price\nP-1,GTX Pro,4821\n"
    job, refused = imported(sales, file)
    assert (job["failed"], refused) == (1, ["currency"])
    sales.as_user().put(
        "/v1/settings/currency", json={"base_currency": "EUR"}, headers={"If-Match": '"0"'}
    )
    job, refused = imported(sales, file)
    assert (job["created"], refused) == (1, [])
    assert currencies(sales) == {"P-1": "EUR"}


def test_a_product_keeps_its_currency_where_the_cell_is_blank(sales: Harness) -> None:
    head = "external_id,name,list_price,currency\n"
    assert imported(sales, head + "P-1,GTX Pro,4821,EUR\n")[0]["created"] == 1
    assert imported(sales, head + "P-1,GTX Pro,4900,\n")[0]["changed"] == 1
    assert imported(sales, "external_id,name,list_price\nP-1,GTX Pro,5000\n")[0]["changed"] == 1
    assert currencies(sales) == {"P-1": "EUR"}
