#!/bin/bash
# Runs once, when PostgreSQL is initialised: the owner of the tables and the application role that row-level security holds.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v app="$PONTE_APP_PASSWORD" -v owner="$PONTE_OWNER_PASSWORD" -U postgres <<'SQL'
CREATE ROLE ponte_owner LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'owner';
CREATE ROLE ponte_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE PASSWORD :'app';
CREATE DATABASE ponte OWNER ponte_owner;
SQL
