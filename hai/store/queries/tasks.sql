-- name: add_tasks
-- Insert the drafts that break no rule, with their events; positions and ids of those.
-- In a draft, array_id is the position of its array's first member; an array comes whole or not.
-- Documents come once each, under the position of the first draft that has it.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), numbered AS MATERIALIZED (
    SELECT nextval('task_ids') AS id, d.position, d.chain_id, d.user_name, d.name, d.group_name,
           d.nodes, d.request_id, d.submitted_at, d.priority, d.state, d.held,
           d.custom_rank, d.whole_life_state, d.attempts, d.suspend_count, d.why, d.version,
           d.ran_seconds, d.first, d.failures, d.time_limit_seconds, d.waits_ok, d.waits_any,
           d.array_id AS array_position, d.array_index, d.array_limit, d.asks, d.spot
      FROM locked
     CROSS JOIN (
        SELECT * FROM json_populate_recordset(NULL::tasks, %(tasks)s::json)
          WITH ORDINALITY AS r(id, chain_id, user_name, name, group_name, nodes, request_id,
                               submitted_at, priority, state, held, custom_rank,
                               whole_life_state, attempts, suspend_count, exit_code, why,
                               started_at, ended_at, version, ran_seconds, queued_at, yielded_at,
                               first, not_before, failures, time_limit_seconds, waits_ok, waits_any,
                               array_id, array_index, array_limit, asks, removed, spot, position)
     ) AS d
     ORDER BY d.position
), spoilt AS MATERIALIZED (
    SELECT DISTINCT n.array_position
      FROM numbered n
     WHERE n.array_position IS NOT NULL
       AND (EXISTS (SELECT 1 FROM tasks t
                     WHERE t.user_name = n.user_name AND t.request_id = n.request_id)
            OR EXISTS (SELECT 1 FROM tasks t
                        WHERE t.user_name = n.user_name AND t.name = n.name
                          AND t.state NOT IN ('succeeded', 'failed', 'stopped')))
), fresh AS MATERIALIZED (
    SELECT n.*, head.id AS array_id
      FROM numbered n
      LEFT JOIN numbered head ON head.position = n.array_position
     WHERE n.array_position IS NULL
        OR n.array_position NOT IN (SELECT array_position FROM spoilt)
), added AS (
    INSERT INTO tasks (id, chain_id, user_name, name, group_name, nodes, request_id,
                       submitted_at, priority, state, held, custom_rank, whole_life_state,
                       attempts, suspend_count, why, version, ran_seconds, first, failures,
                       time_limit_seconds, waits_ok, waits_any, array_id, array_index, array_limit,
                       asks, spot)
    SELECT id, chain_id, user_name, name, group_name, nodes, request_id,
           submitted_at, priority, state, held, custom_rank, whole_life_state,
           attempts, suspend_count, why, version, ran_seconds, first, failures,
           time_limit_seconds, waits_ok, waits_any, array_id, array_index, array_limit, asks, spot
      FROM fresh
     ORDER BY position
        ON CONFLICT DO NOTHING
    RETURNING id
), kept AS (
    INSERT INTO documents (id, spec, bytes)
    SELECT fresh.id, d.spec, d.bytes
      FROM json_to_recordset(%(documents)s::json) AS d(position bigint, spec jsonb, bytes bigint)
      JOIN fresh ON fresh.position = d.position
      JOIN added ON added.id = fresh.id
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, fresh.id, e.user_name, e.why, e.data
      FROM fresh
      JOIN added ON added.id = fresh.id
      JOIN json_populate_recordset(NULL::events, %(events)s::json)
           WITH ORDINALITY AS e(id, at, kind, actor, task_id, user_name, why, data, position)
        ON e.position = fresh.position
     ORDER BY fresh.position
)
SELECT fresh.position - 1, fresh.id, fresh.array_id
  FROM fresh JOIN added ON added.id = fresh.id;

