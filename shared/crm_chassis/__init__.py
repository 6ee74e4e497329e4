"""What every service of the platform stands on. It knows no domain.

Start reading at :mod:`crm_chassis.service`; the way of a change is
``web`` -> ``outbox`` -> ``relay`` -> ``broker`` -> ``consumer``.
"""

__version__ = "0.1.0"
