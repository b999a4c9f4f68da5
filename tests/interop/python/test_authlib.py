"""Authlib, over requests."""

import json
import time

import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import AssertionSession, OAuth2Session
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey
from support import API, FILES, Client

INACTIVE = {"active": False}


@pytest.fixture
def session(server):
    def session(client, **more):
        return OAuth2Session(
            client.id,
            more.pop("secret", client.secret),
            token_endpoint_auth_method=client.method,
            revocation_endpoint_auth_method=client.method,
            token_endpoint=server.token_endpoint,
            **more,
        )

    return session


@pytest.fixture
def login(server, session):
    """A session of alice."""

    def login(client, **more):
        alice = session(client, **more)
        alice.fetch_token(username="alice", password=server.password)
        return alice

    return login


def refused(error, request, *arguments, **named):
    """The request is refused with this error, which the library raises as its own."""
    with pytest.raises(OAuthError) as raised:
        request(*arguments, **named)
    assert raised.value.error == error
    assert raised.value.description


def private_key(server, name):
    return ECKey.import_key(json.loads((server.folder / f"{name}.key.json").read_text()))


def with_key(server, client_id, claims=None, **more):
    """A session of a client with a key. By itself, the library makes assertions that last for an hour."""
    key = private_key(server, "worker")
    session = OAuth2Session(
        client_id, key, token_endpoint_auth_method="private_key_jwt", token_endpoint=server.token_endpoint, **more
    )
    claims = {"exp": int(time.time()) + 60} if claims is None else claims
    method = PrivateKeyJWT(server.token_endpoint, claims=claims, headers={"kid": "own"}, alg="ES256")
    session.register_client_auth_method(method)
    return session


def test_private_key_jwt(server, introspect):
    token = with_key(server, "worker").fetch_token(grant_type="client_credentials")
    assert introspect(token["access_token"])["client_id"] == "worker"
    with pytest.raises(OAuthError) as raised:
        with_key(server, "worker", claims={}).fetch_token(grant_type="client_credentials")
    assert raised.value.error == "invalid_client"
    assert "5 minutes" in raised.value.description


def test_code_of_a_client_with_a_key(server):
    callback = "https://web.example.com/callback"
    session = with_key(server, "web", scope="openid read", redirect_uri=callback, code_challenge_method="S256")
    verifier = generate_token(48)
    address, _ = session.create_authorization_url(
        server.metadata["authorization_endpoint"], code_verifier=verifier
    )
    token = session.fetch_token(authorization_response=server.log_in(address), code_verifier=verifier)
    assert token["id_token"]
    assert session.get(server.metadata["userinfo_endpoint"]).json()["sub"] == server.alice["id"]


def test_assertions_of_an_issuer_are_exchanged_for_tokens_of_its_people(server, introspect, api):
    def portal(subject):
        session = AssertionSession(
            server.token_endpoint,
            "https://idp.example.com",
            subject,
            audience=server.issuer,
            scope="read",
            key=private_key(server, "idp"),
            header={"alg": "ES256", "kid": "own"},
        )
        client = server.client("portal")
        session.auth = (client.id, client.secret)
        return session

    # It asks for a token by itself, and for another one when that has expired.
    ann = portal("ann")
    claims = ann.get(api).json()
    assert (claims["sub"], claims["sub_iss"]) == ("ann", "https://idp.example.com")
    first = dict(ann.token)
    assert introspect(first["access_token"])["client_id"] == "portal"
    ann.token = {**first, "expires_at": 1}
    assert ann.get(api).status_code == 200
    assert ann.token["access_token"] != first["access_token"]
    # No rule is about anybody else.
    with pytest.raises(OAuth2Error) as raised:
        portal("mallory").refresh_token()
    assert raised.value.error == "invalid_grant"


def test_password(server, shop, login, introspect):
    token = login(shop).token
    assert token["token_type"].lower() == "bearer"
    assert token["expires_in"] > 0
    assert token["refresh_token"]
    assert set(token["scope"].split()) == {"read", "write"}

    found = introspect(token["access_token"])
    assert found["active"] is True
    assert found["username"] == "alice"
    assert found["sub"] == server.alice["id"]
    assert found["client_id"] == shop.id
    assert found["iss"] == server.issuer


