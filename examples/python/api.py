"""A protected API: GET /data answers anyone with a good Jeton access token.

It verifies JWTs itself, with the keys that Jeton publishes. It asks Jeton (introspection, RFC 7662) about tokens that
it cannot verify: opaque tokens, and JWTs whose key is not published; with INTROSPECT=always, about every token.

Environment: ISSUER, AUDIENCE, SCOPE (what /data needs), CLIENT_ID and CLIENT_SECRET (this API's own),
PORT (default 3000), INTROSPECT ("always", or nothing).
"""

import logging
import math
import os
import re
import threading
import time
from urllib.parse import quote

import httpx2
import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

ISSUER, AUDIENCE, SCOPE = os.environ["ISSUER"], os.environ["AUDIENCE"], os.environ["SCOPE"]
# RFC 6749 §2.3.1: in Basic, id and secret are encoded.
CREDENTIALS = quote(os.environ["CLIENT_ID"], safe=""), quote(os.environ["CLIENT_SECRET"], safe="")
ALWAYS_INTROSPECT = os.environ.get("INTROSPECT") == "always"

# The algorithms Jeton signs with. A token must use the one of its key.
ALGORITHMS = {"ES256", "EdDSA", "RS256"}
# How many seconds the issuer's clock may be ahead (nbf, iat). Expiry gets no leeway.
LEEWAY = 60
# An unknown key id makes the API fetch the keys at once, but not more often than this (seconds).
PAUSE = 10
# How often the keys are fetched in any case (seconds), so that a deleted key is forgotten.
REFRESH = 300

published = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", cache_jwk_set=False, timeout=2)
keys: dict[str, jwt.PyJWK] = {}
asked_for_unknown = -math.inf  # when an unknown key id last caused a fetch
http = httpx2.Client(timeout=2)


class Refusal(Exception):
    """Status, error code (RFC 6750 §3.1) and explanation."""

    def __init__(self, status: int, code: str | None, text: str):
        self.status, self.code, self.text = status, code, text


def bad_token(text: str) -> Refusal:
    return Refusal(401, "invalid_token", text)


def could_not_check(why: object) -> Refusal:
    """Whether the token is good is unknown: this is an outage, not a refusal."""
    logging.error("introspection failed: %r", why)
    return Refusal(503, "temporarily_unavailable", "The token could not be checked.")


def bearer_token(request: Request) -> str:
    """The token from the Authorization header, the only place where it is accepted."""
    sent = request.headers.getlist("authorization")
    in_query = "access_token" in request.query_params
    if len(sent) > 1 or (sent and in_query):
        raise Refusal(400, "invalid_request", "The request carries more than one token.")
    if in_query:
        raise Refusal(400, "invalid_request", "The token is in the query string. Send it in the header.")
    match = re.fullmatch("Bearer ([^ ].*)", sent[0], re.IGNORECASE) if sent else None
    if not match:
        raise Refusal(401, None, "Send a Bearer token.")
    return match[1]


def check(token: str) -> tuple[dict, str]:
    """The claims of a good token, and how it was checked."""
    if token.startswith("jrt_"):
        raise bad_token("This is a refresh token. Send the access token.")
    locally = not ALWAYS_INTROSPECT and not token.startswith("jat_")
    claims, checked_by = verify(token) if locally else introspect(token)
    if "cnf" in claims:
        # Bound to a key or a certificate of the client: examples/dpop checks that.
        raise bad_token("The token is bound to its client, which this API cannot check.")
    if not set(SCOPE.split()) <= set(claims.get("scope", "").split()):
        raise Refusal(403, "insufficient_scope", "The token lacks a scope.")
    return claims, checked_by


def verify(token: str) -> tuple[dict, str]:
    try:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != "at+jwt":
            raise bad_token("This JWT is not an access token.")
        key = key_with(header.get("kid"))
        if key is None:
            return introspect(token)
        claims = jwt.decode(
            token,
            key,
            algorithms=[key.algorithm_name],
            issuer=ISSUER,
            audience=AUDIENCE,
            leeway=LEEWAY,
            options={"require": ["exp", "iss", "aud"]},
        )
        if claims["exp"] <= time.time():
            raise jwt.ExpiredSignatureError
        return claims, "keys"
    except jwt.InvalidTokenError as error:
        raise bad_token(REASONS.get(type(error), "This is not an access token.")) from error


REASONS = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidIssuerError: "The token is of another issuer.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidSignatureError: "The signature is wrong.",
    jwt.InvalidAlgorithmError: "The algorithm is not the one of the key.",
}


def key_with(kid: str | None) -> jwt.PyJWK | None:
    """The published key with this id."""
    global asked_for_unknown
    if kid not in keys and time.monotonic() - asked_for_unknown >= PAUSE:
        asked_for_unknown = time.monotonic()
        fetch_keys()
    key = keys.get(kid or "")
    return key if key and key.algorithm_name in ALGORITHMS else None


def fetch_keys() -> None:
    """Fetches the published keys. If that fails, the known ones stay in use."""
    global keys
    try:
        keys = {key.key_id: key for key in published.get_signing_keys(refresh=True) if key.key_id}
    except (jwt.PyJWTError, OSError, ValueError) as error:
        logging.error("the published keys could not be fetched: %s", error)


def refresh_keys() -> None:
    while True:
        fetch_keys()
        time.sleep(REFRESH)


def introspect(token: str) -> tuple[dict, str]:
    try:
        answer = http.post(f"{ISSUER}/auth/introspect", auth=CREDENTIALS, data={"token": token})
        if answer.status_code != 200:
            raise could_not_check(answer.status_code)
        claims = answer.json()
        if not isinstance(claims, dict) or not isinstance(claims.get("active"), bool):
            raise could_not_check("the answer does not say whether the token is active")
    except (httpx2.HTTPError, ValueError) as error:
        raise could_not_check(error) from error
    if not claims["active"]:
        raise bad_token("The token has expired, was revoked, or was never issued.")
    if claims.get("token_type") != "Bearer":
        raise bad_token("This is not an access token.")
    if claims.get("iss") != ISSUER:
        raise bad_token("The token is of another issuer.")
    audience = claims.get("aud")
    if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
        raise bad_token("The token is for another audience.")
    return claims, "introspection"


def data(request: Request) -> JSONResponse:  # not async, so it runs in a thread of its own and may block
    try:
        claims, checked_by = check(bearer_token(request))
    except Refusal as refusal:
        challenge = 'Bearer realm="data"'
        if refusal.code:
            challenge += f', error="{refusal.code}", error_description="{refusal.text}"'
        if refusal.status == 403:
            challenge += f', scope="{SCOPE}"'
        headers = {"Retry-After": "2"} if refusal.status == 503 else {"WWW-Authenticate": challenge}
        return JSONResponse({"error": refusal.code, "error_description": refusal.text}, refusal.status, headers)
    body = {"data": "secret", "client": claims.get("client_id"), "checked_by": checked_by}
    return JSONResponse(body, headers={"Cache-Control": "no-store"})


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "3000"))
    threading.Thread(target=refresh_keys, daemon=True).start()
    print(f"http://127.0.0.1:{port}/data", flush=True)
    uvicorn.run(Starlette(routes=[Route("/data", data)]), host="127.0.0.1", port=port, log_level="warning")
