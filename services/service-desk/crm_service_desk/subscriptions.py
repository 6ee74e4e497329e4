"""What service desk reacts to: event type -> handler."""

from crm_service_desk.merges import MERGED_KEYS
from crm_service_desk.replicas import on_account, on_contact

SUBSCRIPTIONS = {
    "crm.customer.account.created.v1": on_account,
    "crm.customer.account.changed.v1": on_account,
    "crm.customer.contact.created.v1": on_contact,
    "crm.customer.contact.changed.v1": on_contact,
    "crm.customer.merge.done.v1": MERGED_KEYS.on_merge,
    "crm.customer.merge.undone.v1": MERGED_KEYS.on_merge,
}
