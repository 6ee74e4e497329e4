"""One box finds every customer that its user may see, and none else, best first."""

from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, select, text, update

from crm_chassis.database import new_id, utc_now
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_customer.accounts.models import Account
from crm_customer.app import create_app
from crm_customer.search.commands import index_waiting
from crm_customer.search.conditions import text_holds
from crm_customer.search.folding import folded
from crm_customer.search.terms import inside, start, whole, word

READ = {"customer.accounts.read": "all", "customer.contacts.read": "all"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_customer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Harness]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database("search")
    with closing(Harness(create_app, "customer", tmp_path_factory.mktemp("search"), url)) as kept:
        yield kept


@pytest.fixture
def customer(kept_customer: Harness) -> Harness:
    """The service on each kind of database in turn, without customers."""
    with kept_customer.service.database.transaction() as session:
        for table in ("contacts", "accounts", "tags"):
            session.execute(text(f"DELETE FROM {table}"))
    return kept_customer


def add(caller: Caller, resource: str, name: str, **values: Any) -> str:
    answer = caller.post(f"/v1/{resource}", json={"name": name, **values})
    assert answer.status_code == 201, answer.json
    return answer.json["id"]


def found(caller: Caller, q: str, **query: Any) -> list[dict[str, Any]]:
    answer = caller.get("/v1/search", query_string={"q": q, **query})
    assert answer.status_code == 200, answer.json
    return answer.json["items"]


def names(caller: Caller, q: str, **query: Any) -> list[str]:
    return [item["name"] for item in found(caller, q, **query)]


def test_the_closest_come_first_then_the_shortest_then_by_name(customer: Harness) -> None:
    caller = customer.as_user()
    for name in (
        "Old Shanghai Tea",
        "Shanghai Zinc",
        "Preshanghai",
        "shanghai",
        "Shanghai Iron",
        "Shanghai Iron and Steel",
        "Beijing",
    ):
        add(caller, "accounts", name)
    assert names(caller, "Shanghai") == [
        "shanghai",
        "Shanghai Iron",
        "Shanghai Zinc",
        "Shanghai Iron and Steel",
        "Old Shanghai Tea",
        "Preshanghai",
    ]


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("明光科技有限公司", "明"),
        ("明光科技有限公司", "司"),
        ("明光科技有限公司", "科技"),
        ("明光科技有限公司", "光科技有"),
        ("明光科技有限公司", "明光科技有限公司"),
        ("张三", "张"),
        ("明光ABC公司", "abc"),
        ("明光ABC公司", "光a"),
        ("明光ABC公司", "光abc公"),
        ("ABC公司", "公"),
        ("Ｍüller＆Söhne", "muller&sohne"),
        ("Müller", "LLE"),
        ("STRASSE", "straße"),
        ("Marco  Polo Ltd", "co polo"),
        ("Marco Polo Ltd", "lt"),
        ("Marco Polo Ltd", "rc"),
        ("Marco Polo Ltd", "p"),
        ("Иванов", "ив"),
        ("Иванов", "но"),
        ("Иванов", "и"),
        ("東京タワー", "タワ"),
        ("50% off_the\\shelf", "%"),
        ("50% off_the\\shelf", "f_t"),
        ("50% off_the\\shelf", "e\\s"),
        ("a'b\"c", "'b\""),
    ],
)
def test_a_part_of_a_name_finds_it(customer: Harness, name: str, query: str) -> None:
    caller = customer.as_user()
    add(caller, "accounts", name)
    add(caller, "contacts", name)
    add(caller, "accounts", "ZZ")
    if query != "%":  # nothing begins with it
        assert names(caller, query) == [name, name]
    for resource in ("accounts", "contacts"):
        listed = caller.get(f"/v1/{resource}", query_string={"q": query}).json["items"]
        assert [item["name"] for item in listed] == ([name] if query != "%" else [])


@pytest.mark.parametrize(
    ("query", "value", "highlight"),
    [
        ("polo", "Marco  Pòlo Ltd", "Pòlo"),
        ("o polo l", "Marco  Pòlo Ltd", "o  Pòlo L"),
        ("sse", "Große Gasse", "ße"),
        ("ass", "Große Gasse", "ass"),
        ("公司", "明光公司", "公司"),
        ("FO@", "Info@example.com", "fo@"),
        ("571 5550", "+8657155500142", "5715550"),
        ("0571-5550", "+8657155500142", "5715550"),
    ],
)
def test_what_matches_is_pointed_at(
    customer: Harness, query: str, value: str, highlight: str
) -> None:
    caller = customer.as_user()
    add(caller, "contacts", "Marco  Pòlo Ltd", emails=["Info@example.com"])
    add(caller, "contacts", "Große Gasse", phones=["+86 571 5550 0142"])
    add(caller, "contacts", "明光公司")
    (item,) = found(caller, query)
    begin, end = item["highlight"]
    assert (item["value"].lower(), item["value"][begin:end]) == (value.lower(), highlight)


