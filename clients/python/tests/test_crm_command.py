"""The `crm` command as a person or a script meets it."""

from __future__ import annotations

import csv
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from crm_client.cli import main

pytestmark = pytest.mark.usefixtures("settings_folder")

MAP = "columns:\n  编号: external_id\n  姓名: name\n"
ROW_ERRORS = [
    {"row": 2, "column": "姓名", "field": "name", "value": "", "detail": "必填 Missing."},
    {"row": 3, "column": "姓名", "field": "name", "value": "[b]x\x1b[2J", "detail": "No."},
]


@pytest.fixture
def crm():
    def run(*args: str, **more):
        return CliRunner().invoke(main, list(args), **more)

    return run


@pytest.fixture
def leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("leads.yaml").write_text(MAP, "utf-8")
    Path("leads.csv").write_text("编号,姓名,备注\n1,王芳,\n2,李娜,\n3,José,\n", "utf-8")
    return tmp_path


def run_import(crm, *more: str):
    return crm("import", "leads", "leads.csv", "--map", "leads.yaml", *more)


# --- signing in


def test_login_with_a_password_that_is_asked_for(platform, crm, settings_folder):
    done = crm("login", platform.url, "--email", "li.na@example.com", input="正确的马\n")
    assert done.exit_code == 0, done.output
    assert "正确的马" not in done.output
    assert stat.S_IMODE((settings_folder / "tokens.json").stat().st_mode) == 0o600

    platform.replies["GET /api/identity/v1/me"] = platform.json(
        {"name": "李娜", "roles": ["sales_rep", "agent"], "team_id": None}
    )
    shown = crm("whoami")
    assert shown.exit_code == 0, shown.output
    assert "李娜" in shown.output
    assert "sales_rep, agent" in shown.output


def test_login_of_an_api_client_from_the_environment(platform, crm):
    env = {"CRM_URL": platform.url, "CRM_CLIENT_ID": "erp", "CRM_CLIENT_SECRET": "s3cret"}
    assert crm("login", env=env).exit_code == 0
    assert crm("list", "leads").exit_code == 0


def test_a_wrong_password_is_one_line(platform, crm):
    failed = crm("login", platform.url, "--email", "a@b.c", "--password", "no")
    assert failed.exit_code == 1
    assert "Error: 401 Unauthorized: Wrong email or password." in failed.output
    assert "Traceback" not in failed.output


def test_credentials_in_the_environment_leave_nothing_behind(
    platform, crm, signed_in, settings_folder
):
    assert crm("list", "leads").exit_code == 0
    assert not settings_folder.exists()


def test_without_a_sign_in_it_says_how(crm):
    failed = crm("list", "leads")
    assert failed.exit_code == 2
    assert "crm login URL" in failed.output


def test_logout_forgets(platform, crm):
    crm("login", platform.url, "--email", "li.na@example.com", "--password", "正确的马")
    assert crm("logout").exit_code == 0
    assert len(platform.revoked) == 1
    assert crm("list", "leads").exit_code == 2


# --- reading


def test_get_prints_json_with_its_own_script(platform, crm, signed_in):
    platform.replies["GET /api/customer/v1/accounts/7"] = platform.json({"name": "联想"})
    shown = crm("get", "api/customer/v1/accounts/7", "--param", "fields=name")
    assert json.loads(shown.stdout) == {"name": "联想"}
    assert "联想" in shown.stdout
    assert platform.asked("GET", "/api/customer/v1/accounts/7")[0].query == [("fields", "name")]


def test_a_list_as_table_and_as_json(platform, crm, signed_in):
    platform.leads = [
        {"id": str(n), "name": "王芳", "status": "new", "email": None} for n in range(30)
    ]
    table = crm("list", "leads", "--filter", "status=new", "--limit", "2")
    assert "email" not in table.stdout
    assert table.stdout.count("王芳") == 2
    assert "More than 2" in table.stderr

    lines = crm("list", "leads", "--limit", "0", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [str(n) for n in range(30)]

    chosen = crm("list", "leads", "--columns", "id,email")
    assert "email" in chosen.stdout
    assert "王芳" not in chosen.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("list", "leeds"), "none of accounts"),
        (("list", "leads", "--filter", "status"), "not of the form name=value"),
        (("import", "leads"), "Say RESOURCE, FILE and --map"),
        (("parked", "redrive", "sales"), "Name the events by their IDs, or by --type"),
        (("parked", "discard", "sales", "1"), "--reason"),
    ],
)
def test_wrong_usage_is_explained(crm, signed_in, args, said):
    failed = crm(*args)
    assert failed.exit_code == 2
    assert said in failed.output


