"""Logins at a browser: codes, ID tokens, UserInfo, and the documents by which clients find them."""

import http.client
import os
import sqlite3
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from browser import AUTHORIZE, REDEEM, WEB, People, log_in
from jeton import CLIENT_CREDENTIALS, Jeton
from load import Baseline, OnceEach, introspection_of, only_rate, raw_step, refresh, wrk
from processes import CORES, Failed, say
from table import Table

DOCUMENTS = {"discovery": "/.well-known/openid-configuration", "JWKS": "/.well-known/jwks.json"}
# Codes live for a minute; whoever redeems them needs the rest of it.
LONGEST_COLLECTION = 40


def authorize(jeton, cookies, codes=os.devnull):
    """Asks for codes in the name of people who are logged in, each in turn."""
    return lambda seconds: wrk(jeton.process, jeton.port, AUTHORIZE, seconds, MODE="lines", METHOD="GET", HEADER="Cookie",
                               LINES=cookies, REPEAT="yes", CODES=codes)


def collect(bench, jeton, cookies, count):
    """Collects so many codes in a file."""
    path, part, got, begun = bench.path("codes"), bench.path("codes-part"), 0, time.monotonic()
    with open(path, "wb") as file:
        while got < count:
            result = authorize(jeton, cookies, part)(2)
            if result["wrong"] or time.monotonic() - begun > LONGEST_COLLECTION:
                raise Failed(f"{got:,} of {count:,} codes were issued in {time.monotonic() - begun:.0f} s; {result['wrong']} "
                             "answers were wrong")
            with open(part, "rb") as codes:
                file.write(codes.read())
            got += result["requests"]
    return path


def redemption(bench, jeton, cookies):
    return OnceEach("/auth/token", lambda count: collect(bench, jeton, cookies, count),
                    lambda: {"AUTHORIZATION": jeton.basic("web"), "BODY": REDEEM}, rate=3000)


def userinfo(jeton):
    def drive(seconds):
        token = log_in(jeton)["access_token"]
        return wrk(jeton.process, jeton.port, "/auth/userinfo", seconds, METHOD="GET", AUTHORIZATION=f"Bearer {token}")
    return drive


def document(jeton, path, is_known=False):
    """Asks for a document; `is_known`: as a client that has it."""
    def drive(seconds):
        connection = http.client.HTTPConnection("127.0.0.1", jeton.port, timeout=30)
        connection.request("GET", path)
        etag = connection.getresponse().headers.get("ETag")
        if not etag:
            raise Failed(f"{path} has no ETag")
        more = {"HEADERS": f"If-None-Match: {etag}"} if is_known else {}
        return wrk(jeton.process, jeton.port, path, seconds, METHOD="GET", **more)
    return drive


