-- What admins write as rows: more of users, groups of users, allowances, images, mounts, hosts.

ALTER TABLE users
    ADD COLUMN gid       bigint,
    ADD COLUMN nick_name text NOT NULL DEFAULT '',
    ADD COLUMN team      text NOT NULL DEFAULT '';

-- `member` is a user or a team, which may come later: no reference.
CREATE TABLE memberships (
    member     text NOT NULL,
    group_name text NOT NULL,
    PRIMARY KEY (member, group_name)
);

CREATE TABLE allowances (
    owner      text NOT NULL,
    resource   text NOT NULL,
    amount     bigint NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (owner, resource)
);

CREATE TABLE images (
    name      text PRIMARY KEY,
    ref       text NOT NULL,
    variables jsonb NOT NULL,
    python    text NOT NULL
);

CREATE TABLE storage (
    name           text PRIMARY KEY,
    source         text NOT NULL,
    mount_path     text NOT NULL,
    kind           text NOT NULL,
    host_path_type text NOT NULL,
    sub_path       text NOT NULL,
    owners         text[] NOT NULL,
    conditions     text[] NOT NULL,
    read_only      boolean NOT NULL,
    removes        boolean NOT NULL,
    active         boolean NOT NULL
);

CREATE TABLE hosts (
    node       text PRIMARY KEY,
    gpus       integer NOT NULL,
    group_name text NOT NULL,
    zone       text NOT NULL,
    room       text NOT NULL,
    flags      text[] NOT NULL
);

-- Users with the groups that they and their teams are in.
CREATE VIEW users_with_groups AS
SELECT u.name, u.role, u.uid, u.active, u.created_at, u.gid, u.nick_name, u.team,
       ARRAY(SELECT DISTINCT m.group_name FROM memberships m
              WHERE m.member IN (u.name, nullif(u.team, ''))
              ORDER BY m.group_name) AS groups
  FROM users u;
