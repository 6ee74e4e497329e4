"""The KPIs: what they are, and how they are answered from the projections."""
