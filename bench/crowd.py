"""Fills a database with as many clients, users and sessions as a large deployment has, and with the worst of each."""

import os
import random
import sqlite3
import time
from contextlib import closing

from processes import say

HOUR = 3600 * 1000
DAY = 24 * HOUR
CLIENTS, USERS, SESSIONS = 100_000, 1_000_000, 1_000_000
AUDITED, REVOCATIONS, NOTICES, BROWSERS = 200_000, 10_000, 100_000, 20_000
# Sessions of one client; of one whose sessions have all expired, the newest of all; of one that was revoked; and of one user.
OF_BIG, OF_OVER, OF_REVOKED, OF_USER = 200_000, 100_000, 50_000, 50_000
BIG, OVER, REVOKED, RARE = "app-000000", "app-000001", "app-000002", "payroll"
# An actor and an action with half and a quarter of the audit trail, and nothing together.
BUSY_ACTOR, BUSY_ACTION = "client ops", "login"


def uuid(at, n):
    """A UUID of version 7, as bytes."""
    return (at << 80 | 7 << 76 | 2 << 62 | n).to_bytes(16, "big")


class Crowd:
    """The rows: each table's columns, and what is in them. The same for every database."""

    def __init__(self, settings, password_hash):
        """`settings` of clients with sessions, and of one without, as Jeton writes them."""
        self.settings, self.password_hash = settings, password_hash
        self.now = int(time.time() * 1000)
        self.random = random.Random(1)

    def tables(self):
        yield "subjects", "sub, is_client", self.subjects()
        yield "clients", "client_id, settings, version, created_at", self.clients()
        yield "client_secrets", "id, client_id, sha256, created_at, last_used_at", self.secrets()
        yield ("users", "id, sub, sub_key, username, username_key, password_hash, claims, enabled, version, created_at, "
               "profile, role", self.users())
        yield ("sessions", "id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, retries, sequence, "
               "created_at, last_refreshed_at, idle_expires_at, expires_at, ended", self.sessions())
        yield ("browser_sessions", "id, secret_hash, user_id, methods, sequence, network, agent, created_at, "
               "authenticated_at, last_seen_at, idle_expires_at, expires_at", self.browsers())
        yield "audit", "id, at, actor, action, target, request_id, address, detail", self.audit()
        yield ("changes", "id, number, previous, kind, target_id, target_name, cause, actor, created_at, covers_until, "
               "expires_at", self.changes())
        yield "figures", "at, name, count", self.figures(HOUR)
        yield "figures_by_day", "at, name, count", self.figures(DAY)

    def client_id(self, n):
        return f"{RARE if n % 10_000 == 9_999 else 'app'}-{n:06}"

    def user(self, n):
        return uuid(self.now - 300 * DAY + n * 20_000, n)

    def sub(self, n):
        return f"user-{n:07}"

    def session(self, n):
        """Its id. Those of the client whose sessions have expired are the newest."""
        is_over = OF_BIG <= n < OF_BIG + OF_OVER
        return uuid(self.now - (HOUR if is_over else 20 * DAY) + n, n)

    def subjects(self):
        yield from ((self.client_id(n), True) for n in range(CLIENTS))
        yield from ((self.sub(n), False) for n in range(USERS))

    def clients(self):
        for n in range(CLIENTS):
            yield self.client_id(n), self.settings[n % 2 if n > 2 else 0], 1, self.now - 200 * DAY + n

    def secrets(self):
        """Half of them were not used for 90 days, and some never."""
        for n in range(CLIENTS):
            used = None if n % 10 == 9 else self.now - (100 + n % 90 if n % 2 else n % 80) * DAY
            yield uuid(self.now - 200 * DAY, n), self.client_id(n), os.urandom(32), self.now - 200 * DAY, used

    def users(self):
        for n in range(USERS):
            sub, created = self.sub(n), self.now - 300 * DAY + n * 20_000
            yield (self.user(n), sub, sub, f"person{n:07}", f"person{n:07}", self.password_hash, "{}", True, 1, created,
                   '{"name":"Somebody"}', "read" if n % 20_000 == 0 else None)

    def sessions(self):
        pick = self.random.randrange
        for n in range(SESSIONS):
            state = pick(10)  # of ten, two have ended and two have expired
            if n < OF_BIG:
                user, client, state = n, BIG, 9
            elif n < OF_BIG + OF_OVER:
                user, client, state = pick(USERS), OVER, 2
            elif n < OF_BIG + OF_OVER + OF_REVOKED:
                user, client, state = pick(USERS), REVOKED, 9
            elif n < OF_BIG + OF_OVER + OF_REVOKED + OF_USER:
                user, client, state = 0, self.client_id(n % CLIENTS), 9
            else:
                user, client = pick(USERS), self.client_id(pick(CLIENTS))
            begun = self.now - 20 * DAY
            idle = self.now + (20 * DAY if state not in (2, 3) else -HOUR // 2)
            yield (self.session(n), self.user(user), self.sub(user), client, "read write", "[]", os.urandom(32), 1, 0, 0,
                   begun, begun, idle, self.now + 100 * DAY, state < 2)

    def browsers(self):
        for n in range(BROWSERS):
            begun = self.now - 2 * HOUR
            yield (uuid(begun, n), os.urandom(32), self.user(n), '["pwd"]', 0, "192.0.2.0/24", "a browser", begun, begun,
                   begun, self.now + DAY, self.now + 30 * DAY)

    def audit(self):
        for n in range(AUDITED):
            at = self.now - 390 * DAY + n * 160_000
            actor, action = [(BUSY_ACTOR, "client.update"), (BUSY_ACTOR, "user.update"),
                             (f"user {n}", BUSY_ACTION), (f"client {self.client_id(n % CLIENTS)}", "user.create")][n % 4]
            yield uuid(at, n), at, actor, action, f"client {self.client_id(n % CLIENTS)}", None, "192.0.2.1", None

    def changes(self):
        """Revocations, and above them the notices of clients that were made just now."""
        number = self.now - HOUR
        for n in range(REVOCATIONS + NOTICES):
            kind, target, name, cause = "client_changed", None, self.client_id(n % CLIENTS), None
            if n < REVOCATIONS:
                kind = ["token", "session", "user", "client"][n % 4 if n % 20 < 4 else n % 2]
                cause = f"{kind}_revoked"
                target = {"token": os.urandom(16), "session": self.session(SESSIONS - 1 - n)}.get(kind)
                client = self.client_id(50_000 + n) if n > 3 else REVOKED
                name = {"user": self.sub(USERS - 1 - n), "client": client}.get(kind)
            until = self.now + DAY
            yield (uuid(self.now - HOUR, n), number + n + 1, number + n if n else 0, kind, target, name, cause, "client ops",
                   self.now - HOUR, until, until)

    def figures(self, length):
        bounds = ["0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "inf"]
        names = [f"answered/{endpoint}/{bound}" for endpoint in ("token", "introspect", "verify") for bound in bounds]
        names += [f"applied/{bound}" for bound in bounds]
        names += [f"refused/cause_{n}" for n in range(60)]
        names += [f"issued/{grant}" for grant in ("password", "refresh_token", "client_credentials", "device_code")]
        names += ["introspected/active", "introspected/inactive", "overloaded"]
        first = (self.now - 30 * DAY) // length * length
        for at in range(first, self.now, length):
            yield from ((at, name, 10 + n) for n, name in enumerate(names))


def fill_sqlite(path, crowd):
    with closing(sqlite3.connect(path, isolation_level=None)) as base:
        # One writer fills it, and nobody is sorry if that fails.
        base.executescript("PRAGMA synchronous=OFF; PRAGMA cache_size=-400000; BEGIN")
        triggers = base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            base.execute(f"DROP TRIGGER {name}")
        for table, columns, rows in crowd.tables():
            places = ", ".join("?" * len(columns.split(",")))
            base.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
            say(f"SQLite: {table} is filled")
        base.execute("UPDATE change_head SET number = (SELECT max(number) FROM changes)")
        for _, sql in triggers:
            base.execute(sql)
        base.execute("COMMIT")


def fill_postgres(postgres, database, crowd):
    postgres.sql(database, "ALTER TABLE changes DISABLE TRIGGER USER; ALTER TABLE audit DISABLE TRIGGER USER")
    for table, columns, rows in crowd.tables():
        postgres.copy(database, table, columns, rows)
        say(f"Postgres: {table} is filled")
    postgres.sql(database, "UPDATE change_head SET number = (SELECT max(number) FROM changes)")
    postgres.sql(database, "ALTER TABLE changes ENABLE TRIGGER USER; ALTER TABLE audit ENABLE TRIGGER USER")
    postgres.sql(database, "VACUUM ANALYZE")
