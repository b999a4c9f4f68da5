-- Tokens are bound to keys (RFC 9449) and certificates (RFC 8705): what the refresh tokens of a session are bound to, and the key
-- that its authorization code is bound to. bound_from is the first generation whose refresh token is bound, if a redemption or a refresh
-- bound the session: whoever has an older one need not have been able to prove anything.
ALTER TABLE sessions ADD COLUMN confirmation TEXT;
ALTER TABLE sessions ADD COLUMN bound_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN code_key TEXT;

-- Proofs that counted a short while ago (RFC 9449 §11.1), packed: a row for each batch that a node saw. Others read what is new.
CREATE TABLE dpop_proofs (
    node BLOB NOT NULL,
    number INTEGER NOT NULL,
    proofs BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (node, number)
);
CREATE INDEX dpop_proofs_expiry ON dpop_proofs (expires_at);
