"""Clients with keys: private_key_jwt, DPoP and token exchange."""

import base64
import hashlib
import os
import re
import sqlite3
import struct
import time
import urllib.request
from contextlib import closing
from urllib.parse import urlencode

from forge import Key
from jeton import AUDIENCE, CLIENT_CREDENTIALS, Jeton
from load import Baseline, OnceEach, grant, introspection_of, wrk
from processes import Failed, say
from table import Table

SETTINGS = ["--grant-types", "client_credentials", "--scope", "read write", "--audiences", AUDIENCE]
ASSERTION = CLIENT_CREDENTIALS + "&" + urlencode({
    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}) + "&client_assertion="
EXCHANGE = urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                      "subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}) + "&subject_token="
RESOURCE = AUDIENCE + "/things"
VERIFY = "/auth/verify?" + urlencode({"audience": AUDIENCE})
PROOFS, IN_BATCH = 1_000_000, 50_000


def issuer(jeton):
    return jeton.environment["JETON_ISSUER"]


def assertions(bench, jeton, key):
    """Token requests of a client that authenticates with a key."""
    client = f"worker-{key.alg}"

    def make(count):
        now = int(time.time())
        claims = {"iss": client, "sub": client, "aud": issuer(jeton), "iat": now, "exp": now + 300}
        return key.sign(bench.path("assertions"), count, {"typ": "JWT"}, claims)
    return OnceEach("/auth/token", make, lambda: {"BODY": ASSERTION})


def proofs(bench, key, count, method, address, token=None):
    """Writes so many DPoP proofs to a file."""
    claims = {"htm": method, "htu": address, "iat": int(time.time())}
    if token:
        claims["ath"] = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")
    return key.sign(bench.path("proofs"), count, {"typ": "dpop+jwt", "jwk": key.jwk}, claims)


def bound_token(bench, jeton, key):
    with open(proofs(bench, key, 1, "POST", issuer(jeton) + "/auth/token"), encoding="ascii") as file:
        answer = jeton.post("/auth/token", jeton.basic("jwt"), CLIENT_CREDENTIALS, DPoP=file.read().strip())
    if answer["token_type"] != "DPoP":
        raise Failed("a token is not bound to the key of the proof")
    return answer["access_token"]


class Verifying(OnceEach):
    """Requests to /auth/verify as a proxy makes them, with one bound token and a proof for each."""

    def __init__(self, bench, jeton, key):
        super().__init__(VERIFY, self.prepare, self.request)
        self.bench, self.jeton, self.key, self.token = bench, jeton, key, None

    def prepare(self, count):
        self.token = bound_token(self.bench, self.jeton, self.key)
        return proofs(self.bench, self.key, count, "GET", RESOURCE, self.token)

    def request(self):
        return {"METHOD": "GET", "AUTHORIZATION": f"DPoP {self.token}", "HEADER": "DPoP",
                "HEADERS": f"X-Original-Method: GET\nX-Original-URL: {RESOURCE}"}


def exchange(jeton, server):
    """Exchanges a token over and over; at the limit, the same request is sent to another server."""
    return lambda seconds: wrk(server.process, server.port, "/auth/token", seconds, AUTHORIZATION=jeton.basic("gateway"),
                               BODY=EXCHANGE + jeton.token("gateway"))