def test_numbers_are_found_by_those_alone_who_may_see_them(customer: Harness) -> None:
    caller = customer.as_user()
    add(caller, "accounts", "Firm", phones=["+86 138 0013 8000", "010-6552 9988"])
    add(caller, "contacts", "Person", phones=["+86 138 0013 8000"])
    sees_firms = customer.as_user({**READ, "customer.accounts.phone": "all"})
    blind = customer.as_user(READ)
    for query in ("138 0013 8000", "+8613800138000", "(0)138-0013", "8000"):
        assert names(caller, query) == ["Firm", "Person"]
        assert names(sees_firms, query) == ["Firm"]
        assert names(blind, query) == []
        for resource, seen in (("accounts", ["Firm"]), ("contacts", [])):
            listed = sees_firms.get(f"/v1/{resource}", query_string={"q": query}).json["items"]
            assert [item["name"] for item in listed] == seen
    assert found(caller, "65529988")[0]["field"] == "phones"
    assert names(caller, "138") == []  # too few to tell numbers apart


def test_nothing_is_found_that_may_not_be_seen(customer: Harness) -> None:
    us, below, them = new_id(), new_id(), new_id()
    for team, parent in ((us, None), (below, us), (them, None)):
        data = {"id": team, "external_id": None, "name": "Team", "parent_id": parent}
        customer.deliver(event("crm.gateway.team.created.v1", data))
    everything = {"*": "all"}
    owners = {team: customer.as_user(everything, team=team) for team in (us, below, them)}
    for number, owner in enumerate(owners.values()):
        add(owner, "accounts", f"Firm {number}")
        account = add(owner, "accounts", f"House {number}")
        add(owner, "contacts", f"Firm person {number}", account_id=account)

    def seen(scope: str, user_id: str | None = None) -> list[str]:
        grants = dict.fromkeys(READ, scope)
        return names(customer.as_user(grants, team=us, user_id=user_id), "firm")

    all_of_us, of_below, of_them = (
        [f"Firm {number}", f"Firm person {number}"] for number in range(3)
    )
    assert seen("own") == []
    assert seen("own", owners[below].id) == of_below
    assert seen("team") == all_of_us
    assert sorted(seen("subtree")) == sorted(all_of_us + of_below)
    assert sorted(seen("all")) == sorted(all_of_us + of_below + of_them)
    accounts_only = customer.as_user({"customer.accounts.read": "all"}, team=us)
    assert names(accounts_only, "firm") == ["Firm 0", "Firm 1", "Firm 2"]
    contacts_only = customer.as_user({"customer.contacts.read": "all"}, team=us)
    assert [item["account"] for item in found(contacts_only, "firm")] == [None] * 3
    mixed = customer.as_user(
        {"customer.contacts.read": "all", "customer.accounts.read": "team"}, team=us
    )
    named = [item["account"] and item["account"]["name"] for item in found(mixed, "person")]
    assert named == ["House 0", None, None]
    nobody = customer.as_user({"sales.*": "all"})
    assert nobody.get("/v1/search?q=firm").status_code == 403
    assert customer.anonymous().get("/v1/search?q=firm").status_code == 401


def test_more_is_told_without_counting(customer: Harness) -> None:
    caller = customer.as_user()
    for number in range(5):
        add(caller, "accounts", f"Firm {number}")
    page = caller.get("/v1/search?q=firm&limit=5").json
    assert (len(page["items"]), page["more"]) == (5, False)
    page = caller.get("/v1/search?q=firm&limit=4").json
    assert (len(page["items"]), page["more"]) == (4, True)
    assert names(caller, "firm", type="contact") == []
    assert names(caller, "firm", type=["contact", "account"])


def test_tags_are_found_by_their_labels(customer: Harness) -> None:
    caller = customer.as_user()
    for key, label in (("vip", "Premium customer"), ("old", "Former customer")):
        assert caller.post("/v1/tags", json={"key": key, "label": label}).status_code == 201
    ids = {name: add(caller, "accounts", name) for name in ("A", "B", "Premium Foods")}
    with customer.service.database.transaction() as session:
        for name, tags in (("A", ["vip"]), ("B", ["old", "vip"])):
            account = session.get(Account, ids[name])
            assert account is not None
            account.tags = tags
    assert names(caller, "premium") == ["Premium Foods", "A", "B"]
    assert names(caller, "customer") == ["B", "A"]
    item = found(caller, "former")[0]
    assert (item["name"], item["field"], item["value"]) == ("B", "tags", "Former customer")


