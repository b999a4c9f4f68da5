"""Finds, installs and builds the programs that a run needs."""

import glob
import os
import re
import shutil
import subprocess

from processes import Failed, run, say

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")))
JETON = os.path.join(TARGET, "dist", "jeton")
BASELINE = os.path.join(TARGET, "bench", "release", "jeton-bench-baseline")


def installed_by_apt(package, find):
    """What `find` returns, after installing the package if it is missing."""
    if not find() and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing {package}")
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "--quiet"])
        run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package], env=quiet)
    found = find()
    if not found:
        raise Failed(f"{package} is missing: install it (Debian and Ubuntu: `apt install {package}`) and run again")
    return found


def postgres_programs():
    """The directory of the newest Postgres that has every program we need."""
    needed = ("initdb", "postgres", "psql", "pgbench")
    folders = [os.path.dirname(os.path.realpath(shutil.which("initdb") or "/nowhere/initdb"))]
    folders += glob.glob("/usr/lib/postgresql/*/bin")
    whole = [folder for folder in folders if all(os.access(os.path.join(folder, name), os.X_OK) for name in needed)]
    version = lambda folder: int(re.search(r"\d+", run([os.path.join(folder, "postgres"), "--version"])).group())
    return max((folder for folder in whole if version(folder) >= 14), key=version, default=None)


def build():
    cargo = ["cargo", "build", "--locked"]
    for what, command in (("jeton", [*cargo, "--profile", "dist", "--target-dir", TARGET]),
                          ("the baseline", [*cargo, "--release",
                                            "--manifest-path", os.path.join(BENCH, "baseline", "Cargo.toml"),
                                            "--target-dir", os.path.join(TARGET, "bench")])):
        say(f"building {what}")
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise Failed(f"{what} did not build")
