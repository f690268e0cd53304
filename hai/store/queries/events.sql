-- name: append_events
-- Add lines to the event log.
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
-- Events after a cursor.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events WHERE id > %(after)s::bigint ORDER BY id LIMIT %(limit)s::bigint;

-- name: matching_events
-- Events after a cursor that pass a filter.
SELECT id, at, kind, actor, task_id, user_name, why, data
  FROM events
 WHERE id > %(after)s::bigint
   AND (%(task_id)s::bigint IS NULL OR task_id = %(task_id)s)
   AND (%(user)s::text IS NULL OR user_name = %(user)s)
   AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
   AND (%(kinds)s::text[] IS NULL OR kind LIKE ANY(%(kinds)s))
 ORDER BY id LIMIT %(limit)s::bigint;

-- name: count_events
-- How many lines pass a filter, and the id of the one before the last so many of them.
WITH matching AS (
    SELECT id
      FROM events
     WHERE (%(task_id)s::bigint IS NULL OR task_id = %(task_id)s)
       AND (%(user)s::text IS NULL OR user_name = %(user)s)
       AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
       AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
       AND (%(kinds)s::text[] IS NULL OR kind LIKE ANY(%(kinds)s))
)
SELECT (SELECT count(*) FROM matching),
       coalesce((SELECT id FROM matching ORDER BY id DESC
                 OFFSET %(last)s::bigint LIMIT 1), 0);

-- name: last_event_id
-- The newest event's id; 0 for an empty event log.
SELECT coalesce(max(id), 0) FROM events;

-- name: last_event_at
-- The newest event's time.
SELECT extract(epoch FROM at)::float8 FROM events ORDER BY id DESC LIMIT 1;