def test_client_credentials(shop, session, introspect):
    token = session(shop).fetch_token()
    assert "refresh_token" not in token
    found = introspect(token["access_token"])
    assert found["active"] is True
    assert found["sub"] == found["client_id"] == shop.id
    assert "username" not in found


def test_scope_as_asked(server, shop, login, session, introspect):
    user = login(shop, scope="read").token
    client = session(shop, scope="write").fetch_token()
    assert (user["scope"], client["scope"]) == ("read", "write")
    assert introspect(user["access_token"])["scope"] == "read"
    assert introspect(client["access_token"])["scope"] == "write"


def test_resource(server, session, introspect):
    shop = session(server.client("shop-post"))
    for resource in API, FILES:
        token = shop.fetch_token(resource=resource)
        assert server.verify(token["access_token"], audience=resource)["aud"] in (resource, [resource])
    refused("invalid_target", shop.fetch_token, resource="https://elsewhere.example.com")


def test_refresh_rotates(shop, login, introspect):
    alice = login(shop)
    first = dict(alice.token)
    second = dict(alice.refresh_token())
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    found = introspect(second["access_token"])
    assert found["active"] is True
    assert found["sub"] == introspect(first["access_token"])["sub"]
    assert set(found["scope"].split()) == {"read", "write"}


def test_refresh_with_less_scope(shop, login, introspect):
    alice = login(shop)
    narrow = alice.refresh_token(scope="read")
    assert narrow["scope"] == "read"
    assert introspect(narrow["access_token"])["scope"] == "read"
    assert set(alice.refresh_token()["scope"].split()) == {"read", "write"}


def test_refresh_with_more_scope_is_refused(shop, login):
    alice = login(shop, scope="read")
    refused("invalid_scope", alice.refresh_token, scope="read write")


def test_repeated_refresh_gets_the_same_successor(shop, login, introspect):
    alice = login(shop)
    first = alice.token["refresh_token"]
    second = dict(alice.refresh_token(refresh_token=first))
    again = dict(alice.refresh_token(refresh_token=first))
    assert again["refresh_token"] == second["refresh_token"]
    assert again["access_token"] != second["access_token"]
    assert introspect(again["access_token"])["active"] is True


def test_reuse_ends_the_session(shop, login, introspect):
    alice = login(shop)
    first = alice.token["refresh_token"]
    alice.refresh_token()
    newest = dict(alice.refresh_token())
    refused("invalid_grant", alice.refresh_token, refresh_token=first)
    refused("invalid_grant", alice.refresh_token, refresh_token=newest["refresh_token"])
    assert introspect(newest["access_token"]) == INACTIVE


def test_introspect_own_token(server, shop, login):
    alice = login(shop)
    for kind in "access_token", "refresh_token":
        answer = alice.introspect_token(
            server.introspection_endpoint, token=alice.token[kind], token_type_hint=kind
        )
        assert answer.status_code == 200
        assert answer.json()["active"] is True
    answer = alice.introspect_token(server.introspection_endpoint, token="no-token")
    assert (answer.status_code, answer.json()) == (200, INACTIVE)


def test_introspect_token_of_another_client(server, login, session):
    alice = login(server.client("shop"))
    other = session(server.client("shop-post"))
    answer = other.introspect_token(server.introspection_endpoint, token=alice.token["access_token"])
    assert (answer.status_code, answer.json()) == (200, INACTIVE)


def test_revoke_access_token(server, shop, login, introspect):
    alice = login(shop)
    access_token = alice.token["access_token"]
    answer = alice.revoke_token(
        server.revocation_endpoint, token=access_token, token_type_hint="access_token"
    )
    assert answer.status_code == 200
    assert introspect(access_token) == INACTIVE
    assert introspect(alice.refresh_token()["access_token"])["active"] is True


def test_revoke_refresh_token(server, shop, login, introspect):
    alice = login(shop)
    access_token = alice.token["access_token"]
    answer = alice.revoke_token(
        server.revocation_endpoint,
        token=alice.token["refresh_token"],
        token_type_hint="refresh_token",
    )
    assert answer.status_code == 200
    assert introspect(access_token) == INACTIVE
    refused("invalid_grant", alice.refresh_token)


