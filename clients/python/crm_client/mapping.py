"""MAP.yaml: which column of a CSV file fills which field."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from crm_client.files import CSV, content_type_of

DEFAULT_KEY = "external_id"
_SECTIONS = ("key", "columns", "constants", "values")


class MappingError(ValueError):
    """A mapping, or the CSV file it is for, has faults; the text lists every one."""

    def __init__(self, path: Path, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join([f"{path}:", *(f"  {fault}" for fault in self.faults)]))


@dataclass(frozen=True, slots=True)
class Mapping:
    """How the rows of a CSV file become records. Every value is text, as in the file.

    :ivar key: field that says whether a row is a new record or one that is there.
    :ivar columns: column of the file -> the fields it fills.
    :ivar constants: field -> its value in every row.
    :ivar values: field -> what stands in the file -> what is meant by it.
    """

    key: str
    columns: dict[str, list[str]]
    constants: dict[str, str]
    values: dict[str, dict[str, str]]

    def request(self) -> dict[str, object]:
        """The mapping as the import API takes it: a single field is named without a list."""
        columns = {
            column: fields[0] if len(fields) == 1 else fields
            for column, fields in self.columns.items()
        }
        return {
            "key": self.key,
            "columns": columns,
            "constants": self.constants,
            "values": self.values,
        }


def load(path: Path) -> Mapping:
    """Read and check a mapping.

    Scalars are taken as the text that is written: ``NO`` is no, not false.

    :raises MappingError: naming every fault with its line.
    """
    try:
        root = yaml.compose(path.read_text("utf-8-sig"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        raise MappingError(path, [f"is not UTF-8 text ({error.reason})"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise MappingError(path, [f"{where}is not YAML: {error.problem}"]) from None
    except yaml.YAMLError as error:
        raise MappingError(path, [f"is not YAML: {error}"]) from None
    reader = _Reader()
    mapping = reader.mapping(root)
    if reader.faults:
        raise MappingError(path, reader.faults)
    return mapping


def check_columns(mapping: Mapping, csv_path: Path) -> list[str]:
    """Compare a mapping with the header of its file, before anything is sent.

    Of a workbook the platform does that.

    :returns: columns of the file that fill no field.
    :raises MappingError: when a mapped column is missing, or the header cannot be read.
    """
    if content_type_of(csv_path) != CSV:
        return []
    header = _header(csv_path)
    faults = [
        f"has no column {column!r}{_suggestion(column, header)}"
        for column in mapping.columns
        if column not in header
    ]
    faults += [
        f"has column {column!r} {header.count(column)} times"
        for column in mapping.columns
        if header.count(column) > 1
    ]
    if faults:
        raise MappingError(csv_path, [*faults, f"its columns: {', '.join(header)}"])
    return [column for column in header if column not in mapping.columns]


def _header(csv_path: Path) -> list[str]:
    try:
        with csv_path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise MappingError(
            csv_path, [f"is not UTF-8 (byte 0x{wrong:02x} near its start): save it as CSV UTF-8"]
        ) from None
    except csv.Error as error:
        raise MappingError(csv_path, [f"is not CSV: {error}"]) from None
    if not header:
        raise MappingError(csv_path, ["is empty: its first line must name the columns"])
    return header


class _Reader:
    """Turns YAML nodes into a mapping, and collects the faults it meets with their lines."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def mapping(self, root: yaml.Node | None) -> Mapping:
        sections = dict(self._pairs(root, "the mapping"))
        for name in sections.keys() - set(_SECTIONS):
            hint = _suggestion(name, _SECTIONS) or f": there are {', '.join(_SECTIONS)}"
            self._fault(sections[name], f"no such section {name!r}{hint}")
        mapping = Mapping(
            key=self._text(sections["key"], "key") if "key" in sections else DEFAULT_KEY,
            columns=self._columns(sections.get("columns")),
            constants={
                field: self._text(node, f"constants.{field}")
                for field, node in self._section(sections, "constants")
            },
            values={
                field: {
                    given: self._text(node, f"values.{field}.{given}")
                    for given, node in self._pairs(aliases, f"values.{field}")
                }
                for field, aliases in self._section(sections, "values")
            },
        )
        if not self.faults:
            self._check_fields(mapping)
        return mapping

    def _columns(self, node: yaml.Node | None) -> dict[str, list[str]]:
        if node is None:
            self._fault(None, "columns is missing: it names the field for each column of the file")
            return {}
        return {column: self._fields(column, to) for column, to in self._pairs(node, "columns")}

    def _fields(self, column: str, node: yaml.Node) -> list[str]:
        targets = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return [self._text(target, f"columns.{column}") for target in targets]

    def _check_fields(self, mapping: Mapping) -> None:
        fed = [field for fields in mapping.columns.values() for field in fields]
        for field in sorted({field for field in fed if fed.count(field) > 1}):
            self._fault(None, f"field {field!r} is filled by more than one column")
        for field in mapping.constants:
            if field in fed:
                self._fault(None, f"field {field!r} is filled by a column and by a constant")
        for field in mapping.values:
            if field not in fed:
                self._fault(None, f"values.{field}: no column fills {field!r}")
        if mapping.key not in fed:
            self._fault(None, f"no column fills the key field {mapping.key!r}")

    def _section(
        self, sections: dict[str, yaml.Node], name: str
    ) -> Iterator[tuple[str, yaml.Node]]:
        if name in sections:
            yield from self._pairs(sections[name], name)

    def _pairs(self, node: yaml.Node | None, name: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, f"{name} must be `name: value` lines")
            return
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(key, f"{name}: a name must be plain text")
            elif key.value in seen:
                self._fault(key, f"{name} has {key.value!r} twice")
            else:
                seen.add(key.value)
                yield key.value, value

    def _text(self, node: yaml.Node, name: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node, f"{name} must be plain text")
            return ""
        if not node.value or node.tag == "tag:yaml.org,2002:null":
            self._fault(node, f"{name} is empty")
        return str(node.value)

    def _fault(self, node: yaml.Node | None, text: str) -> None:
        line = f"line {node.start_mark.line + 1}: " if node else ""
        self.faults.append(line + text)


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]!r}?" if close else ""
