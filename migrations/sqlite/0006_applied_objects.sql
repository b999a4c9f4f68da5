-- Which set of files each object was applied from: only that set changes or prunes it. The row goes with its object.
CREATE TABLE applied_objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    set_name TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
);
