"""``make images``: an image of each service, or of those named, from this checkout.

``crm/<service>:<version of its pyproject.toml>``, and ``latest``, which docker-compose.yml runs.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "gateway": "gateway",
    "customer": "services/customer",
    "sales": "services/sales",
    "marketing": "services/marketing",
    "service-desk": "services/service-desk",
    "reporting": "services/reporting",
}


def version(service: str) -> str:
    """The version of a service, by its package."""
    package = tomllib.loads((ROOT / FOLDERS[service] / "pyproject.toml").read_text())
    return str(package["project"]["version"])


def revision() -> str:
    """The commit that is checked out."""
    command = ["git", "rev-parse", "HEAD"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - no one else's words
    return found.stdout.strip() or "unknown"


def build(service: str) -> None:
    """:raises subprocess.CalledProcessError: it cannot be built; docker has said why."""
    command = [
        *("docker", "build", "--file", f"{FOLDERS[service]}/Dockerfile"),
        *("--build-arg", f"VERSION={version(service)}", "--build-arg", f"REVISION={revision()}"),
        *("--tag", f"crm/{service}:{version(service)}", "--tag", f"crm/{service}:latest"),
        ".",
    ]
    print(f"crm/{service}:{version(service)}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603 - no one else's words


def main(services: Sequence[str]) -> int:
    """:returns: the exit status."""
    unknown = set(services) - FOLDERS.keys()
    if unknown:
        print(f"No such service: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    for service in services or FOLDERS:
        try:
            build(service)
        except subprocess.CalledProcessError as error:
            return int(error.returncode)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
