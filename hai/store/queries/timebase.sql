-- name: timebase
-- By which clock the stored times count.
SELECT boot, base FROM timebase;

-- name: step
-- Another time base, if it is still the one that was known; the times of unfinished tasks move along.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), stepped AS MATERIALIZED (
    INSERT INTO timebase AS t (only_one, boot, base)
    SELECT true, %(boot)s, %(base)s::float8 FROM locked
        ON CONFLICT (only_one) DO UPDATE SET boot = excluded.boot, base = excluded.base
     WHERE t.boot = %(was_boot)s AND t.base = %(was_base)s::float8
    RETURNING make_interval(secs => %(seconds)s::float8) AS by
), moved AS (
    UPDATE tasks AS t
       SET submitted_at = t.submitted_at + by, started_at = t.started_at + by,
           queued_at = t.queued_at + by, yielded_at = t.yielded_at + by,
           not_before = t.not_before + by, version = t.version + 1
      FROM stepped
     WHERE t.state NOT IN ('succeeded', 'failed', 'stopped')
       AND %(seconds)s::float8 <> 0
    RETURNING t.id, t.attempts AS number
), moved_attempts AS (
    UPDATE attempts AS a
       SET created_at = a.created_at + by, started_at = a.started_at + by,
           ended_at = a.ended_at + by, suspend_at = a.suspend_at + by, acked_at = a.acked_at + by,
           terminate_at = a.terminate_at + by, saved_at = a.saved_at + by
      FROM stepped, moved
     WHERE a.task_id = moved.id AND a.number = moved.number
), moved_workers AS (
    UPDATE workers AS w
       SET started_at = w.started_at + by, ended_at = w.ended_at + by
      FROM stepped, moved
     WHERE w.task_id = moved.id AND w.attempt = moved.number
), moved_idle_clocks AS (
    UPDATE idle_clocks AS c
       SET until = c.until + by, stop_at = c.stop_at + by
      FROM stepped, moved
     WHERE c.task_id = moved.id
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM stepped
     CROSS JOIN json_populate_recordset(NULL::events, %(events)s::json)
           WITH ORDINALITY AS e(id, at, kind, actor, task_id, user_name, why, data, position)
     ORDER BY e.position
)
SELECT 1 FROM stepped;
