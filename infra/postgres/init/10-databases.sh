#!/usr/bin/env bash
# A role and a database for each service that a password is kept for in the folder $PASSWORDS; a role sees its own database
# and no other. The model service has a role without a database; the warehouse's migrations say which tables it may use.
# The Postgres image runs this on an empty data folder, and ../start at each later start, as the embedded stack does: what
# is there stays, with the password that is kept now.
set -euo pipefail

query() {
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres "$@"
}

# set_password ROLE FILE
set_password() {
  # through the environment: an argument would show in the process list
  SERVICE="$1" SERVICE_PASSWORD="$(cat "$2")" query <<'SQL'
\getenv service SERVICE
\getenv password SERVICE_PASSWORD
SELECT format('CREATE ROLE %I LOGIN', :'service') WHERE to_regrole(quote_ident(:'service')) IS NULL \gexec
ALTER ROLE :"service" PASSWORD :'password';
SQL
}

create_database() {
  SERVICE="$1" query <<'SQL'
\getenv service SERVICE
SELECT format('CREATE DATABASE %I OWNER %I', :'service', :'service')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'service') \gexec
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
}

for service in prefect mlflow warehouse serving; do
  if [ -e "$PASSWORDS/$service" ]; then
    set_password "$service" "$PASSWORDS/$service"
    [ "$service" = serving ] || create_database "$service"
  fi
done
[ ! -e "$PASSWORDS/postgres" ] || set_password "${POSTGRES_USER:-postgres}" "$PASSWORDS/postgres"

if [ -e "$PASSWORDS/serving" ] && [ -e "$PASSWORDS/warehouse" ]; then
  query --command 'GRANT CONNECT, TEMPORARY ON DATABASE warehouse TO serving'
fi
query --command 'REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC'
