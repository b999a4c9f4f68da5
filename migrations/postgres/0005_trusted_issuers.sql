-- Other issuers whose tokens are trusted, by the `iss` of these. The settings are one JSON text, read and written whole.
CREATE TABLE trusted_issuers (
    issuer TEXT COLLATE "C" PRIMARY KEY,
    settings TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
