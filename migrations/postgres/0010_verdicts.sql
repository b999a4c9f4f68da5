-- Verdicts of the token doctor that somebody keeps for colleagues: JSON, without the token. `hash` is that of the id in the link.
CREATE TABLE verdicts (
    hash BYTEA PRIMARY KEY,
    made_by UUID NOT NULL,
    verdict TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX verdicts_expiry ON verdicts (expires_at);
