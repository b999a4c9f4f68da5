"""The example APIs beside a server that does what a real Jeton never does: signs anything, and breaks in every way."""

import base64
import json
import threading
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support import AUDIENCE, LANGUAGES, READ, Server, eventually
from test_api import assert_accepted, assert_not_checked, assert_refused

ID, SECRET = "api: 1+2 %41", "secret &=+% ü"


class Issuer(Server):
    """Publishes an EC key and an RSA key, signs anything, and introspects as it is told to."""

    def __init__(self):
        super().__init__()
        self.keys = {"ec": ec.generate_private_key(ec.SECP256R1()), "rsa": rsa.generate_private_key(65537, 2048)}
        self.published = []
        for kid, algorithm in (("ec", "ES256"), ("rsa", "RS256")):
            kind = jwt.algorithms.get_default_algorithms()[algorithm]
            public = kind.to_jwk(self.keys[kid].public_key(), as_dict=True)
            public.pop("key_ops", None)
            self.published.append(public | {"kid": kid, "alg": algorithm, "use": "sig"})
        self.fetched, self.fault = 0, ()
        self.asked = []
        self.introspection = (200, {"active": False}, {})
        self.hang = threading.Event()

    def answer(self, request):
        if request.path == "/.well-known/jwks.json":
            with self.lock:
                self.fetched += 1
            return self.fault if self.fault != () else (200, {"keys": self.published}, {})
        assert request.path == "/auth/introspect"
        with self.lock:
            self.asked.append((request.headers["Authorization"], request.body.decode()))
        if self.introspection == "hang":
            self.hang.wait(20)
            return None
        return self.introspection

    def claims(self, **changes):
        now = int(time.time())
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "somebody", "client_id": "shop", "scope": READ}
        claims |= {"iat": now, "exp": now + 300} | changes
        return {name: value for name, value in claims.items() if value is not None}

    def sign(self, kid="ec", algorithm="ES256", header=None, **changes):
        headers = {"kid": kid, "typ": "at+jwt"} | (header or {})
        return jwt.encode(self.claims(**changes), self.keys[kid], algorithm, headers=headers)


@pytest.fixture(scope="module")
def issuer(language):
    issuer = Issuer()
    yield issuer
    issuer.hang.set()
    issuer.stop()


@pytest.fixture(scope="module")
def api_of_issuer(shared, issuer, language):
    return shared.api(language, issuer.url, CLIENT_ID=ID, CLIENT_SECRET=SECRET)


@pytest.fixture
def api(api_of_issuer, issuer):
    issuer.introspection = (200, {"active": False}, {})
    return api_of_issuer


def test_what_it_signs_is_accepted(api, issuer):
    assert_accepted(api.get(issuer.sign()), "keys")
    assert_accepted(api.get(issuer.sign("rsa", "RS256")), "keys")
    assert_accepted(api.get(issuer.sign(aud=["https://other.example", AUDIENCE], scope=f"x {READ} y")), "keys")


def test_a_clock_that_is_a_little_behind_is_forgiven_but_not_for_expiry(api, issuer):
    now = int(time.time())
    assert_accepted(api.get(issuer.sign(nbf=now + 30, iat=now + 30)), "keys")
    assert_refused(api.get(issuer.sign(nbf=now + 90)), "The token is not valid yet.")
    assert_refused(api.get(issuer.sign(exp=now - 1)), "The token has expired.")
    assert_refused(api.get(issuer.sign(exp=now - 3600)), "The token has expired.")


@pytest.mark.parametrize(
    "changes", [{"exp": None}, {"iss": None}, {"aud": None}, {"aud": []}, {"aud": {}}, {"exp": "soon"}], ids=str
)
def test_a_signed_token_without_what_is_needed_is_refused(api, issuer, changes):
    # Not by jwt.encode, which refuses to write some of these.
    payload = json.dumps(issuer.claims(**changes)).encode()
    token = jwt.PyJWS().encode(payload, issuer.keys["ec"], "ES256", {"kid": "ec", "typ": "at+jwt"})
    assert_refused(api.get(token))


def test_a_signed_token_of_another_issuer_or_audience_is_refused(api, issuer):
    assert_refused(api.get(issuer.sign(iss=issuer.url + "/")), "The token is of another issuer.")
    assert_refused(api.get(issuer.sign(aud=AUDIENCE + "/")), "The token is for another audience.")
    assert_refused(api.get(issuer.sign(aud=["a", "b"])), "The token is for another audience.")


@pytest.mark.parametrize("scope", [None, "", READ + "x", READ.upper(), "read", f"x{READ}"])
def test_a_signed_token_without_the_scope_gets_403(api, issuer, scope):
    answer = api.get(issuer.sign(scope=scope))
    assert answer.status == 403 and f'scope="{READ}"' in answer.challenge


def test_a_signed_jwt_of_another_type_is_no_access_token(api, issuer):
    for kind in ("JWT", "id_token", "", None):
        assert_refused(api.get(issuer.sign(header={"typ": kind})))


def test_a_header_that_must_be_understood_and_is_not_is_refused(api, issuer):
    assert_refused(api.get(issuer.sign(header={"crit": ["unknown"], "unknown": 1})))


