"""How fresh the KPIs are."""

from __future__ import annotations

from .panels import Dashboard, Panel, quantiles

DASHBOARD = Dashboard(
    "crm-kpis",
    "CRM / KPI freshness",
    "How far the KPIs are behind what happens, and where the time is lost.",
    {
        "Freshness": [
            Panel(
                "From a change to the KPI",
                "s",
                quantiles("crm_consumer_lag_seconds", where='job="crm-reporting"'),
                "Commit at the service to commit at reporting.",
                limit=30,
            ),
            Panel(
                "By producer, 95th percentile",
                "s",
                {"{{producer}}": 'crm:consumer_lag_seconds:p95_5m{job="crm-reporting"}'},
                limit=30,
            ),
            Panel(
                "Newest event in the KPIs",
                "dateTimeFromNow",
                {
                    "{{producer}}": "max by (producer) "
                    "(crm_consumer_newest_event_timestamp_seconds"
                    '{job="crm-reporting"}) * 1000'
                },
                "Of a producer in which nothing happens it may be long ago.",
                kind="stat",
            ),
        ],
        "Where the time is lost": [
            Panel(
                "In outboxes",
                "s",
                {"{{job}}": "crm:outbox_age_seconds:max"},
                limit=30,
            ),
            Panel(
                "In reporting's queue",
                "short",
                {"events": 'max(rabbitmq_detailed_queue_messages{queue="reporting.events"})'},
            ),
            Panel(
                "In reporting's handlers",
                "s",
                quantiles("crm_consumer_batch_seconds", where='job="crm-reporting"'),
            ),
        ],
        "What is missing": [
            Panel(
                "Parked at reporting",
                "short",
                {"events": 'max(crm_parked_events{job="crm-reporting"})'},
                "These are in no KPI.",
                limit=1,
            ),
            Panel(
                "Applied",
                "cps",
                {"{{outcome}}": 'crm:consumed_events:rate5m{job="crm-reporting"}'},
            ),
            Panel(
                "Time to answer a KPI, 95th percentile",
                "s",
                {
                    "{{route}}": "histogram_quantile(0.95, sum by (route, le) "
                    '(rate(crm_request_seconds_bucket{job="crm-reporting",route=~"/v1/kpis.*"}'
                    "[$__rate_interval])))"
                },
            ),
        ],
    },
    {},
)