def test_kpis_and_a_kpi(platform, crm, signed_in):
    path = "/api/reporting/v1/kpis"
    platform.replies[f"GET {path}"] = platform.page([{"name": "win_rate", "unit": "ratio"}])
    assert "win_rate" in crm("kpis").stdout

    platform.replies[f"GET {path}/win_rate"] = platform.json(
        {
            "kpi": "win_rate",
            "rows": [
                {
                    "period": "2022-09",
                    "member": {"id": "018f3a1e-0000-7000-8000-000000000001", "name": "北区"},
                    "value": 0.25,
                    "components": {"won_count": 1, "lost_count": 3},
                }
            ],
        }
    )
    query = ("--from", "2022-09-01", "--to", "2022-09-30", "--grain", "month", "--by", "team")
    shown = crm("kpi", "win_rate", *query, "--filter", "product=GTX")
    assert shown.stdout.split()[-3:] == ["2022-09", "北区", "0.25"]
    assert platform.asked("GET", f"{path}/win_rate")[0].query == [
        ("from", "2022-09-01"),
        ("to", "2022-09-30"),
        ("grain", "month"),
        ("by", "team"),
        ("product", "GTX"),
    ]


def test_data_cannot_steer_the_terminal(platform, crm, signed_in):
    platform.leads = [{"id": "1", "status": "new", "name": "[red]x\x1b[2J\x07"}]
    shown = crm("list", "leads").stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]x" in shown


# --- import


def test_an_import_that_went_well(platform, crm, signed_in, leads):
    done = run_import(crm)
    assert done.exit_code == 0, done.output
    assert "leads.csv: 3 rows done: 3 created, 0 changed, 0 unchanged, 0 failed." in done.stdout
    assert "Columns not imported: 备注" in done.stderr
    (announced,) = platform.asked("POST", "/api/sales/v1/imports")
    assert announced.json() == {
        "resource": "leads",
        "filename": "leads.csv",
        "dry_run": False,
        "key": "external_id",
        "columns": {"编号": "external_id", "姓名": "name"},
        "constants": {},
        "values": {},
    }
    assert platform.uploads[0].content == Path("leads.csv").read_bytes()


def test_a_dry_run_says_that_nothing_was_changed(platform, crm, signed_in, leads):
    done = run_import(crm, "--dry-run")
    assert "3 rows checked, nothing was changed" in done.stdout
    assert platform.asked("POST", "/api/sales/v1/imports")[0].json()["dry_run"] is True


