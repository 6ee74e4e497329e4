"""How often a principal may ask."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crm_chassis.problems import Problem
from crm_gateway.limits import RequestLimits, SignInThrottle, SweptMemory, storage_at
from crm_gateway.testing_harness import StubService, running_gateway, settings_for

ME = "/api/identity/v1/me"
ACCOUNTS = "/api/customer/v1/accounts"


@pytest.mark.parametrize("path", [ME, ACCOUNTS])
def test_one_request_too_many_is_a_429_and_others_are_not_hit(
    tmp_path: Path, service: StubService, service_address: str, path: str
) -> None:
    settings = settings_for(tmp_path, service_address, rate_limit="3/day;1000/month")
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        answers = [admin.get(path) for _ in range(4)]
        assert [answer.status for answer in answers] == [200, 200, 200, 429]
        assert (
            answers[0].headers["RateLimit-Policy"] == '"day";q=3;w=86400, "month";q=1000;w=2592000'
        )
        assert answers[0].headers["RateLimit"].startswith('"day";r=2;t=')
        refused = answers[3]
        assert refused.json()["type"] == "urn:crm:problem:rate-limited"
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        assert '"day";r=0' in refused.headers["RateLimit"]
        assert admin.get(ME if path == ACCOUNTS else ACCOUNTS).status == 429
        made = gateway.sign_in()
        assert made.get(path).status == 429
        assert gateway.call("GET", "/healthz").status == 200


def test_each_principal_has_a_budget_of_its_own() -> None:
    limits = RequestLimits(storage_at("memory://"), "1/minute")
    limits.count("a")
    limits.count("b")
    with pytest.raises(Problem) as refused:
        limits.count("a")
    assert refused.value.status == 429


def test_requests_at_once_get_no_more_than_the_limit() -> None:
    limits = RequestLimits(storage_at("memory://"), "50/hour")
    start = threading.Barrier(8)

    def ask(_: int) -> int:
        start.wait()
        let_through = 0
        for _ in range(20):
            try:
                limits.count("a")
            except Problem:
                continue
            let_through += 1
        return let_through

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(8))) == 50


def test_counts_that_have_expired_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = SweptMemory()
    limits, throttle = RequestLimits(storage, "5/second"), SignInThrottle(storage)
    now = time.time()
    for number in range(100):
        limits.count(f"principal {number}")
        throttle.enter(f"account {number}", "address")
    threads = threading.active_count()
    storage.sweep()
    assert len(storage.expirations) == 100
    monkeypatch.setattr(time, "time", lambda: now + 100_000)
    storage.sweep()
    assert not storage.expirations
    assert not storage.storage
    assert not storage.events
    assert threading.active_count() <= threads
