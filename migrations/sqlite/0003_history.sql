-- The keys that were deleted: a token that one of them made is told from one of a key that never was.
CREATE INDEX log_keys ON log (target_name, created_at) WHERE kind = 'key';

-- Revocations of tokens, by when they covered something for the last time: they are kept a while longer, to be explained.
CREATE INDEX log_tokens ON log (covers_until) WHERE kind = 'token';
