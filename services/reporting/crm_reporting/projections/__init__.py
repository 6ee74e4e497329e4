"""The projections: what reporting makes of the events, and answers from.

An event becomes :mod:`observations <crm_reporting.projections.observations>`; these are merged into
state tables; each state row contributes to the :mod:`rollups <crm_reporting.projections.rollups>`;
:mod:`fold <crm_reporting.projections.fold>` does that for a batch in one transaction.
"""
