"""``crm import`` and ``crm export``."""

from __future__ import annotations

import csv
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from crm_client import exports, imports, resources
from crm_client import mapping as mappings
from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.cli.reads import Resource, filter_option, query_of
from crm_client.client import Client
from crm_client.errors import CrmError
from crm_client.files import CSV, content_type_of
from crm_client.imports import ImportJob, RowError

ERRORS_SHOWN = 20
ROWS_FAILED = 3
INTERRUPTED = 130

existing_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("resource", type=Resource(), required=False)
@click.argument("file", type=existing_file, required=False)
@click.option("--map", "map_path", type=existing_file, help="Which column fills which field.")
@click.option("--dry-run", is_flag=True, help="Check every row and change nothing.")
@click.option("--no-wait", is_flag=True, help="Send the file and leave.")
@click.option("--resume", metavar="JOB_ID", help="Go on with an import that was left.")
@click.option(
    "--errors",
    "errors_path",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write every error to this CSV file.",
)
@signed_in
def import_(
    client: Client,
    resource: str | None,
    file: Path | None,
    map_path: Path | None,
    dry_run: bool,
    no_wait: bool,
    resume: str | None,
    errors_path: Path | None,
) -> None:
    """Import the rows of FILE as RESOURCE; rows that are there already are changed.

    FILE is CSV in UTF-8, or a workbook that ends in .xlsx.

    \b
    crm import leads LEADS.csv --map LEADS.yaml --dry-run
    crm import --resume JOB_ID              watch an import that goes on
    crm import leads LEADS.csv --resume JOB_ID      send its file again
    """
    job = _resumed(client, resume, resource) if resume else None
    if job is None:
        if not (resource and file and map_path):
            raise click.UsageError("Say RESOURCE, FILE and --map MAP.yaml, or --resume JOB_ID.")
        job = _announced(client, resource, file, map_path, dry_run)
    if job.state == "uploading":
        job = _sent(client, job, file)
    if no_wait:
        click.echo(f"Import {job.id} is {job.state}. Watch it: crm import --resume {job.id}")
        return
    job = _watched(client, job)
    _report(client, job, errors_path)


def _resumed(client: Client, job_id: str, resource: str | None) -> ImportJob:
    if resource is None:
        return imports.find(client, job_id)
    return imports.get(client, resources.split(resource)[0], job_id)


def _announced(
    client: Client, resource: str, file: Path, map_path: Path, dry_run: bool
) -> ImportJob:
    try:
        mapping = mappings.load(map_path)
        ignored = mappings.check_columns(mapping, file)
    except mappings.MappingError as error:
        raise click.UsageError(str(error)) from None
    if ignored:
        click.echo(f"Columns not imported: {', '.join(ignored)}", err=True)
    return imports.create(client, resource, file.name, mapping, dry_run=dry_run)


def _sent(client: Client, job: ImportJob, file: Path | None) -> ImportJob:
    resource = f"{job.service}/{job.resource}"
    again = shlex.join(["crm", "import", resource, str(file or job.filename), "--resume", job.id])
    if file is None:
        raise click.UsageError(f"The import waits for its file. Send it: {again}")
    if file.name != job.filename:
        raise click.UsageError(f"The import {job.id} is of {job.filename}, not of {file.name}.")
    try:
        with _progress(DownloadColumn()) as progress:
            bar = progress.add_task("Sending", total=file.stat().st_size)
            return imports.upload(
                client, job, file, lambda sent: progress.update(bar, completed=sent)
            )
    except KeyboardInterrupt:
        _leave(f"The file was not sent to its end. Send it again: {again}")
    except CrmError as error:
        raise click.ClickException(f"{error}\nSend the file again: {again}") from error


def _watched(client: Client, job: ImportJob) -> ImportJob:
    resume = f"crm import --resume {job.id}"
    try:
        with _progress(MofNCompleteColumn()) as progress:
            bar = progress.add_task("Importing", total=None)
            for now in imports.watch(client, job):
                job = now
                progress.update(
                    bar,
                    description="Checking" if job.dry_run else "Importing",
                    total=job.rows_total or None,
                    completed=job.rows_done,
                )
    except KeyboardInterrupt:
        _leave(f"The import goes on at the platform. Watch it: {resume}")
    except CrmError as error:
        raise click.ClickException(
            f"{error}\nThe import goes on when the platform is back. Watch it: {resume}"
        ) from error
    return job


def _leave(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(INTERRUPTED)


def _report(client: Client, job: ImportJob, errors_path: Path | None) -> None:
    if job.state == "failed":
        raise click.ClickException(f"The import failed: {job.detail}")
    done = "checked, nothing was changed" if job.dry_run else "done"
    counts = (
        f"{job.created} created, {job.changed} changed,"
        f" {job.unchanged} unchanged, {job.failed} failed"
    )
    click.echo(f"{job.filename}: {job.rows_done} rows {done}: {counts}.")
    if not job.failed:
        return
    found = imports.errors(client, job)
    first = list(islice(found, ERRORS_SHOWN))
    output.rows([asdict(error) for error in first], [field.name for field in fields(RowError)])
    if errors_path:
        _write_errors(chain(first, found), errors_path)
        click.echo(f"Every error is in {errors_path}.")
    elif next(found, None):
        click.echo(f"There are more; all of them: crm import --resume {job.id} --errors ERRORS.csv")
    sys.exit(ROWS_FAILED)


def _write_errors(found: Iterable[RowError], path: Path) -> None:
    # The byte order mark tells Excel that this is UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(RowError))
        writer.writerows(asdict(error).values() for error in found)


@click.command()
@click.argument("resource", type=Resource())
@click.option(
    "--to",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; standard output without it.",
)
@filter_option
@signed_in
def export(
    client: Client, resource: str, path: Path | None, filters: tuple[tuple[str, str], ...]
) -> None:
    """Export a RESOURCE as CSV, or as .xlsx. The file appears only when it is complete."""
    content_type = content_type_of(path) if path else CSV
    blocks = exports.stream(client, resource, query_of(filters), content_type)
    if path is None:
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return
    if not os.access(path.parent, os.W_OK):
        raise click.UsageError(f"{path.parent} cannot be written to.")
    with _progress(DownloadColumn()) as progress:
        bar = progress.add_task("Exporting", total=None)
        exports.write(_counted(blocks, progress, bar), path)
    click.echo(f"Exported {resource} to {path}.")


def _counted(blocks: Iterable[bytes], progress: Progress, bar: TaskID) -> Iterator[bytes]:
    for block in blocks:
        yield block
        progress.advance(bar, len(block))


@contextmanager
def _progress(amount: ProgressColumn) -> Iterator[Progress]:
    """A bar on the terminal; nothing where standard error goes elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield progress
