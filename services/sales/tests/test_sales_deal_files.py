"""Files on deals."""

import io

from crm_chassis.testing_harness import Harness

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def test_a_deals_files_are_seen_by_who_sees_the_deal(sales: Harness) -> None:
    rep = sales.as_user({"sales.opportunities.*": "own"})
    deal = rep.post("/v1/opportunities", json={"name": "x", "amount": "1", "currency": "EUR"}).json
    path = f"/v1/opportunities/{deal['id']}/attachments"
    sent = rep.post(path, data={"file": (io.BytesIO(PDF), "offer.pdf")})
    assert sent.status_code == 201, sent.json
    assert rep.get(f"{path}/{sent.json['id']}").data == PDF
    colleague = sales.as_user({"sales.opportunities.*": "own"})
    assert colleague.get(path).status_code == 404
    assert colleague.get(f"{path}/{sent.json['id']}").status_code == 404
    reader = sales.as_user({"sales.opportunities.read": "all"})
    assert len(reader.get(path).json["items"]) == 1
    assert reader.delete(f"{path}/{sent.json['id']}").status_code == 403
