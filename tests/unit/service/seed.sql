-- rows for a new platform
/* a comment /* within a comment */ ; ' " */
BEGIN;
SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
INSERT INTO "storage" ("host_path", "mount_path", "owners", "conditions", "mount_type", "read_only", "action", "active")
VALUES
    ('marsv2-scripts-{task.id}', '/marsv2/scripts', '{public}', '{}', 'configmap', true, 'add', true),
    ('/nfs/ws/{user.user_name}', '/nfs/ws/{user.user_name}', '{public}'::varchar[], ARRAY[]::varchar[], 'Directory', 'f', 'add', 't'),
    ('conf:nccl.conf', '/etc/nccl.conf', ARRAY['ops', 'vision'], '{"''{task.group}'' == ''gpu''"}', 'configmap', 't', 'add', NULL)
ON CONFLICT DO NOTHING;
insert into public.quota (user_name, resource, quota) values
    ('public', 'node-training-HIGH', 10), ('public', 'train_environment:hai_base', 1),
    ('public', 'node', 1), ('public', 'port', 1), ('public', 'cap:IPC_LOCK', 1),
    ('public', 'jupyter:jupyter_cpu', 100012810)
on conflict (user_name, resource) do update set quota = excluded.quota;
INSERT INTO "user" ("user_id", "user_name", "token", "role", "active", "shared_group", "nick_name")
VALUES (10020, 'haiadmin', $$abcdefghijklmnopqrst$$, 'internal', true, 'hfai', E'O\'Neill \u7231')
ON CONFLICT DO NOTHING;
INSERT INTO user_group (user_name, "group") VALUES ('haiadmin', 'root') ON CONFLICT DO NOTHING;
INSERT INTO "train_environment" (env_name, image, schema_template, config) VALUES
    ('hai_base', 'r.example/hai:latest', '', '{"environments": {"A": "1", "N": 2}, "python": "/usr/bin/python3"}'::jsonb)
RETURNING env_name;
INSERT INTO "host" ("node", "gpu_num", "type", "use", "origin_group", "room", "schedule_zone")
VALUES ('node-1', 8, 'gpu', 'training', 'training', 'A', 'z1');
COMMIT;
