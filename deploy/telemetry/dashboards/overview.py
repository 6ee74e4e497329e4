"""What shows first that something is wrong."""

from __future__ import annotations

from .panels import JOB, NO_PROBE, SERVICE, Dashboard, Panel

DASHBOARD = Dashboard(
    "crm-overview",
    "CRM / Overview",
    "The golden signals of every service, and whether anything waits.",
    {
        "What needs a look": [
            Panel(
                "Alerts firing",
                "short",
                {"{{alertname}} {{job}}": 'ALERTS{alertstate="firing"}'},
                kind="table",
            ),
            Panel(
                "Processes that do not answer",
                "short",
                {"{{job}} {{component}}": 'sum by (job, component) (up{job=~"crm-.+"} == bool 0)'},
                kind="stat",
                limit=1,
            ),
            Panel(
                "Checks that do not hold",
                "short",
                {"{{job}} {{check}}": "sum by (job, check) (crm_ready == bool 0) > 0"},
                "Those of /readyz.",
                kind="stat",
                limit=1,
            ),
        ],
        "Requests": [
            Panel("Requests", "reqps", {"{{job}}": f"crm:requests:rate5m{{{SERVICE}}}"}),
            Panel(
                "Errors",
                "percentunit",
                {
                    "{{job}}": f"crm:request_errors:ratio_rate5m{{{SERVICE}}} "
                    f"or 0 * crm:requests:rate5m{{{SERVICE}}}"
                },
                "Answers with a status of 500 or more. The budget is 0.1 % of a month.",
                limit=0.001,
            ),
            Panel(
                "Latency, 95th percentile",
                "s",
                {"{{job}}": f"crm:request_seconds:p95_5m{{{SERVICE}}}"},
                limit=1,
            ),
            Panel(
                "Slowest routes, 95th percentile",
                "s",
                {
                    "{{method}} {{route}}": "topk(8, histogram_quantile(0.95, "
                    "sum by (method, route, le) (rate(crm_request_seconds_bucket"
                    f"{{{SERVICE},{NO_PROBE}}}[$__rate_interval]))))"
                },
            ),
            Panel(
                "Answers by status",
                "reqps",
                {
                    "{{status}}": "sum by (status) (rate(crm_requests_total"
                    f"{{{SERVICE},{NO_PROBE}}}[$__rate_interval]))"
                },
                stacked=True,
            ),
            Panel(
                "Error budget, rate of burning",
                "short",
                {
                    "{{job}} 1 h": f"crm:request_errors:ratio_rate1h{{{SERVICE}}} / 0.001",
                    "{{job}} 6 h": f"crm:request_errors:ratio_rate6h{{{SERVICE}}} / 0.001",
                },
                "At 1 the budget lasts just for the month; at 14.4 for two days.",
                limit=6,
            ),
        ],
        "Saturation": [
            Panel(
                "Threads busy",
                "percentunit",
                {
                    "{{instance}}": f'crm_requests_in_progress{{{SERVICE},component="api"}} '
                    "/ crm_web_threads"
                },
                "The scrape has one of them: of 8 it finds 7 busy at most, of 4 it finds 3.",
                limit=0.75,
            ),
            Panel(
                "Processor time",
                "percentunit",
                {
                    "{{job}} {{component}}": "sum by (job, component) "
                    f"(rate(process_cpu_seconds_total{{{SERVICE}}}[$__rate_interval]))"
                },
                "1 is one core.",
            ),
            Panel(
                "Memory",
                "bytes",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_resident_memory_bytes{{{SERVICE}}})"
                },
            ),
        ],
        "Versions": [
            Panel(
                "What runs",
                "short",
                {"{{job}} {{version}}": f"count by (job, version) (crm_build_info{{{SERVICE}}})"},
                "Two versions of a service stand side by side while it is upgraded.",
                kind="table",
            ),
        ],
    },
    JOB,
)
