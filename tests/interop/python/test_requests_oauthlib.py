"""requests-oauthlib, with oauthlib."""

import pytest
import requests
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from oauthlib.oauth2.rfc6749 import errors
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session


@pytest.fixture(autouse=True)
def http_on_loopback(monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def credentials(client, secret=None):
    """How fetch_token is told to authenticate the client."""
    secret = secret or client.secret
    if client.method == "client_secret_basic":
        return {"auth": HTTPBasicAuth(client.id, secret)}
    return {"include_client_id": True, "client_secret": secret}


@pytest.fixture
def login(server):
    def login(client, scope=None):
        alice = OAuth2Session(client=LegacyApplicationClient(client.id, scope=scope))
        alice.fetch_token(
            server.token_endpoint,
            username="alice",
            password=server.password,
            **credentials(client),
        )
        return alice

    return login


def refresh(server, session, client, **more):
    """The library's way to refresh for a client with a secret, in the header or in the body."""
    if client.method == "client_secret_basic":
        return session.refresh_token(
            server.token_endpoint, auth=HTTPBasicAuth(client.id, client.secret), **more
        )
    return session.refresh_token(
        server.token_endpoint, client_id=client.id, client_secret=client.secret, **more
    )


def test_password(server, shop, login, introspect):
    token = login(shop, scope=["read"]).token
    assert token["token_type"].lower() == "bearer"
    assert token["scope"] == ["read"]
    found = introspect(token["access_token"])
    assert found["active"] is True
    assert found["username"] == "alice"
    assert found["scope"] == "read"


def test_client_credentials(server, shop, introspect):
    # The library raises when the scope is not the one that was asked for.
    session = OAuth2Session(client=BackendApplicationClient(shop.id, scope=["write", "read"]))
    token = session.fetch_token(server.token_endpoint, **credentials(shop))
    assert set(token["scope"]) == {"read", "write"}
    assert "refresh_token" not in token
    assert introspect(token["access_token"])["sub"] == shop.id


def test_client_credentials_as_the_library_sends_them_by_default(server):
    shop = server.client("shop")
    session = OAuth2Session(client=BackendApplicationClient(shop.id))
    token = session.fetch_token(server.token_endpoint, client_secret=shop.secret)
    assert token["access_token"]


def test_refresh_rotates(server, shop, login, introspect):
    alice = login(shop, scope=["read", "write"])
    first = dict(alice.token)
    second = dict(refresh(server, alice, shop))
    assert second["refresh_token"] != first["refresh_token"]
    assert introspect(second["access_token"])["active"] is True
    refresh(server, alice, shop)
    with pytest.raises(errors.InvalidGrantError):
        refresh(server, alice, shop, refresh_token=first["refresh_token"])
    assert introspect(second["access_token"]) == {"active": False}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_expired_token_is_renewed(server, login, api, method):
    shop = server.client("shop" if method == "client_secret_basic" else "shop-post")
    kept = []
    secret = {"client_id": shop.id, "client_secret": shop.secret}
    in_header = method == "client_secret_basic"
    before = dict(login(shop).token)
    alice = OAuth2Session(
        shop.id,
        token={**before, "expires_at": 1},
        auto_refresh_url=server.token_endpoint,
        auto_refresh_kwargs={} if in_header else secret,
        token_updater=kept.append,
    )
    answer = alice.get(api, **(secret if in_header else {}))
    assert answer.status_code == 200
    assert answer.json()["sub"] == server.alice["id"]
    [after] = kept
    assert after["refresh_token"] != before["refresh_token"]
    assert alice.get(api).status_code == 200
    assert len(kept) == 1


def test_revoke(server, shop, login, introspect):
    """requests-oauthlib has no call for it; oauthlib prepares the request."""
    alice = login(shop)
    access_token = alice.token["access_token"]
    in_body = {}
    if shop.method == "client_secret_post":
        in_body = {"client_id": shop.id, "client_secret": shop.secret}
    url, headers, body = LegacyApplicationClient(shop.id).prepare_token_revocation_request(
        server.revocation_endpoint, alice.token["refresh_token"], "refresh_token", **in_body
    )
    answer = requests.post(
        url,
        data=body,
        headers=headers,
        auth=None if in_body else HTTPBasicAuth(shop.id, shop.secret),
        timeout=10,
    )
    assert answer.status_code == 200
    assert introspect(access_token) == {"active": False}
    with pytest.raises(errors.InvalidGrantError):
        refresh(server, alice, shop)


def test_public_client(server, login, introspect):
    app = server.client("shop-app")
    alice = OAuth2Session(client=LegacyApplicationClient(app.id))
    first = dict(
        alice.fetch_token(
            server.token_endpoint,
            username="alice",
            password=server.password,
            include_client_id=True,
        )
    )
    second = alice.refresh_token(server.token_endpoint, client_id=app.id)
    assert second["refresh_token"] != first["refresh_token"]
    assert introspect(second["access_token"])["client_id"] == app.id


def test_public_client_as_the_library_sends_it_by_default(server, introspect):
    """With an empty secret, in the Authorization header."""
    session = OAuth2Session(client=LegacyApplicationClient("shop-app"))
    token = session.fetch_token(server.token_endpoint, username="alice", password=server.password)
    assert introspect(token["access_token"])["client_id"] == "shop-app"


def test_wrong_secret(server, shop):
    session = OAuth2Session(client=BackendApplicationClient(shop.id))
    with pytest.raises(errors.InvalidClientError) as refused:
        session.fetch_token(server.token_endpoint, **credentials(shop, secret="wrong"))
    assert refused.value.error == "invalid_client"
    assert refused.value.description
    assert refused.value.uri.startswith(server.issuer)


def test_wrong_password(server, shop):
    session = OAuth2Session(client=LegacyApplicationClient(shop.id))
    with pytest.raises(errors.InvalidGrantError):
        session.fetch_token(
            server.token_endpoint, username="alice", password="wrong", **credentials(shop)
        )


def test_unknown_scope(server, shop):
    session = OAuth2Session(client=BackendApplicationClient(shop.id, scope=["everything"]))
    with pytest.raises(errors.InvalidScopeError):
        session.fetch_token(server.token_endpoint, **credentials(shop))
