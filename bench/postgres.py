"""The Postgres of this run."""

import os
import pwd
import signal
import subprocess
import time

from processes import Failed, Process, free_port, run


class Postgres:
    """A Postgres for this run, with fsync as by default. Postgres refuses to run as root, so it gets another user."""

    def __init__(self, folder, programs):
        self.programs, self.port = programs, free_port()
        self.folder = os.path.join(folder, "postgres")
        os.mkdir(self.folder)
        account = {}
        if os.geteuid() == 0:
            user = next(u for name in ("postgres", "nobody") for u in pwd.getpwall() if u.pw_name == name)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        data, log = os.path.join(self.folder, "data"), os.path.join(folder, "postgres.log")
        run([self.program("initdb"), "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust"],
            cwd=self.folder, **account)
        options = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                   "max_connections": 200, "fsync": "on", "synchronous_commit": "on"}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        # SIGINT asks Postgres for a fast shutdown.
        self.process = Process([self.program("postgres"), "-D", data, *flags], log, stop_with=signal.SIGINT,
                               cwd=self.folder, **account)
        for _ in range(300):
            self.process.check()
            if subprocess.run(self.psql_command("postgres", "SELECT 1"), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise Failed("Postgres did not start within 30 s")

    def program(self, name):
        return os.path.join(self.programs, name)

    def psql_command(self, database, sql):
        return [self.program("psql"), "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                "-U", "postgres", "-d", database, "-c", sql]

    def sql(self, database, sql):
        return run(self.psql_command(database, sql))

    def written(self, database):
        """How many rows were inserted, changed and deleted so far in each table. A connection that rests tells after ten
        seconds."""
        time.sleep(11)
        rows = self.sql(database, "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables").splitlines()
        return {table: int(count) for table, count in (row.split("|") for row in rows)}

    def copy(self, database, table, columns, rows):
        """Writes rows to a table."""
        command = self.psql_command(database, f"COPY {table} ({columns}) FROM STDIN")
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as psql:
            psql.stdin.writelines("\t".join(map(copied, row)) + "\n" for row in rows)
        if psql.returncode:
            raise Failed(f"{table} was not filled")

    def url(self, database):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"


def copied(value):
    """A value as COPY reads it."""
    if value is None:
        return r"\N"
    if isinstance(value, bytes):
        return value.hex() if len(value) == 16 else r"\\x" + value.hex()
    return str(value).replace("\\", r"\\")
