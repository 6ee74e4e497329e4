"""What customer reacts to: event type -> handler."""

from crm_customer.conversions import on_lead_converted

SUBSCRIPTIONS = {"crm.sales.lead.converted.v1": on_lead_converted}
