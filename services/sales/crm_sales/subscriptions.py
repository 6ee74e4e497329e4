"""What sales reacts to: event type -> handler."""

from crm_sales.replicas import on_account, on_campaign

SUBSCRIPTIONS = {
    "crm.customer.account.created.v1": on_account,
    "crm.customer.account.changed.v1": on_account,
    "crm.marketing.campaign.created.v1": on_campaign,
    "crm.marketing.campaign.changed.v1": on_campaign,
    "crm.marketing.campaign.status_changed.v1": on_campaign,
}