-- name: tasks_in_the_way
-- For each draft: the task of the same request, and the unfinished one of the same name.
SELECT d.position - 1,
       (SELECT t.id FROM tasks t
         WHERE t.user_name = d.user_name AND t.request_id = d.request_id),
       (SELECT t.id FROM tasks t
         WHERE t.user_name = d.user_name AND t.name = d.name
           AND t.state NOT IN ('succeeded', 'failed', 'stopped'))
  FROM unnest(%(users)s::text[], %(names)s::text[], %(request_ids)s::text[])
       WITH ORDINALITY AS d(user_name, name, request_id, position);

-- name: save_changes
-- Write tasks whose version is current, with attempt, workers and events; ids of those.
WITH locked AS MATERIALIZED (
    SELECT ledger_lock()
), changed AS MATERIALIZED (
    SELECT c.*
      FROM locked CROSS JOIN json_populate_recordset(NULL::tasks, %(tasks)s::json) AS c
), written AS (
    UPDATE tasks AS t
       SET priority = c.priority, state = c.state, held = c.held, custom_rank = c.custom_rank,
           whole_life_state = c.whole_life_state, attempts = c.attempts,
           suspend_count = c.suspend_count, exit_code = c.exit_code, why = c.why,
           started_at = c.started_at, ended_at = c.ended_at, ran_seconds = c.ran_seconds,
           queued_at = c.queued_at, yielded_at = c.yielded_at, first = c.first, not_before = c.not_before,
           failures = c.failures, waits_ok = c.waits_ok, waits_any = c.waits_any,
           removed = c.removed,
           version = t.version + 1
      FROM changed AS c
     WHERE t.id = c.id AND t.version = c.version
    RETURNING t.id
), kept_attempts AS (
    INSERT INTO attempts AS a
    SELECT r.*
      FROM json_populate_recordset(NULL::attempts, %(attempts)s::json) AS r
      JOIN written ON written.id = r.task_id
        ON CONFLICT (task_id, number) DO UPDATE
       SET priority = excluded.priority, nodes = excluded.nodes,
           created_at = excluded.created_at, started_at = excluded.started_at,
           ended_at = excluded.ended_at, suspend_at = excluded.suspend_at,
           acked_at = excluded.acked_at, terminate_at = excluded.terminate_at,
           verdict = excluded.verdict, outcome = excluded.outcome,
           exit_code = excluded.exit_code, why = excluded.why,
           backfill = excluded.backfill, for_task = excluded.for_task,
           saved_at = excluded.saved_at, gpu_indices = excluded.gpu_indices
     WHERE a IS DISTINCT FROM excluded
), kept_workers AS (
    INSERT INTO workers AS w
    SELECT r.*
      FROM json_populate_recordset(NULL::workers, %(workers)s::json) AS r
      JOIN written ON written.id = r.task_id
        ON CONFLICT (task_id, attempt, rank) DO UPDATE
       SET state = excluded.state, exit_code = excluded.exit_code, detail = excluded.detail,
           acked = excluded.acked, saved = excluded.saved, address = excluded.address,
           port = excluded.port, started_at = excluded.started_at,
           ended_at = excluded.ended_at, usage = excluded.usage
     WHERE w IS DISTINCT FROM excluded
), logged AS (
    INSERT INTO events (at, kind, actor, task_id, user_name, why, data)
    SELECT e.at, e.kind, e.actor, e.task_id, e.user_name, e.why, e.data
      FROM json_populate_recordset(NULL::events, %(events)s::json)
           WITH ORDINALITY AS e(saved_with, at, kind, actor, task_id, user_name, why, data,
                                position)
      JOIN written ON written.id = e.saved_with
     ORDER BY e.position
)
SELECT id FROM written;

-- name: tasks
-- The tasks of these ids.
SELECT * FROM tasks_with_attempt WHERE id = ANY(%(ids)s::bigint[]) ORDER BY id;

-- name: task_versions
-- Which of these tasks exist, and in which version.
SELECT id, version FROM tasks WHERE id = ANY(%(ids)s::bigint[]);

