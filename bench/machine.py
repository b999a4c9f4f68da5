"""Describes the machine, and what else it is doing."""

import platform
import re
import shutil
import time

from processes import CORES, run
from tools import ROOT


def machine(folder, postgres):
    with open("/proc/cpuinfo", encoding="utf-8") as cpus:
        model = re.search(r"model name\s*: (.*)", cpus.read())
    commit = run(["git", "-C", ROOT, "describe", "--always", "--dirty"]) if shutil.which("git") else "unknown"
    return [f"* {what}: {text}" for what, text in {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit of the working tree": commit,
        "cores": f"{CORES}, {model.group(1) if model else platform.machine()}",
        "kernel": platform.release(),
        "file system of the databases": run(["df", "--output=fstype,source", folder]).splitlines()[-1],
        "Postgres": run([postgres.program("postgres"), "--version"]),
        "rustc": run(["rustc", "--version"], cwd=ROOT),
    }.items()]


def busy_elsewhere():
    """The share of the machine's time that other programs use before anything is measured."""
    def times():
        with open("/proc/stat", encoding="ascii") as stat:
            numbers = [int(field) for field in stat.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]
    (all_before, idle_before), _, (all_after, idle_after) = times(), time.sleep(2), times()
    return 1 - (idle_after - idle_before) / max(all_after - all_before, 1)
