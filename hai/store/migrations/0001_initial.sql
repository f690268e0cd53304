-- Users and tokens, the cluster's map, tasks with their attempts and workers, the ledger.

CREATE TABLE users (
    name       text PRIMARY KEY,
    role       text NOT NULL,
    uid        bigint,
    active     boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE tokens (
    id         text PRIMARY KEY,
    hash       text NOT NULL UNIQUE,
    user_name  text NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    label      text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);

CREATE TABLE groups (
    name        text PRIMARY KEY,
    description text NOT NULL
);

CREATE TABLE nodes (
    name         text PRIMARY KEY,
    group_name   text NOT NULL,
    launcher     text NOT NULL,
    gpus         integer NOT NULL,
    cpus         double precision NOT NULL,
    memory_bytes bigint NOT NULL,
    leaf         text NOT NULL,
    zone         text NOT NULL,
    health       text NOT NULL,
    health_why   text NOT NULL
);

CREATE TABLE quotas (
    user_name  text NOT NULL,
    group_name text NOT NULL,
    priority   integer NOT NULL,
    nodes      integer NOT NULL,
    PRIMARY KEY (user_name, group_name, priority)
);

CREATE SEQUENCE task_ids AS bigint;

-- The columns from `priority` on change while the task lives; room in each page keeps that cheap.
CREATE TABLE tasks (
    id               bigint PRIMARY KEY,
    chain_id         text NOT NULL,
    user_name        text NOT NULL,
    name             text NOT NULL,
    group_name       text NOT NULL,
    nodes            integer NOT NULL,
    spec             jsonb NOT NULL,
    request_id       text,
    submitted_at     timestamptz NOT NULL,
    priority         integer NOT NULL,
    state            text NOT NULL,
    held             boolean NOT NULL,
    custom_rank      double precision NOT NULL,
    whole_life_state bigint NOT NULL,
    attempts         integer NOT NULL,
    suspend_count    integer NOT NULL,
    exit_code        integer,
    why              text NOT NULL,
    started_at       timestamptz,
    ended_at         timestamptz,
    version          bigint NOT NULL
) WITH (fillfactor = 80);

ALTER SEQUENCE task_ids OWNED BY tasks.id;

CREATE UNIQUE INDEX tasks_name_in_use ON tasks (user_name, name)
    WHERE state NOT IN ('succeeded', 'failed', 'stopped');
CREATE UNIQUE INDEX tasks_request ON tasks (user_name, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX tasks_unfinished ON tasks (id)
    WHERE state NOT IN ('succeeded', 'failed', 'stopped');
CREATE INDEX tasks_by_name ON tasks (user_name, name, id);
CREATE INDEX tasks_by_user ON tasks (user_name, id);
CREATE INDEX tasks_by_state ON tasks (state, id);

-- `nodes` lists the node of every rank; workers do not repeat it.
CREATE TABLE attempts (
    task_id      bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number       integer NOT NULL,
    priority     integer NOT NULL,
    nodes        text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz,
    suspend_at   timestamptz,
    acked_at     timestamptz,
    terminate_at timestamptz,
    verdict      text,
    outcome      text,
    exit_code    integer,
    why          text NOT NULL,
    PRIMARY KEY (task_id, number)
) WITH (fillfactor = 80);

CREATE TABLE workers (
    task_id    bigint NOT NULL,
    attempt    integer NOT NULL,
    rank       integer NOT NULL,
    state      text NOT NULL,
    exit_code  integer,
    detail     text NOT NULL,
    acked      boolean NOT NULL,
    saved      boolean NOT NULL,
    address    text NOT NULL,
    port       integer NOT NULL,
    started_at timestamptz,
    ended_at   timestamptz,
    usage      jsonb NOT NULL,
    PRIMARY KEY (task_id, attempt, rank),
    FOREIGN KEY (task_id, attempt) REFERENCES attempts (task_id, number) ON DELETE CASCADE
) WITH (fillfactor = 80);

CREATE TABLE events (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    actor     text NOT NULL,
    task_id   bigint,
    user_name text,
    why       text NOT NULL,
    data      jsonb NOT NULL
);

CREATE INDEX events_by_task ON events (task_id, id) WHERE task_id IS NOT NULL;
CREATE INDEX events_by_user ON events (user_name, id) WHERE user_name IS NOT NULL;

CREATE FUNCTION refuse_to_rewrite_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the events ledger is append-only';
END
$$;

CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_rewrite_ledger();

-- Whoever appends events takes this lock first and holds it until its commit is visible: so ids
-- grow in commit order, and a reader that has seen id N missed none below N. It also gives all
-- writers of tasks one order, so that they cannot deadlock.
CREATE FUNCTION ledger_lock() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(7420, 1)
$$;

-- A task with its latest attempt; the workers as one JSON array of arrays, by rank.
CREATE VIEW tasks_with_attempt AS
SELECT t.id, t.chain_id, t.user_name, t.name, t.group_name, t.nodes, t.spec, t.submitted_at,
       t.priority, t.state, t.held, t.custom_rank, t.whole_life_state, t.attempts,
       t.suspend_count, t.exit_code, t.why, t.started_at, t.ended_at, t.version,
       a.number AS attempt, a.priority AS attempt_priority, a.nodes AS attempt_nodes,
       a.created_at AS attempt_created_at, a.started_at AS attempt_started_at,
       a.ended_at AS attempt_ended_at, a.suspend_at, a.acked_at, a.terminate_at,
       a.verdict, a.outcome, a.exit_code AS attempt_exit_code, a.why AS attempt_why,
       (SELECT json_agg(json_build_array(w.rank, w.state, w.exit_code, w.detail, w.acked, w.saved,
                                         w.address, w.port, extract(epoch FROM w.started_at),
                                         extract(epoch FROM w.ended_at), w.usage)
                        ORDER BY w.rank)
          FROM workers w
         WHERE w.task_id = a.task_id AND w.attempt = a.number) AS workers
  FROM tasks t
  LEFT JOIN attempts a ON a.task_id = t.id AND a.number = t.attempts;
