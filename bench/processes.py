"""The processes that this run starts and ends, and its progress messages."""

import os
import signal
import socket
import subprocess
import sys
import time

CORES = os.cpu_count() or 1
BEGUN = time.monotonic()


class Failed(Exception):
    """Ends the run with one sentence."""


class Skipped(Exception):
    """Skips one part of the run, and says why."""


def say(text):
    print(f"[{time.monotonic() - BEGUN:6.1f} s] {text}", file=sys.stderr, flush=True)


def run(command, **options):
    """Runs a command and returns its output."""
    options = {"capture_output": True, "text": True, "timeout": 900} | options
    done = subprocess.run(command, **options)
    if done.returncode:
        raise Failed(f"`{' '.join(command[:4])} …` failed: {(done.stderr or done.stdout or '').strip()[-600:]}")
    return (done.stdout or "").strip()


class Process:
    """A process that this run started, and ends by its id, whatever happens."""

    running = []

    def __init__(self, command, log, stop_with=signal.SIGTERM, **options):
        with open(log, "ab") as output:
            # A process group of its own: Ctrl-C in a terminal reaches only this program, which then ends the others. Not a
            # session of its own: Linux divides processors among sessions first, and priorities count only within one.
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                          preexec_fn=os.setpgrp, **options)
        self.pid, self.log, self.stop_with = self.child.pid, log, stop_with
        Process.running.append(self)

    def check(self):
        if self.child.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                raise Failed(f"a server ended early: {log.read().strip()[-600:]}")

    def stop(self):
        if self in Process.running:
            Process.running.remove(self)
        for way in (self.stop_with, signal.SIGKILL):
            if self.child.poll() is None:
                self.child.send_signal(way)
                try:
                    self.child.wait(25)
                except subprocess.TimeoutExpired:
                    continue

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
