-- What a user may administer in the console; null for most.
ALTER TABLE users ADD COLUMN role TEXT;
CREATE INDEX users_role ON users (role) WHERE role IS NOT NULL;

-- Who changed this?
CREATE INDEX audit_target ON audit (target, at, id);