def logins(bench):
    """Logins at a browser."""
    sqlite, pg, baseline = bench.sqlite, bench.pg, Baseline(bench)
    for jeton in (sqlite, pg):
        jeton.create_client("web", WEB)
    cookies = {sqlite: People(sqlite).fill_sqlite(bench.path("es256.db")).write_cookies(bench.path("sqlite-cookies")),
               pg: People(pg).fill_postgres(bench.postgres, "jeton").write_cookies(bench.path("postgres-cookies"))}
    base, signing, both = "baseline", f"RS256 signatures alone, {CORES} threads", "refresh plus an RS256 signature: 1 / (1/a + 1/b)"
    refreshing = {jeton: f"refresh, {jeton.name}" for jeton in cookies}
    authorizing = {jeton: f"code for who is logged in and has consented, {jeton.name}" for jeton in cookies}
    introspecting = {jeton: f"introspection of a login's token, {jeton.name}" for jeton in cookies}
    informing = {jeton: f"UserInfo, {jeton.name}" for jeton in cookies}
    redeeming = "redeeming a code, Postgres, fsync on"
    redeem = redemption(bench, pg, cookies[pg])
    of_round = lambda name: table.rounds[name][-1]["rate"]
    contestants = [
        (refreshing[pg], refresh(pg), None),
        (signing, only_rate(raw_step("sign-RS256")), None),
        (both, only_rate(lambda _: 1 / (1 / of_round(refreshing[pg]) + 1 / of_round(signing))), None),
        (redeeming, redeem.of(pg), both),
        (authorizing[pg], authorize(pg, cookies[pg]), refreshing[pg]),
        (refreshing[sqlite], refresh(sqlite), None),
        (authorizing[sqlite], authorize(sqlite, cookies[sqlite]), refreshing[sqlite]),
    ]
    for jeton in cookies:
        contestants += [
            (introspecting[jeton], introspection_of(jeton, lambda jeton=jeton: log_in(jeton)["access_token"]), None),
            (informing[jeton], userinfo(jeton), introspecting[jeton]),
        ]
    contestants.append((base, lambda seconds: wrk(baseline.process, baseline.port, "/auth/token", seconds,
                                                  AUTHORIZATION=sqlite.basic("jwt"), BODY=CLIENT_CREDENTIALS), None))
    for name, path in DOCUMENTS.items():
        contestants += [(name, document(sqlite, path), base), (f"{name}, 304", document(sqlite, path, True), base)]
    table = Table("Logins at a browser", "The client `web` authenticates with a generated secret; its requests use PKCE and the "
                  "scope `openid`, its ID tokens are signed with RS256, its access tokens with ES256. "
                  f"{People.COUNT:,} people are logged in and take turns. The codes that are redeemed are issued shortly before, "
                  "which is not measured.", contestants)
    yield table.drive(bench.options.rounds, bench.options.seconds)
    for name, least, to in [(redeeming, 0.8, both), *((authorizing[jeton], 0.5, refreshing[jeton]) for jeton in cookies),
                            *((informing[jeton], 0.7, introspecting[jeton]) for jeton in cookies),
                            *((name, 0.8, base) for name in DOCUMENTS)]:
        bench.ratio_goal(table, name, least, to)
    lines = redeem.make(int(1.5 * table.median(redeeming, "rate") * bench.options.seconds))
    written = {"a code redeemed": lambda: redeem.drive(pg, bench.options.seconds, lines),
               "a code issued": lambda: authorize(pg, cookies[pg])(bench.options.seconds)}
    for what, drive in written.items():
        rows = bench.rows_written(what, drive)
        bench.goal(f"rows written for {what}, Postgres", "one", f"{rows:.3f}", rows <= 1.02)
    baseline.stop()
    unfinished(bench)


def unfinished(bench):
    """Authorization requests that nobody finishes."""
    count = 1_000_000 if bench.options.full else 100_000
    database = bench.copy_sqlite("unfinished.db")
    jeton = bench.start(Jeton("SQLite, unfinished logins", bench.folder, database, like=bench.sqlite))
    flood = lambda seconds=5: wrk(jeton.process, jeton.port, AUTHORIZE, seconds, METHOD="GET")

    def timed_login():
        begun = time.monotonic()
        log_in(jeton)
        return (time.monotonic() - begun) * 1000

    def rows():
        with closing(sqlite3.connect(bench.path("unfinished.db"), timeout=30)) as base:
            names = [name for name, in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return sum(base.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)

    alone = [timed_login() for _ in range(20)]
    flood(1)
    rows_before, memory_before, done, wrong = rows(), jeton.process.memory(), 0, 0
    while done < count and not wrong:
        result = flood()
        done, wrong = done + result["requests"], result["wrong"]
        say(f"{done:,} of {count:,} unfinished logins")
    more_rows, more_memory = rows() - rows_before, jeton.process.memory() - memory_before
    beside = []
    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(flood)
        while not last.done():
            beside.append(timed_login())
    bench.stop(jeton)
    mark = f"; FAILED: {wrong} wrong answers" if wrong else ""
    bench.fact(f"{done:,} authorization requests that nobody finishes, SQLite",
               f"{more_rows:,} rows more (figures among them), {more_memory / 1e6:+.1f} MB; {len(beside)} logins beside a further "
               f"flood of them, all good, median {statistics.median(beside):.1f} ms ({statistics.median(alone):.1f} ms alone){mark}")
    few = "" if bench.options.full else " (1,000,000 with --full)"
    bench.goal(f"{done:,} unfinished authorization requests{few}", "at most 100 rows and 20 MB more",
               f"{more_rows:,} rows, {more_memory / 1e6:+.1f} MB", not wrong and more_rows <= 100 and more_memory <= 20e6)
