"""The example APIs beside a real Jeton."""

import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support import AUDIENCE, LANGUAGES, READ, WRITE, call, eventually

INACTIVE = "The token has expired, was revoked, or was never issued."


def assert_refused(answer, text=None):
    """401 invalid_token with a description, in the header and in the body."""
    assert answer.status == 401, answer
    assert answer.json["error"] == "invalid_token"
    said = answer.json["error_description"]
    assert answer.challenge == f'Bearer realm="data", error="invalid_token", error_description="{said}"'
    assert text in (None, said)


def assert_accepted(answer, checked_by):
    assert answer.status == 200, answer
    assert answer.json["data"] == "secret"
    assert answer.json["checked_by"] == checked_by
    assert answer.headers["Cache-Control"] == "no-store"


def assert_not_checked(answer):
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.challenge is None, "an outage is no refusal of the token"
    assert answer.json["error"] == "temporarily_unavailable"


# --- good tokens ---


def test_a_good_jwt_is_accepted_by_the_published_keys(api, jeton):
    assert_accepted(api.get(jeton.token()), "keys")


def test_a_good_opaque_token_is_accepted_by_introspection(api, strict, jeton, opaque_client):
    token = jeton.token(*opaque_client)
    assert token.startswith("jat_")
    assert_accepted(api.get(token), "introspection")
    assert_accepted(strict.get(token), "introspection")


def test_a_good_jwt_is_introspected_when_that_is_wanted(strict, jeton):
    assert_accepted(strict.get(jeton.token()), "introspection")


def test_the_name_of_the_scheme_may_be_in_small_letters(api, jeton):
    assert_accepted(api.get(headers=[("authorization", f"bearer {jeton.token()}")]), "keys")


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_each_algorithm_of_jeton_is_understood(start, language, algorithm):
    jeton = start.jeton(JETON_SIGNING_ALG=algorithm)
    assert jwt.get_unverified_header(jeton.token())["alg"] == algorithm
    assert_accepted(start.api(language, jeton.url).get(jeton.token()), "keys")


# --- time and revocation ---


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_a_token_is_refused_from_the_moment_on_when_it_expires(api, strict, jeton, form):
    client = jeton.client(access_token_ttl=1, access_token_format=form)

    def active():
        # Times are whole seconds: a token that lives for one may be over after a moment.
        token = jeton.token(*client)
        found = jeton.post("/auth/introspect", ("demo-api", "demo-api-secret"), token=token).json
        return found["active"] and (token, found["exp"])

    token, expiry = eventually(active)
    for server, text in ((api, "The token has expired." if form == "jwt" else INACTIVE), (strict, INACTIVE)):
        while True:
            before = time.time()
            answer = server.get(token)
            if answer.status != 200:
                break
            assert before < expiry, "accepted after it had expired"
            time.sleep(0.02)
        assert time.time() >= expiry, "refused before it expired"
        assert_refused(answer, text)


def test_a_revoked_jwt_is_accepted_locally_until_it_expires_and_refused_at_once_by_introspection(api, strict, jeton):
    token = jeton.token()
    assert_accepted(strict.get(token), "introspection")
    jeton.revoke(token)
    assert_accepted(api.get(token), "keys")
    assert_refused(strict.get(token), INACTIVE)


def test_a_revoked_opaque_token_is_refused_at_once(api, strict, jeton, opaque_client):
    token = jeton.token(*opaque_client)
    assert_accepted(api.get(token), "introspection")
    jeton.revoke(token, *opaque_client)
    assert_refused(api.get(token), INACTIVE)
    assert_refused(strict.get(token), INACTIVE)


# --- forgeries ---


