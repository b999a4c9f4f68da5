-- What the console lists, however much there is.

-- Revocations, without the notices between them. The list of kinds is that of the queries.
CREATE INDEX changes_revocations ON changes (number) WHERE kind IN ('token', 'session', 'user', 'client', 'key', 'all');
-- Secrets that nobody uses, those first that are unused for the longest time.
CREATE INDEX client_secrets_unused ON client_secrets (COALESCE(last_used_at, created_at), id);
CREATE INDEX users_with_role ON users (id) WHERE role IS NOT NULL;

-- The figures of all hours of a day (UTC), which begins at `at`.
CREATE TABLE figures_by_day (
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (at, name)
);
INSERT INTO figures_by_day (at, name, count)
    SELECT at / 86400000 * 86400000, name, CAST(sum(count) AS INTEGER) FROM figures GROUP BY at / 86400000 * 86400000, name;

-- The sessions of a user, the newest first. Last, since sessions change all the time.
CREATE INDEX sessions_user_newest ON sessions (user_id, id) WHERE NOT ended;
