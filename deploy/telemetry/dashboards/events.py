"""The way of events, out of one service and into others."""

from __future__ import annotations

from .panels import JOB, SERVICE, Dashboard, Panel, quantiles

DASHBOARD = Dashboard(
    "crm-events",
    "CRM / Events",
    "From the outbox through the broker to the handlers: where events wait, and why.",
    {
        "Out: outbox and relay": [
            Panel(
                "Outbox depth",
                "short",
                {"{{job}}": f"crm:outbox_depth:max{{{SERVICE}}}"},
                "Events recorded and not yet confirmed by the broker.",
                limit=10_000,
            ),
            Panel(
                "Outbox age",
                "s",
                {"{{job}}": f"crm:outbox_age_seconds:max{{{SERVICE}}}"},
                "Of the oldest event that waits.",
                limit=60,
            ),
            Panel("Relayed", "cps", {"{{job}}": f"crm:relayed_events:rate5m{{{SERVICE}}}"}),
            Panel(
                "Relays at work",
                "short",
                {"{{job}}": f"sum by (job) (crm_relay_active{{{SERVICE}}})"},
                "One a service; the other workers stand by.",
            ),
            Panel(
                "Time of a batch of the relay",
                "s",
                quantiles("crm_relay_batch_seconds"),
            ),
            Panel(
                "Sent and not confirmed",
                "cps",
                {
                    "{{job}}": "sum by (job) (rate(crm_relay_unconfirmed_events_total"
                    f"{{{SERVICE}}}[$__rate_interval]))"
                },
                "They are sent again.",
            ),
        ],
        "Between: the broker": [
            Panel(
                "Waiting in queues",
                "short",
                {
                    "{{queue}}": "max by (queue) (rabbitmq_detailed_queue_messages"
                    '{queue=~".+[.]events"})'
                },
                limit=50_000,
            ),
            Panel(
                "Dead letters",
                "short",
                {
                    "{{queue}}": "max by (queue) (rabbitmq_detailed_queue_messages"
                    '{queue=~".+[.]dead"})'
                },
                limit=1,
            ),
            Panel(
                "Resource alarms",
                "short",
                {
                    "disk {{instance}}": "rabbitmq_alarms_free_disk_space_watermark",
                    "memory {{instance}}": "rabbitmq_alarms_memory_used_watermark",
                    "files {{instance}}": "rabbitmq_alarms_file_descriptor_limit",
                },
                "While one is raised, nobody can publish.",
                limit=1,
            ),
        ],
        "In: consumers": [
            Panel(
                "Handled",
                "cps",
                {"{{job}} {{outcome}}": f"crm:consumed_events:rate5m{{{SERVICE}}}"},
            ),
            Panel(
                "Lag, 95th percentile",
                "s",
                {"{{job}} from {{producer}}": f"crm:consumer_lag_seconds:p95_5m{{{SERVICE}}}"},
                "From the recording of a batch's oldest event to the commit of its effects.",
                limit=60,
            ),
            Panel(
                "Parked events",
                "short",
                {"{{job}}": f"max by (job) (crm_parked_events{{{SERVICE}}})"},
                "They wait for a person's decision.",
                limit=1,
            ),
            Panel(
                "Failed attempts",
                "cps",
                {
                    "{{job}} of {{of}}": "sum by (job, of) (rate(crm_consumer_failures_total"
                    f"{{{SERVICE}}}[$__rate_interval]))"
                },
            ),
            Panel("Events of a batch", "short", quantiles("crm_consumer_batch_events")),
            Panel("Time of a batch", "s", quantiles("crm_consumer_batch_seconds")),
        ],
    },
    JOB,
)