def forgeries(jeton):
    good = jeton.token()
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    kid = header["kid"]
    published = next(key for key in jeton.jwks() if key["kid"] == kid)
    public = jwt.PyJWK(published).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    other = ec.generate_private_key(ec.SECP256R1())

    def signed(key, algorithm, **changes):
        # By hand, since the library refuses to use a public key as a secret.
        text = {"alg": algorithm, "typ": "at+jwt", "kid": kid} | changes
        if algorithm == "ES256":
            return jwt.encode(claims, key, algorithm, headers=text)
        def part(data):
            return jwt.utils.base64url_encode(data).decode()

        message = f"{part(json.dumps(text).encode())}.{part(json.dumps(claims).encode())}"
        signature = hmac.new(key, message.encode(), hashlib.sha256).digest() if algorithm == "HS256" else b""
        return f"{message}.{part(signature)}"

    head, payload, signature = good.split(".")
    more = jwt.utils.base64url_encode(json.dumps(claims | {"exp": claims["exp"] + 9999}).encode()).decode()
    changed = signature[:9] + ("A" if signature[9] != "A" else "B") + signature[10:]
    return {
        "another key with the right id": signed(other, "ES256"),
        "another key with an unknown id": signed(other, "ES256", kid="unknown"),
        "another key without an id": signed(other, "ES256", kid=""),
        "another key and the type of an ID token": signed(other, "ES256", typ="JWT"),
        "another key in the token itself": signed(other, "ES256", jwk=published | {"kid": "other"}),
        "no algorithm": signed(b"", "none"),
        "no algorithm, in capitals": signed(b"", "NONE"),
        "no algorithm with the old signature": f"{signed(b'', 'none')}{signature}",
        "the public key as a secret": signed(public, "HS256"),
        "the text of the public key as a secret": signed(json.dumps(published).encode(), "HS256"),
        "a longer life": f"{head}.{more}.{signature}",
        "a changed signature": f"{head}.{payload}.{changed}",
        "no signature": f"{head}.{payload}.",
        "two parts": f"{head}.{payload}",
    }


def test_a_forged_token_is_refused(api, strict, jeton):
    for name, token in forgeries(jeton).items():
        for server in (api, strict):
            answer = server.get(token)
            assert answer.status == 401 and 'error="invalid_token"' in answer.challenge, (name, answer)
            assert_refused(answer)


def test_no_text_in_place_of_a_token_gets_in_or_does_harm(api, strict, jeton):
    deep = jwt.utils.base64url_encode(b'{"alg":' + b"[" * 20_000).decode()
    texts = ["undefined", "null", "[object Object]", "a.b.c", "...", ".", "jat_", "jat_dev_x", "jat_" + "A" * 6000]
    texts += [f'"{jeton.token()}"', f"{jeton.token()},", f"{jeton.token()} {jeton.token()}"]
    texts += ["é" * 30, f"{deep}.e30.e30"]
    texts += [f"Bearer {jeton.token()}", jeton.token()[:-1], jeton.token()[:40], "demo-app-secret"]
    for text in texts:
        for server in (api, strict):
            answer = server.get(text)
            # Node.js takes 16 KiB of headers and no more.
            assert answer.status == 401 or (len(text) > 16_000 and answer.status == 431), (text[:60], answer)
            if answer.status == 401:
                assert_refused(answer)
    assert_accepted(api.get(jeton.token()), "keys")
    assert_accepted(strict.get(jeton.token()), "introspection")


def test_a_refresh_token_is_no_access_token(api, strict, jeton):
    tokens = jeton.tokens(grant_type="password", username="demo", password="demo-password")
    assert_accepted(api.get(tokens["access_token"]), "keys")
    for server in (api, strict):
        assert_refused(server.get(tokens["refresh_token"]), "This is a refresh token. Send the access token.")


# --- place and power ---


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_a_token_for_another_audience_is_refused(api, strict, jeton, form):
    client = jeton.client(audiences=["https://other.example"], access_token_format=form)
    for server in (api, strict):
        assert_refused(server.get(jeton.token(*client)), "The token is for another audience.")


def test_a_token_for_several_audiences_is_accepted(api, strict, jeton):
    client = jeton.client(audiences=["https://other.example", AUDIENCE])
    assert_accepted(api.get(jeton.token(*client)), "keys")
    assert_accepted(strict.get(jeton.token(*client)), "introspection")


@pytest.mark.parametrize("mode", ["", "always"])
def test_a_token_of_another_issuer_is_refused_even_with_the_right_key(start, language, jeton, opaque_client, mode):
    # The same server under another name: the same keys, another issuer.
    api = start.api(language, jeton.url.replace("127.0.0.1", "localhost"), INTROSPECT=mode)
    for token in (jeton.token(), jeton.token(*opaque_client)):
        assert_refused(api.get(token), "The token is of another issuer.")


@pytest.mark.parametrize("form", ["jwt", "opaque"])
def test_a_token_with_too_little_scope_gets_403_and_is_told_what_is_needed(api, strict, jeton, form):
    client = jeton.client(access_token_format=form)
    for server in (api, strict):
        answer = server.get(jeton.token(*client, scope=WRITE))
        assert answer.status == 403
        text = answer.json["error_description"]
        assert answer.challenge == (
            f'Bearer realm="data", error="insufficient_scope", error_description="{text}", scope="{READ}"'
        )
        assert answer.json["error"] == "insufficient_scope"
        assert server.get(jeton.token(*client, scope=READ)).status == 200


