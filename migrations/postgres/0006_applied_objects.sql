-- Which set of files each object was applied from: only that set changes or prunes it. The row goes with its object.
CREATE TABLE applied_objects (
    kind TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    set_name TEXT COLLATE "C" NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
