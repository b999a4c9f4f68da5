"""The console with many clients, users and sessions."""

import base64
import hashlib
import sqlite3
import statistics
import time
from contextlib import closing
from urllib.parse import urlencode
from uuid import UUID

import crowd
from browser import Browser
from crowd import BIG, BUSY_ACTION, BUSY_ACTOR, OVER, RARE, REVOKED, Crowd, fill_postgres, fill_sqlite
from jeton import Jeton

TIMES = 5
GOAL = 0.1
PERSON = ("boss", "boss-password")


class Pages:
    """The times of pages, by store."""

    def __init__(self, stores):
        self.stores, self.times, self.sizes, self.wrong = stores, {}, {}, {}

    def lines(self):
        yield "## The console with 100,000 clients, 1,000,000 users and 1,000,000 sessions\n"
        yield (f"Each page {TIMES} times, one after the other, as a browser on the same machine sees it: from the request, on a "
               "connection that is open, to the last byte of the answer. *App-big* has 200,000 active sessions, *app-over* 100,000 "
               "that have expired, the newest of all, and *app-revoked* 50,000 that a revocation ended; *the user* has 50,000. The "
               "audit trail has 200,000 records, the log 10,000 revocations below 100,000 newer notices.\n")
        yield f"| page | {' | '.join(f'{store}: p50 | longest' for store in self.stores)} | size |"
        yield "| --- |" + " ---: | ---: |" * len(self.stores) + " ---: |"
        for page, size in self.sizes.items():
            cells = []
            for store in self.stores:
                times = self.times[page, store]
                cells += [f"{value * 1000:.1f} ms" for value in (statistics.median(times), max(times))]
            yield f"| {page} | {' | '.join(cells)} | {size / 1000:.0f} KB |"
        yield ""

    def slow(self):
        """The pages that were not shown, or took longer than the goal, in the median, with their times."""
        yield from (f"{page}, {store}: answered by {status}" for (page, store), status in self.wrong.items())
        for (page, store), times in self.times.items():
            if statistics.median(times) > GOAL:
                yield f"{page}, {store}: {statistics.median(times) * 1000:.0f} ms"


def log_in(jeton):
    """The browser of a person who is logged in."""
    browser = Browser(jeton)
    browser.send(browser.ask("GET", "/console")[1], "/login", username=PERSON[0], password=PERSON[1])
    return browser


def cursor(of, key):
    """The cursor of a list after a key (src/admin/list.rs)."""
    checksum = hashlib.sha256(f"cursor of {of}: {key}".encode()).digest()[:8]
    return base64.urlsafe_b64encode(checksum + key.encode()).decode().rstrip("=")


