"""How customer tells anew of what others keep of it, after it was restored."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crm_chassis.operations.reconcile import Retelling, Retold
from crm_customer.accounts.events import account_changed
from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_changed
from crm_customer.contacts.models import Contact
from crm_customer.merges.events import merge_done, merge_undone
from crm_customer.merges.models import Merge


def _merge_told(session: Session, merge: Merge) -> None:
    tell = merge_done if merge.status == "done" else merge_undone
    tell(session, merge)


RETELLING: Retelling = {
    "account": Retold(Account, account_changed),
    "contact": Retold(Contact, contact_changed),
    "merge": Retold(Merge, _merge_told),
}
