"""The example clients between a real Jeton, whose renewals are counted, and an API that answers as a test wants."""

import threading
import time

import jwt
import pytest

from support import AUDIENCE, LANGUAGES, READ, Server, call, eventually

INVALID = {"WWW-Authenticate": 'Bearer realm="data", error="invalid_token", error_description="The token has expired."'}


class Relay(Server):
    """Stands before the token endpoint of Jeton and counts. `fault` is answered in place of Jeton, so many times."""

    def __init__(self, jeton):
        super().__init__()
        self.jeton, self.asked, self.issued, self.fault, self.times = jeton, 0, [], None, 0

    def answer(self, request):
        assert request.path == "/auth/token"
        with self.lock:
            self.asked += 1
            if self.times > 0:
                self.times -= 1
                return self.fault
        headers = [(name, request.headers[name]) for name in ("Authorization", "Content-Type")]
        try:
            answer = call("POST", self.jeton.url + request.path, headers, request.body)
        except OSError:
            return None
        if answer.status == 200:
            with self.lock:
                self.issued.append(answer.json["access_token"])
        return answer.status, answer.body, {}


class CountingApi(Server):
    """Notes when it was called with which token; `judge` may refuse."""

    def __init__(self):
        super().__init__()
        self.calls, self.judge = [], lambda token: None

    def answer(self, request):
        scheme, _, token = request.headers["Authorization"].partition(" ")
        assert scheme == "Bearer"
        with self.lock:
            self.calls.append((time.time(), token))
        return self.judge(token) or (200, {"data": "secret"}, {})

    def tokens(self):
        return list(dict.fromkeys(token for _, token in self.calls))


class Stage:
    """A client between its relay and its API."""

    def __init__(self, start, jeton, language, credentials):
        self.start, self.language, self.credentials = start, language, credentials
        self.relay, self.api = start.keep(Relay(jeton)), start.keep(CountingApi())

    def run(self, **changes):
        environment = {"ISSUER": self.relay.url, "API_URL": self.api.url + "/data", "AUDIENCE": AUDIENCE, "SCOPE": READ}
        environment |= {"CLIENT_ID": self.credentials[0], "CLIENT_SECRET": self.credentials[1]}
        self.client = self.start.client(self.language, **(environment | changes))
        return self

    def lines(self):
        return self.client.output.splitlines()

    def finished(self, status):
        assert self.client.finish() == status, self.client.output
        # Whatever happens, nothing secret is printed.
        assert self.credentials[1] not in self.client.output
        assert not any(token in self.client.output for token in self.relay.issued)
        return self.lines()


@pytest.fixture
def stage(start, jeton, language):
    return Stage(start, jeton, language, jeton.client(access_token_ttl=60))


def assert_all_succeeded(lines, number):
    assert len(lines) == number and all(line.startswith("200") and "secret" in line for line in lines), lines


def assert_gave_up(lines, *texts):
    assert len(lines) == 1, lines
    for text in texts:
        assert text in lines[0], lines


def test_the_token_is_for_the_audience_and_scope_that_were_wanted(stage):
    assert_all_succeeded(stage.run().finished(0), 1)
    claims = jwt.decode(stage.relay.issued[0], options={"verify_signature": False})
    assert (claims["aud"], claims["scope"], claims["client_id"]) == (AUDIENCE, READ, stage.credentials[0])


def test_calls_at_the_same_time_cause_one_renewal(stage):
    assert_all_succeeded(stage.run(CALLS="50").finished(0), 50)
    assert stage.relay.asked == 1
    assert stage.api.tokens() == stage.relay.issued


def test_a_token_is_renewed_before_it_expires_once_for_all_calls(start, jeton):
    stages = [Stage(start, jeton, language, jeton.client(access_token_ttl=5)) for language in LANGUAGES]
    for stage in stages:
        stage.run(CALLS="8", EVERY="1")
    for stage in stages:
        eventually(lambda: len(stage.api.tokens()) >= 3)
    for stage in stages:
        stage.client.stop()
        issued = stage.relay.asked
        assert len(stage.api.tokens()) in (issued, issued - 1), "each renewal served all calls that needed it"
        expiry = {token: jwt.decode(token, options={"verify_signature": False})["exp"] for token in stage.api.tokens()}
        for moment, token in stage.api.calls:
            assert moment < expiry[token], f"{stage.language} sent a token that had expired"
        first = {token: min(moment for moment, sent in stage.api.calls if sent == token) for token in expiry}
        for token, following in zip(list(first)[:-1], list(first)[1:]):
            assert first[following] - first[token] > 3.5, f"{stage.language} renewed much too early"
        assert all(line.startswith("200") for line in stage.lines()), stage.lines()


@pytest.mark.parametrize("calls", [1, 20])
def test_after_a_401_invalid_token_there_is_one_new_token_and_each_call_is_repeated_once(stage, calls):
    together = threading.Barrier(calls)

    def judge(token):
        if token == stage.relay.issued[0]:
            together.wait(20)  # so that each of them has been sent with the first token
            return 401, {}, INVALID

    stage.api.judge = judge
    assert_all_succeeded(stage.run(CALLS=str(calls)).finished(0), calls)
    assert stage.relay.asked == 2
    assert [token for _, token in stage.api.calls].count(stage.relay.issued[0]) == calls
    assert [token for _, token in stage.api.calls].count(stage.relay.issued[1]) == calls


