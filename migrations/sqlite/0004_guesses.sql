-- Failed logins to one account from networks that it is not known from, counted by all nodes together. The account is
-- named by the digest of its username, whether it exists or not, so that nobody learns from a wait which names exist.
CREATE TABLE guesses (
    account BLOB PRIMARY KEY,
    failures INTEGER NOT NULL,
    last_at INTEGER NOT NULL
);
CREATE INDEX guesses_last ON guesses (last_at);

-- The networks from which users logged in: the guesses of others elsewhere do not make them wait there.
CREATE TABLE known_networks (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    last_login_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX known_networks_last ON known_networks (last_login_at);
