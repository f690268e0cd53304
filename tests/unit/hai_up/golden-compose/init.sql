-- Rows of a new platform, in the original's form; hai-server import reads them as data.
INSERT INTO "user" (user_id, user_name, token, role, active) VALUES
    (1001, 'ada', '(a secret)', 'internal', true),
    (1002, 'bob', '(a secret)', 'internal', true),
    (10001, 'hai-up', '(made by run)', 'internal', true)
ON CONFLICT DO NOTHING;
INSERT INTO user_group (user_name, "group") VALUES
    ('ada', 'root'),
    ('hai-up', 'root')
ON CONFLICT DO NOTHING;
INSERT INTO quota (user_name, resource, quota) VALUES
    ('public', 'node-training-LOW', 2),
    ('public', 'node-training-BELOW_NORMAL', 2),
    ('public', 'node-training-UNDER_NORMAL', 2),
    ('public', 'node-training-NORMAL', 2),
    ('public', 'node-training-ABOVE_NORMAL', 2),
    ('public', 'node-training-HIGH', 2),
    ('ada', 'node-training-LOW', 2),
    ('ada', 'node-training-BELOW_NORMAL', 2),
    ('ada', 'node-training-UNDER_NORMAL', 2),
    ('ada', 'node-training-NORMAL', 2),
    ('ada', 'node-training-ABOVE_NORMAL', 2),
    ('ada', 'node-training-HIGH', 2),
    ('ada', 'node-training-VERY_HIGH', 2),
    ('ada', 'node-training-EXTREME_HIGH', 2),
    ('public', 'node', 1),
    ('public', 'port', 1),
    ('public', 'train_environment:hai_base', 1),
    ('public', 'cap:IPC_LOCK', 1),
    ('public', 'jupyter:jupyter_cpu', 100012810)
ON CONFLICT DO NOTHING;
INSERT INTO train_environment (env_name, image, schema_template, config) VALUES
    ('hai_base', 'r.example/train:1', '', '{"environments": {}}')
ON CONFLICT (env_name) DO UPDATE SET image = excluded.image, config = excluded.config;
INSERT INTO storage (host_path, mount_path, owners, conditions, mount_type, read_only, action, active) VALUES
    ('/nfs/hai-platform/workspace/{user.user_name}', '/nfs/hai-platform/workspace/{user.user_name}', '{public}', '{}', 'DirectoryOrCreate', false, 'add', true),
    ('/data', '/data', '{public}', '{}', 'Directory', true, 'add', true)
ON CONFLICT DO NOTHING;
