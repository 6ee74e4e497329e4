"""``crm get``, ``list``, ``kpis`` and ``kpi``."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from crm_client import resources
from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.client import Client


class Pair(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, content = value.partition("=")
        if not (name and equals):
            self.fail(f"{value!r} is not of the form name=value", param, ctx)
        return name, content


class Resource(click.ParamType[str]):
    """A resource in the table, or one written with its service."""

    name = "resource"

    def convert(self, value: str, param: Any, ctx: Any) -> str:
        try:
            resources.split(value)
        except resources.UnknownResourceError as error:
            self.fail(str(error), param, ctx)
        return value


filter_option = click.option(
    "--filter", "filters", type=Pair(), multiple=True, help="Only those with this; repeatable."
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


def query_of(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    """Filters as a query; one given twice is sent twice."""
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        query.setdefault(name, []).append(value)
    return query


@click.command()
@click.argument("path")
@click.option("--param", "params", type=Pair(), multiple=True, help="Query parameter; repeatable.")
@signed_in
def get(client: Client, path: str, params: tuple[tuple[str, str], ...]) -> None:
    """Print the JSON at PATH, such as /api/sales/v1/leads."""
    output.as_json(client.get(path if path.startswith("/") else f"/{path}", query_of(params)))


@click.command("list")
@click.argument("resource", type=Resource())
@filter_option
@click.option("--sort", help="Field to sort by; -created_at for the latest first.")
@click.option("--search", help="Words to look for.")
@click.option("--limit", type=click.IntRange(0), default=25, show_default=True, help="0: all.")
@click.option("--columns", help="Fields to show, separated by commas.")
@json_option
@signed_in
def list_(
    client: Client,
    resource: str,
    filters: tuple[tuple[str, str], ...],
    sort: str | None,
    search: str | None,
    limit: int,
    columns: str | None,
    as_json: bool,
) -> None:
    """List a RESOURCE: leads, accounts, ...; or service/resource for one not known by name."""
    items = client.list(
        resource, query_of(filters), sort=sort, search=search, limit=limit + 1 if limit else None
    )
    if as_json:
        output.as_json_lines(islice(items, limit or None))
        return
    found = list(items)
    output.rows(found[: limit or None], columns.split(",") if columns else ())
    if limit and len(found) > limit:
        click.echo(f"More than {limit}: --limit 0 shows all.", err=True)


@click.command()
@json_option
@signed_in
def kpis(client: Client, as_json: bool) -> None:
    """List the KPIs with their units, dimensions and definitions."""
    found = client.get("/api/reporting/v1/kpis")["items"]
    output.as_json_lines(found) if as_json else output.rows(found)


@click.command()
@click.argument("name")
@click.option("--from", "start", help="First day, YYYY-MM-DD.")
@click.option("--to", "end", help="Last day, YYYY-MM-DD.")
@click.option("--grain", help="day, week, month, quarter or year.")
@click.option("--by", help="Dimension to divide by: person, team, product, ...")
@filter_option
@json_option
@signed_in
def kpi(
    client: Client,
    name: str,
    start: str | None,
    end: str | None,
    grain: str | None,
    by: str | None,
    filters: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Show the KPI called NAME (see `crm kpis`) over time and by a dimension."""
    params = {"from": start, "to": end, "grain": grain, "by": by, **query_of(filters)}
    answer = client.get(f"/api/reporting/v1/kpis/{name}", params)
    if as_json:
        output.as_json(answer)
    else:
        output.rows([_figure(row) for row in answer["rows"]])


def _figure(row: dict[str, Any]) -> dict[str, Any]:
    """A row of an answer on one line: what it is of by name, and its figures."""
    named = {name: row[name]["name"] for name in ("member", "step") if row.get(name)}
    figures = {name: row[name] for name in ("value", "conversion", "loss") if name in row}
    return {"period": row["period"], **named, **figures}
