"""The funnels: how many of a cohort came how far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from crm_reporting.kpis.definitions import STAGE_FUNNEL
from crm_reporting.kpis.kpi import Funnel, Sum
from crm_reporting.kpis.pipelines import passed_stages, stage_reached
from crm_reporting.kpis.questions import Question, check
from crm_reporting.kpis.sums import Key, read_sums
from crm_reporting.projections.columns import stage_key

_PLACES = Decimal("0.000001")
Step = tuple[str, str]
"""Its id and its title."""


@dataclass(frozen=True, slots=True)
class FunnelStep:
    """One step of one cohort.

    :ivar count: members of the cohort that took it.
    :ivar conversion: share of them that took the next step; None when nobody took this one.
    :ivar loss: 1 - conversion.
    """

    start: date | None
    member: str
    step: Step
    count: int
    conversion: Decimal | None
    loss: Decimal | None


def funnel(asked: Funnel, question: Question) -> list[FunnelStep]:
    """The steps of each cohort, in order.

    :raises Problem: 422 or 403, as :func:`~crm_reporting.kpis.questions.check` says.
    """
    check(asked, question)
    if asked is STAGE_FUNNEL:
        return _through_stages(question)
    components = {measure: Sum(asked.rollup, measure) for _, _, measure in asked.steps}
    found = read_sums(question, asked.rollup, components, by_currency=False)
    if not found and question.by is None and question.grain is None:
        found = {Key(None, "", ""): dict.fromkeys(components, 0)}
    steps = [(id_, title) for id_, title, _ in asked.steps]
    return [
        step
        for key in sorted(found, key=lambda key: (key.start is None, key.start, key.member))
        for step in _steps(key.start, key.member, steps, list(found[key].values()))
    ]


def _steps(
    start: date | None, member: str, steps: Sequence[Step], counts: Sequence[int]
) -> list[FunnelStep]:
    following = [*counts[1:], counts[-1]]  # of the last step, 100 % go on
    answer = []
    for step, count, onward in zip(steps, counts, following, strict=True):
        conversion = (Decimal(onward) / count).quantize(_PLACES) if count else None
        loss = None if conversion is None else 1 - conversion
        answer.append(FunnelStep(start, member, step, count, conversion, loss))
    return answer


def _through_stages(question: Question) -> list[FunnelStep]:
    """Each pipeline's open and won stages; ``member`` is the pipeline."""
    stages = passed_stages(question.session)
    stopped = read_sums(
        replace(question, by="furthest_stage"),
        STAGE_FUNNEL.rollup,
        {"count": Sum(STAGE_FUNNEL.rollup, "count")},
        by_currency=False,
    )
    cohorts: dict[tuple[date | None, str], Counter[int]] = defaultdict(Counter)
    places = {pipeline: {stage: order for order, stage in of} for pipeline, of in stages.items()}
    for key, sums in stopped.items():
        pipeline = key.member.split("/")[0]
        if pipeline in stages:
            reached = stage_reached(key.member, places[pipeline])
            cohorts[key.start, pipeline][reached] += sums["count"]
    answer = []
    for start, pipeline in sorted(cohorts, key=lambda cohort: (cohort[0] is None, *cohort)):
        steps = stages[pipeline]
        counts = [
            sum(
                count
                for order, count in cohorts[start, pipeline].items()
                # Every deal of the pipeline has come to its first stage.
                if order >= reached or (reached, stage) == steps[0]
            )
            for reached, stage in steps
        ]
        named = [(stage_key(pipeline, stage), stage) for _, stage in steps]
        answer += _steps(start, pipeline, named, counts)
    return answer
