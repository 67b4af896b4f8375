#!/usr/bin/env bash
# A role and a database for each service that a password is given for; a role sees its own database and no other. The
# model service has a role without a database: the warehouse's migrations say what it may do there.
# The Postgres image runs this once, on an empty data folder; the embedded stack runs the same file.
set -euo pipefail

query() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres "$@"
}

create_role() {
  # through the environment: an argument would show in the process list
  SERVICE="$1" SERVICE_PASSWORD="$2" query <<'SQL'
\getenv service SERVICE
\getenv password SERVICE_PASSWORD
CREATE ROLE :"service" LOGIN PASSWORD :'password';
SQL
}

create_service_database() {
  create_role "$@"
  SERVICE="$1" query <<'SQL'
\getenv service SERVICE
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
}

[ -z "${PREFECT_DB_PASSWORD:-}" ] || create_service_database prefect "$PREFECT_DB_PASSWORD"
[ -z "${MLFLOW_DB_PASSWORD:-}" ] || create_service_database mlflow "$MLFLOW_DB_PASSWORD"
[ -z "${WAREHOUSE_DB_PASSWORD:-}" ] || create_service_database warehouse "$WAREHOUSE_DB_PASSWORD"
[ -z "${SERVING_DB_PASSWORD:-}" ] || create_role serving "$SERVING_DB_PASSWORD"

query --command 'REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC'
