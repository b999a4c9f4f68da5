"""The examples of examples/dpop: a client whose tokens are bound to a key, and an API that takes no others."""

import os

import pytest

from support import AUDIENCE, READ, Process, call, eventually, free_port

FOLDER = os.environ["EXAMPLES_DPOP"]


@pytest.fixture(scope="module", params=["off", "required"])
def server(shared, request):
    return shared.jeton(JETON_DPOP_NONCE=request.param)


@pytest.fixture(scope="module")
def api(shared, server):
    port = free_port()
    environment = {"ISSUER": server.url, "AUDIENCE": AUDIENCE, "SCOPE": READ, "PORT": str(port)}
    process = shared.keep(Process(["node", f"{FOLDER}/api.js"], environment, shared.folder()))
    process.wait_for(port)
    return f"http://127.0.0.1:{port}/data"


def run_client(start, server, api, client="demo-app"):
    environment = {
        "ISSUER": server.url,
        "AUDIENCE": AUDIENCE,
        "CLIENT_ID": client,
        "CLIENT_SECRET": f"{client}-secret",
        "API": api,
    }
    process = start.keep(Process(["node", f"{FOLDER}/client.js"], environment, start.folder()))
    assert process.finish() == 0, process.output
    return process.output


def test_a_token_works_with_a_proof_and_not_alone(start, server, api):
    output = run_client(start, server, api)
    assert "the token_type is dpop" in output
    assert 'with a proof: 200 {"data":"secret","client":"demo-app"}' in output
    assert "as a bearer token: 401 DPoP algs=" in output


def test_a_request_without_a_token_is_challenged(api):
    answer = call("GET", api)
    assert answer.status == 401
    assert answer.challenge.startswith("DPoP algs=")


def test_a_token_that_is_not_bound_is_refused(server, api):
    form = f"grant_type=client_credentials&client_id=demo-app&client_secret=demo-app-secret&resource={AUDIENCE}"
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    token = call("POST", f"{server.url}/auth/token", headers, form.encode()).json["access_token"]
    for scheme in ("Bearer", "DPoP"):
        answer = call("GET", api, [("Authorization", f"{scheme} {token}")])
        assert (answer.status, answer.challenge.split()[0]) == (401, "DPoP"), scheme


def test_what_is_not_there_is_404(api):
    assert eventually(lambda: call("GET", api + "/else").status) == 404
