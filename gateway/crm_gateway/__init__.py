"""The way in: identity, tokens, limits and routing. Start reading at :mod:`crm_gateway.app`."""

__version__ = "0.1.0"