-- name: held_nodes
-- How many nodes are held now, by user, group and charged level.
SELECT t.user_name, t.group_name, a.priority, sum(cardinality(a.nodes))::bigint
  FROM tasks t
  JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts
 WHERE t.state IN ('starting', 'running', 'suspending', 'stopping')
 GROUP BY t.user_name, t.group_name, a.priority;

-- name: documents
-- What was submitted, as text.
SELECT id, spec::text FROM documents WHERE id = ANY(%(ids)s::bigint[]);

-- name: waiting_of
-- How many unfinished tasks these users have, and how large what they submitted is together.
SELECT t.user_name, sum(t.members)::bigint, sum(d.bytes)::bigint
  FROM (SELECT user_name, coalesce(array_id, id) AS document, count(*) AS members
          FROM tasks
         WHERE user_name = ANY(%(users)s::text[])
           AND state NOT IN ('succeeded', 'failed', 'stopped')
         GROUP BY 1, 2) AS t
  JOIN documents d ON d.id = t.document
 GROUP BY t.user_name;

-- name: owners
-- Whose these tasks are, and when they ended.
SELECT id, user_name, extract(epoch FROM ended_at)::float8
  FROM tasks WHERE id = ANY(%(ids)s::bigint[]);

-- name: task_named
-- The user's newest task of that name.
SELECT * FROM tasks_with_attempt
 WHERE id = (SELECT max(id) FROM tasks WHERE user_name = %(user)s AND name = %(name)s);

-- name: active_tasks
-- All tasks that hold nodes.
SELECT * FROM tasks_with_attempt
 WHERE state IN ('starting', 'running', 'suspending', 'stopping')
 ORDER BY id;

-- name: claims
-- What the planner needs of every unfinished task, and no more.
SELECT t.id, t.user_name, t.group_name, t.nodes, t.priority, t.state, t.submitted_at, t.held,
       t.custom_rank, t.queued_at, t.ran_seconds, t.first, t.not_before,
       t.waits_ok || t.waits_any, t.array_id, t.array_limit, a.nodes, a.priority, a.created_at,
       a.started_at, t.yielded_at, a.saved_at, a.backfill, a.for_task, t.asks,
       a.gpu_indices, t.spot
  FROM tasks t
  LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts
 WHERE t.state NOT IN ('succeeded', 'failed', 'stopped')
 ORDER BY t.id;

-- name: claims_of
-- The same of these tasks only.
SELECT t.id, t.user_name, t.group_name, t.nodes, t.priority, t.state, t.submitted_at, t.held,
       t.custom_rank, t.queued_at, t.ran_seconds, t.first, t.not_before,
       t.waits_ok || t.waits_any, t.array_id, t.array_limit, a.nodes, a.priority, a.created_at,
       a.started_at, t.yielded_at, a.saved_at, a.backfill, a.for_task, t.asks,
       a.gpu_indices, t.spot
  FROM tasks t
  LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts
 WHERE t.state NOT IN ('succeeded', 'failed', 'stopped')
   AND t.id = ANY(%(ids)s::bigint[])
 ORDER BY t.id;

-- name: usage
-- Node-seconds of attempts that have ended, each moment of them halved for every half-life since,
-- and the latest start that was no backfill; by user and group. Nothing counts for more than now,
-- whatever clock it was written by.
SELECT t.user_name, t.group_name,
       sum(CASE WHEN a.ended_at IS NULL THEN 0.0
                ELSE cardinality(a.nodes) * %(half_life)s::float8 / ln(2::float8)
                     * (power(2::float8, -h.ended) - power(2::float8, -least(h.created, 1000.0)))
           END),
       max(least(a.created_at, %(now)s::timestamptz)) FILTER (WHERE NOT a.backfill)
  FROM attempts a
  JOIN tasks t ON t.id = a.task_id
 CROSS JOIN LATERAL (
    SELECT greatest(0, extract(epoch FROM %(now)s::timestamptz - a.created_at)::float8
                       / %(half_life)s::float8) AS created,
           greatest(0, extract(epoch FROM %(now)s::timestamptz - a.ended_at)::float8
                       / %(half_life)s::float8) AS ended
 ) AS h
 WHERE a.ended_at IS NULL OR a.ended_at > %(oldest)s::timestamptz
 GROUP BY t.user_name, t.group_name
 ORDER BY t.user_name, t.group_name;

