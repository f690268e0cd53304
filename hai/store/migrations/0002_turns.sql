-- What time sharing needs to know of tasks and attempts: turns, tries, limits, dependencies, arrays.

-- `waits_ok` and `waits_any`: tasks that have to succeed, or only to end, before this one may run;
-- who has ended is taken out. `first`: at the head of its user's line. `array_id` is the id of the
-- first member. `yielded_at`: when it was last given notice for another task's sake.
ALTER TABLE tasks
    ADD COLUMN ran_seconds        double precision NOT NULL DEFAULT 0,
    ADD COLUMN queued_at          timestamptz,
    ADD COLUMN yielded_at         timestamptz,
    ADD COLUMN first              boolean NOT NULL DEFAULT false,
    ADD COLUMN not_before         timestamptz,
    ADD COLUMN failures           integer NOT NULL DEFAULT 0,
    ADD COLUMN time_limit_seconds double precision,
    ADD COLUMN waits_ok           bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN waits_any          bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN array_id           bigint,
    ADD COLUMN array_index        integer,
    ADD COLUMN array_limit        integer NOT NULL DEFAULT 0;

CREATE INDEX tasks_waiting_for_others ON tasks (id)
    WHERE state IN ('queued', 'suspended') AND (waits_ok <> '{}' OR waits_any <> '{}');
CREATE INDEX tasks_by_array ON tasks (array_id, id) WHERE array_id IS NOT NULL;

-- `backfill`: it runs in the shadow of a gang. `for_task`: who gets the nodes that it has to leave.
-- `saved_at`: the program's last checkpoint.
ALTER TABLE attempts
    ADD COLUMN backfill boolean NOT NULL DEFAULT false,
    ADD COLUMN for_task bigint,
    ADD COLUMN saved_at timestamptz;

CREATE INDEX attempts_by_end ON attempts (ended_at);

DROP VIEW tasks_with_attempt;

-- A task with its latest attempt; the workers as one JSON array of arrays, by rank.
CREATE VIEW tasks_with_attempt AS
SELECT t.id, t.chain_id, t.user_name, t.name, t.group_name, t.nodes, t.spec, t.submitted_at,
       t.priority, t.state, t.held, t.custom_rank, t.whole_life_state, t.attempts,
       t.suspend_count, t.exit_code, t.why, t.started_at, t.ended_at, t.version,
       t.ran_seconds, t.queued_at, t.yielded_at, t.first, t.not_before, t.failures,
       t.time_limit_seconds,
       t.waits_ok, t.waits_any, t.array_id, t.array_index, t.array_limit,
       a.number AS attempt, a.priority AS attempt_priority, a.nodes AS attempt_nodes,
       a.created_at AS attempt_created_at, a.started_at AS attempt_started_at,
       a.ended_at AS attempt_ended_at, a.suspend_at, a.acked_at, a.terminate_at,
       a.verdict, a.outcome, a.exit_code AS attempt_exit_code, a.why AS attempt_why,
       a.backfill, a.for_task, a.saved_at,
       (SELECT json_agg(json_build_array(w.rank, w.state, w.exit_code, w.detail, w.acked, w.saved,
                                         w.address, w.port, extract(epoch FROM w.started_at),
                                         extract(epoch FROM w.ended_at), w.usage)
                        ORDER BY w.rank)
          FROM workers w
         WHERE w.task_id = a.task_id AND w.attempt = a.number) AS workers
  FROM tasks t
  LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts;
