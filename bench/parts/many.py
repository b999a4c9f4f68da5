"""Many revocations, sessions, tokens, connections: what they cost in memory and time."""

import os
import resource
import shutil
import sqlite3
import time

from bench import SESSION_COLUMNS
from idle_connections import IdleConnections
from jeton import CLIENT_CREDENTIALS, Jeton
from load import introspection, refresh, wrk
from processes import Process, Skipped, run, say
from table import Table
from tools import JETON

DAY = 24 * 3600 * 1000


def revocations(bench):
    """1,000,000 live revocations, SQLite."""
    count, now = 1_000_000, int(time.time() * 1000)
    say(f"writing {count:,} revocations")
    database = bench.copy_sqlite("revoked.db")
    with sqlite3.connect(bench.path("revoked.db")) as base:
        (trigger,) = base.execute("SELECT sql FROM sqlite_master WHERE name = 'changes_number'").fetchone()
        (head,) = base.execute("SELECT number FROM change_head").fetchone()
        base.execute("PRAGMA synchronous=OFF")
        base.execute("DROP TRIGGER changes_number")  # it numbers rows one at a time
        base.executemany(
            "INSERT INTO changes (id, number, kind, target_id, cause, actor, created_at, covers_until, expires_at) "
            f"VALUES (?, ?, 'token', ?, 'token_revoked', 'bench', {now}, {now + DAY}, {now + 2 * DAY})",
            ((now.to_bytes(6, "big") + n.to_bytes(10, "big"), head + n, os.urandom(16)) for n in range(1, count + 1)))
        base.execute("UPDATE change_head SET number = ?", (head + count,))
        base.execute(trigger)
    none = bench.start(Jeton("SQLite, no revocations", bench.folder, bench.copy_sqlite("none.db"), like=bench.sqlite))
    many = Jeton("SQLite, 1,000,000 revocations", bench.folder, database, like=bench.sqlite)
    many = bench.start(many)
    time.sleep(1)
    each = (many.process.memory() - none.process.memory()) / count
    before, _, after = many.process.cpu_seconds(), time.sleep(2), many.process.cpu_seconds()
    bench.fact("CPU of an idle server with 1,000,000 live revocations", f"{(after - before) / 2:.1%} of a core")
    names = "introspection, JWT, no revocations", "introspection, JWT, 1,000,000 revocations"
    table = Table("Many revocations", "Two servers with the same keys; both introspect the same token.", [
        (names[0], introspection(none, "jwt"), None),
        (names[1], introspection(many, "jwt", issuer=none), names[0]),
    ]).drive(bench.options.rounds, bench.options.seconds)
    bench.stop(none)
    bench.stop(many)
    yield table
    ratio = table.ratio(names[1], names[0])
    bench.goal("introspection with 1,000,000 revocations", "0.95 of that without any", f"{ratio:.3f}",
              not table.wrong(names[1]) and ratio >= 0.95)
    bench.goal("memory per revocation", "at most 120 bytes", f"{each:.0f} bytes", each <= 120)


def sessions(bench):
    """5,000,000 sessions, Postgres."""
    if not bench.options.full:
        raise Skipped("only with --full")
    step, now = 500_000, int(time.time() * 1000)
    for done in range(0, 5_000_000, step):
        bench.postgres.sql("many", f"INSERT INTO sessions ({SESSION_COLUMNS}) SELECT gen_random_uuid(), "
                          "gen_random_uuid(), 'nobody', 'refresh', 'read write', '[]', sha256('x'), 0, 0, 0, "
                          f"{now}, {now}, {now + 30 * DAY}, {now + 180 * DAY}, false "
                          f"FROM generate_series(1, {step})")
        say(f"{done + step:,} of 5,000,000 sessions")
    bench.postgres.sql("many", "VACUUM ANALYZE sessions")
    many = bench.start(Jeton("Postgres, 5,000,000 sessions", bench.folder, bench.postgres.url("many"), like=bench.pg))
    few_i, many_i = "introspection, few sessions", "introspection, 5,000,000 sessions"
    few_r, many_r = "refresh, few sessions", "refresh, 5,000,000 sessions"
    table = Table("Many sessions", "Two servers, each with its own database on one Postgres.", [
        (few_i, introspection(bench.pg, "jwt"), None),
        (many_i, introspection(many, "jwt"), few_i),
        (few_r, refresh(bench.pg), None),
        (many_r, refresh(many), few_r),
    ]).drive(bench.options.rounds, bench.options.seconds)
    bench.stop(many)
    yield table