def test_a_change_is_found_and_what_was_is_not(customer: Harness) -> None:
    caller = customer.as_user()
    account = add(caller, "accounts", "Before", emails=["one@a.example"], phones=["12345"])
    path, headers = f"/v1/accounts/{account}", {"If-Match": '"1"'}
    changes = {"name": "After", "emails": ["two@b.example"], "phones": ["67890"]}
    assert caller.patch(path, json=changes, headers=headers).status_code == 200
    for query in ("before", "one@", "12345"):
        assert names(caller, query) == []
    for query in ("after", "two@", "67890"):
        assert names(caller, query) == ["After"]


def test_what_stands_for_another_record_is_not_found(customer: Harness) -> None:
    caller = customer.as_user()
    survivor, merged = add(caller, "accounts", "Firm one"), add(caller, "accounts", "Firm two")
    with customer.service.database.transaction() as session:
        session.execute(update(Account).where(Account.id == merged).values(merged_into=survivor))
    assert names(caller, "firm") == ["Firm one"]


def test_a_list_is_narrowed_by_address_and_number(customer: Harness) -> None:
    caller = customer.as_user()
    add(caller, "accounts", "A", emails=["Jo@a.example"], phones=["+86 138 0013 8000"])
    add(caller, "accounts", "B", emails=["jo@a.example.org"], phones=["+86 138 0013 8001"])
    for query in ("email=jo@A.example", "phone=%2B8613800138000", "q=138000"):
        listed = caller.get(f"/v1/accounts?{query}").json["items"]
        assert [item["name"] for item in listed] == ["A"]


def test_rows_of_an_older_release_are_indexed_by_the_worker(customer: Harness) -> None:
    caller = customer.as_user()
    for number in range(3):
        add(caller, "accounts", f"Firm {number}", emails=["a@b.example"])
    with customer.service.database.transaction() as session:
        session.execute(text("UPDATE accounts SET searched = NULL, terms = NULL"))
        before = session.execute(text("SELECT id, updated_at, version FROM accounts")).all()
    assert names(caller, "firm") == []
    with customer.service.database.transaction() as session:
        assert index_waiting(session, utc_now()) is False
    assert names(caller, "b.exam") == ["Firm 0", "Firm 1", "Firm 2"]
    with customer.service.database.reading() as session:
        after = session.execute(text("SELECT id, updated_at, version FROM accounts")).all()
    assert sorted(after) == sorted(before)


def test_a_rare_text_is_asked_of_the_index_and_a_common_one_of_few_rows(
    customer: Harness,
) -> None:
    database = customer.service.database
    if database.is_sqlite:
        pytest.skip("SQLite reads the rows")
    today = utc_now().date()
    names = [f"Firm {number} 有限公司" for number in range(4000)]
    with database.transaction() as session:
        session.add_all(
            Account(name=name, version=1, created_on=today) for name in ["Qzxwv Foods", *names]
        )
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("VACUUM ANALYZE accounts"))

    def plan(condition: ColumnElement[bool]) -> str:
        found = select(Account.id).where(condition).limit(100)
        query = found.compile(database.engine, compile_kwargs={"literal_binds": True})
        with database.reading() as session:
            return "\n".join(session.scalars(text(f"EXPLAIN {query}".replace(":", "\\:"))))

    for probe in (start("qzxw"), inside("zxwv"), whole("qzxwv foods"), inside("3999")):
        assert "accounts_by_terms" in plan(text_holds(Account, probe)), probe
    for probe in (word("有限"), inside("有限公司"), inside("公")):
        assert "Bitmap" not in plan(text_holds(Account, probe)), probe


@pytest.mark.parametrize("query", ["", " ", "x" * 101, "\0"])
def test_what_cannot_be_looked_for_is_refused(customer: Harness, query: str) -> None:
    answer = customer.as_user().get("/v1/search", query_string={"q": query})
    assert answer.status_code == 422
    assert problem_fields(answer) == ["q"]


_SOME = st.text(st.sampled_from("aAbé 公司华.@-ßı１"), min_size=1, max_size=7).filter(str.strip)


@given(st.lists(_SOME, min_size=1, max_size=6), _SOME)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_it_finds_what_a_look_at_every_row_would(
    kept_customer: Harness, customers: list[str], query: str
) -> None:
    caller = kept_customer.as_user()
    wanted = folded(query)
    letter = len(wanted) == 1 and wanted < "\u2e80"
    with kept_customer.service.database.transaction() as session:
        session.execute(text("DELETE FROM accounts"))
        for name in customers:
            session.add(Account(name=name.strip(), created_on=utc_now().date()))
    expected = [
        name.strip()
        for name in customers
        if (begins_a_word(wanted, folded(name)) if letter else wanted in folded(name))
    ]
    assert sorted(names(caller, query, type="account")) == sorted(expected)
    listed = caller.get("/v1/accounts", query_string={"q": query}).json["items"]
    assert sorted(item["name"] for item in listed) == sorted(expected)


def begins_a_word(letter: str, name: str) -> bool:
    return name.startswith(letter) or any(
        character == letter and letter.isalnum() and (not before.isalnum() or before >= "\u2e80")
        for before, character in pairwise(name)
    )