def test_every_scope_that_is_needed_has_to_be_held(start, language, jeton):
    api = start.api(language, jeton.url, SCOPE=f"{READ} {WRITE}")
    assert api.get(jeton.token()).status == 200
    for scope in (READ, WRITE):
        assert f'scope="{READ} {WRITE}"' in api.get(jeton.token(scope=scope)).challenge


# --- how the token is sent ---


def test_no_token_and_another_scheme_get_401_without_an_error_code(api, strict, jeton):
    token = jeton.token()
    for server in (api, strict):
        for value in (None, "Basic ZGVtbzpkZW1v", f"Token {token}", token, "Bearer", "Bearer ", f"Bearer  {token}", ""):
            answer = server.get(headers=[("Authorization", value)] if value is not None else [])
            assert (answer.status, answer.challenge) == (401, 'Bearer realm="data"'), value


def test_two_tokens_and_a_token_in_the_query_string_get_400(api, strict, jeton):
    token = jeton.token()
    bearer = ("Authorization", f"Bearer {token}")
    for server in (api, strict):
        for query, headers in [
            ("", [bearer, bearer]),
            ("", [bearer, ("authorization", "Basic ZGVtbzpkZW1v")]),
            (f"?access_token={token}", [bearer]),
            (f"?access_token={token}", []),
            (f"?x=1&access_token={token}", []),
            (f"?access%5Ftoken={token}", []),
        ]:
            answer = server.get(query=query, headers=headers)
            assert answer.status == 400, (query[:20], headers)
            text = answer.json["error_description"]
            assert answer.json["error"] == "invalid_request"
            assert answer.challenge == f'Bearer realm="data", error="invalid_request", error_description="{text}"'
        assert server.get(token, query="?x=1").status == 200


# --- when Jeton is away ---


def test_while_jeton_is_away_jwts_are_accepted_and_what_cannot_be_checked_gets_503(start, language):
    jeton = start.jeton()
    api, strict = start.api(language, jeton.url), start.api(language, jeton.url, INTROSPECT="always")
    good, opaque = jeton.token(), jeton.token(*jeton.client(access_token_format="opaque"))
    forged = forgeries(jeton)
    assert_accepted(api.get(good), "keys")
    jeton.stop()
    for _ in range(3):
        assert_accepted(api.get(good), "keys")
        assert_not_checked(api.get(opaque))
        assert_not_checked(strict.get(good))
        assert_not_checked(api.get(forged["another key with an unknown id"]))
        assert_refused(api.get(forged["another key with the right id"]), "The signature is wrong.")
        assert_refused(api.get(forged["no algorithm"]))
    jeton.start()
    assert_accepted(api.get(good), "keys")
    assert_accepted(api.get(opaque), "introspection")
    assert_accepted(strict.get(good), "introspection")


def test_an_api_that_starts_before_jeton_says_503_until_jeton_is_there(start):
    jeton = start.jeton()
    good = jeton.token()
    jeton.stop()
    apis = [start.api(language, jeton.url) for language in LANGUAGES]
    for api in apis:
        assert_not_checked(api.get(good))
    jeton.start()
    for api in apis:
        assert api.get(good).status == 200
    for api in apis:
        eventually(lambda: api.get(good).json["checked_by"] == "keys")


def test_new_keys_are_found_and_a_deleted_one_is_no_longer_believed(start):
    jeton = start.jeton()
    apis = [start.api(language, jeton.url) for language in LANGUAGES]
    before = jeton.token()
    for api in apis:
        assert_accepted(api.get(before), "keys")
    old = jwt.get_unverified_header(before)["kid"]
    jeton.admin("POST", "keys/rotate")
    jeton.admin("DELETE", f"keys/{old}")
    after = jeton.token()
    assert jwt.get_unverified_header(after)["kid"] != old
    for api in apis:
        # Never refused: at first perhaps by introspection, until the keys may be fetched again.
        assert api.get(after).status == 200
    for api in apis:
        eventually(lambda: api.get(after).json["checked_by"] == "keys")
        assert_refused(api.get(before))


def test_only_get_is_answered(api, jeton):
    for method in ("POST", "DELETE"):
        answer = call(method, api.url, [("Authorization", f"Bearer {jeton.token()}")], b"")
        assert answer.status in (404, 405), (method, answer)