def test_failed_rows_are_shown_written_and_in_the_exit_code(platform, crm, signed_in, leads):
    platform.row_errors = ROW_ERRORS
    failed = run_import(crm, "--errors", "errors.csv")
    assert failed.exit_code == 3
    assert "2 failed" in failed.stdout
    assert "必填 Missing." in failed.stdout
    assert "[b]x" in failed.stdout
    assert "\x1b" not in failed.stdout
    with Path("errors.csv").open(encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert [{**row, "row": int(row["row"])} for row in written] == ROW_ERRORS


def test_many_errors_are_cut_on_screen_but_not_in_the_file(platform, crm, signed_in, leads):
    platform.row_errors = [{**ROW_ERRORS[0], "row": n} for n in range(2, 62)]
    failed = run_import(crm)
    assert failed.stdout.count("必填") == 20
    (job_id,) = platform.jobs
    assert f"crm import --resume {job_id} --errors ERRORS.csv" in failed.stdout

    again = crm("import", "--resume", job_id, "--errors", "errors.csv")
    assert again.exit_code == 3
    assert len(Path("errors.csv").read_text("utf-8-sig").splitlines()) == 61


def test_a_job_that_failed_as_a_whole(platform, crm, signed_in, leads):
    run_import(crm, "--no-wait")
    (job,) = platform.jobs.values()
    job |= {"state": "failed", "detail": "The disk is full."}
    failed = crm("import", "--resume", job["id"])
    assert failed.exit_code == 1
    assert "The import failed: The disk is full." in failed.output


def test_no_wait_leaves_and_resume_watches_to_the_end(platform, crm, signed_in, leads):
    left = run_import(crm, "--no-wait")
    assert left.exit_code == 0
    (job_id,) = platform.jobs
    assert f"crm import --resume {job_id}" in left.stdout
    assert platform.jobs[job_id]["state"] == "queued"

    done = crm("import", "--resume", job_id)
    assert done.exit_code == 0, done.output
    assert "3 created" in done.stdout
    assert len(platform.jobs) == len(platform.uploads) == 1


def test_an_interrupted_upload_is_sent_again(platform, crm, signed_in, leads):
    platform.cut_uploads = 99
    Path("leads.csv").write_text("编号,姓名\n" + "1,王芳\n" * 20_000, "utf-8")
    failed = run_import(crm)
    assert failed.exit_code == 1
    (job_id,) = platform.jobs
    again = f"crm import sales/leads leads.csv --resume {job_id}"
    assert again in failed.output

    assert again in crm("import", "--resume", job_id).output

    platform.cut_uploads = 0
    done = crm(*again.split()[1:])
    assert done.exit_code == 0, done.output
    assert len(platform.jobs) == len(platform.uploads) == 1
    assert platform.uploads[0].size == Path("leads.csv").stat().st_size


def test_another_file_is_not_sent_into_a_job(platform, crm, signed_in, leads):
    platform.cut_uploads = 99
    run_import(crm)
    (job_id,) = platform.jobs
    Path("other.csv").write_text("编号,姓名\n")
    failed = crm("import", "leads", "other.csv", "--resume", job_id)
    assert failed.exit_code == 2
    assert "is of leads.csv, not of other.csv" in failed.output


def test_a_broken_mapping_sends_nothing(platform, crm, signed_in, leads):
    Path("leads.yaml").write_text("columns:\n  编号: external_id\n  姓 名: name\n", "utf-8")
    failed = run_import(crm)
    assert failed.exit_code == 2
    assert "leads.csv:\n  has no column '姓 名', did you mean '姓名'?" in failed.output
    assert platform.jobs == {}


def test_a_refused_import_names_every_field(platform, crm, signed_in, leads):
    errors = [{"field": "nmae", "detail": "leads have no such field."}]
    platform.fail_next("POST .*/imports", platform.problem(422, errors=errors))
    failed = run_import(crm)
    assert failed.exit_code == 1
    assert "nmae: leads have no such field." in failed.output


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_leaves_the_import_running_and_says_how_to_come_back(platform, signed_in, leads):
    platform.polls_to_finish = 1_000_000
    command = [sys.executable, "-c", "from crm_client.cli import main; main()"]
    process = subprocess.Popen(
        [*command, "import", "leads", "leads.csv", "--map", "leads.yaml"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert platform.polled.wait(30)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    (job_id,) = platform.jobs
    assert f"The import goes on at the platform. Watch it: crm import --resume {job_id}" in said
    assert "Traceback" not in said
    assert platform.jobs[job_id]["state"] == "running"


# --- export


def test_an_export_to_a_file_and_to_a_pipe(platform, crm, signed_in, tmp_path):
    content = "id,name\r\n1,王芳\r\n".encode()
    platform.replies["GET /api/customer/v1/exports/contacts"] = platform.stream(
        lambda: iter([content])
    )
    target = tmp_path / "contacts.csv"
    assert crm("export", "contacts", "--to", str(target), "--filter", "level=A").exit_code == 0
    assert target.read_bytes() == content
    assert platform.asked("GET", "/api/customer/v1/exports/contacts")[0].query == [("level", "A")]
    assert crm("export", "contacts").stdout_bytes == content


def test_a_refused_export_leaves_no_file(platform, crm, signed_in, tmp_path):
    platform.replies["GET /api/customer/v1/exports/contacts"] = platform.problem(403)
    failed = crm("export", "contacts", "--to", str(tmp_path / "contacts.csv"))
    assert failed.exit_code == 1
    assert "403 Forbidden" in failed.output
    assert not list(tmp_path.glob("*contacts*"))


# --- parked events

PARKED = "/api/reporting/v1/events/parked"


def test_parked_events_are_listed_with_their_reasons(platform, crm, signed_in):
    platform.replies[f"GET {PARKED}"] = platform.page([{"id": "e1", "reason": "No such stage."}])
    assert "No such stage." in crm("parked", "list", "reporting").stdout
    assert ("state", "parked") in platform.asked("GET", PARKED)[0].query


def test_named_events_are_redriven(platform, crm, signed_in):
    for event in ("e1", "e2"):
        platform.replies[f"POST {PARKED}/{event}/redrive"] = platform.json({}, 202)
    done = crm("parked", "redrive", "reporting", "e1", "e2")
    assert done.exit_code == 0, done.output
    assert done.stdout.split() == ["e1", "done", "e2", "done"]
    assert platform.asked("POST", f"{PARKED}/e2/redrive")


def test_the_gateways_own_parked_events_are_settled_too(platform, crm, signed_in):
    path = "/api/identity/v1/events/parked"
    platform.replies[f"GET {path}"] = platform.page([{"id": "e1", "reason": "No such team."}])
    platform.replies[f"POST {path}/e1/redrive"] = platform.json({})
    assert "No such team." in crm("parked", "list", "gateway").stdout
    assert crm("parked", "redrive", "gateway", "e1").exit_code == 0


def test_all_parked_events_are_discarded_for_a_reason(platform, crm, signed_in):
    answers = iter(
        [
            {"done": 100, "failed": [], "next_cursor": "e100"},
            {"done": 7, "failed": [], "next_cursor": None},
        ]
    )
    platform.replies[f"POST {PARKED}/discard"] = lambda _: platform.json(next(answers))
    done = crm("parked", "discard", "reporting", "--all", "--reason", "测试数据")
    assert done.stdout.splitlines() == ["100 done", "107 done"]
    first, second = (each.json() for each in platform.asked("POST", f"{PARKED}/discard"))
    assert first == {"reason": "测试数据", "all": True}
    assert second == {**first, "cursor": "e100"}


def test_parked_events_are_chosen_by_type_and_handler(platform, crm, signed_in):
    answer = {"done": 1, "failed": [], "next_cursor": None}
    platform.replies[f"POST {PARKED}/redrive"] = platform.json(answer)
    crm("parked", "redrive", "reporting", "--type", "t", "--handler", "h")
    (asked,) = platform.asked("POST", f"{PARKED}/redrive")
    assert asked.json() == {"type": "t", "handler": "h"}


def test_an_event_that_still_cannot_be_handled_is_told(platform, crm, signed_in):
    why = "It still cannot be handled: KeyError: 'stage'"
    answer = {"done": 1, "failed": [{"id": "e1", "detail": why}], "next_cursor": None}
    platform.replies[f"POST {PARKED}/redrive"] = platform.json(answer)
    failed = crm("parked", "redrive", "reporting", "--all")
    assert failed.exit_code == 1
    assert failed.stdout.split() == ["1", "done"]
    assert f"e1 not done: {why}" in failed.stderr
    assert "1 of 2 events stay as they are" in failed.stderr


def test_a_named_event_that_is_settled_does_not_stop_the_others(platform, crm, signed_in):
    why = "The event is not parked any more: it is redriven."
    platform.replies[f"POST {PARKED}/e1/redrive"] = platform.problem(409, why)
    platform.replies[f"POST {PARKED}/e2/redrive"] = platform.json({})
    failed = crm("parked", "redrive", "reporting", "e1", "e2")
    assert failed.exit_code == 1
    assert failed.stdout.split() == ["e2", "done"]
    assert f"e1 not done: {why}" in failed.stderr


# --- administrative acts


def test_acts_of_all_services_come_newest_first(platform, crm, signed_in):
    told = {
        "identity": [{"at": "2026-02-03T00:00:00Z", "act": "role.change"}],
        "sales": [
            {"at": "2026-02-04T00:00:00Z", "act": "events.discard"},
            {"at": "2026-02-01T00:00:00Z", "act": "settings.change"},
        ],
    }
    for service in ("customer", "marketing", "service-desk", "reporting"):
        platform.replies[f"GET /api/{service}/v1/administrative-acts"] = platform.problem(403)
    for service, acts in told.items():
        platform.replies[f"GET /api/{service}/v1/administrative-acts"] = platform.page(acts)
    shown = crm("acts", "--since", "2026-01-01T00:00:00Z", "--json")
    assert shown.exit_code == 0, shown.output
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [(act["service"], act["act"]) for act in found] == [
        ("sales", "events.discard"),
        ("gateway", "role.change"),
        ("sales", "settings.change"),
    ]
    assert "marketing: " in shown.stderr
    (asked,) = platform.asked("GET", "/api/sales/v1/administrative-acts")
    assert ("since", "2026-01-01T00:00:00Z") in asked.query
