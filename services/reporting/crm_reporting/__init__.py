"""The reporting service: it listens to every event and answers with figures."""

__version__ = "0.1.0"
