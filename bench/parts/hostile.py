"""What requests that were made to be slow cost the others."""

import base64
import statistics

from load import open_loop
from processes import Failed, say

CONNECTIONS = 16


def texts():
    """An ordinary bad token, and the dearest kinds of text that the tests of hostile input know."""
    nested = base64.urlsafe_b64encode(b' {"a":[' + b'{"a":0},' * 5500 + b"0]}").rstrip(b"=").decode()
    twice = "%25" + "25" * 30 + "2E"  # `%` is sent as `%25`, so that the server undoes the rest
    return {"ordinary": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJpc3MiOiJ4In0.AAAA",
            "nested JSON": f"authorizationbearer{nested}.{nested[:99]}.{twice}",
            "separators": f"authorizationbearer{nested}.{twice}...",
            "brackets": "%28" * 20000 + twice}


def hostile(bench):
    """Hostile texts: 16 connections that send them without a pause, beside good introspections, SQLite."""
    seconds, jeton = bench.options.seconds, bench.sqlite
    token, bad = "token=" + jeton.token("jwt"), texts()
    p99, costs = {name: [] for name in bad}, {name: [] for name in bad}
    for number in range(bench.options.rounds):
        for name, text in bad.items():
            before = jeton.process.cpu_seconds()
            flood = open_loop(jeton, "overload", 1_000_000, seconds + 2, CONNECTIONS, "/auth/token", "refresh",
                              f"grant_type=refresh_token&refresh_token={text}")
            good = open_loop(jeton, "open-loop", 500, seconds, 32, "/auth/introspect", "reader", token)()
            refused = flood()
            if set(good["wrong"]) != {"200"} or set(refused["wrong"]) != {"400"}:
                raise Failed(f"{name}: good requests were answered {good['wrong']}, bad ones {refused['wrong']}")
            p99[name].append(good["good"]["p99"])
            costs[name].append((jeton.process.cpu_seconds() - before) / refused["wrong"]["400"])
            say(f"round {number + 1}: {name}, p99 of good requests {good['good']['p99'] / 1000:.2f} ms, "
                f"{refused['wrong']['400']:,} refused, {costs[name][-1] * 1e6:.0f} µs each")
    median = {name: statistics.median(each) for name, each in p99.items()}
    cost = {name: statistics.median(each) for name, each in costs.items()}
    bench.fact("p99 of introspection at 500/s beside 16 connections of bad refresh tokens, and what one of these costs "
               "(processor time of the whole server by the number of bad ones)",
               ", ".join(f"{name} {median[name] / 1000:.2f} ms, {cost[name] * 1e6:.0f} µs" for name in bad))
    worst = max(median, key=median.get)
    bench.goal("p99 beside hostile texts", "at most twice that beside ordinary bad tokens",
               f"{median[worst] / median['ordinary']:.2f} ({worst})", median[worst] <= 2 * median["ordinary"])
    dearest = max(cost, key=cost.get)
    bench.goal("processor time of a hostile text", "at most 5 ms, off the async threads",
               f"{cost[dearest] * 1000:.2f} ms ({dearest})", cost[dearest] <= 0.005)
