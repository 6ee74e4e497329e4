#!/usr/bin/env bash
# Restore one service from a folder that backup.sh made, into an empty database.
#
#   DATABASE_URL=postgresql://... [ATTACHMENTS_DIR=...] restore.sh FOLDER/SERVICE/<moment>
#
# The service's own role restores, and so owns what it restores. A database that is not empty is
# refused; with REPLACE=1 what is in it is dropped first. Stop the service's processes before.
set -euo pipefail

usage() { echo "usage: DATABASE_URL=... [ATTACHMENTS_DIR=...] [REPLACE=1] $0 BACKUP" >&2; exit 2; }
[[ $# -eq 1 && -n ${DATABASE_URL:-} ]] || usage
backup=${1%/}
here=$(dirname "$(readlink -f "$0")")
database=${DATABASE_URL/#postgresql+psycopg:/postgresql:}
sql() { psql --dbname="$database" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"; }
told() { sed -nE "s/.*\"$1\": \"?([^\",}]+)\"?.*/\\1/p" "$backup/manifest.json"; }

echo "$(told sha256)  $backup/database.dump" | sha256sum --check --quiet

tables=$(sql --command="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
if [[ $tables -ne 0 ]]; then
    if [[ ${REPLACE:-} != 1 ]]; then
        echo "the database is not empty: REPLACE=1 drops the $tables tables that are in it" >&2
        exit 1
    fi
    sql --output=/dev/null <<'SQL'
SET client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
SQL
fi

# All or nothing, and without the schema, which is there with the database.
list=$(mktemp)
trap 'rm -f "$list"' EXIT
pg_restore --list "$backup/database.dump" | grep -vE ' (SCHEMA|COMMENT) - (public|SCHEMA public) ' >"$list"
pg_restore --dbname="$database" --use-list="$list" --no-owner --no-privileges \
    --single-transaction --exit-on-error "$backup/database.dump"
sql --output=/dev/null --command="ANALYZE"

kept=$(dirname "$backup")/attachments
if [[ -n ${ATTACHMENTS_DIR:-} && -d $kept ]]; then
    "$here/copy-attachments.sh" "$kept" "$ATTACHMENTS_DIR/$(told service)"
fi
echo "$(told service) is as it was at $(told moment)"
