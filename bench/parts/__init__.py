"""The parts of a run, in order. Each yields its tables and adds its facts and goals to the bench."""

import subprocess

from processes import Failed, Process, Skipped, say

from .console import console
from .floods import busy_machine, closed_loop, overload, storm
from .hostile import hostile
from .keys import keys
from .lag import lag
from .logins import logins
from .many import idle, revocations, sessions, tokens
from .rates import issuing, passwords, refreshing
from .refusals import alike

PARTS = {part.__name__: part for part in (issuing, refreshing, passwords, logins, keys, closed_loop, busy_machine, storm,
                                          overload, hostile, alike, revocations, sessions, console, tokens, lag, idle)}


def measure(bench):
    """Runs each part on its own: a failure in one is reported, and the others go on."""
    bench.start(bench.sqlite)
    bench.start(bench.pg)
    for name in bench.options.only or PARTS:
        part = PARTS[name]
        title, kept = part.__doc__.rstrip("."), Process.running[:]
        say(f"--- {title}")
        try:
            yield from part(bench) or ()
        except Skipped as reason:
            bench.fact(title, f"skipped: {reason}")
        except (Failed, OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
            bench.fact(title, f"FAILED: {error}")
        for process in [process for process in Process.running if process not in kept]:
            process.stop()
