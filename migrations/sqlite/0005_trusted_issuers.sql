-- Other issuers whose tokens are trusted, by the `iss` of these. The settings are one JSON text, read and written whole.
CREATE TABLE trusted_issuers (
    issuer TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
