"""The roles that a new installation starts with; an administrator may change them."""

from __future__ import annotations

from dataclasses import dataclass

from crm_gateway.roles.models import Grants


@dataclass(frozen=True, slots=True)
class ShippedRole:
    """A role before it is a row."""

    name: str
    description: str
    grants: Grants


ADMIN = "admin"

_COLLEAGUES: Grants = {"identity.users.read": "all", "identity.teams.read": "all"}
_OFFER: Grants = {"sales.products.read": "all", "marketing.campaigns.read": "all"}
_CUSTOMERS_WITHOUT_PHONE: Grants = {
    "customer.accounts.read": "all",
    "customer.contacts.read": "all",
}

SHIPPED_ROLES = (
    ShippedRole(ADMIN, "Everything.", {"*": "all"}),
    ShippedRole(
        "sales_rep",
        "Works on own leads and deals, and sees those of the team.",
        {
            **_COLLEAGUES,
            **_OFFER,
            "customer.accounts.read": "team",
            "customer.accounts.phone": "team",
            "customer.accounts.write": "own",
            "customer.contacts.read": "team",
            "customer.contacts.phone": "team",
            "customer.contacts.write": "own",
            "sales.leads.*": "own",
            "sales.opportunities.read": "team",
            "sales.opportunities.write": "own",
            "sales.targets.read": "team",
            "reporting.kpis.read": "team",
        },
    ),
    ShippedRole(
        "sales_manager",
        "Leads the sales of a team and of those below it.",
        {
            **_COLLEAGUES,
            **_OFFER,
            "customer.accounts.*": "subtree",
            "customer.contacts.*": "subtree",
            "sales.leads.*": "subtree",
            "sales.opportunities.*": "subtree",
            "sales.targets.*": "subtree",
            "reporting.kpis.read": "subtree",
        },
    ),
    ShippedRole(
        "marketer",
        "Plans campaigns and brings leads in.",
        {
            **_COLLEAGUES,
            **_CUSTOMERS_WITHOUT_PHONE,
            "marketing.campaigns.*": "all",
            "sales.leads.*": "all",
            "sales.products.read": "all",
            "reporting.kpis.read": "all",
        },
    ),
    ShippedRole(
        "agent",
        "Answers the team's tickets.",
        {
            **_COLLEAGUES,
            **_CUSTOMERS_WITHOUT_PHONE,
            "customer.accounts.phone": "all",
            "customer.contacts.phone": "all",
            "sales.products.read": "all",
            "service-desk.tickets.*": "team",
        },
    ),
    ShippedRole(
        "service_manager",
        "Leads the service desk.",
        {
            **_COLLEAGUES,
            **_CUSTOMERS_WITHOUT_PHONE,
            "customer.accounts.phone": "all",
            "customer.contacts.phone": "all",
            "sales.products.read": "all",
            "service-desk.tickets.*": "all",
            "reporting.kpis.read": "all",
        },
    ),
    ShippedRole(
        "analyst",
        "Reads everything, and no telephone number.",
        {
            **_COLLEAGUES,
            **_OFFER,
            **_CUSTOMERS_WITHOUT_PHONE,
            "sales.leads.read": "all",
            "sales.opportunities.read": "all",
            "sales.targets.read": "all",
            "service-desk.tickets.read": "all",
            "reporting.kpis.read": "all",
        },
    ),
    ShippedRole(
        "connector",
        "An integrator's program: customers and sales, both ways.",
        {
            **_COLLEAGUES,
            "customer.accounts.*": "all",
            "customer.contacts.*": "all",
            "marketing.campaigns.read": "all",
            "sales.leads.*": "all",
            "sales.opportunities.*": "all",
            "sales.products.*": "all",
            "sales.targets.*": "all",
            "service-desk.tickets.read": "all",
            "reporting.kpis.read": "all",
        },
    ),
)
