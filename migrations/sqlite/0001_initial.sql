-- Times are milliseconds since the Unix epoch.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
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

CREATE TABLE users (
    id BLOB PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    scope TEXT,
    claims TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    audiences TEXT NOT NULL,
    nonce_hash BLOB NOT NULL,
    generation INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    log INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    last_refreshed_at INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended BOOLEAN NOT NULL
);
CREATE INDEX sessions_holder ON sessions (user_id, client_id) WHERE NOT ended;
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

-- The numbered log: revocations, and notices of what changed. Its number order is commit order.
CREATE TABLE log_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO log_head (id, number) VALUES (1, 0);

CREATE TABLE log (
    id BLOB PRIMARY KEY,
    number INTEGER UNIQUE,
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
CREATE INDEX log_target_id ON log (target_id, number);
CREATE INDEX log_target_name ON log (target_name, number);
CREATE INDEX log_all ON log (number) WHERE kind = 'all';
CREATE INDEX log_expiry ON log (expires_at);

-- SQLite has one writer at a time, so number order is commit order by itself.
CREATE TRIGGER log_number AFTER INSERT ON log
BEGIN
    UPDATE log_head SET number = number + 1 WHERE id = 1;
    UPDATE log SET number = (SELECT number FROM log_head WHERE id = 1) WHERE id = NEW.id;
END;

CREATE TABLE nodes (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    applied INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL,
    max_staleness INTEGER NOT NULL
);

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
CREATE INDEX audit_at ON audit (at);
