-- A number is never smaller than the time at which it is given, in milliseconds: after a restoration of the database the
-- log goes on above all numbers that were lost, so what is revoked then covers what was issued in the lost time.
-- And each entry names the one before it: a node that finds another one there has missed something and loads all. Before
-- this migration, numbers had no gaps.
ALTER TABLE log ADD COLUMN previous BIGINT;

CREATE OR REPLACE FUNCTION log_give_number() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before BIGINT;
    next BIGINT;
BEGIN
    SELECT number INTO before FROM log_head WHERE id = 1 FOR UPDATE;
    next := greatest(before + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint);
    UPDATE log_head SET number = next WHERE id = 1;
    UPDATE log SET number = next, previous = before WHERE id = NEW.id;
    PERFORM pg_notify('jeton_log', next::text);
    RETURN NULL;
END
$$;

-- What a node loads when it starts: the revocations that still cover something, however many others are kept.
CREATE INDEX log_in_force ON log (covers_until, number)
    WHERE kind IN ('token', 'session', 'user', 'client', 'key', 'all');
