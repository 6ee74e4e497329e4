"""The contracts of the events that the CRM's services exchange, and the catalogue of them.

The contracts themselves are language-neutral files: ``catalogue.yaml`` and, under ``events/``, a
JSON Schema and an example for each event version. This package reads them.
"""

from crm_contracts.catalogue import Catalogue, Contract, UnknownEventType, catalogue

__all__ = ["Catalogue", "Contract", "UnknownEventType", "catalogue"]
