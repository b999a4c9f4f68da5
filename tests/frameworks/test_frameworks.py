"""Each recipe of docs/frameworks.md that can be run is started as printed, and asked with tokens of every sort."""

import base64
import http.client
import json
import os
import re
import subprocess
import time

import pytest

from recipes import INTROSPECTION, JAVA, RECIPES, behind, compile_java
from support import AUDIENCE, GUIDE, ISSUER, KINDS, Jeton, free_port, recipe, running, sections


@pytest.fixture(scope="session")
def jeton(tmp_path_factory):
    jeton = Jeton(tmp_path_factory.mktemp("jeton"))
    serve = [os.environ["JETON_BIN"], "serve"]
    # Signed with the same keys.
    other = jeton.environment | {"JETON_ISSUER": "https://other.example.com"}
    with running(serve, jeton.port, jeton.folder, **other):
        jeton.of_another_issuer = {kind: jeton.token(f"service-{kind}") for kind in KINDS}
    with running(serve, jeton.port, jeton.folder, **jeton.environment):
        yield jeton


@pytest.fixture(scope="session")
def tokens(jeton):
    """Of each kind, a good token and others that are refused."""
    return {kind: tokens_of(jeton, kind) for kind in KINDS}


def tokens_of(jeton, kind):
    good = jeton.token(f"service-{kind}", "read write")
    tokens = {
        "good": good,
        "without the scope": jeton.token(f"service-{kind}", "write"),
        "for another API": jeton.token(f"elsewhere-{kind}"),
        "of a changed signature": good[:-8] + good[-8:][::-1],
        "that is none": "undefined",
        "of another issuer": jeton.of_another_issuer[kind],
        "that is over": jeton.token(f"hasty-{kind}"),
    }
    if kind != "opaque":
        unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": kind}).encode()).decode().rstrip("=")
        tokens["unsigned"] = f"{unsigned}.{good.split('.')[1]}."
    return tokens


def ask(port, authorization):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/data", headers={"Authorization": authorization} if authorization else {})
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


def assert_refused(sort, answer):
    status, challenge, _ = answer
    assert status == 401 and 'error="invalid_token"' in challenge, (sort, status, challenge)


def test_the_client_of_spring_gets_a_token_and_sends_it(jeton, tmp_path):
    heading = "Spring: a client"
    (tmp_path / "application.yaml").write_text(recipe(heading, "yaml").replace(ISSUER, jeton.issuer))
    with behind() as api:
        program = recipe(heading, "java").replace(AUDIENCE, f"http://127.0.0.1:{api.server_port}")
        command = [*JAVA, "-cp", compile_java(tmp_path, {"Caller.java": program}), "com.example.Caller"]
        environment = {**os.environ, "SERVICE_SECRET": jeton.secrets["service"]}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0 and '{"subject": "service"}' in done.stdout, done
    answer = json.loads(jeton.post("introspect", "api", token=api.token))
    assert answer["active"] and answer["scope"] == "read", answer


def test_every_recipe_is_run_or_says_that_it_is_not():
    run = {"Spring Boot", "Spring: a client", *RECIPES}
    for heading, text in sections(GUIDE).items():
        if "```" in text:
            assert (heading in run) != ("*Not run by our tests.*" in text), heading
    for line in GUIDE.split("\n## ")[0].splitlines():
        for heading in sections(GUIDE).keys() & set(re.findall(r"\[([^]]*)\]\(#", line)):
            assert (heading in run) == ("`tests/frameworks/run`" in line), heading
