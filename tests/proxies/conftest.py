import os
import pathlib

import pytest
from support import PROXIES, SCOPE, Api, Jeton, Listener, eventually

TESTED = [name for name in PROXIES if f"{name.upper()}_BIN" in os.environ]


@pytest.fixture(scope="session")
def folder():
    return pathlib.Path(os.environ["PROXIES_FOLDER"])


@pytest.fixture(scope="session")
def jeton(folder):
    jeton = Jeton(folder / "jeton")
    yield jeton
    assert jeton.stop() == 0, jeton.process.log.read_text()


@pytest.fixture(scope="session")
def everyones_api():
    api = Api()
    yield api
    api.close()


@pytest.fixture
def api(everyones_api):
    everyones_api.requests.clear()
    return everyones_api


@pytest.fixture(scope="session", params=TESTED)
def kind(request):
    return PROXIES[request.param]


@pytest.fixture(scope="session")
def proxy(kind, folder, jeton, everyones_api):
    """A proxy in front of the API that asks Jeton."""
    proxy = kind(folder / kind.__name__, jeton.port, everyones_api.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def listener(jeton):
    listener = Listener(jeton.port)
    yield listener
    listener.close()


@pytest.fixture(scope="session")
def observed(kind, folder, listener, everyones_api):
    """A proxy whose questions to Jeton are kept."""
    proxy = kind(folder / f"{kind.__name__}-observed", listener.port, everyones_api.port)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="session")
def alice(jeton):
    return jeton.create_user("alice", "correct horse battery staple")


@pytest.fixture(scope="session")
def tokens(jeton, alice):
    """A token of each sort, by name."""
    jeton.create_client("machine")
    jeton.create_client("app", grants="password,refresh_token")
    jeton.create_client("sealed", options=("--access-token-format", "opaque"))
    jeton.create_client("elsewhere", audience="https://files.example.com")
    jeton.create_client("hasty", options=("--access-token-ttl", "1"))
    login = {"grant_type": "password", "username": "alice", "password": "correct horse battery staple"}
    tokens = {
        "of a machine": jeton.token("machine", scope=SCOPE),
        "of a person": jeton.token("app", **login, scope=f"{SCOPE} write:conversations"),
        "sealed": jeton.token("sealed", scope=SCOPE),
        "without the scope": jeton.token("machine", scope="write:conversations"),
        "for another audience": jeton.token("elsewhere", scope=SCOPE),
        "revoked": jeton.token("machine", scope=SCOPE),
        "expired": jeton.token("hasty", scope=SCOPE),
        "garbage": "garbage",
    }
    # The signature's last character has bits that mean nothing, its first one has not.
    start, _, signature = tokens["of a machine"].rpartition(".")
    tokens["with a bad signature"] = f"{start}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    jeton.revoke("machine", tokens["revoked"])
    eventually("the token expires", lambda: not jeton.introspect("hasty", tokens["expired"])["active"])
    return tokens
