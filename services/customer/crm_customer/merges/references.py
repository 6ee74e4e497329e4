"""The columns of this service that hold keys of accounts and contacts, and follow their merges.

Replicas of what other services own are not among them: their owners tell of them anew.
"""

from __future__ import annotations

from crm_chassis.merged_keys import MergedKeys, Reference
from crm_customer.accounts.events import account_changed
from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_changed
from crm_customer.contacts.models import Contact
from crm_customer.interactions.events import interaction_changed
from crm_customer.interactions.models import Interaction

MERGED_KEYS = MergedKeys(
    {
        "account": [
            Reference(Account.parent_id, account_changed),
            Reference(Contact.account_id, contact_changed),
            Reference(Interaction.account_id, interaction_changed),
        ],
        "contact": [Reference(Interaction.contact_id, interaction_changed)],
    }
)
