-- What a container asks of each of its nodes, which others may share: an array of thousandths of a
-- cpu, bytes of memory, GPUs; null for whoever holds whole nodes. An attempt lists the GPUs of every
-- rank by their numbers on its node.
ALTER TABLE tasks ADD COLUMN asks jsonb;

-- Its user has removed it: it is no longer among the dev containers that can be started again.
ALTER TABLE tasks ADD COLUMN removed boolean NOT NULL DEFAULT false;

-- A container on whole nodes that nobody else needs: it yields to everybody.
ALTER TABLE tasks ADD COLUMN spot boolean NOT NULL DEFAULT false;

ALTER TABLE attempts ADD COLUMN gpu_indices jsonb;

DROP VIEW tasks_with_attempt;

-- A task with its latest attempt and the id of its document; the workers as one JSON array of arrays, by rank.
CREATE VIEW tasks_with_attempt AS
SELECT t.id, t.chain_id, t.user_name, t.name, t.group_name, t.nodes,
       coalesce(t.array_id, t.id) AS document, t.submitted_at,
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
         WHERE w.task_id = a.task_id AND w.attempt = a.number) AS workers,
       a.gpu_indices, t.asks, t.removed, t.spot
  FROM tasks t
  LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts;