def test_a_key_is_used_with_its_own_algorithm_only(api, issuer):
    for algorithm in ("PS256", "RS512"):
        assert_refused(api.get(issuer.sign("rsa", algorithm)))
    assert_refused(api.get(issuer.sign("ec", "ES256", {"kid": "rsa"})))


def test_a_flood_of_unknown_keys_has_the_keys_fetched_once_and_each_token_introspected(start, language):
    issuer = start.keep(Issuer())
    api = start.api(language, issuer.url)
    assert_accepted(api.get(issuer.sign()), "keys")
    before = issuer.fetched
    issuer.introspection = (200, issuer.claims() | {"active": True, "token_type": "Bearer"}, {})
    for number in range(30):
        assert_accepted(api.get(issuer.sign(header={"kid": f"unknown-{number}"})), "introspection")
    assert issuer.fetched <= before + 1
    assert len(issuer.asked) == 30
    assert_accepted(api.get(issuer.sign()), "keys")


FAULTS = [None, (500, {}, {}), (302, {}, {"Location": "/x"}), (200, b"<html>", {}), (200, {}, {}), (200, b"[]", {})]
FAULTS += [(200, {"keys": 1}, {}), (200, {"keys": [1]}, {}), (200, {"keys": []}, {}), (200, b"\xff", {})]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_without_keys_jeton_is_asked_and_without_jeton_the_answer_is_503(start, language, fault):
    issuer = start.keep(Issuer())
    issuer.fault, issuer.introspection = fault, (503, {}, {})
    api = start.api(language, issuer.url)
    for _ in range(2):
        assert_not_checked(api.get(issuer.sign()))
    issuer.introspection = (200, issuer.claims() | {"active": True, "token_type": "Bearer"}, {})
    assert_accepted(api.get(issuer.sign()), "introspection")


def test_keys_that_cannot_be_fetched_anew_stay_in_use(start):
    issuers = [start.keep(Issuer()) for _ in LANGUAGES]
    apis = [start.api(language, issuer.url) for language, issuer in zip(LANGUAGES, issuers)]
    for issuer, api in zip(issuers, apis):
        eventually(lambda: api.get(issuer.sign()).json["checked_by"] == "keys")
        issuer.fault = 200, {"keys": [1]}, {}
    for issuer, api in zip(issuers, apis):
        before = issuer.fetched

        def has_asked():
            assert_refused(api.get(issuer.sign(header={"kid": "unknown"})))
            return issuer.fetched > before

        eventually(has_asked)
        assert_accepted(api.get(issuer.sign()), "keys")


def test_introspection_is_asked_with_the_credentials_of_the_api_and_the_token_in_the_body(api, issuer):
    issuer.asked.clear()
    api.get("jat_dev_x&token=y+z%20")
    authorization, body = issuer.asked[-1]
    scheme, credentials = authorization.split(" ")
    id, secret = base64.b64decode(credentials).decode().split(":")
    assert (scheme, urllib.parse.unquote_plus(id), urllib.parse.unquote_plus(secret)) == ("Basic", ID, SECRET)
    assert urllib.parse.parse_qs(body, strict_parsing=True) == {"token": ["jat_dev_x&token=y+z%20"]}


@pytest.mark.parametrize(
    "introspection",
    [
        (503, {}, {"Retry-After": "1"}),
        (503, {"active": False}, {}),
        (500, {}, {}),
        (502, {"active": True}, {}),
        (429, {}, {"Retry-After": "1"}),
        (401, {"error": "invalid_client"}, {}),
        (403, {}, {}),
        (400, {"error": "invalid_request"}, {}),
        (302, {}, {"Location": "/auth/introspect"}),
        (200, b"<html>", {}),
        (200, b"", {}),
        (200, b"[]", {}),
        (200, b"null", {}),
        (200, {}, {}),
        (200, {"active": "true"}, {}),
        (200, {"active": 1}, {}),
        (200, {"active": None}, {}),
        None,
        "hang",
    ],
    ids=str,
)
def test_an_introspection_that_says_nothing_is_an_outage_and_no_refusal(api, issuer, introspection):
    issuer.introspection = introspection
    assert_not_checked(api.get("jat_dev_x"))
    assert_not_checked(api.get(issuer.sign(header={"kid": "unknown"})))
    assert_accepted(api.get(issuer.sign()), "keys")


def test_an_active_token_still_has_to_be_for_this_api(api, issuer):
    def says(**changes):
        issuer.introspection = (200, issuer.claims(**({"token_type": "Bearer"} | changes)) | {"active": True}, {})
        return api.get("jat_dev_x")

    assert_accepted(says(), "introspection")
    assert_accepted(says(aud=["https://other.example", AUDIENCE]), "introspection")
    assert_refused(says(token_type="refresh_token"), "This is not an access token.")
    assert_refused(says(token_type=None), "This is not an access token.")
    assert_refused(says(iss="https://other.example"), "The token is of another issuer.")
    assert_refused(says(iss=None), "The token is of another issuer.")
    assert_refused(says(aud="https://other.example"), "The token is for another audience.")
    assert_refused(says(aud=None), "The token is for another audience.")
    assert says(scope="write:conversations").status == 403
    assert says(scope=None).status == 403
