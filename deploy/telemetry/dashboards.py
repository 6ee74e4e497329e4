"""Writes the dashboards: ``python deploy/telemetry/dashboards.py``.

Change a dashboard here, not in the JSON that Grafana reads: a test holds both equal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "grafana" / "dashboards"

Json = dict[str, Any]
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
_PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
_SERVICE = 'job=~"$job"'
_NO_PROBE = 'route!~"/healthz|/readyz|/metrics"'


@dataclass(frozen=True)
class Panel:
    """One chart: what it shows, in what unit, and from which queries.

    :ivar unit: Grafana's name of it.
    :ivar queries: legend to PromQL.
    :ivar limit: from here on it is drawn red.
    """

    title: str
    unit: str
    queries: dict[str, str]
    description: str = ""
    kind: str = "timeseries"
    limit: float | None = None
    stacked: bool = False


@dataclass(frozen=True)
class Dashboard:
    """Rows of panels, under one title.

    :ivar variables: name to the query of its values.
    """

    uid: str
    title: str
    description: str
    rows: dict[str, Sequence[Panel]]
    variables: dict[str, str]


_JOB = {"job": "label_values(crm_build_info, job)"}


def _quantiles(metric: str, by: str = "", where: str = _SERVICE) -> dict[str, str]:
    """The median, the 95th and the 99th percentile of a histogram."""
    grouping = f"{by}, le" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return {
        f"{legend}p{round(quantile * 100)}": f"histogram_quantile({quantile}, sum by ({grouping}) "
        f"(rate({metric}_bucket{{{where}}}[$__rate_interval])))"
        for quantile in (0.5, 0.95, 0.99)
    }


OVERVIEW = Dashboard(
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
            Panel("Requests", "reqps", {"{{job}}": f"crm:requests:rate5m{{{_SERVICE}}}"}),
            Panel(
                "Errors",
                "percentunit",
                {
                    "{{job}}": f"crm:request_errors:ratio_rate5m{{{_SERVICE}}} "
                    f"or 0 * crm:requests:rate5m{{{_SERVICE}}}"
                },
                "Answers with a status of 500 or more. The budget is 0.1 % of a month.",
                limit=0.001,
            ),
            Panel(
                "Latency, 95th percentile",
                "s",
                {"{{job}}": f"crm:request_seconds:p95_5m{{{_SERVICE}}}"},
                limit=1,
            ),
            Panel(
                "Slowest routes, 95th percentile",
                "s",
                {
                    "{{method}} {{route}}": "topk(8, histogram_quantile(0.95, "
                    "sum by (method, route, le) (rate(crm_request_seconds_bucket"
                    f"{{{_SERVICE},{_NO_PROBE}}}[$__rate_interval]))))"
                },
            ),
            Panel(
                "Answers by status",
                "reqps",
                {
                    "{{status}}": "sum by (status) (rate(crm_requests_total"
                    f"{{{_SERVICE},{_NO_PROBE}}}[$__rate_interval]))"
                },
                stacked=True,
            ),
            Panel(
                "Error budget, rate of burning",
                "short",
                {
                    "{{job}} 1 h": f"crm:request_errors:ratio_rate1h{{{_SERVICE}}} / 0.001",
                    "{{job}} 6 h": f"crm:request_errors:ratio_rate6h{{{_SERVICE}}} / 0.001",
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
                    "{{instance}}": f'crm_requests_in_progress{{{_SERVICE},component="api"}} '
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
                    f"(rate(process_cpu_seconds_total{{{_SERVICE}}}[$__rate_interval]))"
                },
                "1 is one core.",
            ),
            Panel(
                "Memory",
                "bytes",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_resident_memory_bytes{{{_SERVICE}}})"
                },
            ),
        ],
        "Versions": [
            Panel(
                "What runs",
                "short",
                {"{{job}} {{version}}": f"count by (job, version) (crm_build_info{{{_SERVICE}}})"},
                "Two versions of a service stand side by side while it is upgraded.",
                kind="table",
            ),
        ],
    },
    _JOB,
)

EVENTS = Dashboard(
    "crm-events",
    "CRM / Events",
    "From the outbox through the broker to the handlers: where events wait, and why.",
    {
        "Out: outbox and relay": [
            Panel(
                "Outbox depth",
                "short",
                {"{{job}}": f"crm:outbox_depth:max{{{_SERVICE}}}"},
                "Events recorded and not yet confirmed by the broker.",
                limit=10_000,
            ),
            Panel(
                "Outbox age",
                "s",
                {"{{job}}": f"crm:outbox_age_seconds:max{{{_SERVICE}}}"},
                "Of the oldest event that waits.",
                limit=60,
            ),
            Panel("Relayed", "cps", {"{{job}}": f"crm:relayed_events:rate5m{{{_SERVICE}}}"}),
            Panel(
                "Relays at work",
                "short",
                {"{{job}}": f"sum by (job) (crm_relay_active{{{_SERVICE}}})"},
                "One a service; the other workers stand by.",
            ),
            Panel(
                "Time of a batch of the relay",
                "s",
                _quantiles("crm_relay_batch_seconds"),
            ),
            Panel(
                "Sent and not confirmed",
                "cps",
                {
                    "{{job}}": "sum by (job) (rate(crm_relay_unconfirmed_events_total"
                    f"{{{_SERVICE}}}[$__rate_interval]))"
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
                {"{{job}} {{outcome}}": f"crm:consumed_events:rate5m{{{_SERVICE}}}"},
            ),
            Panel(
                "Lag, 95th percentile",
                "s",
                {"{{job}} from {{producer}}": f"crm:consumer_lag_seconds:p95_5m{{{_SERVICE}}}"},
                "From the recording of a batch's oldest event to the commit of its effects.",
                limit=60,
            ),
            Panel(
                "Parked events",
                "short",
                {"{{job}}": f"max by (job) (crm_parked_events{{{_SERVICE}}})"},
                "They wait for a person's decision.",
                limit=1,
            ),
            Panel(
                "Failed attempts",
                "cps",
                {
                    "{{job}} of {{of}}": "sum by (job, of) (rate(crm_consumer_failures_total"
                    f"{{{_SERVICE}}}[$__rate_interval]))"
                },
            ),
            Panel("Events of a batch", "short", _quantiles("crm_consumer_batch_events")),
            Panel("Time of a batch", "s", _quantiles("crm_consumer_batch_seconds")),
        ],
    },
    _JOB,
)

KPIS = Dashboard(
    "crm-kpis",
    "CRM / KPI freshness",
    "How far the KPIs are behind what happens, and where the time is lost.",
    {
        "Freshness": [
            Panel(
                "From a change to the KPI",
                "s",
                _quantiles("crm_consumer_lag_seconds", where='job="crm-reporting"'),
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
                _quantiles("crm_consumer_batch_seconds", where='job="crm-reporting"'),
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

GATEWAY = Dashboard(
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
                    f'{{job="crm-gateway",{_NO_PROBE}}}[$__rate_interval]))'
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

WORK = Dashboard(
    "crm-work",
    "CRM / Database, timers, imports",
    "What works beside the requests, and what it works with.",
    {
        "Database": [
            Panel(
                "Connections in use",
                "percentunit",
                {
                    "{{job}} {{component}} {{instance}}": "crm_database_connections_in_use"
                    f"{{{_SERVICE}}} / (crm_database_pool_size + 5)"
                },
                "Of those that it may open: those it keeps, and 5 more.",
                limit=0.8,
            ),
            Panel(
                "Database reached",
                "bool_yes_no",
                {
                    "{{job}} {{component}}": "min by (job, component) "
                    f'(crm_ready{{{_SERVICE},check="database"}})'
                },
                kind="stat",
            ),
            Panel(
                "Migrations current",
                "bool_yes_no",
                {
                    "{{job}} {{component}}": "min by (job, component) "
                    f'(crm_ready{{{_SERVICE},check="migrations"}})'
                },
                kind="stat",
            ),
        ],
        "Timers": [
            Panel(
                "Overdue",
                "short",
                {"{{job}}": f"max by (job) (crm_timers_overdue{{{_SERVICE}}})"},
            ),
            Panel(
                "The longest overdue",
                "s",
                {"{{job}}": f"max by (job) (crm_timers_overdue_seconds{{{_SERVICE}}})"},
                limit=120,
            ),
            Panel(
                "Fired and failed",
                "cps",
                {
                    "{{kind}} fired": "sum by (kind) (rate(crm_timers_fired_total"
                    f"{{{_SERVICE}}}[$__rate_interval]))",
                    "{{kind}} failed": "sum by (kind) (rate(crm_timers_failed_total"
                    f"{{{_SERVICE}}}[$__rate_interval]))",
                },
            ),
        ],
        "Imports": [
            Panel(
                "Not done",
                "short",
                {"{{job}} {{state}}": f"max by (job, state) (crm_import_jobs{{{_SERVICE}}})"},
            ),
            Panel(
                "The longest queued",
                "s",
                {"{{job}}": f"max by (job) (crm_import_wait_seconds{{{_SERVICE}}})"},
                limit=900,
            ),
        ],
        "Processes": [
            Panel(
                "Memory of its limit",
                "percentunit",
                {
                    "{{job}} {{component}} {{instance}}": "process_resident_memory_bytes"
                    f"{{{_SERVICE}}} / on (job, component, instance) crm_memory_limit_bytes"
                },
                limit=0.9,
            ),
            Panel(
                "Files open",
                "short",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_open_fds{{{_SERVICE}}})"
                },
            ),
            Panel(
                "Running since",
                "dateTimeFromNow",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_start_time_seconds{{{_SERVICE}}}) * 1000"
                },
                kind="stat",
            ),
        ],
    },
    _JOB,
)

DASHBOARDS = (OVERVIEW, EVENTS, KPIS, GATEWAY, WORK)


def document(dashboard: Dashboard) -> Json:
    """A dashboard as Grafana reads it."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["crm"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "links": [{"type": "dashboards", "title": "CRM", "tags": ["crm"], "asDropdown": True}],
        "templating": {"list": [_variable(*each) for each in dashboard.variables.items()]},
        "panels": list(_placed(dashboard)),
    }


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": {"job": "Service"}.get(name, name.capitalize()),
        "type": "query",
        "datasource": _PROMETHEUS,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(dashboard: Dashboard) -> Iterator[Json]:
    """The panels in rows of three, below the titles of their rows."""
    top, number = 0, 0
    for title, panels in dashboard.rows.items():
        number += 1
        place = {"x": 0, "y": top, "w": _WIDTH * _COLUMNS, "h": 1}
        row = {"id": number, "type": "row", "title": title, "collapsed": False, "panels": []}
        yield row | {"gridPos": place}
        top += 1
        for index, panel in enumerate(panels):
            number += 1
            x, y = index % _COLUMNS * _WIDTH, top + index // _COLUMNS * _HEIGHT
            place = {"x": x, "y": y, "w": _WIDTH, "h": _HEIGHT}
            yield {"id": number, "gridPos": place} | _panel(panel)
        top += -(-len(panels) // _COLUMNS) * _HEIGHT


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _PROMETHEUS,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _PROMETHEUS,
                "expr": query,
                "legendFormat": legend,
                **({"instant": True, "format": "table"} if panel.kind == "table" else {}),
            }
            for place, (legend, query) in enumerate(panel.queries.items())
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _OPTIONS[panel.kind],
    }


_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
    "table": {"showHeader": True},
}


def _defaults(panel: Panel) -> Json:
    steps: list[Json] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    shown: Json = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        lines = "dashed" if panel.limit is not None else "off"
        stacking = "normal" if panel.stacked else "none"
        shown["min"] = 0
        shown["custom"] = {
            "fillOpacity": 10,
            "showPoints": "never",
            "stacking": {"mode": stacking},
            "thresholdsStyle": {"mode": lines},
        }
    return shown


def text_of(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    return json.dumps(document(dashboard), indent=2) + "\n"


def write() -> None:
    """Write every dashboard into its file."""
    for dashboard in DASHBOARDS:
        (FOLDER / f"{dashboard.uid}.json").write_text(text_of(dashboard))


if __name__ == "__main__":
    write()
