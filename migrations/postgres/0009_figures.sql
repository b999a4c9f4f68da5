-- What all nodes counted in an hour, which begins at `at`, by a name such as `issued/password` (protocol/figures.rs).
CREATE TABLE figures (
    at BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (at, name)
);

-- What each node counted in its last quarter of an hour, from `since` to `at`: JSON.
CREATE TABLE node_figures (
    node UUID PRIMARY KEY,
    at BIGINT NOT NULL,
    since BIGINT NOT NULL,
    most_waiting BIGINT NOT NULL,
    figures TEXT NOT NULL
);
CREATE INDEX node_figures_at ON node_figures (at);
