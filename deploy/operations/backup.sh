#!/usr/bin/env bash
# Back up one service: its database, as of one moment, and its attachments.
#
#   DATABASE_URL=postgresql://... [ATTACHMENTS_DIR=...] backup.sh SERVICE FOLDER
#
# Makes FOLDER/SERVICE/<moment>/ with database.dump and manifest.json, and prints its path. What is
# attached is added to FOLDER/SERVICE/attachments, once for all back-ups: contents never change.
set -euo pipefail

usage() { echo "usage: DATABASE_URL=... [ATTACHMENTS_DIR=...] $0 SERVICE FOLDER" >&2; exit 2; }
[[ $# -eq 2 && -n ${DATABASE_URL:-} ]] || usage
service=$1 folder=$2
here=$(dirname "$(readlink -f "$0")")
database=${DATABASE_URL/#postgresql+psycopg:/postgresql:}

# Before the dump: what is recorded while it is made belongs to the time after it.
moment=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
target=$folder/$service/${moment//:/}
work=$target.part
trap 'rm -rf "$work"' EXIT
umask 077
mkdir -p "$work"

pg_dump --dbname="$database" --format=custom --no-owner --no-privileges --file="$work/database.dump"
# After the dump: a content is written before the row that knows it.
if [[ -n ${ATTACHMENTS_DIR:-} && -d $ATTACHMENTS_DIR/$service ]]; then
    "$here/copy-attachments.sh" "$ATTACHMENTS_DIR/$service" "$folder/$service/attachments"
fi

checksum=$(sha256sum "$work/database.dump" | cut -d' ' -f1)
bytes=$(stat -c %s "$work/database.dump")
finished=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
cat >"$work/manifest.json" <<JSON
{"service": "$service", "moment": "$moment", "finished": "$finished", "bytes": $bytes, "sha256": "$checksum"}
JSON
sync "$work/database.dump" "$work/manifest.json"
mv "$work" "$target"
echo "$target"
