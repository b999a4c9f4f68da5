-- Events: the records of the audit trail in an order that others can follow. A transaction that commits later may have begun earlier,
-- so neither times nor ids are such an order. Numbers are given afterwards, by one statement at a time (store/events.rs): nobody who
-- writes to the audit trail waits for that, and nothing appears behind a reader.
CREATE TABLE event_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO event_head (id, number) VALUES (1, 0);

-- `id` is that of the audit record. `previous` is the number of the event before: who finds another one there has missed something.
CREATE TABLE events (
    id UUID PRIMARY KEY,
    number BIGINT UNIQUE,
    previous BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX events_without_number ON events (id) WHERE number IS NULL;
CREATE INDEX events_created ON events (created_at);

-- A trigger, so that what older nodes write is an event, too.
CREATE FUNCTION audit_is_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events (id, created_at) VALUES (NEW.id, NEW.at);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_event AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_event();

-- `types` are the types of events that are sent, with a space before and after each; empty for all.
CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    url TEXT NOT NULL,
    types TEXT NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    delivered_at BIGINT,
    failed_at BIGINT,
    failure TEXT
);

-- Sealed with the data key.
CREATE TABLE webhook_secrets (
    id UUID PRIMARY KEY,
    webhook UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX webhook_secrets_webhook ON webhook_secrets (webhook);

-- Events that webhooks have not got yet. One that is being sent, or has to wait after an attempt, is due later.
CREATE TABLE webhook_messages (
    webhook UUID NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event UUID NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (webhook, event)
);
CREATE INDEX webhook_messages_due ON webhook_messages (webhook, due_at);
CREATE INDEX webhook_messages_expiry ON webhook_messages (expires_at);
