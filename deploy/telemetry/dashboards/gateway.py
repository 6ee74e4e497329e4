"""Requests as the gateway forwards them."""

from __future__ import annotations

from .panels import NO_PROBE, Dashboard, Panel

DASHBOARD = Dashboard(
    "crm-gateway",
    "CRM / Gateway",
    "What clients meet: by service behind the gateway.",
    {
        "Forwarded requests": [
            Panel(
                "Requests",
                "reqps",
                {
                    "{{upstream}}": "sum by (upstream) (rate(crm_forwarded_seconds_count"
                    '{upstream=~"$upstream"}[$__rate_interval]))'
                },
                stacked=True,
            ),
            Panel(
                "Errors",
                "percentunit",
                {
                    "{{upstream}}": "sum by (upstream) (rate(crm_forwarded_seconds_count"
                    '{upstream=~"$upstream",status=~"5.."}[$__rate_interval])) '
                    "/ sum by (upstream) (rate(crm_forwarded_seconds_count"
                    '{upstream=~"$upstream"}[$__rate_interval]))'
                },
                limit=0.001,
            ),
            Panel(
                "Latency, 95th percentile",
                "s",
                {
                    "{{upstream}}": "histogram_quantile(0.95, sum by (upstream, le) "
                    '(rate(crm_forwarded_seconds_bucket{upstream=~"$upstream"}'
                    "[$__rate_interval])))"
                },
                "To the last byte of the answer.",
                limit=1,
            ),
            Panel(
                "No answer from a service",
                "reqps",
                {
                    "{{upstream}} {{problem}}": "sum by (upstream, problem) "
                    '(rate(crm_upstream_failures_total{upstream=~"$upstream"}'
                    "[$__rate_interval]))"
                },
                "service-away: not reached; -slow: timed out; -lost: broke off; -busy: has as many "
                "requests as it may.",
            ),
            Panel(
                "Answers by status",
                "reqps",
                {
                    "{{status}}": "sum by (status) (rate(crm_forwarded_seconds_count"
                    '{upstream=~"$upstream"}[$__rate_interval]))'
                },
                stacked=True,
            ),
            Panel(
                "Threads busy",
                "short",
                {
                    "{{instance}}": 'crm_requests_in_progress{job="crm-gateway",component="api"}',
                    "there are": 'max(crm_web_threads{job="crm-gateway",component="api"})',
                },
            ),
        ],
        "Its own": [
            Panel(
                "Sign-ins and identity",
                "reqps",
                {
                    "{{route}} {{status}}": "sum by (route, status) (rate(crm_requests_total"
                    f'{{job="crm-gateway",{NO_PROBE}}}[$__rate_interval]))'
                },
            ),
            Panel(
                "Refused as too many",
                "reqps",
                {
                    "forwarded": 'sum(rate(crm_forwarded_seconds_count{status="429"}'
                    "[$__rate_interval]))",
                    "{{route}}": "sum by (route) (rate(crm_requests_total"
                    '{job="crm-gateway",status="429"}[$__rate_interval]))',
                },
            ),
            Panel(
                "Age of the signing key",
                "s",
                {"age": "time() - max(crm_signing_key_made_timestamp_seconds)"},
                "To be changed every 90 days.",
                kind="stat",
                limit=100 * 86_400,
            ),
        ],
    },
    {"upstream": "label_values(crm_forwarded_seconds_count, upstream)"},
)
