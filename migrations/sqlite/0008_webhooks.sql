-- Events: the records of the audit trail in an order that others can follow. A transaction that commits later may have begun earlier,
-- so neither times nor ids are such an order. Numbers are given afterwards, by one statement at a time (store/events.rs): nobody who
-- writes to the audit trail waits for that, and nothing appears behind a reader.
CREATE TABLE event_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO event_head (id, number) VALUES (1, 0);

-- `id` is that of the audit record. `previous` is the number of the event before: who finds another one there has missed something.
CREATE TABLE events (
    id BLOB PRIMARY KEY,
    number INTEGER UNIQUE,
    previous INTEGER,
    created_at INTEGER NOT NULL
);
CREATE INDEX events_without_number ON events (id) WHERE number IS NULL;
CREATE INDEX events_created ON events (created_at);

-- A trigger, so that whatever writes to the audit trail makes an event.
CREATE TRIGGER audit_event AFTER INSERT ON audit
BEGIN
    INSERT INTO events (id, created_at) VALUES (NEW.id, NEW.at);
END;

-- `types` are the types of events that are sent, with a space before and after each; empty for all.
CREATE TABLE webhooks (
    id BLOB PRIMARY KEY,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    delivered_at INTEGER,
    failed_at INTEGER,
    failure TEXT
);

-- Sealed with the data key.
CREATE TABLE webhook_secrets (
    id BLOB PRIMARY KEY,
    webhook BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (webhook);

-- Events that webhooks have not got yet. One that is being sent, or has to wait after an attempt, is due later.
CREATE TABLE webhook_messages (
    webhook BLOB NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event BLOB NOT NULL,
    attempts INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (webhook, event)
);
CREATE INDEX webhook_messages_due ON webhook_messages (webhook, due_at);
CREATE INDEX webhook_messages_expiry ON webhook_messages (expires_at);
