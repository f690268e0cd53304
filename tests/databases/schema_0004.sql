SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE FUNCTION public.ledger_lock() RETURNS void
    LANGUAGE sql
    AS $$
    SELECT pg_advisory_xact_lock(7420, 1)
$$;
CREATE FUNCTION public.refuse_to_rewrite_ledger() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'the events ledger is append-only';
END
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.attempts (
    task_id bigint NOT NULL,
    number integer NOT NULL,
    priority integer NOT NULL,
    nodes text[] NOT NULL,
    created_at timestamp with time zone NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    suspend_at timestamp with time zone,
    acked_at timestamp with time zone,
    terminate_at timestamp with time zone,
    verdict text,
    outcome text,
    exit_code integer,
    why text NOT NULL,
    backfill boolean DEFAULT false NOT NULL,
    for_task bigint,
    saved_at timestamp with time zone
)
WITH (fillfactor='80');
CREATE TABLE public.events (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    actor text NOT NULL,
    task_id bigint,
    user_name text,
    why text NOT NULL,
    data jsonb NOT NULL
);
ALTER TABLE public.events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.groups (
    name text NOT NULL,
    description text NOT NULL
);
CREATE TABLE public.journal (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    policy text NOT NULL,
    digest text NOT NULL,
    body bytea NOT NULL
);
ALTER TABLE ONLY public.journal ALTER COLUMN body SET STORAGE EXTERNAL;
ALTER TABLE public.journal ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.journal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.migrations (
    number integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.nodes (
    name text NOT NULL,
    group_name text NOT NULL,
    launcher text NOT NULL,
    gpus integer NOT NULL,
    cpus double precision NOT NULL,
    memory_bytes bigint NOT NULL,
    leaf text NOT NULL,
    zone text NOT NULL,
    health text NOT NULL,
    health_why text NOT NULL
);
CREATE TABLE public.quotas (
    user_name text NOT NULL,
    group_name text NOT NULL,
    priority integer NOT NULL,
    nodes integer NOT NULL
);
CREATE TABLE public.tasks (
    id bigint NOT NULL,
    chain_id text NOT NULL,
    user_name text NOT NULL,
    name text NOT NULL,
    group_name text NOT NULL,
    nodes integer NOT NULL,
    spec jsonb NOT NULL,
    request_id text,
    submitted_at timestamp with time zone NOT NULL,
    priority integer NOT NULL,
    state text NOT NULL,
    held boolean NOT NULL,
    custom_rank double precision NOT NULL,
    whole_life_state bigint NOT NULL,
    attempts integer NOT NULL,
    suspend_count integer NOT NULL,
    exit_code integer,
    why text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    version bigint NOT NULL,
    ran_seconds double precision DEFAULT 0 NOT NULL,
    queued_at timestamp with time zone,
    yielded_at timestamp with time zone,
    first boolean DEFAULT false NOT NULL,
    not_before timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    time_limit_seconds double precision,
    waits_ok bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    waits_any bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    array_id bigint,
    array_index integer,
    array_limit integer DEFAULT 0 NOT NULL
)
WITH (fillfactor='80');
CREATE SEQUENCE public.task_ids
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.task_ids OWNED BY public.tasks.id;
CREATE TABLE public.workers (
    task_id bigint NOT NULL,
    attempt integer NOT NULL,
    rank integer NOT NULL,
    state text NOT NULL,
    exit_code integer,
    detail text NOT NULL,
    acked boolean NOT NULL,
    saved boolean NOT NULL,
    address text NOT NULL,
    port integer NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    usage jsonb NOT NULL
)
WITH (fillfactor='80');
CREATE VIEW public.tasks_with_attempt AS
 SELECT t.id,
    t.chain_id,
    t.user_name,
    t.name,
    t.group_name,
    t.nodes,
    t.spec,
    t.submitted_at,
    t.priority,
    t.state,
    t.held,
    t.custom_rank,
    t.whole_life_state,
    t.attempts,
    t.suspend_count,
    t.exit_code,
    t.why,
    t.started_at,
    t.ended_at,
    t.version,
    t.ran_seconds,
    t.queued_at,
    t.yielded_at,
    t.first,
    t.not_before,
    t.failures,
    t.time_limit_seconds,
    t.waits_ok,
    t.waits_any,
    t.array_id,
    t.array_index,
    t.array_limit,
    a.number AS attempt,
    a.priority AS attempt_priority,
    a.nodes AS attempt_nodes,
    a.created_at AS attempt_created_at,
    a.started_at AS attempt_started_at,
    a.ended_at AS attempt_ended_at,
    a.suspend_at,
    a.acked_at,
    a.terminate_at,
    a.verdict,
    a.outcome,
    a.exit_code AS attempt_exit_code,
    a.why AS attempt_why,
    a.backfill,
    a.for_task,
    a.saved_at,
    ( SELECT json_agg(json_build_array(w.rank, w.state, w.exit_code, w.detail, w.acked, w.saved, w.address, w.port, EXTRACT(epoch FROM w.started_at), EXTRACT(epoch FROM w.ended_at), w.usage) ORDER BY w.rank) AS json_agg
           FROM public.workers w
          WHERE ((w.task_id = a.task_id) AND (w.attempt = a.number))) AS workers
   FROM (public.tasks t
     LEFT JOIN public.attempts a ON (((a.task_id = t.id) AND (a.number = t.attempts))));
CREATE TABLE public.tokens (
    id text NOT NULL,
    hash text NOT NULL,
    user_name text NOT NULL,
    label text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone
);
CREATE TABLE public.users (
    name text NOT NULL,
    role text NOT NULL,
    uid bigint,
    active boolean NOT NULL,
    created_at timestamp with time zone NOT NULL
);
INSERT INTO public.attempts VALUES (1, 1, 50, '{node-01}', '2026-11-28 19:35:10.041214+00', '2026-11-28 19:35:10.674799+00', '2026-11-28 19:35:11.046309+00', NULL, NULL, NULL, NULL, 'succeeded', 0, '', false, NULL, NULL);
INSERT INTO public.attempts VALUES (2, 1, 50, '{node-02}', '2026-11-28 19:35:10.490191+00', '2026-11-28 19:35:11.338092+00', '2026-11-28 19:35:11.5256+00', NULL, NULL, '2026-11-28 19:35:11.5256+00', 'failed', 'failed', 3, 'rank 0 on node-02 exited with code 3', false, NULL, NULL);
INSERT INTO public.attempts VALUES (3, 1, 50, '{node-01,node-02}', '2026-11-28 19:35:11.829229+00', '2026-11-28 19:35:12.234677+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', false, NULL, NULL);
INSERT INTO public.attempts VALUES (4, 1, 50, '{node-03}', '2026-11-28 19:35:12.565802+00', '2026-11-28 19:35:12.911586+00', '2026-11-28 19:35:18.206709+00', '2026-11-28 19:35:12.955296+00', NULL, '2026-11-28 19:35:18.13405+00', 'suspended-dirty', 'suspended-dirty', NULL, 'suspended by root (no answer to the notice in 5 s)', false, NULL, NULL);
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (1, '2026-11-28 19:34:58.802634+00', 'nodes.changed', 'platform', NULL, NULL, '', '{"group": "training"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (2, '2026-11-28 19:34:58.836152+00', 'nodes.changed', 'platform', NULL, NULL, '', '{"put": 3}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (3, '2026-11-28 19:34:58.957447+00', 'quota.set', 'bootstrap', NULL, NULL, '', '{"rows": 14}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (4, '2026-11-28 19:34:58.97324+00', 'user.added', 'bootstrap', NULL, 'root', '', '{}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (5, '2026-11-28 19:34:58.983597+00', 'token.made', 'bootstrap', NULL, 'root', '', '{"id": "14dcfd9497289355", "label": "bootstrap"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (6, '2026-11-28 19:35:09.765846+00', 'user.added', 'root', NULL, 'bob', '', '{}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (7, '2026-11-28 19:35:09.774943+00', 'token.made', 'root', NULL, 'bob', '', '{"id": "76474654aae75f5a", "label": "first"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (8, '2026-11-28 19:35:09.918072+00', 'quota.set', 'root', NULL, NULL, '', '{"bob node-training-HIGH": 1}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (9, '2026-11-28 19:35:10.021753+00', 'task.submitted', 'root', 1, 'root', '', '{"name": "finished", "group": "training", "nodes": 1, "priority": "AUTO"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (10, '2026-11-28 19:35:10.052406+00', 'task.submitted', 'root', 2, 'root', '', '{"name": "failed", "group": "training", "nodes": 1, "priority": "AUTO"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (11, '2026-11-28 19:35:10.041214+00', 'task.starting', 'scheduler', 1, 'root', '', '{"nodes": ["node-01"], "attempt": 1, "backfill": false, "priority": "EXTREME_HIGH"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (12, '2026-11-28 19:35:10.490191+00', 'task.starting', 'scheduler', 2, 'root', '', '{"nodes": ["node-02"], "attempt": 1, "backfill": false, "priority": "EXTREME_HIGH"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (13, '2026-11-28 19:35:10.674799+00', 'task.running', 'gang', 1, 'root', '', '{"nodes": ["node-01"], "attempt": 1}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (14, '2026-11-28 19:35:11.046309+00', 'task.succeeded', 'gang', 1, 'root', '', '{"attempt": 1, "outcome": "succeeded", "exit_code": 0}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (15, '2026-11-28 19:35:11.338092+00', 'task.running', 'gang', 2, 'root', '', '{"nodes": ["node-02"], "attempt": 1}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (16, '2026-11-28 19:35:11.5256+00', 'task.stopping', 'gang', 2, 'root', 'rank 0 on node-02 exited with code 3', '{"verdict": "failed"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (17, '2026-11-28 19:35:11.5256+00', 'task.failed', 'gang', 2, 'root', 'rank 0 on node-02 exited with code 3', '{"attempt": 1, "outcome": "failed", "exit_code": 3}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (18, '2026-11-28 19:35:11.78754+00', 'task.submitted', 'root', 3, 'root', '', '{"name": "running", "group": "training", "nodes": 2, "priority": "AUTO"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (19, '2026-11-28 19:35:11.829229+00', 'task.starting', 'scheduler', 3, 'root', '', '{"nodes": ["node-01", "node-02"], "attempt": 1, "backfill": false, "priority": "EXTREME_HIGH"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (20, '2026-11-28 19:35:12.234677+00', 'task.running', 'gang', 3, 'root', '', '{"nodes": ["node-01", "node-02"], "attempt": 1}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (21, '2026-11-28 19:35:12.444502+00', 'task.submitted', 'root', 4, 'root', '', '{"name": "held", "group": "training", "nodes": 1, "priority": "AUTO"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (22, '2026-11-28 19:35:12.565802+00', 'task.starting', 'scheduler', 4, 'root', '', '{"nodes": ["node-03"], "attempt": 1, "backfill": false, "priority": "EXTREME_HIGH"}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (23, '2026-11-28 19:35:12.911586+00', 'task.running', 'gang', 4, 'root', '', '{"nodes": ["node-03"], "attempt": 1}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (24, '2026-11-28 19:35:12.955296+00', 'task.suspending', 'root', 4, 'root', 'suspended by root', '{}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (25, '2026-11-28 19:35:18.206709+00', 'task.suspended', 'gang', 4, 'root', 'suspended by root (no answer to the notice in 5 s)', '{"attempt": 1, "outcome": "suspended-dirty", "exit_code": null}');
INSERT INTO public.events OVERRIDING SYSTEM VALUE VALUES (26, '2026-11-28 19:35:18.334985+00', 'task.submitted', 'root', 5, 'root', '', '{"name": "queued", "group": "training", "nodes": 3, "priority": "AUTO"}');
INSERT INTO public.groups VALUES ('training', '3 shares of this machine');
INSERT INTO public.journal OVERRIDING SYSTEM VALUE VALUES (1, '2026-11-28 19:35:05.817728+00', 'snapshot', 'fe125d347a01', '1bf73ac4543c58c96e2097467f53e5ce', '\x789cc590dd8ec2201484dfe55c6ed0d01f2cf6558c69106925526029c418d3775f70ddac517abb7bd5d3ef0c330337601edaa2d912baad09266b5a344d492b0452dbe027686fa0cd252fb146497e4d12eb8418ad974643eb5d10080e8c9f7ba9d4cfff14a5a29b0437fa185d0b8af11a3f704a99119c98ea3b25fb2719ddd4dfba8b90c3c93f8496792974ceee2846e345c77a2fdcfb5699c97717e3ce1d67f6695ddf43a2b136c7546617efcc4601ed1dac7001080667828dc43b26b5d443448a05cd4fc245aa0c672aa96c48ad11f0fb80d79b06c1184bb96b77b8fa644eeb92105cd5b88c0e82f5e974fcac0a98d14b6ef94fb9d51fe5ee117c06e3597af21d7c44bfdf348caa3d7a852407690e16d9f36596560fea8cf1b90e6f9c2c70bac08b25a37269b158a95eec9416f141b962724c0f1ae730b141a4719ebf00e73332e4');
INSERT INTO public.journal OVERRIDING SYSTEM VALUE VALUES (2, '2026-11-28 19:35:10.041214+00', 'tick', 'fe125d347a01', 'd3532f5ba4217c357208f1b6175e3203', '\x789c75925b6ec3201045f7329f15898c31f2632b168a70a129aa030e8f5495e5bd175c57a95cf379cf5c2e339a99817be870ddd2a6ad282ece45854b4c2802a5a7e01d74fd0cda7c3e3d457b6ecbaa217585e01e8ce7c9d3c30b20f0962badf415508108437b488f607304f1e1fbf290928d0e66d8739cb835c61ff5f68fd30c6f321ce782ca5c81e40a55b6a754600bdaede0ef9e5e47ae6e3f7b8abbf8b828117d08829316badfc4ab35618af2991c038574ab75b2ca58e5bfa03b45e53cf7325aef410629a2d185e1a6bc97e2b23f9512d7942c6c613163e41aba39bdb6ebd5f438ce93fe381518581ae48d8f4e329602dd24b548aea884bc19af8cdee43bd7c23ca4dda495dcadb57959966fb4a3cdd2');
INSERT INTO public.journal OVERRIDING SYSTEM VALUE VALUES (3, '2026-11-28 19:35:10.490191+00', 'tick', 'fe125d347a01', '672b0796cc078adfc470d86f1d8d4a35', '\x789cad8fd14ec4201045ff659e5903d85adb5fd9341b5cc696d8852e0c1ad3f0ef4edb3551637cf2895c38cc9cbb8021e854d3d68f6d552b7957b552b5b211e0fc9c2941775cc087b7df99f364dc6567c8a49793b3cc09c80923741043201030c490678e148df3ce0f7ce583c5b4a17374213a7a87eec02991216494cf483b9af2d3c511a13dfd10955a35f5bd80314c7655d8861ea4829ebd46130764995af204e7cff8fd6ba5b4aa8af862adffc1fa9a31f3d2bf9c6b5dc987d217769c27e3a15bf6ae6b81a3169f25349760f5673325ecfb75609ad16f353959bc0472c1dfe268bc0daf186f31a249dbdb524af900375592a6');
INSERT INTO public.journal OVERRIDING SYSTEM VALUE VALUES (4, '2026-11-28 19:35:11.829229+00', 'tick', 'fe125d347a01', 'd34f98b073d02198b876612c6e7e93a1', '\x789cad93e16e83201485df85dfd4008280af624cc32a6bc95a70805b96c677dfb5ed369bdaacc9f6cb5c39f77ace77e5884c4635955a28cd05a585629a315561e47c3fe484eae6887c789f6948a1a5ac8400cd666fdce1acc926bdac5d073a8c866423aa510c21238cb6310c3d94391ae79ddfc22b1f3a9b4ed23eba105dfe40f50aaa944db653e7e02fca343c1d5cceb65b5ff9240561548a12a35dd8779383d3cc15a1a8055b3b13b716bc0802139cdfd8eb564e19e5f8eb2beb5b4525b9d47ac4b358ec1f62c133e6df7209c64975938b3d908b6b42351ddbc9f7f5ca68419556a484d0d677d384a6a178764c785512dd2eb6965228c2d9f2b6ff03cb23dbfe2b95fbdb8680a5229a2d73139a966a468dcda90926aa6566dfb7688959f93833768fd9eb6007707417192da49282432820d4ef8d47f5f1fcff4d669a12ff5c183c8309089fcd3ed9b69d26a71e724f7aa83a7b08d9057f2977c677e1cdc64b19ad49a7b3e3388e9f528d4630');
INSERT INTO public.journal OVERRIDING SYSTEM VALUE VALUES (5, '2026-11-28 19:35:12.565802+00', 'tick', 'fe125d347a01', '3fda6f64c723063498725b50addf076d', '\x789cbd924d6e83301085ef326b1381b163e02a11426e70c12ad8c43fad2ac4dd3b90b0489b48ddb42b6bece7376f3e7b0619a0ca44c98b92f18c1ef891172925a0cd148387ea3483b11f779294e6ecc84b02e741eaf1aa09d2bf35ba852a2710bd725081b3360081ced93861199cd4469b0eb78c6d155ec32e93d3d6e9f009559211f0410685525c5db84a7d7c197508aa6dee7266075108ce08f47668d7049b67926637f724a55063c05eba4e612a9ea295366775e751d092d272a917f2734896e7b910fcef8674d1987f9b91eced9aef0a7a585f5388c714f6dff00802fb3d84ec19844b5411b33f6580efc0184f29a6c351a7411aa8e6ebff58d39c18d9a9e4c80209bccac1abba5e0dfda4ccc60dab568d36686b6e652f4d6bdf95bb954e49bf9dcdcbb27c016636ec04');
INSERT INTO public.migrations VALUES (1, 'initial', '12fc47cd914e3be7c27869cb42500c79ab7020f8837c5133dc783547320899d1', '2026-11-28 19:34:58.436142+00');
INSERT INTO public.migrations VALUES (2, 'turns', 'ac903d6fe135055436455b30ee35d9f2591bc4e1184c80e99932f9a44228cc0f', '2026-11-28 19:34:58.607009+00');
INSERT INTO public.migrations VALUES (3, 'journal', '923d479417fa331af2d647ee550dba1d2741aa2ce8677e90d81cfa523680657c', '2026-11-28 19:34:58.643833+00');
INSERT INTO public.migrations VALUES (4, 'past_runs', '16107e33a76ab5067b4002f17f9d62d20fd0eb26e2b93d7c1a4bbff4c5728fee', '2026-11-28 19:34:58.663971+00');
INSERT INTO public.nodes VALUES ('node-01', 'training', 'local', 8, 0.67, 8425503402, 'leaf-1', '', 'ready', '');
INSERT INTO public.nodes VALUES ('node-02', 'training', 'local', 8, 0.67, 8425503402, 'leaf-1', '', 'ready', '');
INSERT INTO public.nodes VALUES ('node-03', 'training', 'local', 8, 0.67, 8425503402, 'leaf-1', '', 'ready', '');
INSERT INTO public.quotas VALUES ('*', 'training', 0, 3);
INSERT INTO public.quotas VALUES ('*', 'training', 5, 3);
INSERT INTO public.quotas VALUES ('*', 'training', 8, 3);
INSERT INTO public.quotas VALUES ('*', 'training', 10, 3);
INSERT INTO public.quotas VALUES ('*', 'training', 20, 3);
INSERT INTO public.quotas VALUES ('*', 'training', 30, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 0, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 5, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 8, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 10, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 20, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 30, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 40, 3);
INSERT INTO public.quotas VALUES ('root', 'training', 50, 3);
INSERT INTO public.quotas VALUES ('bob', 'training', 30, 1);
INSERT INTO public.tasks VALUES (2, '8ef5a72b-dacf-4760-888a-84a43d779c82', 'root', 'failed', 'training', 1, '{"name": "failed", "spec": {"workspace": "/OLD-WORK", "entrypoint": "bad.py", "parameters": "", "environments": {}, "git_remote_repo": "", "git_target_revision": "", "entrypoint_executable": false}, "options": {}, "version": 2, "priority": -1, "resource": {"cpu": 0, "gpu": 0, "group": "default", "image": "default", "memory": 0, "is_spot": false, "node_count": 1}, "services": [], "task_type": "training"}', NULL, '2026-11-28 19:35:10.052406+00', -1, 'failed', false, 0, 0, 1, 0, 3, 'rank 0 on node-02 exited with code 3', '2026-11-28 19:35:11.338092+00', '2026-11-28 19:35:11.5256+00', 4, 0.18750786781311035, NULL, NULL, false, NULL, 0, NULL, '{}', '{}', NULL, NULL, 0);
INSERT INTO public.tasks VALUES (1, 'af15e469-f375-427b-bebf-5958e504071e', 'root', 'finished', 'training', 1, '{"name": "finished", "spec": {"workspace": "/OLD-WORK", "entrypoint": "short.py", "parameters": "", "environments": {}, "git_remote_repo": "", "git_target_revision": "", "entrypoint_executable": false}, "options": {}, "version": 2, "priority": -1, "resource": {"cpu": 0, "gpu": 0, "group": "default", "image": "default", "memory": 0, "is_spot": false, "node_count": 1}, "services": [], "task_type": "training"}', NULL, '2026-11-28 19:35:10.021753+00', -1, 'succeeded', false, 0, 0, 1, 0, 0, '', '2026-11-28 19:35:10.674799+00', '2026-11-28 19:35:11.046309+00', 4, 0.37151050567626953, NULL, NULL, false, NULL, 0, NULL, '{}', '{}', NULL, NULL, 0);
INSERT INTO public.tasks VALUES (3, '0c43dc68-672d-4a90-a2a1-97f4aaecfb69', 'root', 'running', 'training', 2, '{"name": "running", "spec": {"workspace": "/OLD-WORK", "entrypoint": "long.py", "parameters": "", "environments": {}, "git_remote_repo": "", "git_target_revision": "", "entrypoint_executable": false}, "options": {}, "version": 2, "priority": -1, "resource": {"cpu": 0, "gpu": 0, "group": "default", "image": "default", "memory": 0, "is_spot": false, "node_count": 2}, "services": [], "task_type": "training"}', NULL, '2026-11-28 19:35:11.78754+00', -1, 'running', false, 0, 0, 1, 0, NULL, '', '2026-11-28 19:35:12.234677+00', NULL, 5, 0, NULL, NULL, false, NULL, 0, NULL, '{}', '{}', NULL, NULL, 0);
INSERT INTO public.tasks VALUES (4, 'e28145fa-6669-49bc-be17-11e0e738177b', 'root', 'held', 'training', 1, '{"name": "held", "spec": {"workspace": "/OLD-WORK", "entrypoint": "long.py", "parameters": "", "environments": {}, "git_remote_repo": "", "git_target_revision": "", "entrypoint_executable": false}, "options": {}, "version": 2, "priority": -1, "resource": {"cpu": 0, "gpu": 0, "group": "default", "image": "default", "memory": 0, "is_spot": false, "node_count": 1}, "services": [], "task_type": "training"}', NULL, '2026-11-28 19:35:12.444502+00', -1, 'suspended', true, 0, 0, 1, 1, NULL, 'suspended by root (no answer to the notice in 5 s)', '2026-11-28 19:35:12.911586+00', NULL, 6, 5.295122861862183, '2026-11-28 19:35:18.206709+00', NULL, false, NULL, 0, NULL, '{}', '{}', NULL, NULL, 0);
INSERT INTO public.tasks VALUES (5, '17feabc5-ff1c-4f1f-8b7c-d64f7efe2ce3', 'root', 'queued', 'training', 3, '{"name": "queued", "spec": {"workspace": "/OLD-WORK", "entrypoint": "short.py", "parameters": "", "environments": {}, "git_remote_repo": "", "git_target_revision": "", "entrypoint_executable": false}, "options": {}, "version": 2, "priority": -1, "resource": {"cpu": 0, "gpu": 0, "group": "default", "image": "default", "memory": 0, "is_spot": false, "node_count": 3}, "services": [], "task_type": "training"}', NULL, '2026-11-28 19:35:18.334985+00', -1, 'queued', false, 0, 0, 0, 0, NULL, '', NULL, NULL, 0, 0, NULL, NULL, false, NULL, 0, NULL, '{}', '{}', NULL, NULL, 0);
INSERT INTO public.tokens VALUES ('14dcfd9497289355', '628b3c03c368e60bca855ecd864d81433204d6fe84cbbdd4f48c3e4e9ca70029', 'root', 'bootstrap', '2026-11-28 19:34:58.983506+00', NULL);
INSERT INTO public.tokens VALUES ('76474654aae75f5a', '19df2378b7ea9426af82304c975df1569997630585e81db31a4ae8530d04cb1b', 'bob', 'first', '2026-11-28 19:35:09.774796+00', NULL);
INSERT INTO public.users VALUES ('root', 'admin', 0, true, '2026-11-28 19:34:58.802624+00');
INSERT INTO public.users VALUES ('bob', 'user', 64321, true, '2026-11-28 19:35:09.765837+00');
INSERT INTO public.workers VALUES (1, 1, 0, 'exited', 0, '', false, false, '127.0.0.1', 58249, '2026-11-28 19:35:10.912077+00', '2026-11-28 19:35:11.046309+00', '{"cpu_seconds": 0.016, "memory_bytes": 12832768.0}');
INSERT INTO public.workers VALUES (2, 1, 0, 'exited', 3, '', false, false, '127.0.0.1', 51797, '2026-11-28 19:35:11.428715+00', '2026-11-28 19:35:11.5256+00', '{"cpu_seconds": 0.016, "memory_bytes": 12828672.0}');
INSERT INTO public.workers VALUES (3, 1, 0, 'running', NULL, '', false, false, '127.0.0.1', 49135, '2026-11-28 19:35:12.39361+00', NULL, '{}');
INSERT INTO public.workers VALUES (3, 1, 1, 'running', NULL, '', false, false, '127.0.0.1', 0, '2026-11-28 19:35:12.418634+00', NULL, '{}');
INSERT INTO public.workers VALUES (4, 1, 0, 'exited', 143, '', false, false, '127.0.0.1', 41243, '2026-11-28 19:35:12.981833+00', '2026-11-28 19:35:18.206709+00', '{"cpu_percent": 1.7, "cpu_seconds": 0.037, "memory_bytes": 10940416.0}');
SELECT pg_catalog.setval('public.events_id_seq', 26, true);
SELECT pg_catalog.setval('public.journal_id_seq', 5, true);
SELECT pg_catalog.setval('public.task_ids', 5, true);
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_pkey PRIMARY KEY (task_id, number);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.groups
    ADD CONSTRAINT groups_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.journal
    ADD CONSTRAINT journal_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (number);
ALTER TABLE ONLY public.nodes
    ADD CONSTRAINT nodes_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.quotas
    ADD CONSTRAINT quotas_pkey PRIMARY KEY (user_name, group_name, priority);
ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_hash_key UNIQUE (hash);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (task_id, attempt, rank);
CREATE INDEX attempts_by_end ON public.attempts USING btree (ended_at);
CREATE INDEX events_by_task ON public.events USING btree (task_id, id) WHERE (task_id IS NOT NULL);
CREATE INDEX events_by_user ON public.events USING btree (user_name, id) WHERE (user_name IS NOT NULL);
CREATE INDEX journal_by_time ON public.journal USING btree (at);
CREATE INDEX journal_snapshots ON public.journal USING btree (at, id) WHERE (kind = 'snapshot'::text);
CREATE INDEX tasks_by_array ON public.tasks USING btree (array_id, id) WHERE (array_id IS NOT NULL);
CREATE INDEX tasks_by_name ON public.tasks USING btree (user_name, name, id);
CREATE INDEX tasks_by_state ON public.tasks USING btree (state, id);
CREATE INDEX tasks_by_user ON public.tasks USING btree (user_name, id);
CREATE UNIQUE INDEX tasks_name_in_use ON public.tasks USING btree (user_name, name) WHERE (state <> ALL (ARRAY['succeeded'::text, 'failed'::text, 'stopped'::text]));
CREATE INDEX tasks_past_runs ON public.tasks USING btree (group_name, ended_at) WHERE (state = 'succeeded'::text);
CREATE UNIQUE INDEX tasks_request ON public.tasks USING btree (user_name, request_id) WHERE (request_id IS NOT NULL);
CREATE INDEX tasks_unfinished ON public.tasks USING btree (id) WHERE (state <> ALL (ARRAY['succeeded'::text, 'failed'::text, 'stopped'::text]));
CREATE INDEX tasks_waiting_for_others ON public.tasks USING btree (id) WHERE ((state = ANY (ARRAY['queued'::text, 'suspended'::text])) AND ((waits_ok <> '{}'::bigint[]) OR (waits_any <> '{}'::bigint[])));
CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_to_rewrite_ledger();
ALTER TABLE ONLY public.attempts
    ADD CONSTRAINT attempts_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.tasks(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_user_name_fkey FOREIGN KEY (user_name) REFERENCES public.users(name) ON DELETE CASCADE;
ALTER TABLE ONLY public.workers
    ADD CONSTRAINT workers_task_id_attempt_fkey FOREIGN KEY (task_id, attempt) REFERENCES public.attempts(task_id, number) ON DELETE CASCADE;
