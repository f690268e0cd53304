-- name: idle_clocks
-- What is kept of these dev containers' idleness.
SELECT task_id, attempt, until, stop_at FROM idle_clocks WHERE task_id = ANY (%(ids)s::bigint[]);

-- name: set_idle_until
-- Not stopped for being idle before a time, with an event; what was kept of another attempt goes.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), kept AS (
    INSERT INTO idle_clocks AS c (task_id, attempt, until)
    SELECT %(task_id)s::bigint, %(attempt)s::integer, %(at)s::timestamptz FROM locked
        ON CONFLICT (task_id) DO UPDATE
       SET attempt = excluded.attempt, until = excluded.until,
           stop_at = CASE WHEN c.attempt = excluded.attempt THEN c.stop_at END
)
INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
  FROM locked
 CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
RETURNING id;

-- name: set_idle_stop
-- When an idle dev container is stopped (null: it is used again), with an event.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), kept AS (
    INSERT INTO idle_clocks AS c (task_id, attempt, stop_at)
    SELECT %(task_id)s::bigint, %(attempt)s::integer, %(at)s::timestamptz FROM locked
        ON CONFLICT (task_id) DO UPDATE
       SET attempt = excluded.attempt, stop_at = excluded.stop_at,
           until = CASE WHEN c.attempt = excluded.attempt THEN c.until END
)
INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
  FROM locked
 CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json) AS e
RETURNING id;
