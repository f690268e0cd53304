-- The token that made this one: when it goes, what it made goes as well.
ALTER TABLE tokens
    ADD COLUMN parent text REFERENCES tokens (id) ON DELETE CASCADE;

CREATE INDEX tokens_by_user ON tokens (user_name, created_at);
CREATE INDEX tokens_by_parent ON tokens (parent) WHERE parent IS NOT NULL;
