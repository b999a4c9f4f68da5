"""PyJWT, with its client for key sets, checks access tokens as a resource server does."""

import time

import jwt
import pytest
import requests
from support import API, FILES


@pytest.fixture
def token(server):
    """A token of alice."""
    shop = server.client("shop")
    answer = requests.post(
        server.token_endpoint,
        data={
            "grant_type": "password",
            "username": "alice",
            "password": server.password,
            "scope": "read",
        },
        auth=(shop.id, shop.secret),
        timeout=10,
    )
    answer.raise_for_status()
    return answer.json()["access_token"]


def test_good_token(server, token):
    claims = server.verify(token)
    assert claims["iss"] == server.issuer
    assert claims["aud"] in (API, [API])
    assert claims["sub"] == server.alice["id"]
    assert claims["client_id"] == "shop"
    assert claims["scope"] == "read"
    assert claims["iat"] <= time.time() + 5 and time.time() - 5 < claims["exp"]


def test_header_and_key(server, token):
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "at+jwt"
    assert header["alg"] == server.algorithm
    key = server.keys.get_signing_key(header["kid"])
    assert key.key_id == header["kid"]
    assert key.algorithm_name == server.algorithm
    assert key.public_key_use == "sig"


def test_another_audience(server, token):
    with pytest.raises(jwt.InvalidAudienceError):
        server.verify(token, audience=FILES)


def test_another_issuer(server, token):
    key = server.keys.get_signing_key_from_jwt(token)
    with pytest.raises(jwt.InvalidIssuerError):
        jwt.decode(
            token,
            key,
            algorithms=[server.algorithm],
            audience=API,
            issuer=server.issuer + "/",
        )


def test_changed_signature(server, token):
    head, claims, signature = token.split(".")
    changed = "A" if signature[5] != "A" else "B"
    with pytest.raises(jwt.InvalidSignatureError):
        server.verify(f"{head}.{claims}.{signature[:5]}{changed}{signature[6:]}")


def test_token_signed_with_a_shared_secret(server, token):
    forged = jwt.encode(
        jwt.decode(token, options={"verify_signature": False}),
        "a secret of 32 bytes or some more",
        algorithm="HS256",
        headers={"kid": jwt.get_unverified_header(token)["kid"], "typ": "at+jwt"},
    )
    with pytest.raises(jwt.InvalidTokenError):
        server.verify(forged)
