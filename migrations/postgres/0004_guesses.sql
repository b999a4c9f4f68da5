-- Failed logins to one account from networks that it is not known from, counted by all nodes together. The account is
-- named by the digest of its username, whether it exists or not, so that nobody learns from a wait which names exist.
CREATE TABLE guesses (
    account BYTEA PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX guesses_last ON guesses (last_at);

-- The networks from which users logged in: the guesses of others elsewhere do not make them wait there.
CREATE TABLE known_networks (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT COLLATE "C" NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX known_networks_last ON known_networks (last_login_at);
