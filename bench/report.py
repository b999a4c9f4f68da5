"""The report that a run writes at its end."""

from load import CONNECTIONS
from machine import machine


def report(bench, tables):
    options = bench.options
    yield "# Results\n"
    yield (f"Written by `{options.command}`: {options.rounds} rounds, in which each row takes its turn for {options.seconds} s; "
           f"`wrk -t1 -c{CONNECTIONS}` runs on the same machine. Figures are medians of the rounds. CPU is that of Jeton's "
           "process, without Postgres. An answer is wrong if it is missing, not a 2xx, or not what was asked for.\n")
    yield "## Goals\n\n| what | goal | measured | met |\n| --- | --- | --- | --- |"
    yield from (f"| {' | '.join(goal)} |" for goal in bench.goals)
    yield ""
    for table in tables:
        yield from table.lines()
    yield "## More\n"
    yield from bench.lines_after
    yield "\n## Servers\n\n| server | start to first token | memory then | memory at the end |"
    yield "| --- | ---: | ---: | ---: |"
    for name, first, memory, last, _ in bench.servers:
        end = f"{last / 1e6:.1f} MB" if last else ""
        yield f"| {name} | {first * 1000:,.0f} ms | {memory / 1e6:.1f} MB | {end} |"
    yield "\n## Machine\n"
    yield from machine(bench.folder, bench.postgres)
    warning = "" if options.busy <= 0.05 else ": **the figures above mean little**"
    yield f"* load from other programs when the run began: {options.busy:.0%} of the machine{warning}"
