"""Service desk: tickets, their replies and their way to a solution."""

__version__ = "0.1.0"
