"""How soon a revocation takes effect on every node."""

import http.client
import json
import random
import re
import time

from jeton import Jeton
from processes import Failed, say


def lag(bench):
    """Revocation lag between two nodes on one Postgres."""
    other = bench.start(Jeton("Postgres, second node", bench.folder, bench.postgres.url("jeton"), like=bench.pg))
    for what, goal in (("", 50), (" without notifications", 1200)):
        if what:
            stop_announcing(bench.postgres, "jeton")
        lags = lags_between(bench.pg, other, 200)
        p50, p99 = lags[len(lags) // 2], lags[int(len(lags) * 0.99)]
        bench.fact(f"Revocation lag{what}, {len(lags)} revocations (from one node's answer to the other's "
                  "first introspection that knows it)",
                  f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {lags[-1]:.1f} ms")
        bench.goal(f"revocation lag{what}", f"p99 at most {goal:,} ms", f"{p99:.1f} ms", p99 <= goal)
    bench.stop(other)


def stop_announcing(postgres, database):
    """Stops the database from announcing new log entries, as if a pooler lost the notifications."""
    function = postgres.sql(database, "SELECT pg_get_functiondef('changes_assign_number'::regproc)")
    # Drop that one line only: everything else must keep working.
    silent, found = re.subn(r"^\s*PERFORM pg_notify\(.*\);\n", "", function, flags=re.MULTILINE)
    if found != 1:
        raise Failed(f"notifications cannot be cut off: {found} lines of changes_assign_number() announce")
    postgres.sql(database, silent)


def lags_between(one, other, count):
    admin = "Bearer " + one.token("admin")
    here, there = (http.client.HTTPConnection("127.0.0.1", port, timeout=10) for port in (one.port, other.port))
    lags = []
    for number in range(count):
        token = one.token("jwt")
        if not other.is_active(token, there):
            raise Failed("a fresh token was not active at the other node")
        time.sleep(random.random() / 4)  # any moment between two polls of the log
        one.post("/admin/v1/revocations", admin, json.dumps({"token": token}), here, "application/json")
        answered = time.monotonic()
        while other.is_active(token, there):
            if time.monotonic() - answered > 10:
                raise Failed("a revocation was not seen within 10 s")
        lags.append((time.monotonic() - answered) * 1000)
        if number % 50 == 49:
            say(f"{number + 1} of {count} revocations")
    return sorted(lags)
