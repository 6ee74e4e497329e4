"""MAP.yaml: what it means, and what is said of one with faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm_client.mapping import MappingError, check_columns, load

WHOLE = """
key: external_id
columns:
  opportunity_id: external_id
  product: [product_id, name]
  成交金额: amount
  deal_stage: stage
constants:
  currency: USD
  source: 1
values:
  product_id:
    GTXPro: GTX Pro
  stage:
    Won: won
    NO: lost
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "deals.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def faults(tmp_path: Path, text: str) -> str:
    with pytest.raises(MappingError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'deals.yaml'}:")
    return "\n".join(caught.value.faults)


def test_a_mapping_as_the_import_api_takes_it(tmp_path):
    assert read(tmp_path, WHOLE).request() == {
        "key": "external_id",
        "columns": {
            "opportunity_id": "external_id",
            "product": ["product_id", "name"],
            "成交金额": "amount",
            "deal_stage": "stage",
        },
        "constants": {"currency": "USD", "source": "1"},
        "values": {"product_id": {"GTXPro": "GTX Pro"}, "stage": {"Won": "won", "NO": "lost"}},
    }


def test_the_key_is_the_external_id_unless_said_otherwise(tmp_path):
    assert read(tmp_path, "columns: {id: external_id}").key == "external_id"
    assert read(tmp_path, "{key: email, columns: {mail: email}}").key == "email"


def test_what_yaml_takes_for_numbers_dates_and_truth_stays_text(tmp_path):
    mapping = read(
        tmp_path,
        "columns: {1996: external_id, on: active, d: name}\n"
        "constants: {created_on: 2026-11-22, region: 010}\n"
        "values: {active: {yes: true, NO: false}}\n",
    )
    assert mapping.columns == {"1996": ["external_id"], "on": ["active"], "d": ["name"]}
    assert mapping.constants == {"created_on": "2026-11-22", "region": "010"}
    assert mapping.values == {"active": {"yes": "true", "NO": "false"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the mapping must be `name: value` lines"),
        ("- a\n- b\n", "line 1: the mapping must be `name: value` lines"),
        ("key: external_id\n", "columns is missing"),
        ("columns:\n", "line 1: columns must be `name: value` lines"),
        ("columns: {a: external_id}\ncolumms: {}\n", "no such section 'columms', did you mean"),
        ("columns: {a: external_id}\nzzz: {}\n", "there are key, columns, constants, values"),
        ("columns: {a: external_id, b: }\n", "line 1: columns.b is empty"),
        ("columns:\n  a: external_id\n  b: {c: d}\n", "line 3: columns.b must be plain text"),
        ("columns:\n  a: external_id\n  a: name\n", "line 3: columns has 'a' twice"),
        ("columns: {a: external_id, b: name, c: name}\n", "field 'name' is filled by more than"),
        ("columns: {a: name}\n", "no column fills the key field 'external_id'"),
        (
            "columns: {a: external_id, b: name}\nconstants: {name: x}\n",
            "field 'name' is filled by a column and by a constant",
        ),
        (
            "columns: {a: external_id}\nvalues: {stage: {x: y}}\n",
            "values.stage: no column fills 'stage'",
        ),
        ("columns: {a: external_id}\nvalues:\n  stage: won\n", "line 3: values.stage must be"),
        ("columns: {a: external_id}\nconstants: {name: [a]}\n", "constants.name must be plain"),
        ("columns: {a: external_id}\nconstants: {name: null}\n", "constants.name is empty"),
        ("columns: {a: external_id\n", "line 2, column 1: is not YAML"),
        ("columns:\n\ta: external_id\n", "line 2, column 1: is not YAML"),
        ("columns: {a: *nobody}\n", "is not YAML: found undefined alias"),
        ("a: \x07\n", "is not YAML"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path, text, said):
    assert said in faults(tmp_path, text)


def test_all_faults_are_named_at_once(tmp_path):
    said = faults(tmp_path, "columms: {}\ncolumns: {a: , b: [x, [y]]}\nvalues: 3\n")
    assert len(said.splitlines()) == 4


def test_a_mapping_in_another_encoding(tmp_path):
    path = tmp_path / "deals.yaml"
    path.write_bytes("columns: {名称: external_id}".encode("gbk"))
    with pytest.raises(MappingError, match="not UTF-8"):
        load(path)


def header_check(tmp_path: Path, content: bytes) -> list[str]:
    path = tmp_path / "deals.csv"
    path.write_bytes(content)
    return check_columns(read(tmp_path, "columns: {编号: external_id, 名称: name}"), path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_columns_that_fill_no_field_are_told(tmp_path, encoding):
    content = '编号,"名称","备注,其他"\r\n1,王芳,x\r\n'.encode(encoding)
    assert header_check(tmp_path, content) == ["备注,其他"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("编号,名 称\n".encode(), "has no column '名称', did you mean '名 称'"),
        ("编号;名称\n".encode(), "its columns: 编号;名称"),
        ("编号,名称,名称\n".encode(), "has column '名称' 2 times"),
        (
            "编号,名称\n".encode("gbk"),
            "is not UTF-8 (byte 0xb1 near its start): save it as CSV UTF-8",
        ),
        (b"", "is empty"),
    ],
)
def test_a_file_that_does_not_fit_is_found_before_it_is_sent(tmp_path, content, said):
    with pytest.raises(MappingError) as caught:
        header_check(tmp_path, content)
    assert said in str(caught.value)
    assert "deals.csv" in str(caught.value)
