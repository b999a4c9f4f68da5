"""`jeton serve --dev`: the two requests of the guides, letter for letter, and what follows them."""

import http.client
import json
import os
import pathlib
from urllib.parse import urlencode, urlsplit

import pytest
from authlib.integrations.requests_client import OAuth2Session

ISSUER = (pathlib.Path(os.environ["JETON_INTEROP_DIR"]) / "issuer").read_text()
FORM = "application/x-www-form-urlencoded"


def post(path, body, content_type=FORM):
    connection = http.client.HTTPConnection(urlsplit(ISSUER).netloc, timeout=10)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def tokens(body, content_type=FORM):
    status, answer = post("/auth/token", body, content_type)
    assert status == 200, answer
    return json.loads(answer)


def introspect(token):
    status, answer = post(
        "/auth/introspect",
        urlencode({"token": token, "client_id": "demo-api", "client_secret": "demo-api-secret"}),
    )
    assert status == 200, answer
    return json.loads(answer)


def guide_login():
    # curl -X POST http://127.0.0.1:8080/auth/token -d 'username=demo&password=demo-password'
    return tokens("username=demo&password=demo-password")


def test_login_of_the_guides():
    token = guide_login()
    assert token["token_type"].lower() == "bearer"
    assert set(token["scope"].split()) == {"read:conversations", "write:conversations"}
    found = introspect(token["access_token"])
    assert found["active"] is True
    assert found["username"] == "demo"
    assert found["client_id"] == "demo-login"
    assert found["aud"] in ("https://api.example.com", ["https://api.example.com"])


def test_client_credentials_of_the_guides():
    token = tokens(
        '{"client_id":"demo-app","client_secret":"demo-app-secret","grant_type":"client_credentials"}',
        "application/json",
    )
    assert "refresh_token" not in token
    found = introspect(token["access_token"])
    assert found["active"] is True
    assert found["sub"] == found["client_id"] == "demo-app"


def test_refresh_without_naming_the_client():
    first = guide_login()["refresh_token"]
    second = tokens(urlencode({"grant_type": "refresh_token", "refresh_token": first}))
    assert second["refresh_token"] != first
    assert introspect(second["access_token"])["active"] is True


def test_revoke():
    token = guide_login()["access_token"]
    status, _ = post("/auth/revoke", urlencode({"token": token, "client_id": "demo-login"}))
    assert status == 200
    assert introspect(token) == {"active": False}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib(method):
    client_id, secret = ("demo-login", None) if method == "none" else ("demo-app", "demo-app-secret")
    session = OAuth2Session(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        token_endpoint=f"{ISSUER}/auth/token",
    )
    token = session.fetch_token(username="demo", password="demo-password")
    assert introspect(token["access_token"])["client_id"] == client_id
    assert introspect(session.refresh_token()["access_token"])["username"] == "demo"


def test_administrator():
    admin = OAuth2Session(
        "demo-admin",
        "demo-admin-secret",
        token_endpoint=f"{ISSUER}/auth/token",
        scope="jeton:admin",
    )
    admin.fetch_token()
    answer = admin.get(f"{ISSUER}/admin/v1/users", params={"username": "demo"})
    assert answer.status_code == 200
    assert [user["username"] for user in answer.json()["items"]] == ["demo"]
