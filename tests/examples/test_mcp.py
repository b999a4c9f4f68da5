"""The examples of examples/mcp: agents that know only the address of an MCP server behind nginx."""

import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest

from mcp_stage import MCP, PYTHON
from support import AUDIENCE, READ, Process, call, eventually
from test_web import Browser

CLIENTS = {
    "typescript": ["node", os.environ["EXAMPLES_MCP_NODE"] + "/client.js"],
    "python": [PYTHON, str(MCP / "client.py")],
}
NAMES = {"typescript": "MCP example in TypeScript", "python": "MCP example in Python"}
# Within this time a server sees what was revoked elsewhere; the agents call ten times as often.
BOUND = 1.0


@pytest.fixture
def stage(mcp):
    return mcp


@pytest.fixture
def browser():
    browser = Browser()
    yield browser
    browser.driver.quit()


class Agent:
    """A client with a desktop that notes which address it is to open."""

    def __init__(self, language, stage):
        self.language, self.name, self.stage, self.folder = language, NAMES[language], stage, stage.started.folder()
        self.noted, self.process = self.folder / "opened", None
        desktop = self.folder / "xdg-open"
        desktop.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>"{self.noted}"\n')
        desktop.chmod(0o700)

    def start(self, **environment):
        # BROWSER is where Python looks first.
        desktop = {"HOME": str(self.folder), "PATH": f"{self.folder}:{os.environ['PATH']}", "BROWSER": "xdg-open"}
        self.process = Process([*CLIENTS[self.language], self.stage.address], desktop | environment, self.folder)

    def stop(self):
        if self.process:
            self.process.stop()

    def opened(self, number=1):
        """The address that it opens at its login of this number."""

        def lines():
            return self.noted.read_text().splitlines() if self.noted.exists() else []

        def is_there():
            assert self.process.is_running() or len(lines()) >= number, self.process.output
            return len(lines()) >= number

        eventually(is_there)
        assert len(lines()) == number
        return lines()[number - 1]

    def results(self):
        return [json.loads(line) for line in self.process.output.splitlines() if line.startswith("{")]

    def result(self, number=1):
        """What the tool answered to its call of this number."""

        def is_there():
            assert self.process.is_running() or len(self.results()) >= number, self.process.output
            return len(self.results()) >= number

        eventually(is_there)
        return self.results()[number - 1]

    def log_in(self, browser, answer="Allow", name=None):
        browser.open(self.opened())
        browser.log_in(self.stage.jeton)
        browser.answer(self.stage.jeton, name or self.name, answer)
        browser.read("You can close this page.")


@pytest.fixture(params=CLIENTS)
def agent(request, stage):
    agent = Agent(request.param, stage)
    yield agent
    agent.stop()


def test_an_agent_that_knows_only_the_address_calls_a_tool(agent, browser, stage):
    before = len(stage.requests())
    agent.start()
    address = urllib.parse.urlsplit(agent.opened())
    asked = {name: values[0] for name, values in urllib.parse.parse_qs(address.query).items()}
    assert f"{address.scheme}://{address.netloc}{address.path}" == stage.jeton.url + "/auth/authorize"
    assert asked["resource"] == stage.address and READ in asked["scope"].split(" ")
    assert asked["code_challenge_method"] == "S256"
    # It has registered itself, and found out where by this server's answers alone.
    client_id = asked["client_id"]
    assert client_id == stage.clients(agent.name)[0]
    assert stage.jeton.admin("GET", f"clients/{client_id}").json["registered_by"] == "itself"
    requests = stage.requests()[before:]
    assert [(request.path, request.status) for request in requests] == [
        ("/mcp", 401),
        ("/.well-known/oauth-protected-resource/mcp", 200),
    ]

    browser.open(agent.opened())
    browser.log_in(stage.jeton)
    browser.see("Allow access to your account?")
    for text in [agent.name, "Example MCP server", "Read your conversations", "127.0.0.1"]:
        assert text in browser.text, browser.text
    browser.press("Allow")
    browser.read("Go back to the terminal.")
    assert agent.process.finish() == 0, agent.process.output

    (said,) = agent.results()
    session = stage.session(said["session"])
    assert said["client"] == session["client_id"] == client_id
    assert said["subject"] == stage.jeton.admin("GET", "users/demo").json["id"]
    assert READ in said["scope"].split(" ")
    assert session["audiences"] == [stage.address]
    assert browser.complaints() == []


def refused_after(revoke, agent, stage, login):
    """Ends a session while the agent is calling, and gives the address at which it asks for another login."""
    revoke()
    revoked, counted = time.time(), len(agent.results())
    address = agent.opened(login)
    calls = [request for request in stage.requests() if request.path == "/mcp"]
    refused = next(request for request in calls if request.time > revoked - 0.01 and request.status != 200)
    assert refused.status == 401 and refused.time < revoked + BOUND
    assert all(request.status == 401 for request in calls if request.time >= refused.time)
    return address, len(agent.results()) - counted


def test_an_agent_is_refused_as_soon_as_its_session_is_revoked(agent, browser, stage):
    agent.start(EVERY="0.1")
    agent.log_in(browser)
    first = agent.result()["session"]
    # It needs nobody for the calls that follow.
    agent.result(3)
    assert agent.process.is_running()

    address, answered = refused_after(
        lambda: stage.jeton.admin("POST", "revocations", {"session": first}), agent, stage, login=2
    )
    # The server knows before it says so: no more than the answer that was on its way.
    assert answered <= 1

    # The agent goes on if the person allows it again, in another session.
    browser.open(address)
    browser.answer(stage.jeton, agent.name, "Allow")
    browser.read("Go back to the terminal.")
    second = agent.result(len(agent.results()) + 1)["session"]
    assert second != first

    # The command of the README works on the database, and the server sees that within the second.
    words = [os.environ["JETON_BIN"], "revoke", "--dev", "--session", second]
    refused_after(lambda: subprocess.run(words, cwd=stage.jeton.folder, check=True), agent, stage, login=3)


