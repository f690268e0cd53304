-- name: add_user
-- A new user with an event; no row when the name is taken.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), added AS (
    INSERT INTO users (name, role, uid, active, created_at, gid, nick_name, team)
    SELECT %(name)s, %(role)s, %(uid)s::bigint, %(active)s::boolean,
           %(created_at)s::timestamptz, %(gid)s::bigint, %(nick_name)s, %(team)s
      FROM locked
        ON CONFLICT DO NOTHING
    RETURNING name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM added CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT name FROM added;

-- name: user
-- One user.
SELECT name, role, uid, active, created_at, gid, nick_name, team, groups
  FROM users_with_groups WHERE name = %(name)s;

-- name: users
-- All users by name.
SELECT name, role, uid, active, created_at, gid, nick_name, team, groups
  FROM users_with_groups ORDER BY name;

-- name: add_token
-- A new token of an existing user with an event; no row when it breaks a rule.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), added AS (
    INSERT INTO tokens (id, hash, user_name, label, created_at, expires_at, parent)
    SELECT %(id)s, %(hash)s, u.name, %(label)s, %(created_at)s::timestamptz,
           %(expires_at)s::timestamptz, %(parent)s::text
      FROM locked CROSS JOIN users u
     WHERE u.name = %(user)s
       AND (%(parent)s::text IS NULL OR EXISTS (SELECT 1 FROM tokens WHERE id = %(parent)s::text))
        ON CONFLICT DO NOTHING
    RETURNING id
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM added CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT id FROM added;

-- name: user_of_token
-- The active user whose unexpired token has this hash.
SELECT u.name, u.role, u.uid, u.active, u.created_at, u.gid, u.nick_name, u.team, u.groups
  FROM tokens t JOIN users_with_groups u ON u.name = t.user_name
 WHERE t.hash = %(hash)s AND u.active
   AND (t.expires_at IS NULL OR t.expires_at > %(now)s::timestamptz);

-- name: token_of
-- The token with this hash.
SELECT id, hash, user_name, created_at, label, expires_at, parent
  FROM tokens WHERE hash = %(hash)s;

-- name: tokens
-- A user's tokens, oldest first.
SELECT id, hash, user_name, created_at, label, expires_at, parent
  FROM tokens WHERE user_name = %(user)s ORDER BY created_at, id;

-- name: remove_token
-- Forget a token, with an event that tells whose it was; no row when there is none.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), removed AS (
    DELETE FROM tokens USING locked WHERE id = %(id)s RETURNING id, tokens.user_name
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, removed.user_name,
           e.why || ' of ' || removed.user_name, e.data
      FROM removed CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
SELECT id FROM removed;

-- name: put_quotas
-- Set limits, with an event.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM locked CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
)
INSERT INTO quotas
SELECT q.*
  FROM locked CROSS JOIN json_populate_recordset(NULL::quotas, %(quotas)s::json) AS q
    ON CONFLICT (user_name, group_name, priority) DO UPDATE SET nodes = excluded.nodes
RETURNING user_name;

-- name: quotas
-- All limits.
SELECT user_name, group_name, priority, nodes FROM quotas
 ORDER BY user_name, group_name, priority;
