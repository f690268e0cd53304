-- name: dumped_tables
-- Our tables that there are, with their columns and the tables that they refer to.
SELECT c.relname,
       array_agg(a.attname::text ORDER BY a.attnum),
       ARRAY(SELECT DISTINCT r.relname::text
               FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
              WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid
              ORDER BY 1)
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     AND a.attgenerated = ''
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
   AND c.relname = ANY(%(names)s)
 GROUP BY c.oid, c.relname
 ORDER BY c.relname;

-- name: dumped_sequences
-- Sequences that belong to these tables.
SELECT DISTINCT s.relname::text
  FROM pg_class s
  JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
                  AND d.deptype IN ('a', 'i')
  JOIN pg_class t ON t.oid = d.refobjid
 WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace
   AND t.relname = ANY(%(names)s)
 ORDER BY 1;

-- name: dump_moment
-- When this transaction sees the database.
SELECT extract(epoch FROM now())::double precision;

-- name: has_migrations
-- Whether the list of migrations is there.
SELECT to_regclass('migrations') IS NOT NULL;

-- name: lock_against_leaders
-- Until this connection ends nobody leads; false while somebody does.
SELECT pg_try_advisory_lock(7420, 2);

-- name: begin_load
-- Rows go into tables that nobody else holds.
SET LOCAL lock_timeout = '60s';

-- name: place_counts
-- How many tasks there are, and users that are not these.
SELECT (SELECT count(*) FROM tasks),
       ARRAY(SELECT name FROM users WHERE name <> ALL(%(users)s) ORDER BY name LIMIT 20);

-- name: next_term
-- No former leader's number is given again.
UPDATE leadership SET term = greatest(term, %(term)s::bigint) + 1, holder = '';

-- name: highest_term
-- The number of the last leader.
SELECT max(term) FROM leadership;

-- name: keep_users
-- What a platform brought along where it stands: nodes and their groups, the first users and their
-- tokens, and the rows that go with them.
CREATE TEMPORARY TABLE kept_users ON COMMIT DROP AS
    SELECT * FROM users WHERE name = ANY(%(users)s);

-- name: keep_tokens
-- Tokens of those users.
CREATE TEMPORARY TABLE kept_tokens ON COMMIT DROP AS
    SELECT * FROM tokens WHERE user_name = ANY(%(users)s);

-- name: keep_nodes
-- The nodes of the place.
CREATE TEMPORARY TABLE kept_nodes ON COMMIT DROP AS TABLE nodes;

-- name: keep_groups
-- Their groups.
CREATE TEMPORARY TABLE kept_groups ON COMMIT DROP AS TABLE groups;

-- name: keep_quotas
-- What may be used of them.
CREATE TEMPORARY TABLE kept_quotas ON COMMIT DROP AS TABLE quotas;

-- name: keep_allowances
-- Other allowances.
CREATE TEMPORARY TABLE kept_allowances ON COMMIT DROP AS TABLE allowances;

-- name: keep_images
-- Images that the place has.
CREATE TEMPORARY TABLE kept_images ON COMMIT DROP AS TABLE images;

-- name: keep_storage
-- Folders that the place has.
CREATE TEMPORARY TABLE kept_storage ON COMMIT DROP AS TABLE storage;

-- name: forget_nodes
-- Nodes belong to a place.
DELETE FROM nodes;

-- name: forget_timebase
-- A boot of another machine.
DELETE FROM timebase;

-- name: end_pause
-- Whoever took the old place down is done.
UPDATE pause SET is_on = false, renewals = renewals + 1;

-- name: put_back_nodes
-- The nodes of this place.
INSERT INTO nodes TABLE kept_nodes;

-- name: put_back_groups
-- Groups that only this place has.
INSERT INTO groups TABLE kept_groups ON CONFLICT DO NOTHING;

-- name: put_back_users
-- Users that only this place has.
INSERT INTO users TABLE kept_users ON CONFLICT DO NOTHING;

-- name: put_back_roles
-- Who looks after this place may go on doing so, as the account that they have here.
UPDATE users u
   SET role = CASE WHEN k.role = 'admin' THEN k.role ELSE u.role END,
       active = u.active OR k.role = 'admin', uid = coalesce(k.uid, u.uid)
  FROM kept_users k WHERE k.name = u.name;

-- name: put_back_tokens
-- This place's own tokens are good still.
INSERT INTO tokens TABLE kept_tokens ON CONFLICT DO NOTHING;

-- name: put_back_quotas
-- Of groups for which nothing was set.
INSERT INTO quotas SELECT * FROM kept_quotas k
 WHERE NOT EXISTS (SELECT FROM quotas q WHERE q.group_name = k.group_name)
ON CONFLICT DO NOTHING;

-- name: put_back_allowances
-- Of owners for whom nothing was set.
INSERT INTO allowances SELECT * FROM kept_allowances k
 WHERE NOT EXISTS (SELECT FROM allowances a WHERE a.owner = k.owner)
ON CONFLICT DO NOTHING;

-- name: put_back_images
-- Images that only this place has.
INSERT INTO images TABLE kept_images ON CONFLICT DO NOTHING;

-- name: put_back_storage
-- Folders that only this place has.
INSERT INTO storage TABLE kept_storage ON CONFLICT DO NOTHING;
