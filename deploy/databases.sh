# Run by a test against a real PostgreSQL; the image runs it once, when its data folder is new.
#
# A database for the warehouse with its two roles, and one for Prefect.
set -e
psql --no-psqlrc --set=ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv sluice SLUICE_PASSWORD
\getenv reader READER_PASSWORD
\getenv prefect PREFECT_DB_PASSWORD
CREATE ROLE sluice LOGIN PASSWORD :'sluice';
CREATE ROLE sluice_reader LOGIN PASSWORD :'reader';
GRANT pg_read_all_data TO sluice_reader;
CREATE DATABASE sluice OWNER sluice ENCODING 'UTF8' TEMPLATE template0;
CREATE ROLE prefect LOGIN PASSWORD :'prefect';
CREATE DATABASE prefect OWNER prefect ENCODING 'UTF8' TEMPLATE template0;
-- pg_read_all_data reads every database that it may connect to; Prefect's holds blocks, and the key to their secrets
REVOKE CONNECT ON DATABASE prefect FROM PUBLIC;
SQL
