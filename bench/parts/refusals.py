"""What the duration of a refusal reveals."""

import base64
import http.client
import statistics
import time

from jeton import CLIENT_CREDENTIALS
from processes import Failed


def alike(bench):
    """Refusals that must take the same time. (The tests check that they do the same work.)"""
    bench.sqlite.command("user", "create", "disabled", "--output", "json", input="bench-password\n")
    bench.sqlite.command("user", "disable", "disabled")
    connection = http.client.HTTPConnection("127.0.0.1", bench.sqlite.port, timeout=30)

    def medians(ways):
        """The median of 31 attempts each, in turn, in milliseconds."""
        times = {name: [] for name in ways}
        for _ in range(31):
            for name, (client, body, status) in ways.items():
                authorization = "Basic " + base64.b64encode(client.encode()).decode()
                begun = time.monotonic()
                connection.request("POST", "/auth/token", body, {"Authorization": authorization,
                                                                 "Content-Type": "application/x-www-form-urlencoded"})
                answer = connection.getresponse()
                answer.read()
                times[name].append((time.monotonic() - begun) * 1000)
                if answer.status != status:
                    raise Failed(f"{name}: {answer.status}")
        return {name: statistics.median(each) for name, each in times.items()}

    client = "password:" + bench.sqlite.secrets["password"]
    login = lambda user, password: (client, f"grant_type=password&username={user}&password={password}", 400)
    for what, ways in {
        "unknown user, wrong password (PWD-016)": {
            "wrong password": login("bench", "wrong"), "unknown user": login("nobody", "wrong"),
            "disabled user": login("disabled", "bench-password")},
        "unknown client, wrong secret (CAU-026)": {
            "wrong secret": ("jwt:wrong", CLIENT_CREDENTIALS, 401),
            "unknown client": ("nobody:wrong", CLIENT_CREDENTIALS, 401)},
    }.items():
        found = medians(ways)
        apart = max(found.values()) / min(found.values()) - 1
        bench.fact(f"Medians of 31, {what}", ", ".join(f"{name} {value:.3f} ms" for name, value in found.items()))
        bench.goal(f"{what}: medians differ", "by less than 30 %", f"{apart:.0%}", apart < 0.3)
