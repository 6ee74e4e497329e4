"""Customer: accounts and contacts."""

__version__ = "0.1.0"
