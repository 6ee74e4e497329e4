"""Sales: products, leads, opportunities and targets."""

__version__ = "0.1.0"
