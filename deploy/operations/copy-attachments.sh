#!/usr/bin/env bash
# Copy the attachments that are in one folder and not in the other: copy-attachments.sh FROM TO
#
# A content never changes, so one that is there is right; a copy comes under another name first.
set -euo pipefail

[[ $# -eq 2 ]] || { echo "usage: $0 FROM TO" >&2; exit 2; }
from=${1%/} to=${2%/}
mkdir -p "$to"
find "$from" -type f ! -name '*.part' -printf '%P\0' | while IFS= read -r -d '' name; do
    if [[ ! -e $to/$name ]]; then
        mkdir -p "$to/$(dirname "$name")"
        cp --preserve=timestamps "$from/$name" "$to/$name.part"
        mv "$to/$name.part" "$to/$name"
    fi
done
