import base64
import json
import os

import pytest

from support import KINDS, Jeton, running


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


@pytest.fixture(scope="session", autouse=True)
def tokens(jeton):
    """Of each kind, a good token and others that are refused. Made first: those that have to expire do so while other tests run."""
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
