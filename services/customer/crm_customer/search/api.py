"""``/v1/search``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from crm_chassis.auth import current_principal
from crm_chassis.web import Blueprint, current_service
from crm_customer.search import queries
from crm_customer.search.queries import Found
from crm_customer.search.schemas import FoundPage, SearchQuery

blueprint = Blueprint("search", __name__, url_prefix="/v1/search", description="Search")


@blueprint.route("")
class Search(MethodView):
    @blueprint.arguments(SearchQuery, location="query")
    @blueprint.response(200, FoundPage)
    def get(self, query: dict[str, Any]) -> Any:
        """Find accounts and contacts by name, e-mail address, telephone number or tag."""
        current_principal()
        with current_service().database.reading() as session:
            found, more = queries.search(session, query["q"], query["type"], query["limit"])
            accounts = queries.accounts_of(session, found)
        return {
            "items": [_item(each, accounts.get(each.account_id)) for each in found],
            "more": more,
        }


def _item(found: Found, account: Any) -> dict[str, Any]:
    return {
        "type": found.type,
        "id": found.id,
        "name": found.name,
        "account": account,
        "field": found.match.field,
        "value": found.match.value,
        "highlight": found.match.span,
    }
