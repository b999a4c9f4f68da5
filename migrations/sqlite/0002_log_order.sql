-- A number is never smaller than the time at which it is given, in milliseconds: after a restoration of the database the
-- log goes on above all numbers that were lost, so what is revoked then covers what was issued in the lost time.
-- And each entry names the one before it: a node that finds another one there has missed something and loads all. Before
-- this migration, numbers had no gaps.
ALTER TABLE log ADD COLUMN previous INTEGER;

DROP TRIGGER log_number;
CREATE TRIGGER log_number AFTER INSERT ON log
BEGIN
    UPDATE log SET previous = (SELECT number FROM log_head WHERE id = 1) WHERE id = NEW.id;
    UPDATE log_head SET number = max(number + 1, NEW.created_at) WHERE id = 1;
    UPDATE log SET number = (SELECT number FROM log_head WHERE id = 1) WHERE id = NEW.id;
END;

-- What a node loads when it starts: the revocations that still cover something, however many others are kept.
CREATE INDEX log_in_force ON log (covers_until, number)
    WHERE kind IN ('token', 'session', 'user', 'client', 'key', 'all');
