-- name: configure
-- Session settings of every connection: timestamps in UTC, no statement without an end.
SELECT set_config('TimeZone', 'UTC', false), set_config('statement_timeout', '30s', false),
       set_config('jit', 'off', false);

-- name: ping
-- Does the database answer?
SELECT 1;

-- name: take_migration_lock
-- Two servers that start together migrate one after the other.
SELECT pg_advisory_lock(7420, 3);

-- name: create_migrations
-- The list of applied migrations.
CREATE TABLE IF NOT EXISTS migrations (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: applied_migrations
-- What was applied, in order.
SELECT number, name, sha256 FROM migrations ORDER BY number;

-- name: record_migration
-- Remember an applied migration.
INSERT INTO migrations (number, name, sha256) VALUES (%(number)s, %(name)s, %(sha256)s);
