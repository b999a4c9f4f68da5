"""More requests than the server can answer."""

import statistics
import time

from jeton import CLIENT_CREDENTIALS, PASSWORD_GRANT
from load import open_loop, raw_argon2, wrk
from processes import CORES, Failed, Process, say
from tools import BASELINE


def logins_of(result):
    """The rates of answered and of refused requests of wrk."""
    return (result["requests"] - result["refused"]) / result["seconds"], result["refused"] / result["seconds"]


def closed_loop(bench):
    """Logins in a closed loop, whose clients ask again at once, and beside a flood of introspections, SQLite."""
    seconds, median = bench.options.seconds, statistics.median
    token = "token=" + bench.sqlite.token("jwt")
    login = lambda connections: wrk(bench.sqlite.process, bench.sqlite.port, "/auth/token", seconds, connections,
                                    AUTHORIZATION=bench.sqlite.basic("password"), BODY=PASSWORD_GRANT)
    shares = {connections: [] for connections in (8, 32, 128)}
    beside = []
    for number in range(bench.options.rounds):
        raw = raw_argon2(seconds)
        for connections, share in shares.items():
            good, refused = logins_of(login(connections))
            share.append(good / raw)
            say(f"round {number + 1}: {connections} connections, {good:.1f} logins/s of {raw:.1f} hashes/s, {refused:.1f} refused/s")
        flood = open_loop(bench.sqlite, "overload", 1_000_000, seconds + 2, 64, "/auth/introspect", "reader", token)
        time.sleep(1)
        good, _ = logins_of(login(8))
        beside.append(good / raw)
        flood()
    for connections, share in shares.items():
        bench.goal(f"logins of {connections} connections in a closed loop", "0.80 of Argon2 alone", f"{median(share):.3f}",
                   median(share) >= 0.80)
    bench.goal("logins beside a flood of introspections", "0.25 of Argon2 alone", f"{median(beside):.3f}",
               median(beside) >= 0.25)


def busy_machine(bench):
    """Logins that come one at a time beside eight threads that spin, SQLite."""
    spinning = Process([BASELINE, "spin", "8", "600"], bench.path("spin.log"))
    times = []
    for _ in range(40):
        begun = time.monotonic()
        bench.sqlite.post("/auth/token", bench.sqlite.basic("password"), PASSWORD_GRANT)  # fails unless it is answered 200
        times.append(time.monotonic() - begun)
    spinning.check()
    spinning.stop()
    bench.fact("Logins one at a time beside eight threads that spin",
              f"{len(times)} of {len(times)} were good, median {statistics.median(times):.2f} s, longest {max(times):.2f} s")


