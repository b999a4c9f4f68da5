"""Contestants and how they compare."""

import statistics

from processes import say


class Table:
    """Contestants that take turns, each compared in every round with the one that it names."""

    def __init__(self, title, note, contestants):
        self.title, self.note = title, note
        self.contestants = contestants  # (name, function that drives it for some seconds, name of the one to compare with)
        self.rounds = {name: [] for name, _, _ in contestants}

    def drive(self, rounds, seconds):
        for number in range(rounds):
            for name, measure, _ in self.contestants:
                result = measure(seconds)
                self.rounds[name].append(result)
                wrong = f", {result['wrong']} WRONG" if result["wrong"] else ""
                say(f"round {number + 1}/{rounds}  {name}: {result['rate']:,.0f}/s{wrong}")
        return self

    def median(self, name, figure):
        values = [result[figure] for result in self.rounds[name]]
        return None if None in values else statistics.median(values)

    def ratio(self, name, to):
        return statistics.median(a["rate"] / b["rate"] for a, b in zip(self.rounds[name], self.rounds[to]))

    def wrong(self, name):
        return sum(result["wrong"] for result in self.rounds[name])

    def lines(self):
        yield f"## {self.title}\n\n{self.note}\n"
        yield "| what | requests/s | ratio | compared with | server CPU per request | p50 | p99 | wrong answers |"
        yield "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
        for name, _, to in self.contestants:
            micros = lambda value, unit: "" if value is None else f"{value:,.1f} {unit}"
            p50, p99 = (self.median(name, p) for p in ("p50", "p99"))
            ratio = f"{self.ratio(name, to):.3f}" if to else ""
            wrong = f"FAILED: {self.wrong(name):,}" if self.wrong(name) else "0"
            cpu = self.median(name, "cpu")
            yield (f"| {name} | {self.median(name, 'rate'):,.0f} | {ratio} | {to or ''} "
                   f"| {micros(cpu and cpu * 1e6, 'µs')} | {micros(p50 and p50 / 1000, 'ms')} "
                   f"| {micros(p99 and p99 / 1000, 'ms')} | {wrong} |")
        yield ""
