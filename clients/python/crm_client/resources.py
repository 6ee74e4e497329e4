"""The services, and which of them keeps which resource."""

from __future__ import annotations

SERVICES = ("gateway", "customer", "sales", "marketing", "service-desk", "reporting")

RESOURCES = {
    "users": "gateway",
    "teams": "gateway",
    "accounts": "customer",
    "contacts": "customer",
    "interactions": "customer",
    "products": "sales",
    "leads": "sales",
    "opportunities": "sales",
    "targets": "sales",
    "quotes": "sales",
    "contracts": "sales",
    "orders": "sales",
    "invoices": "sales",
    "receipts": "sales",
    "receivables": "sales",
    "tasks": "sales",
    "activities": "sales",
    "requests": "sales",
    "competitors": "sales",
    "price-lists": "sales",
    "exchange-rates": "sales",
    "campaigns": "marketing",
    "tickets": "service-desk",
}


class UnknownResourceError(ValueError):
    """The resource is not in the table and its service is not named."""


def split(resource: str) -> tuple[str, str]:
    """Service and name of a resource.

    :param resource: ``leads``, or with its service ``sales/leads`` where the table lacks it.
    :raises UnknownResourceError: naming the resources there are.
    """
    service, slash, name = resource.rpartition("/")
    if slash:
        return service, name
    if name not in RESOURCES:
        raise UnknownResourceError(
            f"{resource!r} is none of {', '.join(sorted(RESOURCES))};"
            f" another one is written with its service, as in sales/{resource}"
        )
    return RESOURCES[name], name


def collection(resource: str) -> str:
    """Path of the resource at the gateway: ``/api/sales/v1/leads``."""
    service, name = split(resource)
    return f"{base_path(service)}/{name}"


def base_path(service: str) -> str:
    """Path of a service at the gateway, whose own is ``/api/identity/v1``."""
    return f"/api/{'identity' if service == 'gateway' else service}/v1"
