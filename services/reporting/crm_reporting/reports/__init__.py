"""Reports: several KPIs side by side, for a reader."""
