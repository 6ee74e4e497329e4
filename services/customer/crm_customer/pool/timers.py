"""What the worker does about the pool by itself."""

from __future__ import annotations

from datetime import timedelta

from crm_chassis.scheduler import Recurring
from crm_customer.pool.commands import keep_moving

RECURRING = Recurring("customer.pool_returns", timedelta(minutes=5), keep_moving)
