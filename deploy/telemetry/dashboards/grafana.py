"""A dashboard as Grafana reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .panels import Dashboard, Panel

Json = dict[str, Any]
_WIDTH, _HEIGHT, _COLUMNS = 8, 7, 3
_PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
_OPTIONS: dict[str, Json] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"},
    "table": {"showHeader": True},
}


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
