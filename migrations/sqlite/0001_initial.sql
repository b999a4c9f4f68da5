-- Times are milliseconds since the Unix epoch.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
);

-- Every text that can be the `sub` of a token: the sub of each user and the client_id of each client. One table, so that the
-- primary key keeps them apart, however many nodes create users and clients at the same moment.
CREATE TABLE subjects (
    sub TEXT PRIMARY KEY,
    is_client BOOLEAN NOT NULL
);

CREATE TABLE clients (
    client_id TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE client_secrets (
    id BLOB PRIMARY KEY,
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    sha256 BLOB,
    argon2id TEXT,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER,
    CHECK ((sha256 IS NULL) <> (argon2id IS NULL))
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

-- `username_key` and `sub_key` are in the form in which usernames are compared: no text leads to two users.
CREATE TABLE users (
    id BLOB PRIMARY KEY,
    sub TEXT NOT NULL UNIQUE,
    sub_key TEXT NOT NULL,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    scope TEXT,
    claims TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX users_subject ON users (sub_key);

-- `retries` repeats of the last rotation, `repeats` of all of them within the hour that began at `repeats_since`. `network` is
-- where the last rotation, or the login, came from; the `previous` times undo a rotation whose request is refused.
CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL,
    sub TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    audiences TEXT NOT NULL,
    nonce_hash BLOB NOT NULL,
    generation INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    repeats INTEGER NOT NULL DEFAULT 0,
    repeats_since INTEGER NOT NULL DEFAULT 0,
    network TEXT NOT NULL DEFAULT '',
    sequence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_refreshed_at INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    previous_refreshed_at INTEGER NOT NULL DEFAULT 0,
    previous_idle_expires_at INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    ended BOOLEAN NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, client_id) WHERE NOT ended;
CREATE INDEX sessions_client ON sessions (client_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE keys (
    kid TEXT PRIMARY KEY,
    key_use TEXT NOT NULL,
    algorithm TEXT,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    activates_at INTEGER NOT NULL
);

-- The change log: revocations, and notices of what changed. The order of its numbers is the order of the commits.
CREATE TABLE change_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO change_head (id, number) VALUES (1, 0);

-- `previous` is the number of the entry before: a node that finds another one there has missed something and reloads everything.
CREATE TABLE changes (
    id BLOB PRIMARY KEY,
    number INTEGER UNIQUE,
    previous INTEGER,
    kind TEXT NOT NULL,
    target_id BLOB,
    target_name TEXT,
    cause TEXT,
    reason TEXT,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    covers_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX changes_target_id ON changes (target_id, number);
CREATE INDEX changes_target_name ON changes (target_name, number);
CREATE INDEX changes_all ON changes (number) WHERE kind = 'all';
CREATE INDEX changes_expiry ON changes (expires_at);
-- What a node loads when it starts: the revocations that still cover something, however many others are kept.
CREATE INDEX changes_in_force ON changes (covers_until, number)
    WHERE kind IN ('token', 'session', 'user', 'client', 'key', 'all');
-- Deleted keys: they tell a token of a deleted key from one whose key never existed.
CREATE INDEX changes_keys ON changes (target_name, created_at) WHERE kind = 'key';
-- Revocations of tokens by the end of what they cover: they are kept a while longer, to explain refusals.
CREATE INDEX changes_tokens ON changes (covers_until) WHERE kind = 'token';

-- SQLite has one writer at a time, so the order of the numbers is that of the commits.
-- A number is never smaller than the time in milliseconds: after a restore of the database the log continues above all the
-- numbers that were lost, so what is revoked then covers what was issued in the lost time.
CREATE TRIGGER changes_number AFTER INSERT ON changes
BEGIN
    UPDATE changes SET previous = (SELECT number FROM change_head WHERE id = 1) WHERE id = NEW.id;
    UPDATE change_head SET number = max(number + 1, NEW.created_at) WHERE id = 1;
    UPDATE changes SET number = (SELECT number FROM change_head WHERE id = 1) WHERE id = NEW.id;
END;

-- The running servers. `feature_level` says how many features of clients the program knows; its version is for people.
CREATE TABLE nodes (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    feature_level INTEGER NOT NULL,
    applied INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    max_staleness INTEGER NOT NULL
);

-- The level that a program needs to understand every client; never lowered. A client that begins to use a feature raises it,
-- and no node of a lower level joins from then on.
CREATE TABLE feature_level (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    level INTEGER NOT NULL
);
INSERT INTO feature_level (id, level) VALUES (1, 0);

CREATE TABLE audit (
    id BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    request_id TEXT,
    address TEXT,
    detail TEXT
);
-- One for each filter, in the order of the list.
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_actor ON audit (actor, at, id);
CREATE INDEX audit_action ON audit (action, at, id);

-- Failed logins to one account from networks where it is not known, counted by all nodes together. The account is named by the
-- digest of its username, whether it exists or not, so that a wait does not reveal which names exist.
CREATE TABLE login_failures (
    account BLOB PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);
CREATE INDEX login_failures_last ON login_failures (last_at);

-- The networks from which users logged in: guesses from elsewhere do not make them wait there.
CREATE TABLE known_networks (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_login_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX known_networks_last ON known_networks (last_login_at);

-- Which node removes expired rows: it has the turn until a moment of the database's clock and extends it while it works.
CREATE TABLE cleanup (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    node BLOB,
    free_at INTEGER NOT NULL,
    ended_at INTEGER
);
INSERT INTO cleanup (id, free_at) VALUES (1, 0);