def pages(people):
    """What is asked for: names and addresses."""
    user, session = str(UUID(bytes=people.user(0))), str(UUID(bytes=people.session(0)))
    late_user = cursor("users", str(UUID(bytes=people.user(crowd.USERS - 100))))
    late_client = people.client_id(crowd.CLIENTS - 1000)
    query = lambda **members: urlencode(members)
    now = people.now
    first_revocation = now - crowd.HOUR + 1
    yield "overview", "/console"
    yield "clients", "/console/clients"
    yield "clients, a late part", f"/console/clients?{query(cursor=cursor('clients', late_client))}"
    yield "clients, search: all match", f"/console/clients?{query(search='app')}"
    yield "clients, search: ten match", f"/console/clients?{query(search=RARE)}"
    yield "clients, search: none matches", f"/console/clients?{query(search='nothing of it')}"
    for name, client in (("app-big", BIG), ("app-over", OVER), ("app-revoked", REVOKED)):
        yield f"client {name}", f"/console/client?{query(id=client)}"
        yield f"revoke client {name}?", f"/console/revoke?{query(client=client)}"
        yield f"sessions of {name}", f"/console/sessions?{query(client=client)}"
    late_session = cursor("active sessions", str(UUID(bytes=people.session(1000))))
    yield "sessions of app-big, a late part", f"/console/sessions?{query(client=BIG, cursor=late_session)}"
    yield "client settings", f"/console/client-settings?{query(id=BIG)}"
    yield "users", "/console/users"
    yield "users, a late part", f"/console/users?{query(cursor=late_user)}"
    yield "users with a role", "/console/users?with=role"
    yield "users, search: none matches", f"/console/users?{query(user='nobody of it')}"
    yield "the user", f"/console/user?{query(id=user)}"
    yield "revoke the user?", f"/console/revoke?{query(user=user)}"
    yield "sessions of the user", f"/console/sessions?{query(user=user)}"
    yield "sessions of the user and app-over", f"/console/sessions?{query(user=user, client=OVER)}"
    yield "sessions of the user and app-big", f"/console/sessions?{query(user=user, client=BIG)}"
    yield "sessions", "/console/sessions"
    yield "sessions, a late part", f"/console/sessions?{query(cursor=late_session)}"
    yield "a session", f"/console/session?{query(id=session)}"
    yield "revoke a session?", f"/console/revoke?{query(session=session)}"
    yield "revoke everything?", "/console/revoke?all=true"
    yield "revocations", "/console/revocations"
    yield "revocations, a late part", f"/console/revocations?{query(cursor=cursor('revocations', str(first_revocation + 100)))}"
    yield "a revocation", f"/console/revocation?{query(number=first_revocation)}"
    yield "audit", "/console/audit"
    for names in (["actor"], ["action"], ["target"], ["actor", "action"], ["actor", "target"], ["action", "target"]):
        nothing = {name: f"nothing {name}" for name in names[:1]} if len(names) == 1 else {}
        filters = {"actor": BUSY_ACTOR, "action": BUSY_ACTION, "target": f"client {BIG}"}
        filters = {name: filters[name] for name in names} | nothing
        yield f"audit, {' and '.join(names)}: none matches", f"/console/audit?{urlencode(filters)}"
    yield "audit, a late part", f"/console/audit?{query(cursor=cursor('audit', f'{now - 389 * crowd.DAY} {UUID(int=0)}'))}"
    yield "audit.csv", "/console/audit.csv"
    yield "audit.csv, actor and action: none matches", f"/console/audit.csv?{query(actor=BUSY_ACTOR, action=BUSY_ACTION)}"
    yield "audit.json", "/console/audit.json"
    yield "preview", f"/console/preview?{query(client=BIG)}"
    yield "preview for the user", f"/console/preview?{query(client=BIG, user=user)}"
    yield "preview, the client may not use the grant", f"/console/preview?{query(client=people.client_id(3), user=user)}"
    for name in ("keys", "nodes", "resources", "issuers", "doctor", "new-client", "new-user", "new-resource", "new-issuer",
                 "issuer-test", "allow-github"):
        yield name, f"/console/{name}"


def ask_all(jeton, people, found):
    person = log_in(jeton)
    for name, path in pages(people):
        times = []
        for _ in range(TIMES):
            begun = time.monotonic()
            status, text, _ = person.ask("GET", path)
            times.append(time.monotonic() - begun)
            if status not in (200, 303, 404):
                found.wrong[name, jeton.name] = status
        found.times[name, jeton.name] = times
        found.sizes[name] = len(text)


def console(bench):
    """The console of a large deployment."""
    bench.postgres.sql("postgres", "CREATE DATABASE crowd")
    one, other = "SQLite, many clients and users", "Postgres, many clients and users"
    settings = {"JETON_REQUIRE_SECOND_FACTOR": "off"}
    servers = [Jeton(one, bench.folder, "sqlite://" + bench.path("crowd.db"), **settings),
               Jeton(other, bench.folder, bench.postgres.url("crowd"), **settings)]
    for jeton in servers:
        jeton.command("user", "create", PERSON[0], "--role", "admin", "--output", "json", input=PERSON[1] + "\n")
    with closing(sqlite3.connect(bench.path("crowd.db"))) as base:
        of = dict(base.execute("SELECT client_id, settings FROM clients"))
        (password,) = base.execute("SELECT password_hash FROM users").fetchone()
    people = Crowd([of["refresh"], of["jwt"]], password)
    fill_sqlite(bench.path("crowd.db"), people)
    fill_postgres(bench.postgres, "crowd", people)
    found = Pages([one, other])
    for jeton in servers:
        bench.start(jeton)
        ask_all(jeton, people, found)
        bench.stop(jeton)
    yield found
    slow = list(found.slow())
    bench.goal("each page of the console with 1,000,000 users", "within 100 ms (median)", "; ".join(slow) or "all", not slow)
