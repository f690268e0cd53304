-- name: append_events
-- Add lines to the ledger.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
)
INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
  FROM locked
 CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json)
       WITH ORDINALITY AS e(id, at, kind, actor, task_id, user_name, why, data, position)
 ORDER BY e.position
RETURNING id;

-- name: events
-- Ledger lines after a cursor.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events WHERE id > %(after)s::bigint ORDER BY id LIMIT %(limit)s::bigint;

-- name: events_of_task
-- Ledger lines of one task after a cursor.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events WHERE task_id = %(task_id)s::bigint AND id > %(after)s::bigint
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: events_of_user
-- Ledger lines about one user after a cursor.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events WHERE user_name = %(user)s AND id > %(after)s::bigint
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: events_of_task_and_user
-- Ledger lines of one task about one user after a cursor.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events WHERE task_id = %(task_id)s::bigint AND user_name = %(user)s
                AND id > %(after)s::bigint
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: last_event_id
-- The newest ledger line's id; 0 for an empty ledger.
SELECT coalesce(max(id), 0) FROM events;

-- name: last_event_at
-- The newest ledger line's time.
SELECT extract(epoch FROM at)::float8 FROM events ORDER BY id DESC LIMIT 1;
