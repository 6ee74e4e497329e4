#!/usr/bin/env bash
# Run by the image when its volume is new: a database for each service, owned by a role of its own,
# which alone may connect to it.
set -euo pipefail

psql() { command psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" "$@"; }

for service in customer gateway marketing reporting sales service_desk; do
    # \getenv keeps the password out of the command line.
    psql --set name="$service" --set variable="${service^^}_DB_PASSWORD" <<'SQL'
\getenv password :variable
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done

psql <<'SQL'
REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
SQL