def tokens(bench):
    """Memory after many tokens, SQLite."""
    count = 1_000_000 if bench.options.full else 100_000
    jeton = bench.start(Jeton("SQLite, many tokens", bench.folder, bench.copy_sqlite("tokens.db"), like=bench.sqlite))
    done, wrong, requests, begun = 0, 0, 0, time.monotonic()
    cpu = jeton.process.cpu_seconds()
    while done < count:
        result = wrk(jeton.process, jeton.port, "/auth/token", 2, MODE="both", AUTHORIZATION=jeton.basic("jwt"),
                     READER=jeton.basic("reader"), BODY=CLIENT_CREDENTIALS)
        done, wrong, requests = done + result["count"], wrong + result["wrong"], requests + result["requests"]
        say(f"{done:,} of {count:,} tokens")
        if wrong or time.monotonic() - begun > 600:
            break
    cpu = (jeton.process.cpu_seconds() - cpu) / max(requests, 1)
    memory = jeton.process.memory() / 1e6
    bench.stop(jeton)
    good = wrong == 0 and done >= count
    mark = "" if good else f"; FAILED: {wrong} wrong answers, {done:,} were active"
    bench.fact(f"Memory after {done:,} tokens issued and introspected once each",
              f"{memory:.1f} MB; {requests:,} requests, {cpu * 1e6:.1f} µs of server CPU each{mark}")
    few = "" if bench.options.full else " (1,000,000 with --full)"
    bench.goal(f"memory after {done:,} tokens issued and introspected{few}", "at most 80 MB", f"{memory:.1f} MB",
              good and memory <= 80)


def idle(bench):
    """Memory of idle connections, SQLite."""
    count = 10_000
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < count + 1000:
        raise Skipped(f"{count:,} connections need a limit of {count + 1000:,} open files (ulimit -Hn), not {most:,}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clear = bench.start(Jeton("SQLite, idle connections", bench.folder, bench.copy_sqlite("idle.db"), like=bench.sqlite))
    held, each = IdleConnections("plain HTTP/1.1", clear).hold(count)
    bench.fact("Idle connections, plain HTTP/1.1", f"{held:,} of {count:,} held, {each / 1000:.1f} KB each")
    bench.goal(f"{count:,} idle connections", "all held, at most 20 KB each", f"{held:,} held, {each / 1000:.1f} KB each",
              held == count and each <= 20_000)
    bench.stop(clear)
    # Fewer of these, for information: TLS handshakes take time, and the server ends connections idle for 30 s.
    kinds = [("plain HTTP/2", {}, None)]
    if shutil.which("openssl"):
        certificate, key = bench.path("certificate.pem"), bench.path("key.pem")
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key])
        settings = {"JETON_TLS_CERTIFICATE": certificate, "JETON_TLS_KEY": key}
        kinds += [(f"{protocol} over TLS", settings, certificate) for protocol in ("HTTP/1.1", "HTTP/2")]
    for number, (kind, settings, certificate) in enumerate(kinds):
        database = bench.copy_sqlite(f"idle{number}.db")
        jeton = Jeton(f"SQLite, idle connections, {kind}", bench.folder, database, like=bench.sqlite, **settings)
        jeton.process = Process([JETON, "serve"], bench.path("idle.log"), cwd=bench.folder, env=jeton.environment)
        held, each = IdleConnections(kind, jeton, certificate).hold(2000)
        bench.fact(f"Idle connections, {kind}", f"{held:,} of 2,000 held, {each / 1000:.1f} KB each")
        jeton.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
