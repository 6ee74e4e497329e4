"""The dashboards, a module each; ``python -m dashboards`` beside this folder writes them.

Change a dashboard here, not in the JSON that Grafana reads: a test holds both equal.
"""

from __future__ import annotations

from . import events, gateway, kpis, overview, work
from .grafana import text_of

__all__ = ["DASHBOARDS", "text_of"]

DASHBOARDS = tuple(each.DASHBOARD for each in (overview, events, kpis, gateway, work))
