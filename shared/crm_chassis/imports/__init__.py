"""Import jobs: a file is taken in as chunks of rows, and a worker applies them chunk by chunk.

A chunk's rows, its progress and its errors are one transaction, so a job that is killed goes on
where it was. A service declares an :class:`Importer`; ``jobs`` and ``runner`` do the rest.
"""

from crm_chassis.imports.rows import FieldMapping, Importer, Row, resolve, resolve_owner, upsert

__all__ = ["FieldMapping", "Importer", "Row", "resolve", "resolve_owner", "upsert"]
