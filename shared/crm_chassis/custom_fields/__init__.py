"""Fields that users declare for a resource while the service runs, without a migration.

Their values are one JSON column of the resource, ``custom``. A service names the resources that
take them in its Definition, each a :class:`CustomResource`, and uses that in four places::

    class Account(Customised, ...): __table_args__ = (custom_index("accounts"), ...)
    class AccountFields(Schema): custom = CustomValues(ACCOUNTS)
    Listing(Account, ..., declared=CustomListing(ACCOUNTS))
    Importer(..., custom=ACCOUNTS)
"""

from crm_chassis.custom_fields.declarations import (
    CustomField,
    Customised,
    CustomResource,
    Declarations,
    ReferenceTarget,
    custom_index,
    declared_fields,
)
from crm_chassis.custom_fields.lists import CustomListing
from crm_chassis.custom_fields.values import (
    CustomValues,
    file_schema,
    merged,
    require_values,
    resolve_references,
)

__all__ = [
    "CustomField",
    "CustomListing",
    "CustomResource",
    "CustomValues",
    "Customised",
    "Declarations",
    "ReferenceTarget",
    "custom_index",
    "declared_fields",
    "file_schema",
    "merged",
    "require_values",
    "resolve_references",
]
