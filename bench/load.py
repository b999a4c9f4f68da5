"""Load: requests to a server, and the same work without one."""

import json
import os
import re
import socket
import sqlite3
import time

from jeton import CLIENT_CREDENTIALS, PASSWORD_GRANT
from processes import CORES, Failed, Process, free_port, run
from tools import BASELINE, BENCH

CONNECTIONS = 32


class Baseline:
    """The baseline as a server; with steps, the limit of requests that need these, and with a database a row each."""

    def __init__(self, bench, *steps, database=None):
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        environment |= {"DATABASE_URL": database} if database else {}
        self.process = Process([BASELINE, "serve", str(self.port), *steps], bench.path("baseline.log"), env=environment)
        for _ in range(500):
            self.process.check()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        raise Failed("the baseline did not start within 5 s")

    def stop(self):
        self.process.stop()


def wrk(process, port, path, seconds, connections=CONNECTIONS, **variables):
    """Drives a server with wrk."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s",
               "-s", os.path.join(BENCH, "load.lua"), f"http://127.0.0.1:{port}{path}"]
    before = process.cpu_seconds()
    output = run(command, env=os.environ | {"MODE": "fixed"} | variables)
    process.check()
    result = json.loads(re.search(r"RESULT (.*)", output).group(1))
    result["cpu"] = (process.cpu_seconds() - before) / max(result["requests"], 1)
    result["rate"] = result["requests"] / result["seconds"]
    result["wrong"] = result["refused"] + result["broken"] + result["odd"]
    return result


def grant(jeton, client):
    return lambda seconds: wrk(jeton.process, jeton.port, "/auth/token", seconds,
                               AUTHORIZATION=jeton.basic(client), BODY=CLIENT_CREDENTIALS)


def introspection(jeton, client, issuer=None):
    return introspection_of(jeton, lambda: (issuer or jeton).token(client))


def introspection_of(jeton, issue):
    """Introspects a token, issued anew each time."""
    def drive(seconds):
        token = issue()
        result = wrk(jeton.process, jeton.port, "/auth/introspect", seconds,
                     AUTHORIZATION=jeton.basic("reader"), BODY=f"token={token}")
        result["wrong"] += not jeton.is_active(token)
        return result
    return drive


def refresh(jeton):
    return lambda seconds: wrk(jeton.process, jeton.port, "/auth/token", seconds, MODE="refresh",
                               AUTHORIZATION=jeton.basic("refresh"), TOKENS=" ".join(jeton.refresh_tokens(CONNECTIONS)))


def password(jeton):
    return lambda seconds: wrk(jeton.process, jeton.port, "/auth/token", seconds,
                               AUTHORIZATION=jeton.basic("password"), BODY=PASSWORD_GRANT)


class OnceEach:
    """Requests that are good once, because something in each counts once. `make` writes so many of these to a file, one a line, and
    returns its path; `variables` are the rest of the requests, for load.lua."""

    def __init__(self, path, make, variables=dict, rate=20_000):
        self.path, self.make, self.variables, self.rate = path, make, variables, rate

    def drive(self, server, seconds, lines, **more):
        result = wrk(server.process, server.port, self.path, seconds, MODE="lines", LINES=lines, **self.variables(), **more)
        os.remove(lines)
        return result

    def of(self, jeton):
        """Drives a server with as many as a second took before, and again with more if they did not last."""
        def measure(seconds):
            while True:
                result = self.drive(jeton, seconds, self.make(int(self.rate * seconds)))
                if not result["lacking"]:
                    self.rate = max(1.5 * result["rate"], 1000)
                    return result
                self.rate *= 2
        return measure

    def limit(self, baseline):
        """Drives the limit, to which it does not matter that it gets the same again."""
        return lambda seconds: self.drive(baseline, seconds, self.make(1000), REPEAT="yes")


def only_rate(measure):
    """For contestants that are not servers."""
    return lambda seconds: {"rate": measure(seconds), "cpu": None, "p50": None, "p99": None, "wrong": 0}


def raw_argon2(seconds):
    result = json.loads(run([BASELINE, "argon2", str(CORES), str(seconds)]))
    return result["hashes"] / result["seconds"]


def raw_step(step):
    """The rate of a step alone, on all cores."""
    def measure(seconds):
        result = json.loads(run([BASELINE, "rate", step, str(CORES), str(seconds)]))
        return result["done"] / result["seconds"]
    return measure


def grouped_commits(path):
    """Rotates 32 sessions per commit, on this disk, with SQLite alone and synchronous=FULL."""
    def measure(seconds):
        base = sqlite3.connect(path, isolation_level=None)
        base.execute("PRAGMA synchronous=FULL")
        rows, done, begun = [(bytes([0] * 15 + [n]),) for n in range(CONNECTIONS)], 0, time.monotonic()
        while time.monotonic() - begun < seconds:
            base.execute("BEGIN IMMEDIATE")
            base.executemany("UPDATE sessions SET generation = generation + 1, retries = 0, last_refreshed_at = 1, "
                             "idle_expires_at = 2 WHERE id = ? AND NOT ended", rows)
            base.execute("COMMIT")
            done += len(rows)
        rate = done / (time.monotonic() - begun)
        base.close()
        return rate
    return measure


def pgbench_rotations(postgres, folder):
    """The rate at which pgbench runs the statement by which Jeton rotates a refresh token."""
    def measure(seconds):
        postgres.sql("pgbench", "UPDATE sessions SET generation = 0")
        script = os.path.join(folder, "rotate.sql")
        with open(script, "w", encoding="ascii") as file:
            file.write("UPDATE sessions SET generation = generation + 1, retries = 0, last_refreshed_at = 1795327251000, "
                       "idle_expires_at = 1797919251000 WHERE id = ('00000000-0000-7000-8000-' || "
                       "lpad(:client_id::text, 12, '0'))::uuid AND generation = :generation AND NOT ended RETURNING id;\n"
                       "\\set generation :generation + 1\n")
        output = run([postgres.program("pgbench"), "-n", "-M", "prepared", "-c", str(CONNECTIONS), "-j", "1",
                      "-T", str(seconds), "-D", "generation=0", "-f", script, "-h", "127.0.0.1", "-p", str(postgres.port),
                      "-U", "postgres", "pgbench"])
        done = int(re.search(r"actually processed: (\d+)", output).group(1))
        if done != int(postgres.sql("pgbench", "SELECT sum(generation) FROM sessions")):
            raise Failed("pgbench did not change a row with every statement")
        return float(re.search(r"tps = ([\d.]+)", output).group(1))
    return measure


def open_loop(jeton, mode, rate, seconds, connections, path, client, body):
    """Drives a server in an open loop. Returns a function that waits for the end and returns the outcome."""
    log = os.path.join(jeton.folder, f"load-{len(os.listdir(jeton.folder))}.log")
    variables = {"TARGET_PATH": path, "AUTHORIZATION": jeton.basic(client), "BODY": body}
    command = [BASELINE, mode, *(str(number) for number in (jeton.port, rate, seconds, connections))]
    process = Process(command, log, env=os.environ | variables)

    def outcome():
        process.child.wait(seconds + 60)
        process.stop()
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        if process.child.returncode or not lines:
            raise Failed(f"the load generator failed: {lines[-1:]}")
        result = json.loads(lines[-1])
        none = {"count": 0, "p50": 0, "p99": 0, "max": 0}
        result["good"] = result["statuses"].get("200", none)
        result["refused"] = result["statuses"].get("503", none)
        result["wrong"] = {status: answers["count"] for status, answers in result["statuses"].items()}
        return result
    return outcome
