#!/usr/bin/env bash
# Make a server's data folder as it was at a moment: restore-to.sh FOLDER DATA_DIRECTORY [MOMENT]
#
# FOLDER has what base-backup.sh and receive-wal.sh made. Without MOMENT (2026-11-22 01:00:00+00) all
# that is in the log comes back. Start the server on DATA_DIRECTORY then: it reads the log, and takes
# writes once it is there (`SELECT pg_is_in_recovery()` says f).
set -euo pipefail

[[ $# -ge 2 ]] || { echo "usage: $0 FOLDER DATA_DIRECTORY [MOMENT]" >&2; exit 2; }
folder=$(readlink -f "$1") data=$2 moment=${3:-}
[[ ! -e $data || -z $(ls -A "$data") ]] || { echo "$data is not empty" >&2; exit 1; }

# The newest copy that was begun before the moment.
base=
for each in "$folder"/base/*Z; do
    begun=$(basename "$each" | sed -E 's/T(..)(..)(..)Z$/T\1:\2:\3Z/')
    if [[ -z $moment || $(date -d "$begun" +%s) -lt $(date -d "$moment" +%s) ]]; then
        base=$each
    fi
done
[[ -n $base ]] || { echo "no copy in $folder/base is from before ${moment:-now}" >&2; exit 1; }

umask 077
mkdir -p "$data"
cp -a "$base/." "$data/"
{
    # What the receiver was writing when the server went is in the .partial file.
    echo "restore_command = 'cp \"$folder/wal/%f\" \"%p\" || cp \"$folder/wal/%f.partial\" \"%p\"'"
    echo "recovery_target_action = 'promote'"
    echo "synchronous_standby_names = ''"
    [[ -z $moment ]] || echo "recovery_target_time = '$moment'"
} >>"$data/postgresql.auto.conf"
touch "$data/recovery.signal"
echo "$base with the log${moment:+ up to $moment}"
