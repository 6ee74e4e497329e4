"""Database, timers, imports and processes."""

from __future__ import annotations

from .panels import JOB, SERVICE, Dashboard, Panel

DASHBOARD = Dashboard(
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
                    f"{{{SERVICE}}} / (crm_database_pool_size + 5)"
                },
                "Of those that it may open: those it keeps, and 5 more.",
                limit=0.8,
            ),
            Panel(
                "Database reached",
                "bool_yes_no",
                {
                    "{{job}} {{component}}": "min by (job, component) "
                    f'(crm_ready{{{SERVICE},check="database"}})'
                },
                kind="stat",
            ),
            Panel(
                "Migrations current",
                "bool_yes_no",
                {
                    "{{job}} {{component}}": "min by (job, component) "
                    f'(crm_ready{{{SERVICE},check="migrations"}})'
                },
                kind="stat",
            ),
        ],
        "Timers": [
            Panel(
                "Overdue",
                "short",
                {"{{job}}": f"max by (job) (crm_timers_overdue{{{SERVICE}}})"},
            ),
            Panel(
                "The longest overdue",
                "s",
                {"{{job}}": f"max by (job) (crm_timers_overdue_seconds{{{SERVICE}}})"},
                limit=120,
            ),
            Panel(
                "Fired and failed",
                "cps",
                {
                    "{{kind}} fired": "sum by (kind) (rate(crm_timers_fired_total"
                    f"{{{SERVICE}}}[$__rate_interval]))",
                    "{{kind}} failed": "sum by (kind) (rate(crm_timers_failed_total"
                    f"{{{SERVICE}}}[$__rate_interval]))",
                },
            ),
        ],
        "Imports": [
            Panel(
                "Not done",
                "short",
                {"{{job}} {{state}}": f"max by (job, state) (crm_import_jobs{{{SERVICE}}})"},
            ),
            Panel(
                "The longest queued",
                "s",
                {"{{job}}": f"max by (job) (crm_import_wait_seconds{{{SERVICE}}})"},
                limit=900,
            ),
        ],
        "Processes": [
            Panel(
                "Memory of its limit",
                "percentunit",
                {
                    "{{job}} {{component}} {{instance}}": "process_resident_memory_bytes"
                    f"{{{SERVICE}}} / on (job, component, instance) crm_memory_limit_bytes"
                },
                limit=0.9,
            ),
            Panel(
                "Files open",
                "short",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_open_fds{{{SERVICE}}})"
                },
            ),
            Panel(
                "Running since",
                "dateTimeFromNow",
                {
                    "{{job}} {{component}}": "max by (job, component) "
                    f"(process_start_time_seconds{{{SERVICE}}}) * 1000"
                },
                kind="stat",
            ),
        ],
    },
    JOB,
)