def test_an_agent_that_publishes_its_metadata_registers_nowhere(agent, browser, stage):
    registered = stage.clients(agent.name)
    agent.start(EVERY="0.1", CLIENT_DOCUMENT=stage.documents.url)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(agent.opened()).query)
    assert query["client_id"] == [stage.documents.url]
    agent.log_in(browser, name=stage.documents.document["client_name"])
    said = agent.result()
    assert said["client"] == stage.session(said["session"])["client_id"] == stage.documents.url
    assert stage.clients(agent.name) == registered
    refused_after(
        lambda: stage.jeton.admin("POST", "revocations", {"session": said["session"]}), agent, stage, login=2
    )


def test_an_agent_renews_what_expires(agent, browser, stage):
    # The Python SDK renews by its own clock alone: it sends a person to log in when a token is refused that it takes for good.
    # Therefore the first requests have time, and the later call comes after the end by every clock.
    with stage.tokens_that_live(5):
        agent.start(EVERY="7")
        agent.log_in(browser)
        first = agent.result()
        before = stage.session(first["session"])["last_refreshed_at"]
        assert agent.result(2) == first
        assert stage.session(first["session"])["last_refreshed_at"] > before
        agent.opened(1)


@pytest.mark.parametrize("agent", ["typescript"], indirect=True)
def test_an_agent_whose_registration_is_lost_registers_again(agent, browser, stage):
    agent.start(EVERY="0.1")
    agent.log_in(browser)
    lost = agent.result()["client"]
    stage.jeton.admin("DELETE", f"clients/{lost}")
    address = agent.opened(2)
    (client_id,) = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["client_id"]
    assert client_id != lost and client_id == stage.clients(agent.name)[0]
    browser.open(address)
    browser.answer(stage.jeton, agent.name, "Allow")
    browser.read("Go back to the terminal.")
    eventually(lambda: agent.results()[-1]["client"] == client_id)


def test_an_agent_says_that_access_was_denied(agent, browser, stage):
    agent.start()
    agent.log_in(browser, "Deny")
    assert agent.process.finish() == 1
    assert agent.process.output.endswith("\nyou did not allow access\n"), agent.process.output
    assert agent.results() == []


def test_an_agent_takes_no_answer_that_it_did_not_ask_for(agent, stage):
    agent.start()
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(agent.opened()).query)
    (address,), (state,) = query["redirect_uri"], query["state"]
    for method, target in [("GET", address + "?code=c&state=s"), ("GET", address), ("GET", address + "x"),
                           ("POST", f"{address}?code=c&state={state}")]:  # fmt: skip
        assert call(method, target).status == 404
    assert agent.process.is_running()
    # An answer from another server is none, even with the right state.
    parameters = {"code": "c", "state": state, "iss": "https://other.example.com"}
    assert call("GET", f"{address}?{urllib.parse.urlencode(parameters)}").status == 200
    assert agent.process.finish() == 1
    assert re.search("the answer is from another server|iss mismatch", agent.process.output), agent.process.output


# --- what nginx answers ---


def test_who_has_no_token_learns_where_to_get_one(stage):
    answer = stage.call_tool()
    assert answer.status == 401
    assert answer.challenge == f'Bearer realm="jeton", resource_metadata="{stage.metadata}"'
    document = call("GET", stage.metadata).json
    assert document["resource"] == stage.address
    assert document["authorization_servers"] == [stage.jeton.url]
    assert document["scopes_supported"] == [READ]


def token(stage, resource):
    """A token of a client that an administrator registered."""
    client = stage.jeton.client(audiences=[stage.address, AUDIENCE])
    return stage.jeton.token(*client, scope=READ, resource=resource)


def bearer(token):
    return "Authorization", f"Bearer {token}"


def test_only_tokens_for_this_server_pass(stage):
    assert stage.call_tool(bearer(token(stage, stage.address))).status == 200
    for bad in ["nonsense", token(stage, AUDIENCE)]:
        answer = stage.call_tool(bearer(bad))
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.challenge and stage.metadata in answer.challenge


def test_nobody_chooses_who_it_is(stage):
    good = bearer(token(stage, stage.address))
    names = ["X-Auth-Subject", "x-auth-client", "X-Auth-Scope", "X-Auth-Session"]
    answer = stage.call_tool(good, *((name, "forged") for name in names))
    assert answer.status == 200 and b"forged" not in answer.body and b"client-" in answer.body


def test_refusals_arrive_with_their_status(stage):
    good = bearer(token(stage, stage.address))
    without_scope = stage.jeton.token(*stage.jeton.client(scope="", audiences=[stage.address]))
    answer = stage.call_tool(bearer(without_scope))
    assert answer.status == 403 and 'error="insufficient_scope"' in answer.challenge
    assert f'scope="{READ}"' in answer.challenge and stage.metadata in answer.challenge
    answer = stage.call_tool(good, good)
    assert answer.status == 400 and 'error="invalid_request"' in answer.challenge
    stage.jeton.stop()
    try:
        answer = stage.call_tool(good)
        assert answer.status == 503 and answer.headers["Retry-After"] and answer.challenge is None
    finally:
        stage.jeton.start()
    assert stage.call_tool(good).status == 200


def test_nothing_else_is_served(stage):
    good = bearer(token(stage, stage.address))
    for path in ["", "/", "/mcp/", "/mcp/x", "/_jeton/verify", "/.well-known/oauth-protected-resource"]:
        url = stage.address.removesuffix("/mcp") + path
        assert call("GET", url, [good]).status == 404, path
