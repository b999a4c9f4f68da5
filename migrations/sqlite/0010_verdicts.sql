-- Verdicts of the token doctor that somebody keeps for colleagues: JSON, without the token. `hash` is that of the id in the link.
CREATE TABLE verdicts (
    hash BLOB PRIMARY KEY,
    made_by BLOB NOT NULL,
    verdict TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX verdicts_expiry ON verdicts (expires_at);
