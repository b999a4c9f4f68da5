-- Client assertions that were used (RFC 7523): each counts once. `hash` is that of the client and the `jti`. A row outlives its
-- assertion by a little, because clocks are set back.
CREATE TABLE client_assertions (
    hash BLOB PRIMARY KEY,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX client_assertions_expiry ON client_assertions (expires_at);