def test_a_late_401_for_the_old_token_does_not_throw_the_new_one_away(stage):
    together, is_first = threading.Barrier(2), threading.Lock()

    def judge(token):
        if token == stage.relay.issued[0]:
            together.wait(20)
            if not is_first.acquire(blocking=False):
                eventually(lambda: len(stage.api.tokens()) == 2)
            return 401, {}, INVALID

    stage.api.judge = judge
    assert_all_succeeded(stage.run(CALLS="2").finished(0), 2)
    assert stage.relay.asked == 2


def test_when_the_new_token_is_refused_too_the_client_gives_up_and_says_why(stage):
    stage.api.judge = lambda token: (401, {}, INVALID)
    assert_gave_up(stage.run().finished(1), "the API refuses a new token, too", "The token has expired.")
    assert (len(stage.api.calls), stage.relay.asked) == (2, 2)


@pytest.mark.parametrize(
    "status, challenge",
    [(401, "Bearer"), (401, 'Basic realm="x"'), (403, 'Bearer error="insufficient_scope"'), (400, ""), (404, "")],
)
def test_other_refusals_are_neither_repeated_nor_a_reason_to_renew(stage, status, challenge):
    stage.api.judge = lambda token: (status, {}, {"WWW-Authenticate": challenge})
    lines = stage.run().finished(0)
    assert lines[0].startswith(str(status))
    assert (len(stage.api.calls), stage.relay.asked) == (1, 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_called_again_with_the_same_token_when_it_asks_for_that(stage, status):
    stage.api.judge = lambda token: (status, {}, {"Retry-After": "1"}) if len(stage.api.calls) == 1 else None
    assert_all_succeeded(stage.run().finished(0), 1)
    (first, _), (second, _) = stage.api.calls
    assert second - first >= 1
    assert stage.relay.asked == 1


def test_an_api_that_stays_busy_is_given_up_with_a_reason(stage):
    stage.api.judge = lambda token: (503, {}, {"Retry-After": "0"})
    assert_gave_up(stage.run().finished(1), "no answer from", stage.api.url, "503")
    assert len(stage.api.calls) == 6


FAULTS = [None, (503, {}, {"Retry-After": "1"}), (429, {}, {"Retry-After": "1"}), (502, b"<html>", {})]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_token_server_that_is_away_for_a_moment_is_asked_again(stage, fault):
    stage.relay.fault, stage.relay.times = fault, 2
    started = time.monotonic()
    assert_all_succeeded(stage.run(CALLS="5").finished(0), 5)
    assert stage.relay.asked == 3
    if fault and "Retry-After" in fault[2]:
        assert time.monotonic() - started >= 2


def test_a_token_server_that_stays_away_is_given_up_with_a_reason(stage):
    stage.relay.fault, stage.relay.times = (503, {}, {"Retry-After": "0"}), 100
    assert_gave_up(stage.run().finished(1), "no token from", stage.relay.url, "6 attempts", "503")
    assert (stage.relay.asked, len(stage.api.calls)) == (6, 0)


def test_wrong_credentials_are_reported_at_once_with_what_jeton_says(stage):
    # Asking again would not help, and would look like guessing.
    lines = stage.run(CLIENT_SECRET="wrong").finished(1)
    assert_gave_up(lines, "no token from", "401", "invalid_client", "/docs/errors/invalid_client")
    assert (stage.relay.asked, len(stage.api.calls)) == (1, 0)


def test_a_scope_that_is_not_allowed_is_reported_at_once(stage):
    assert_gave_up(stage.run(SCOPE="everything").finished(1), "invalid_scope")
    assert stage.relay.asked == 1


def test_an_id_and_a_secret_with_unusual_characters_are_understood(stage, jeton):
    stage.credentials = jeton.client(client_id=f"{stage.language}: 1+2 %41&=/?")
    assert_all_succeeded(stage.run().finished(0), 1)


def test_while_jeton_is_away_for_a_moment_the_old_token_serves_and_no_call_fails(start):
    jeton = start.jeton()
    credentials = jeton.client(access_token_ttl=16)
    stages = [Stage(start, jeton, language, credentials).run(CALLS="3", EVERY="1") for language in LANGUAGES]
    for stage in stages:
        eventually(lambda: stage.api.calls)
    jeton.stop()
    for stage in stages:
        eventually(lambda: stage.relay.asked > len(stage.relay.issued))
        assert len(stage.relay.issued) == 1
        served = len(stage.api.calls)
        eventually(lambda: len(stage.api.calls) > served)
    jeton.start()
    for stage in stages:
        eventually(lambda: len(stage.api.tokens()) == 2)
        stage.client.stop()
        assert all(line.startswith("200") for line in stage.lines()), (stage.language, stage.lines())
