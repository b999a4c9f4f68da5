-- Whose turn it is to remove what is over: one node holds the turn until a moment of the database's clock, and prolongs it
-- while it works; after a round the turn rests until that moment. No index is added: upkeep walks along those that there
-- are, so that no upgrade has to lock a large table while an index is built.
CREATE TABLE upkeep (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    holder BLOB,
    free_at INTEGER NOT NULL,
    ended_at INTEGER
);
INSERT INTO upkeep (id, free_at) VALUES (1, 0);
