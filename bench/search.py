"""One box over a million customers on PostgreSQL, for callers who see all of them, or few."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from random import Random

import psycopg
from flask import Flask
from sqlalchemy import make_url

from bench.customers import Customer, Customers
from bench.figures import Figure, Run, Target, median, percentile
from bench.services import service_on
from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.service import Service
from crm_chassis.testing_harness import Caller, Signer
from crm_customer.app import create_app
from crm_customer.search import folding
from crm_customer.search.terms import terms_of

_SCOPES: Sequence[Scope] = ("all", "subtree", "team", "own")
_REGIONS, _TEAMS_OF_A_REGION, _USERS_OF_A_TEAM = 10, 20, 10
_COMMON = (
    "有限公司",
    "公司",
    "上海",
    "科技",
    "com",
    "qq.com",
    "ltd",
    "shanghai",
    "a",
    "+86",
    "138",
)
_TARGET = Target("at most", 50)


class _Company:
    """Regions, the teams of each, the users of each; a few users own most of the customers."""

    def __init__(self) -> None:
        self.root = new_id()
        self.regions = [new_id() for _ in range(_REGIONS)]
        self.teams = {
            new_id(): region for region in self.regions for _ in range(_TEAMS_OF_A_REGION)
        }
        self.users = {new_id(): team for team in self.teams for _ in range(_USERS_OF_A_TEAM)}

    def team_rows(self) -> Iterator[tuple[str, str, str | None]]:
        yield self.root, "Company", None
        yield from ((region, "Region", self.root) for region in self.regions)
        yield from ((team, "Team", region) for team, region in self.teams.items())

    def owners(self) -> Iterator[tuple[str, str]]:
        random, users = Random(1), list(self.users.items())
        while True:
            yield users[min(int(random.paretovariate(0.5)) - 1, len(users) - 1)]


def run(run: Run) -> list[Figure]:
    """Times to answer by who asks, and for the lists' own search."""
    url = run.servers.postgres.create_database("search")
    signer = Signer(run.folder)
    with service_on(
        create_app,
        "customer",
        database_url=url,
        broker_url="memory://",
        signer=signer,
    ) as app:
        company = _Company()
        count = run.count(1_000_000, 50_000)
        known = _fill(app, company, count)
        queries = _queries(known, run.count(150, 40))
        callers = {scope: _caller(app, signer, company, scope) for scope in _SCOPES}
        return [
            figure
            for path, name in (("search", "search"), ("accounts", "list of accounts with q"))
            for scope, caller in callers.items()
            for figure in _figures(f"{name}, {scope}", caller, path, queries)
        ]


def _fill(app: Flask, company: _Company, count: int) -> list[Customer]:
    """Store as many customers, half of them people; gives some of them."""
    service: Service = app.extensions["crm"]
    url = make_url(service.database.engine.url).set(drivername="postgresql")
    made = Customers()
    known: list[Customer] = []
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        with connection.cursor().copy(
            "COPY directory_teams (id, name, parent_id, sequence) FROM STDIN"
        ) as copy:
            for row in company.team_rows():
                copy.write_row((*row, 1))
        for table, customers in (
            ("accounts", made.companies(count // 2)),
            ("contacts", made.people(count - count // 2)),
        ):
            connection.execute(f"DROP INDEX {table}_by_terms")
            known += _copy(connection, table, customers, company)
            connection.execute(f"CREATE INDEX {table}_by_terms ON {table} USING gin (terms)")
            connection.execute(f"VACUUM ANALYZE {table}")
    return known


def _copy(
    connection: psycopg.Connection,
    table: str,
    customers: Iterator[Customer],
    company: _Company,
) -> list[Customer]:
    columns = (
        "id, version, created_at, updated_at, created_on, name, phones, emails, addresses, "
        "owner_id, team_id, searched, searched_phones, terms"
    )
    kind = {"accounts": ", kind", "contacts": ""}[table]
    owners, known = company.owners(), []
    with connection.cursor().copy(f"COPY {table} ({columns}{kind}) FROM STDIN") as copy:
        for number, customer in enumerate(customers):
            texts = [folding.folded(customer.name), folding.folded(customer.email)]
            digits = [folding.digits_of(customer.phone)]
            if number % 1000 == 0:
                known.append(customer)
            copy.write_row(
                (
                    new_id(),
                    1,
                    "2026-01-01T00:00:00Z",
                    "2026-01-01T00:00:00Z",
                    "2026-01-01",
                    customer.name,
                    f"\n{customer.phone}\n",
                    f"\n{customer.email}\n",
                    "[]",
                    *next(owners),
                    folding.lines(texts),
                    folding.digit_lines(digits),
                    terms_of(texts, digits, ()),
                    *(["business"] if kind else []),
                )
            )
    return known


def _queries(known: Sequence[Customer], count: int) -> list[str]:
    """What people type: beginnings and parts of names, addresses and numbers, and common words."""
    random = Random(2)

    def part(text: str, least: int, most: int) -> str:
        length = random.randint(least, most)
        start = random.randint(0, max(0, len(text) - length))
        return text[start : start + length]

    made = []
    for customer in random.choices(known, k=count):
        made += [
            customer.name,
            customer.name[: random.randint(1, 6)],
            part(customer.name, 1, 2),
            part(customer.name, 3, 6),
            part(customer.email, 3, 8),
            customer.email,
            part(customer.phone[1:], 4, 8),
            customer.phone,
        ]
    return [*_COMMON, *(query for query in made if query.strip())]


def _caller(app: Flask, signer: Signer, company: _Company, scope: Scope) -> Caller:
    """Who sees this far: somebody with many customers of their own, a region's head, ..."""
    user, team = next(iter(company.users.items()))
    token = signer.token(
        "crm-customer",
        lifetime=3600,
        sub=user,
        name="Bench",
        kind="user",
        team=company.teams[team] if scope == "subtree" else team,
        roles=[],
        grants={
            "customer.accounts.read": scope,
            "customer.contacts.read": scope,
            "customer.accounts.phone": "all",
            "customer.contacts.phone": "all",
        },
    )
    return Caller(app, user, token)


def _figures(name: str, caller: Caller, path: str, queries: Sequence[str]) -> list[Figure]:
    times = []
    for query in queries:
        began = time.perf_counter()
        answer = caller.get(f"/v1/{path}", query_string={"q": query})
        times.append(1000 * (time.perf_counter() - began))
        if answer.status_code != 200:
            raise RuntimeError(f"{path}?q={query} was answered {answer.status_code}")
    return [
        Figure(f"{name}, median", median(times), "ms"),
        Figure(f"{name}, 95th percentile", percentile(times, 95), "ms", target=_TARGET),
    ]
