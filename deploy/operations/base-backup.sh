#!/usr/bin/env bash
# Copy a whole PostgreSQL server, as the beginning of point-in-time recovery: base-backup.sh FOLDER
#
# PGHOST, PGPORT, PGUSER and PGPASSWORD name a role with REPLICATION. Makes FOLDER/base/<moment>/.
# The log since then comes by receive-wal.sh.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "usage: $0 FOLDER" >&2; exit 2; }
target=$1/base/$(date -u +%Y-%m-%dT%H%M%SZ)
work=$target.part
trap 'rm -rf "$work"' EXIT
umask 077
mkdir -p "$1/base"
pg_basebackup --pgdata="$work" --wal-method=stream --checkpoint=fast --no-password
pg_verifybackup --quiet "$work"
mv "$work" "$target"
echo "$target"
