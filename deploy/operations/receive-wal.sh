#!/usr/bin/env bash
# Keep a server's write-ahead log as it is written, until told to stop: receive-wal.sh FOLDER [SLOT]
#
# PGHOST, PGPORT, PGUSER and PGPASSWORD name a role with REPLICATION. Writes into FOLDER/wal. With
# `synchronous_standby_names = 'crm_wal'` at the server a commit waits until it is here as well, and
# nothing that was ever confirmed is lost with the server.
set -euo pipefail

[[ $# -ge 1 ]] || { echo "usage: $0 FOLDER [SLOT]" >&2; exit 2; }
folder=$1/wal slot=${2:-crm_wal}
umask 077
mkdir -p "$folder"
pg_receivewal --directory="$folder" --slot="$slot" --create-slot --if-not-exists --no-password
exec env PGAPPNAME=crm_wal pg_receivewal --directory="$folder" --slot="$slot" --synchronous --no-password
