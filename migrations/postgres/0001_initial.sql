-- Times are milliseconds since the Unix epoch.

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE clients (
    client_id TEXT COLLATE "C" PRIMARY KEY,
    settings TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE client_secrets (
    id UUID PRIMARY KEY,
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    sha256 BYTEA,
    argon2id TEXT,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    CHECK ((sha256 IS NULL) <> (argon2id IS NULL))
);
CREATE INDEX client_secrets_client ON client_secrets (client_id);

CREATE TABLE users (
    id UUID PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash TEXT,
    scope TEXT,
    claims TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- No index holds a column that a refresh changes, so that Postgres can update rows in place (HOT).
CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL,
    client_id TEXT COLLATE "C" NOT NULL,
    scope TEXT NOT NULL,
    audiences TEXT NOT NULL,
    nonce_hash BYTEA NOT NULL,
    generation BIGINT NOT NULL,
    retries BIGINT NOT NULL,
    log BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_refreshed_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended BOOLEAN NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_holder ON sessions (user_id, client_id) WHERE NOT ended;
CREATE INDEX sessions_client ON sessions (client_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE keys (
    kid TEXT COLLATE "C" PRIMARY KEY,
    key_use TEXT NOT NULL,
    algorithm TEXT,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    activates_at BIGINT NOT NULL
);

-- The numbered log: revocations, and notices of what changed. Its number order is commit order.
CREATE TABLE log_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO log_head (id, number) VALUES (1, 0);

CREATE TABLE log (
    id UUID PRIMARY KEY,
    number BIGINT UNIQUE,
    kind TEXT NOT NULL,
    target_id UUID,
    target_name TEXT COLLATE "C",
    cause TEXT,
    reason TEXT,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    covers_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX log_target_id ON log (target_id, number);
CREATE INDEX log_target_name ON log (target_name, number);
CREATE INDEX log_all ON log (number) WHERE kind = 'all';
CREATE INDEX log_expiry ON log (expires_at);

-- The number is given while the transaction commits: the row lock of log_head is taken and released inside that one
-- statement, so a smaller number never becomes visible after a larger one, and a frozen node never holds the lock.
CREATE FUNCTION log_give_number() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    next BIGINT;
BEGIN
    UPDATE log_head SET number = number + 1 WHERE id = 1 RETURNING number INTO next;
    UPDATE log SET number = next WHERE id = NEW.id;
    PERFORM pg_notify('jeton_log', next::text);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER log_number AFTER INSERT ON log
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_give_number();

CREATE TABLE nodes (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    applied BIGINT NOT NULL,
    applied_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    max_staleness BIGINT NOT NULL
);

CREATE TABLE audit (
    id UUID PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    request_id TEXT,
    address TEXT,
    detail TEXT
);
CREATE INDEX audit_at ON audit (at);
