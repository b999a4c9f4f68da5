"""Each recipe of docs/frameworks.md that can be run is started as printed, and asked with tokens of every sort."""

import http.client
import json
import re
import time

import pytest

from keys import Holder
from recipes import INTROSPECTION, PROOFS, RECIPES
from support import GUIDE, KINDS, free_port, sections


def ask(port, authorization, proof=None):
    headers = {"Authorization": authorization, "DPoP": proof}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/data", headers={name: value for name, value in headers.items() if value})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers.get("WWW-Authenticate"), body


@pytest.mark.parametrize("heading", RECIPES)
def test_the_recipe_lets_good_tokens_pass_and_no_others(heading, jeton, tokens, tmp_path):
    port = free_port()
    run, kinds = RECIPES[heading]
    with run(heading, jeton, port, tmp_path):
        status, challenge, _ = ask(port, None)
        assert status == 401 and challenge.startswith("Bearer") and "error=" not in challenge, (status, challenge)
        # RFC 6750 §3.1 has no rule for another scheme: some call it a bad request.
        status, challenge, _ = ask(port, "Basic c2VydmljZTpzZWNyZXQ=")
        assert status in (400, 401) and "Bearer" in challenge, (status, challenge)
        for kind in KINDS:
            if kind in kinds:
                check(port, tokens[kind], f"service-{kind}")
            else:
                assert_refused(kind, ask(port, f"Bearer {tokens[kind]['good']}"))
        if heading in PROOFS:
            check_bound(port, jeton, f"service-{kinds[0]}")
        if heading in INTROSPECTION:
            token = jeton.token("service-opaque")
            assert ask(port, f"Bearer {token}")[0] == 200
            jeton.post("revoke", "service-opaque", token=token)
            assert_refused("revoked", ask(port, f"Bearer {token}"))


def check(port, tokens, subject):
    """Good tokens pass, others do not."""
    status, _, body = ask(port, f"Bearer {tokens['good']}")
    assert (status, json.loads(body or b"null")) == (200, {"subject": subject})
    for sort in sorted(tokens.keys() - {"good", "without the scope"}):
        # Some libraries accept a token for up to a minute more.
        deadline = time.monotonic() + (75 if sort == "that is over" else 0)
        while (answer := ask(port, f"Bearer {tokens[sort]}"))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert_refused(sort, answer)
    status, challenge, _ = ask(port, f"Bearer {tokens['without the scope']}")
    assert status == 403 and 'error="insufficient_scope"' in challenge, (status, challenge)


def check_bound(port, jeton, client):
    """A token that is bound to a key passes with a proof by that key, and with nothing else."""
    holder, thief, address = Holder(), Holder(), f"http://127.0.0.1:{port}/data"
    token = jeton.bound_token(client, holder)
    proof = holder.proof("GET", address, token)
    status, _, body = ask(port, f"DPoP {token}", proof)
    assert (status, json.loads(body or b"null")) == (200, {"subject": client})
    for sort, bad in {
        "used before": proof,
        "by another key": thief.proof("GET", address, token),
        "of another request": holder.proof("POST", address, token),
        "of another token": holder.proof("GET", address, token[:-1]),
        "of no token": holder.proof("GET", address),
    }.items():
        status, challenge, _ = ask(port, f"DPoP {token}", bad)
        assert status == 401 and challenge.startswith("DPoP"), (sort, status, challenge)
    for proof in (None, holder.proof("GET", address, token)):
        status, _, _ = ask(port, f"Bearer {token}", proof)
        assert status == 401, "a bearer token"


def assert_refused(sort, answer):
    status, challenge, _ = answer
    assert status == 401 and 'error="invalid_token"' in challenge, (sort, status, challenge)


def test_every_recipe_is_run_or_says_that_it_is_not():
    run = {"Spring Boot", "Spring: a client", "Spring: a client with a key", *RECIPES}
    for heading, text in sections(GUIDE).items():
        if "```" in text:
            assert (heading in run) != ("*Not run by our tests.*" in text), heading
    for line in GUIDE.split("\n## ")[0].splitlines():
        for heading in sections(GUIDE).keys() & set(re.findall(r"\[([^]]*)\]\(#", line)):
            assert (heading in run) == ("`tests/frameworks/run`" in line), heading
