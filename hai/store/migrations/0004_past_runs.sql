-- Running times of a group's tasks, the latest first: what estimates go by.
CREATE INDEX tasks_past_runs ON tasks (group_name, ended_at) WHERE state = 'succeeded';
