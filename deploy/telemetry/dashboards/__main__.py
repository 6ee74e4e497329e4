"""Writes every dashboard into its file."""

from __future__ import annotations

from pathlib import Path

from . import DASHBOARDS, text_of

FOLDER = Path(__file__).parents[1] / "grafana" / "dashboards"

for dashboard in DASHBOARDS:
    (FOLDER / f"{dashboard.uid}.json").write_text(text_of(dashboard))
