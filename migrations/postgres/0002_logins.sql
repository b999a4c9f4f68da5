-- People log in at a browser: authorization codes, browser sessions, consent, second factors, resources, devices.

-- Claims of OpenID Connect, for ID tokens and UserInfo.
ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT '{}';

-- `login` is what the authorization endpoint found out; null for a session that began with a password grant. A session whose
-- code was not redeemed yet is of generation 0. `offline` outlives the browser session.
ALTER TABLE sessions ADD COLUMN login TEXT;
ALTER TABLE sessions ADD COLUMN browser_session UUID;
ALTER TABLE sessions ADD COLUMN offline BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX sessions_browser ON sessions (browser_session) WHERE browser_session IS NOT NULL;

-- People logged in at a browser. The cookie is kept as a hash. A row outlives its times while clients have sessions that end with it.
CREATE TABLE browser_sessions (
    id UUID PRIMARY KEY,
    secret_hash BYTEA NOT NULL UNIQUE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    methods TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    network TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    idle_expires_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX browser_sessions_user ON browser_sessions (user_id);
CREATE INDEX browser_sessions_sequence ON browser_sessions (sequence);

-- What a user allowed a client for good: for each resource the scopes, as JSON.
CREATE TABLE consents (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    allowed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, client_id, redirect_uri)
);
CREATE INDEX consents_client ON consents (client_id);

-- The APIs that tokens are for.
CREATE TABLE resources (
    resource TEXT COLLATE "C" PRIMARY KEY,
    settings TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- The second factor of a user: the secret, sealed with the data key, and the last time step that counted. Its recovery
-- codes are kept as hashes.
CREATE TABLE second_factors (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    secret BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES second_factors (user_id) ON DELETE CASCADE,
    hash BYTEA NOT NULL,
    PRIMARY KEY (user_id, hash)
);

-- One-time links to set a password, kept as hashes. A new password and disabling the user remove them.
CREATE TABLE password_links (
    hash BYTEA PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX password_links_expiry ON password_links (expires_at);
CREATE INDEX password_links_user ON password_links (user_id);

-- Requests of devices (RFC 8628). `state` is pending, allowed or denied. The session that a person allows has the id of the request.
CREATE TABLE device_requests (
    id UUID PRIMARY KEY,
    nonce_hash BYTEA NOT NULL,
    user_code TEXT COLLATE "C" NOT NULL UNIQUE,
    client_id TEXT COLLATE "C" NOT NULL,
    scope TEXT NOT NULL,
    audiences TEXT NOT NULL,
    network TEXT NOT NULL,
    state TEXT NOT NULL,
    wait BIGINT NOT NULL,
    polled_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX device_requests_expiry ON device_requests (expires_at);
CREATE INDEX device_requests_client ON device_requests (client_id) WHERE state = 'pending';
CREATE INDEX device_requests_network ON device_requests (network) WHERE state = 'pending';

-- Clients that registered themselves, with the hash of the token by which they manage that. `expires_at` is when the client is
-- removed, unless somebody logs in with it before; then it is null.
CREATE TABLE registrations (
    client_id TEXT COLLATE "C" PRIMARY KEY REFERENCES clients (client_id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL,
    expires_at BIGINT
);
CREATE INDEX registrations_expiry ON registrations (expires_at) WHERE expires_at IS NOT NULL;

-- Clients that are to be told that a session of a person has ended (OpenID Connect Back-Channel Logout). A notice that is being
-- delivered, or has to wait after an attempt, is due later.
CREATE TABLE logout_notices (
    session UUID PRIMARY KEY,
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    sub TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX logout_notices_due ON logout_notices (client_id, due_at);
CREATE INDEX logout_notices_expiry ON logout_notices (expires_at);

-- Clients that nobody registered: the last good metadata document at the URL that is their `client_id`, and the settings that follow
-- from it. A row goes at `expires_at`, unless there are sessions of the client; `is_used` says that there were some.
CREATE TABLE client_documents (
    client_id TEXT COLLATE "C" PRIMARY KEY,
    host TEXT COLLATE "C" NOT NULL,
    document TEXT NOT NULL,
    settings TEXT NOT NULL,
    version BIGINT NOT NULL,
    etag TEXT,
    is_used BOOLEAN NOT NULL,
    is_blocked BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    fetched_at BIGINT NOT NULL,
    fresh_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX client_documents_expiry ON client_documents (expires_at);
CREATE INDEX client_documents_unused ON client_documents (fetched_at) WHERE NOT is_used;

-- URLs of such documents, and hosts with every name below them, that an administrator does not want.
CREATE TABLE client_blocks (
    target TEXT COLLATE "C" PRIMARY KEY,
    reason TEXT,
    created_at BIGINT NOT NULL
);
