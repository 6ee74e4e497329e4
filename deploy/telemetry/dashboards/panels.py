"""What every dashboard is made of: rows of panels, and what their queries have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SERVICE = 'job=~"$job"'
NO_PROBE = 'route!~"/healthz|/readyz|/metrics"'
JOB = {"job": "label_values(crm_build_info, job)"}
"""The variable by which one or several services are chosen; ``SERVICE`` narrows a query to them."""


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


def quantiles(metric: str, where: str = SERVICE) -> dict[str, str]:
    """The queries of the median, the 95th and the 99th percentile of a histogram."""
    return {
        f"p{round(quantile * 100)}": f"histogram_quantile({quantile}, sum by (le) "
        f"(rate({metric}_bucket{{{where}}}[$__rate_interval])))"
        for quantile in (0.5, 0.95, 0.99)
    }
