"""More requests than the server can answer."""

import statistics
import time

from jeton import CLIENT_CREDENTIALS, PASSWORD_GRANT
from load import open_loop, raw_argon2
from processes import CORES, Failed, Process, say
from tools import BASELINE


def storm(bench):
    """Flood of logins: introspection of a JWT at 1,000/s in an open loop, SQLite."""
    seconds, rounds = bench.options.seconds * 2, []
    rate = int(5 * bench.hash_rate or 5 * raw_argon2(2))
    token = "token=" + bench.sqlite.token("jwt")

    def introspection(flood=None, raw=False):
        """Introspection, alone or during a flood of logins that begins before it and ends after it."""
        around = flood and open_loop(bench.sqlite, "open-loop", rate, seconds + 2, 512, "/auth/token", "password", flood)
        if flood:
            time.sleep(1)  # the queue fills
        inner = open_loop(bench.sqlite, "open-loop", 1000, seconds, 64, "/auth/introspect", "reader", token)
        hashes = raw_argon2(seconds) if raw else None
        result = inner()
        if set(result["wrong"]) != {"200"}:
            raise Failed(f"introspection was answered {result['wrong']}")
        return result, around and around(), hashes

    def beside_spinning():
        """Introspection beside threads that only use idle time: the part of the latency that is the machine's."""
        spinning = Process([BASELINE, "spin", str(CORES), str(seconds + 60)], bench.path("spin.log"))
        result, *_ = introspection()
        spinning.check()
        spinning.stop()
        return result

    for number in range(bench.options.rounds):
        alone, *_ = introspection()
        floor = beside_spinning()
        storm, logins, _ = introspection(PASSWORD_GRANT)
        if not logins["good"]["count"] or set(logins["wrong"]) - {"200", "503"}:
            raise Failed(f"logins were answered {logins['wrong']}")
        # The same requests, but refused before hashing; Argon2 runs beside Jeton.
        _, _, raw = introspection(PASSWORD_GRANT + "&scope=none", raw=True)
        rounds.append({
            "alone": alone["good"]["p99"], "floor": floor["good"]["p99"],
            "storm": storm["good"]["p99"], "late": storm["lateness"]["p99"],
            "late_alone": alone["lateness"]["p99"], "p50": storm["good"]["p50"],
            "times": storm["good"]["p99"] / alone["good"]["p99"],
            "logins": logins["good"]["count"] / logins["seconds"], "raw": raw,
            "share": logins["good"]["count"] / logins["seconds"] / raw,
            "refused": logins["refused"]["count"], "refusal": logins["refused"]["max"],
            "refusal_p99": logins["refused"]["p99"], "login": logins["good"]["max"]})
        say(f"round {number + 1}: p99 {alone['good']['p99']} µs alone, {floor['good']['p99']} µs beside spinning "
            f"threads, {storm['good']['p99']} µs in the flood; "
            f"{rounds[-1]['logins']:.1f} logins/s, {raw:.1f} hashes/s beside; longest refusal "
            f"{logins['refused']['max'] / 1e6:.3f} s")
    median = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    longest = max(each["refusal"] for each in rounds) / 1e6
    bench.fact(f"Introspection at 1,000/s while {rate:,} password grants/s arrive, 5 times what can be hashed (open "
              f"loop, {len(rounds)} rounds of {seconds} s; latency from the due time; medians)",
              f"p99 {median['alone'] / 1000:.2f} ms alone, {median['late_alone'] / 1000:.2f} ms of it the generator's own "
              f"delay; {median['storm'] / 1000:.2f} ms in the flood (generator {median['late'] / 1000:.2f} ms; "
              f"p50 {median['p50'] / 1000:.2f} ms). Without logins, but with {CORES} threads that only spin at the "
              f"priority of the hashing threads: {median['floor'] / 1000:.2f} ms. That much is the machine's, whose "
              "processors are then never idle")
    bench.fact("The password grants of that flood",
              f"{median['logins']:.1f}/s succeeded, the slowest after {median['login'] / 1e6:.2f} s; "
              f"{median['refused']:,.0f} per round were refused with 503, p99 {median['refusal_p99'] / 1e6:.3f} s. "
              f"Argon2 alone on {CORES} threads of the same priority, beside the same requests (which Jeton refused "
              f"before hashing): {median['raw']:.1f}/s. Jeton's memory afterwards: "
              f"{bench.sqlite.process.memory() / 1e6:.1f} MB")
    bench.goal("p99 of introspection in a flood of logins", "at most 2 times that without",
              f"{median['times']:.2f}", median["times"] <= 2)
    bench.goal("logins in that flood", "0.95 of Argon2 alone", f"{median['share']:.3f}", median["share"] >= 0.95)
    bench.goal("refusals in that flood", "all within 1 s", f"longest {longest:.3f} s", longest <= 1)


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
