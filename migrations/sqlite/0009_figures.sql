-- What all nodes counted in an hour, which begins at `at`, by a name such as `issued/password` (protocol/figures.rs).
CREATE TABLE figures (
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (at, name)
);

-- What each node counted in its last quarter of an hour, from `since` to `at`: JSON.
CREATE TABLE node_figures (
    node BLOB PRIMARY KEY,
    at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    most_waiting INTEGER NOT NULL,
    figures TEXT NOT NULL
);
CREATE INDEX node_figures_at ON node_figures (at);
