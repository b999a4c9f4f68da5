"""The servers of a run, and its findings."""

import os
import sqlite3

from jeton import Jeton
from load import CONNECTIONS
from postgres import Postgres
from processes import say

SESSION_COLUMNS = ("id, user_id, sub, client_id, scope, audiences, nonce_hash, generation, retries, sequence, "
                   "created_at, last_refreshed_at, idle_expires_at, expires_at, ended")


# Tables that a server writes to by itself now and then.
HOUSEKEEPING = {"nodes", "cleanup", "client_secrets", "figures", "figures_by_day", "node_figures"}


class Bench:
    """The whole run: its servers, its facts, and how the figures compare with the goals."""

    def __init__(self, options, folder, programs):
        self.options, self.folder = options, folder
        self.lines_after, self.goals, self.servers = [], [], []
        self.hash_rate = 0  # Argon2 alone, if measured
        self.postgres = Postgres(folder, programs)
        self.postgres.sql("postgres", "CREATE DATABASE jeton")
        say("making databases, clients and users")
        self.sqlite = Jeton("SQLite", folder, "sqlite://" + self.path("es256.db"))
        self.eddsa = Jeton("SQLite EdDSA", folder, "sqlite://" + self.path("eddsa.db"), JETON_SIGNING_ALG="EdDSA")
        self.pg = Jeton("Postgres", folder, self.postgres.url("jeton"))
        for copy in ("pgbench", "many"):
            self.postgres.sql("postgres", f"CREATE DATABASE {copy} TEMPLATE jeton")
        self.copy_sqlite("grouped.db")
        self.make_sessions()

    def path(self, name):
        return os.path.join(self.folder, name)

    def copy_sqlite(self, name):
        """Copies the SQLite database as it is now, and returns the URL of the copy."""
        with sqlite3.connect(self.path("es256.db")) as source, sqlite3.connect(self.path(name)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=WAL")
        return "sqlite://" + self.path(name)

    def make_sessions(self):
        """Creates one session per connection for the contestants that use the databases without Jeton."""
        self.postgres.sql("pgbench", f"INSERT INTO sessions ({SESSION_COLUMNS}) SELECT ('00000000-0000-7000-8000-' || "
                          "lpad(n::text, 12, '0'))::uuid, gen_random_uuid(), 'nobody', 'refresh', 'read write', '[]', "
                          "sha256('x'), 0, 0, 0, 0, 0, 0, 0, false FROM generate_series(0, 31) n")
        with sqlite3.connect(self.path("grouped.db")) as base:
            base.executemany(f"INSERT INTO sessions ({SESSION_COLUMNS}) VALUES "
                             "(?, x'00', 'nobody', 'refresh', 'read write', '[]', x'00', 0, 0, 0, 0, 0, 0, 0, 0)",
                             [(bytes([0] * 15 + [n]),) for n in range(CONNECTIONS)])

    def start(self, jeton):
        jeton.start()
        say(f"{jeton.name}: first token after {jeton.first_token * 1000:.0f} ms, {jeton.first_memory / 1e6:.1f} MB")
        self.servers.append([jeton.name, jeton.first_token, jeton.first_memory, None, jeton])
        return jeton

    def stop(self, jeton):
        for server in self.servers:
            if server[4] is jeton and server[3] is None:
                server[3] = jeton.process.memory()
        jeton.stop()

    def rows_written(self, what, drive):
        """How many rows Postgres writes for each request, apart from housekeeping. Those of the last requests, for which nobody
        waits, are counted as well."""
        before = self.postgres.written("jeton")
        requests = drive()["requests"]
        after = self.postgres.written("jeton")
        rows = {table: count - before.get(table, 0) for table, count in after.items() if count > before.get(table, 0)}
        self.fact(f"Rows written on Postgres by {requests:,} requests, {what}",
                  ", ".join(f"{table} {count:,}" for table, count in sorted(rows.items())) or "none")
        return sum(count for table, count in rows.items() if table not in HOUSEKEEPING) / requests

    def goal(self, what, goal, measured, met):
        self.goals.append((what, goal, measured, "yes" if met else "**no**"))

    def ratio_goal(self, table, name, least, to):
        """A goal of a row: a share of another's rate, without a wrong answer."""
        ratio = table.ratio(name, to)
        self.goal(name, f"{least:.2f} of {to}", f"{ratio:.3f}", not table.wrong(name) and ratio >= least)

    def fact(self, title, text):
        say(f"{title}: {text}")
        self.lines_after.append(f"* {title}: {text}")
