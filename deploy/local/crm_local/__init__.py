"""The whole platform in one process: every service, the gateway, an embedded broker, SQLite."""

__version__ = "0.1.0"