-- name: durations
-- How long a group's tasks ran that succeeded since then: of everybody, of each user, and of each
-- user's tasks of one name, but for the numbers in it.
WITH runs AS (
    SELECT user_name, regexp_replace(name, '[0-9]+', '#', 'g') AS pattern, ran_seconds
      FROM tasks
     WHERE group_name = %(group)s AND state = 'succeeded' AND ended_at >= %(since)s::timestamptz
     ORDER BY ended_at DESC, id DESC
     LIMIT %(limit)s::bigint
)
SELECT user_name, pattern, count(*),
       percentile_cont(ARRAY[0.25, 0.5, 0.9]) WITHIN GROUP (ORDER BY ran_seconds)
  FROM runs
 GROUP BY GROUPING SETS ((user_name, pattern), (user_name), ())
HAVING count(*) > 0
 ORDER BY user_name NULLS FIRST, pattern NULLS FIRST;

-- name: released
-- Waiting tasks with a dependency that has ended.
SELECT v.*
  FROM tasks_with_attempt v
 WHERE v.state IN ('queued', 'suspended') AND (v.waits_ok <> '{}' OR v.waits_any <> '{}')
   AND EXISTS (SELECT 1 FROM tasks d
                WHERE d.id = ANY(v.waits_ok || v.waits_any)
                  AND d.state IN ('succeeded', 'failed', 'stopped'))
 ORDER BY v.id
 LIMIT 10000;

-- name: list_tasks
-- One page of the matching tasks, newest first, with the number of all that match (null with
-- `before`, which is asked page by page).
WITH matching AS (
    SELECT t.id
      FROM tasks t
     WHERE (%(user)s::text IS NULL OR t.user_name = %(user)s)
       AND (%(states)s::text[] IS NULL OR t.state = ANY(%(states)s))
       AND (%(group)s::text IS NULL OR t.group_name = %(group)s)
       AND (%(array)s::bigint IS NULL OR t.array_id = %(array)s)
       AND (%(indices)s::bigint[] IS NULL OR t.array_index = ANY(%(indices)s))
       AND (%(before)s::bigint IS NULL OR t.id < %(before)s)
       AND (%(name_contains)s::text = '' OR position(%(name_contains)s IN t.name) > 0)
       AND (%(task_type)s::text IS NULL OR %(task_type)s = (
            SELECT coalesce(d.spec ->> 'task_type', 'training') FROM documents d
             WHERE d.id = coalesce(t.array_id, t.id)))
), page AS (
    SELECT id FROM matching ORDER BY id DESC
     LIMIT %(limit)s::bigint OFFSET %(offset)s::bigint
)
SELECT CASE WHEN %(before)s::bigint IS NULL THEN (SELECT count(*) FROM matching) END, v.*
  FROM (SELECT 1) AS always
  LEFT JOIN (page JOIN tasks_with_attempt AS v USING (id)) ON true
 ORDER BY v.id DESC;

-- name: attempts
-- All attempts of a task with their workers, oldest first.
SELECT a.number, a.priority, a.nodes, a.created_at, a.started_at, a.ended_at, a.suspend_at,
       a.acked_at, a.terminate_at, a.verdict, a.outcome, a.exit_code, a.why, a.backfill,
       a.for_task, a.saved_at,
       (SELECT json_agg(json_build_array(w.rank, w.state, w.exit_code, w.detail, w.acked, w.saved,
                                         w.address, w.port, extract(epoch FROM w.started_at),
                                         extract(epoch FROM w.ended_at), w.usage)
                        ORDER BY w.rank)
          FROM workers w
         WHERE w.task_id = a.task_id AND w.attempt = a.number),
       a.gpu_indices
  FROM attempts a
 WHERE a.task_id = %(task_id)s
 ORDER BY a.number;

-- name: count_tasks
-- How many tasks are in each state.
SELECT state, count(*) FROM tasks GROUP BY state;
