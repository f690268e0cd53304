-- Who may enter a task's service in the browser: codes, good once, and the sessions that they become.
CREATE TABLE door_visits (
    hash       text PRIMARY KEY,
    is_code    boolean NOT NULL,
    token      text NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    user_name  text NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    task_id    bigint NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    service    text NOT NULL,
    origin     text NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE INDEX door_visits_by_user ON door_visits (user_name);
CREATE INDEX door_visits_by_token ON door_visits (token);
CREATE INDEX door_visits_by_task ON door_visits (task_id);

-- Where services have no host names of their own: whose each port is, or was last.
CREATE TABLE door_ports (
    port      integer PRIMARY KEY,
    user_name text NOT NULL,
    task_id   bigint NOT NULL,
    service   text NOT NULL,
    used_at   timestamptz NOT NULL
);
