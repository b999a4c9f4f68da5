-- The keys that were deleted: a token that one of them made is told from one of a key that never was.
CREATE INDEX log_keys ON log (target_name, created_at) WHERE kind = 'key';
