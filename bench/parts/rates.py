"""How many requests Jeton answers, compared with what the machine can do without it."""

from jeton import CLIENT_CREDENTIALS
from load import (Baseline, grant, grouped_commits, introspection, only_rate, password, pgbench_rotations, raw_argon2, refresh,
                  wrk)
from processes import CORES
from table import Table


def issuing(bench):
    """Issuing and introspection."""
    baseline = Baseline(bench)
    sqlite, eddsa, pg = bench.sqlite, bench.start(bench.eddsa), bench.pg
    base = "baseline"
    drive_baseline = lambda seconds: wrk(baseline.process, baseline.port, "/auth/token", seconds,
                                         AUTHORIZATION=sqlite.basic("jwt"), BODY=CLIENT_CREDENTIALS)
    table = Table("Issuing and introspection", "The same request over and over, with Basic authentication and a "
                  "generated secret. The ratio is the median of the rounds.", [
                      (base, drive_baseline, None),
                      ("client_credentials, ES256, SQLite", grant(sqlite, "jwt"), base),
                      ("client_credentials, ES256, Postgres", grant(pg, "jwt"), base),
                      ("client_credentials, EdDSA, SQLite", grant(eddsa, "jwt"), base),
                      ("client_credentials, opaque, SQLite", grant(sqlite, "opaque"), base),
                      ("client_credentials, opaque, Postgres", grant(pg, "opaque"), base),
                      ("introspection, JWT, SQLite", introspection(sqlite, "jwt"), base),
                      ("introspection, JWT, Postgres", introspection(pg, "jwt"), base),
                      ("introspection, opaque, SQLite", introspection(sqlite, "opaque"), base),
                      ("introspection, opaque, Postgres", introspection(pg, "opaque"), base),
                  ]).drive(bench.options.rounds, bench.options.seconds)
    bench.stop(bench.eddsa)
    baseline.stop()
    yield table
    for name, goal in (("client_credentials, ES256, SQLite", 0.29), ("client_credentials, ES256, Postgres", 0.29),
                       ("client_credentials, EdDSA, SQLite", 0.40), ("introspection, JWT, SQLite", 0.75),
                       ("introspection, JWT, Postgres", 0.75)):
        ratio, good = table.ratio(name, base), not table.wrong(name)
        bench.goal(name, f"{goal:.2f} of the baseline", f"{ratio:.3f}", good and ratio >= goal)
    for name in ("introspection, JWT, SQLite", "introspection, JWT, Postgres"):
        cpu = table.median(name, "cpu") * 1e6
        bench.goal(f"{name}: server CPU", "at most 14 µs", f"{cpu:.1f} µs", cpu <= 14)


def refreshing(bench):
    """Refresh with rotation."""
    pgbench = "pgbench, the same UPDATE, one row per commit"
    grouped = "SQLite alone, 32 rows per commit"
    on_pg, on_sqlite = "refresh, Postgres, fsync on", "refresh, SQLite, synchronous=FULL"
    table = Table("Refresh with rotation", "32 chains of refresh tokens; each answer's token goes into the next request.", [
        (pgbench, only_rate(pgbench_rotations(bench.postgres, bench.folder)), None),
        (on_pg, refresh(bench.pg), pgbench),
        (grouped, only_rate(grouped_commits(bench.path("grouped.db"))), None),
        (on_sqlite, refresh(bench.sqlite), grouped),
    ]).drive(bench.options.rounds, bench.options.seconds)
    yield table
    ratio = table.ratio(on_pg, pgbench)
    bench.goal(on_pg, "0.8 of pgbench", f"{ratio:.3f}", not table.wrong(on_pg) and ratio >= 0.8)
    rate, share = table.median(on_sqlite, "rate"), table.ratio(on_sqlite, grouped)
    bench.goal(on_sqlite, "6,000/s, or half of grouped commits", f"{rate:,.0f}/s; {share:.3f}",
              not table.wrong(on_sqlite) and (rate >= 6000 or share >= 0.5))


def passwords(bench):
    """Password grants."""
    raw = f"Argon2id alone, {CORES} threads"
    table = Table("Password grants", "19 MiB, two passes, one lane. The client has no refresh grant, so a login "
                  "leaves no row.", [
                      (raw, only_rate(raw_argon2), None),
                      ("password grant, SQLite", password(bench.sqlite), raw),
                  ]).drive(bench.options.rounds, bench.options.seconds)
    bench.hash_rate = table.median(raw, "rate")
    yield table