def keys(bench):
    """Clients with keys."""
    sqlite, pg = bench.sqlite, bench.pg
    es256, eddsa = (Key(bench.folder, alg) for alg in ("ES256", "EdDSA"))
    for jeton in (sqlite, pg):
        for key in (es256, eddsa):
            jeton.create_client(f"worker-{key.alg}", [*SETTINGS, "--token-endpoint-auth-method", "private_key_jwt",
                                                      "--jwks", key.public])
        jeton.create_client("gateway", [*SETTINGS, "--permissions", "exchange"])
    database = bench.copy_sqlite("proxied.db")
    proxied = bench.start(Jeton("SQLite, behind a proxy", bench.folder, database, like=sqlite,
                                JETON_TRUSTED_PROXIES="127.0.0.1/32"))
    of_pgbench, of_file = bench.postgres.url("pgbench"), "sqlite://" + bench.path("grouped.db")
    contestants, goals = [], []

    def compared(name, measure, limit_name, limit, least):
        if all(limit_name != known for known, _, _ in contestants):
            contestants.append((limit_name, limit, None))
        contestants.append((name, measure, limit_name))
        goals.append((name, least, limit_name))

    for jeton, key, url in ((sqlite, es256, of_file), (pg, es256, of_pgbench), (sqlite, eddsa, of_file)):
        requests = assertions(bench, jeton, key)
        baseline = Baseline(bench, f"verify-{key.alg}", "sign-ES256", database=url)
        compared(f"client_credentials, private_key_jwt {key.alg}, {jeton.name}", requests.of(jeton),
                 f"limit: verify {key.alg}, sign ES256, insert, {jeton.name}", requests.limit(baseline), 0.6)
    asking = OnceEach("/auth/token", lambda count: proofs(bench, es256, count, "POST", issuer(proxied) + "/auth/token"),
                      lambda: {"AUTHORIZATION": proxied.basic("jwt"), "BODY": CLIENT_CREDENTIALS, "HEADER": "DPoP"})
    compared("client_credentials, DPoP, SQLite", asking.of(proxied), "limit: verify ES256, sign ES256",
             asking.limit(Baseline(bench, "verify-ES256", "sign-ES256")), 0.8)
    verifying = Verifying(bench, proxied, es256)
    compared("/auth/verify, DPoP, SQLite", verifying.of(proxied), "limit: verify ES256",
             verifying.limit(Baseline(bench, "verify-ES256")), 0.8)
    compared("introspection of a bound token, SQLite", introspection_of(proxied, lambda: bound_token(bench, proxied, es256)),
             "introspection of an unbound token, SQLite", introspection_of(proxied, lambda: proxied.token("jwt")), 0.95)
    compared("token exchange, JWT to JWT, Postgres", exchange(pg, pg), "limit: hash, sign ES256",
             exchange(pg, Baseline(bench, "hash", "sign-ES256")), 0.8)
    contestants.append(("client_credentials, ES256, SQLite (a secret, no proof)", grant(proxied, "jwt"), None))
    table = Table("Clients with keys", "The limit of a row does only what its name says, behind a handler that parses the same "
                  "request and answers with 400 bytes. Assertions and proofs are new in each request of Jeton's, and were made "
                  "shortly before. Inserts that wait for the same database share a commit.", contestants)
    yield table.drive(bench.options.rounds, bench.options.seconds)
    for name, least, to in goals:
        bench.ratio_goal(table, name, least, to)
    with closing(sqlite3.connect(bench.path("proxied.db"), timeout=30)) as base:
        batches, used = base.execute("SELECT count(*), coalesce(sum(length(proofs)), 0) / 20 FROM dpop_proofs").fetchone()
    bench.goal("rows of the DPoP proofs that were used", "at most one for a hundred", f"{batches:,} for {used:,}",
               used > 0 and batches <= used / 100)
    bench.stop(proxied)
    rows = bench.rows_written("token exchange", lambda: exchange(pg, pg)(bench.options.seconds))
    bench.goal("rows written for a token exchange, Postgres", "none", f"{rows:.4f}", rows <= 0.01)
    live_proofs(bench)


def live_proofs(bench):
    """The memory of 1,000,000 live proofs, SQLite: a server reads what was used before it began."""
    say(f"writing {PROOFS:,} proofs")
    now = int(time.time())
    at, expires_at, database, node = struct.pack(">I", now), (now + 180) * 1000, bench.copy_sqlite("proofs.db"), os.urandom(16)
    with sqlite3.connect(bench.path("proofs.db")) as base:
        base.executemany("INSERT INTO dpop_proofs (node, number, proofs, expires_at) VALUES (?, ?, ?, ?)",
                         ((node, number, b"".join(os.urandom(16) + at for _ in range(IN_BATCH)), expires_at)
                          for number in range(1, PROOFS // IN_BATCH + 1)))
    none = bench.start(Jeton("SQLite, no proofs", bench.folder, bench.copy_sqlite("no-proofs.db"), like=bench.sqlite))
    many = bench.start(Jeton(f"SQLite, {PROOFS:,} live proofs", bench.folder, database, like=bench.sqlite))
    with urllib.request.urlopen(f"http://127.0.0.1:{many.ops_port}/metrics", timeout=30) as answer:
        held = int(float(re.search(r"^jeton_dpop_proofs_held(?:{.*?})? (\S+)", answer.read().decode(), re.M).group(1)))
    each = (many.process.memory() - none.process.memory()) / max(held, 1)
    bench.stop(none)
    bench.stop(many)
    bench.goal(f"memory of {held:,} live DPoP proofs", "at most 64 bytes each", f"{each:.0f} bytes", held >= PROOFS and each <= 64)
