-- Of the attempt of a dev container: not stopped for being idle before `until`, which somebody asked
-- for; `stop_at`: notice was given, and it is stopped then if it stays idle.
CREATE TABLE idle_clocks (
    task_id bigint PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    attempt integer NOT NULL,
    until   timestamptz,
    stop_at timestamptz
);