def storm(bench):
    """Storm of logins: introspection of a JWT at 1,000/s in an open loop, SQLite."""
    seconds, rounds = bench.options.seconds * 2, []
    rate = int(5 * bench.hash_rate or 5 * raw_argon2(2))
    token = "token=" + bench.sqlite.token("jwt")

    def introspection(flood=None):
        """Introspection alone, or within a flood of logins, which begins before it and ends after it."""
        around = flood and open_loop(bench.sqlite, "open-loop", rate, seconds + 4, 1024, "/auth/token", "password", flood)
        if flood:
            time.sleep(3)  # the queue fills, and refusals begin
        result = open_loop(bench.sqlite, "open-loop", 1000, seconds, 64, "/auth/introspect", "reader", token)()
        if set(result["wrong"]) != {"200"}:
            raise Failed(f"introspection was answered {result['wrong']}")
        return result, around and around()

    for number in range(bench.options.rounds):
        alone, _ = introspection()
        storm, logins = introspection(PASSWORD_GRANT)
        if not logins["good"]["count"] or set(logins["wrong"]) - {"200", "503"}:
            raise Failed(f"logins were answered {logins['wrong']}")
        rounds.append({
            "alone": alone["good"]["p99"], "storm": storm["good"]["p99"], "late": storm["lateness"]["p99"],
            "late_alone": alone["lateness"]["p99"], "p50": storm["good"]["p50"],
            "logins": logins["good"]["count"] / logins["seconds"],
            "refused": logins["refused"]["count"], "refusal": logins["refused"]["max"],
            "refusal_p99": logins["refused"]["p99"], "login": logins["good"]["max"]})
        say(f"round {number + 1}: p99 {alone['good']['p99']} µs alone, {storm['good']['p99']} µs in the storm; "
            f"{rounds[-1]['logins']:.1f} logins/s; longest refusal {logins['refused']['max'] / 1e6:.3f} s")
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    longest = max(each["refusal"] for each in rounds) / 1e6
    bench.fact(f"Introspection at 1,000/s while {rate:,} password grants/s arrive, 5 times what can be hashed (open "
              f"loop, {len(rounds)} rounds of {seconds} s; latency from the due time; medians)",
              f"p99 {median['alone'] / 1000:.2f} ms alone, of which the generator itself was late by "
              f"{median['late_alone'] / 1000:.2f} ms; {median['storm'] / 1000:.2f} ms in the storm (late by "
              f"{median['late'] / 1000:.2f} ms; p50 {median['p50'] / 1000:.2f} ms)")
    bench.fact("The password grants of that storm",
              f"{median['logins']:.1f}/s were good, the slowest after {median['login'] / 1e6:.2f} s; "
              f"{median['refused']:,.0f} in a round were refused with 503, p99 {median['refusal_p99'] / 1e6:.3f} s. "
              f"Jeton's memory afterwards: {bench.sqlite.process.memory() / 1e6:.1f} MB")
    bench.goal("p99 of introspection in a storm of logins", "at most 5 ms", f"{median['storm'] / 1000:.2f} ms",
               median["storm"] <= 5000)
    bench.goal("refusals in that storm", "all within 2.5 s", f"longest {longest:.3f} s", longest <= 2.5)


def overload(bench):
    """Overload: twice as many client_credentials as Jeton can answer, SQLite."""
    seconds, rounds = bench.options.seconds, []
    drive = lambda rate, connections: open_loop(bench.sqlite, "overload", rate, seconds, connections, "/auth/token", "jwt",
                                                CLIENT_CREDENTIALS)()
    for number in range(bench.options.rounds):
        peak, cpu = drive(1_000_000, 64), bench.sqlite.process.cpu_seconds()
        capacity = peak["good"]["count"] / peak["seconds"]
        twice = drive(int(capacity * 2), 512)
        cpu = bench.sqlite.process.cpu_seconds() - cpu
        wrong = set(peak["wrong"]) | set(twice["wrong"])
        if wrong - {"200"}:
            raise Failed(f"not all answers were 200: {peak['wrong']}, {twice['wrong']}")
        rate = twice["good"]["count"] / twice["seconds"]
        rounds.append({"peak": capacity, "rate": rate, "share": rate / capacity, "unsent": twice["unsent"],
                       "peak_p99": peak["good"]["p99"], "p50": twice["good"]["p50"], "p99": twice["good"]["p99"],
                       "max": twice["good"]["max"], "turns": twice["good"]["p99"] / (512 / rate * 1e6),
                       "cpu": cpu / twice["seconds"]})
        say(f"round {number + 1}: peak {capacity:,.0f}/s; {rate:,.0f}/s of twice that, p99 {twice['good']['p99']} µs")
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    bench.fact(f"Overload: client_credentials offered at twice the peak ({len(rounds)} rounds of {seconds} s, the "
              "generator on the same cores; a request is not sent if none of 512 connections is free; medians)",
              f"peak {median['peak']:,.0f}/s with 64 connections (p99 {median['peak_p99'] / 1000:.1f} ms); then "
              f"{median['rate']:,.0f}/s, p50 {median['p50'] / 1000:.1f} ms, p99 {median['p99'] / 1000:.1f} ms, "
              f"longest {median['max'] / 1000:.1f} ms; {median['unsent']:,.0f} were not sent; Jeton used "
              f"{median['cpu']:.2f} of {CORES} cores")
    bench.goal("throughput at twice the offered load", "0.9 of the peak", f"{median['share']:.3f}",
              median["share"] >= 0.9)
    bench.goal("p99 then", "at most 3 times a turn of all connections (512 / throughput)",
              f"{median['turns']:.2f}; {median['p99'] / 1000:.1f} ms", median["turns"] <= 3)