def test_token_of_another_client_is_not_revoked(server, login, session, introspect):
    alice = login(server.client("shop"))
    other = session(server.client("shop-post"))
    for kind in "access_token", "refresh_token":
        assert other.revoke_token(server.revocation_endpoint, token=alice.token[kind]).status_code == 200
    assert introspect(alice.token["access_token"])["active"] is True
    assert alice.refresh_token()["access_token"]


def test_wrong_secret(server, shop, session, login):
    wrong = session(shop, secret=shop.secret + "x")
    refused("invalid_client", wrong.fetch_token)
    refused("invalid_client", wrong.fetch_token, username="alice", password=server.password)
    good = login(shop)
    refused("invalid_client", wrong.refresh_token, refresh_token=good.token["refresh_token"])
    for ask, url in (
        (wrong.introspect_token, server.introspection_endpoint),
        (wrong.revoke_token, server.revocation_endpoint),
    ):
        answer = ask(url, token=good.token["access_token"])
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
    assert good.refresh_token()["access_token"]


def test_wrong_password(server, shop, session):
    alice = session(shop)
    refused("invalid_grant", alice.fetch_token, username="alice", password=server.password + "x")
    refused("invalid_grant", alice.fetch_token, username="nobody", password=server.password)


def test_unknown_scope_and_grant(shop, session):
    refused("invalid_scope", session(shop, scope="read everything").fetch_token)
    refused("unsupported_grant_type", session(shop).fetch_token, grant_type="urn:example:magic")


def test_grant_that_the_client_may_not_use(server, session):
    api = session(server.client("api"))
    refused("unauthorized_client", api.fetch_token, username="alice", password=server.password)


def test_public_client(server, session, login, introspect):
    app = server.client("shop-app")
    alice = login(app)
    first = dict(alice.token)
    second = dict(alice.refresh_token())
    assert second["refresh_token"] != first["refresh_token"]
    assert introspect(second["access_token"])["client_id"] == app.id
    answer = alice.revoke_token(server.revocation_endpoint, token=second["refresh_token"])
    assert answer.status_code == 200
    assert introspect(second["access_token"]) == INACTIVE
    refused("unauthorized_client", session(app).fetch_token, grant_type="client_credentials")
    guess = session(Client(app.id, "guess", "client_secret_basic"))
    refused("invalid_client", guess.fetch_token, username="alice", password=server.password)


def test_opaque_token(server, login, introspect):
    alice = login(server.client("shop-opaque"))
    access_token = alice.token["access_token"]
    assert access_token.count(".") != 2, "a JWT"
    found = introspect(access_token)
    assert found["active"] is True
    assert found["username"] == "alice"
    assert alice.revoke_token(server.revocation_endpoint, token=access_token).status_code == 200
    assert introspect(access_token) == INACTIVE


def test_expired_token_is_renewed_by_its_refresh_token(server, shop, login, api):
    renewed = []
    alice = login(shop, update_token=lambda token, **old: renewed.append((dict(token), old)))
    before = dict(alice.token)
    assert alice.get(api).json()["jti"]
    assert renewed == []

    alice.token = {**before, "expires_at": 1}
    answer = alice.get(api)
    assert answer.status_code == 200
    assert answer.json()["sub"] == server.alice["id"]
    [(after, old)] = renewed
    assert old == {"refresh_token": before["refresh_token"]}
    assert after["refresh_token"] != before["refresh_token"]
    assert alice.token["access_token"] == after["access_token"] != before["access_token"]


def test_expired_token_is_renewed_by_client_credentials(shop, session, api):
    renewed = []
    client = session(
        shop, grant_type="client_credentials", update_token=lambda token, **old: renewed.append(old)
    )
    before = dict(client.fetch_token())
    client.token = {**before, "expires_at": 1}
    answer = client.get(api)
    assert answer.status_code == 200
    assert answer.json()["sub"] == shop.id
    assert renewed == [{"access_token": before["access_token"]}]


def test_admin_api(server, session):
    ops = session(server.client("ops"), scope="jeton:admin")
    ops.fetch_token()
    answer = ops.get(f"{server.issuer}/admin/v1/clients", params={"client_id": "shop"})
    assert answer.status_code == 200
    assert [client["client_id"] for client in answer.json()["items"]] == ["shop"]
