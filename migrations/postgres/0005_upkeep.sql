-- Whose turn it is to remove what is over: one node holds the turn until a moment of the database's clock, and prolongs it
-- while it works; after a round the turn rests until that moment. No index is added: upkeep walks along those that there
-- are, so that no upgrade has to lock a large table while an index is built.
CREATE TABLE upkeep (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    holder UUID,
    free_at BIGINT NOT NULL,
    ended_at BIGINT
);
INSERT INTO upkeep (id, free_at) VALUES (1, 0);

-- By itself Postgres waits until a fifth of a table is dead before it cleans up after what upkeep removed.
ALTER TABLE sessions SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE log SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE audit SET (autovacuum_vacuum_scale_factor = 0.05);
