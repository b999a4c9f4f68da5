"""A client of a protected API that always has a good Jeton access token (client_credentials).

It renews the token before it expires, once for all calls that need it. If the API refuses a token all the same, it gets
a new one and repeats the call once. If a server is busy or down, it waits; when it gives up, it says why.

Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE, API_URL (default http://127.0.0.1:3000/data),
CALLS (at the same time; default 1), EVERY (seconds between rounds of calls; default: one round).
"""

import asyncio
import os
import random
import sys
import time
from dataclasses import dataclass
from urllib.parse import quote

import httpx2

# The fraction of its life after which a token is renewed. The rest is for retries.
RENEW_AFTER = 0.75
# How often a call or a renewal is tried before the client gives up.
ATTEMPTS = 6
# No wait is longer than this (seconds), whatever a server asks for.
LONGEST_WAIT = 30


class Failure(Exception):
    """Why something failed, and how many seconds to wait before the next attempt; None if another is pointless."""

    def __init__(self, why: str, wait: float | None = None):
        super().__init__(why)
        self.wait = wait


@dataclass
class Token:
    text: str
    renew_at: float
    expires_at: float


def backoff(attempt: int) -> float:
    return 0.2 * 2**attempt * (1 + random.random())


def challenge(answer: httpx2.Response) -> str:
    return answer.headers.get("WWW-Authenticate", "")


class Client:
    def __init__(self, issuer: str, client_id: str, secret: str, scope: str, audience: str):
        self.http = httpx2.AsyncClient(timeout=5)
        self.token_endpoint = f"{issuer}/auth/token"
        # RFC 6749 §2.3.1: in Basic, id and secret are encoded.
        self.credentials = quote(client_id, safe=""), quote(secret, safe="")
        self.form = {"grant_type": "client_credentials", "scope": scope, "resource": audience}
        self.held: Token | None = None
        self.renewing = asyncio.Lock()

    async def get(self, url: str) -> httpx2.Response:
        """Gets a page of the API. Safe to repeat; a call that changes something may be repeated after a 401, 429 or
        503, but after a broken connection only if the API recognises the repetition."""
        was_refused, attempt = False, 0
        while True:
            token = await self.token()
            try:
                answer = await self.request(attempt, "GET", url, headers={"Authorization": f"Bearer {token}"})
                if answer.status_code != 401 or 'error="invalid_token"' not in challenge(answer):
                    return answer
                if was_refused:
                    raise Failure(f"the API refuses a new token, too: {challenge(answer)}")
                was_refused = True
                if self.held and self.held.text == token:  # else another call has replaced it already
                    self.held = None
            except Failure as failure:
                attempt += 1
                if failure.wait is None:
                    raise
                if attempt == ATTEMPTS:
                    raise Failure(f"no answer from {url} after {attempt} attempts: {failure}") from failure
                await asyncio.sleep(failure.wait)

    async def token(self) -> str:
        """A token that is good for a while longer. Calls during a renewal wait for it."""
        async with self.renewing:
            attempt = 0
            while self.held is None or time.monotonic() >= self.held.renew_at:
                try:
                    self.held = await self.new_token(attempt)
                except Failure as failure:
                    attempt += 1
                    now = time.monotonic()
                    if failure.wait is not None and self.held and now < self.held.expires_at:
                        # The old token is still good; the next call after the wait tries again.
                        self.held.renew_at = min(self.held.expires_at, now + failure.wait)
                    elif failure.wait is None or attempt == ATTEMPTS:
                        text = f"no token from {self.token_endpoint} after {attempt} attempts: {failure}"
                        raise Failure(text) from failure
                    else:
                        await asyncio.sleep(failure.wait)
            return self.held.text

    async def new_token(self, attempt: int) -> Token:
        asked = time.monotonic()
        answer = await self.request(attempt, "POST", self.token_endpoint, auth=self.credentials, data=self.form)
        try:
            body = answer.json()
            life = float(body["expires_in"])
            return Token(body["access_token"], asked + life * RENEW_AFTER, asked + life)
        except (ValueError, LookupError, TypeError) as error:
            # Wrong credentials or a forbidden scope: retrying does not help.
            raise Failure(f"status {answer.status_code} {answer.text}") from error

    async def request(self, attempt: int, method: str, url: str, **options) -> httpx2.Response:
        """Sends a request. Raises a Failure if the server is busy or down. It says how long to wait: as long as the
        server asks, and a random bit more, so that clients do not all come back at once."""
        try:
            answer = await self.http.request(method, url, **options)
        except httpx2.HTTPError as error:
            raise Failure(repr(error), backoff(attempt)) from error
        if answer.status_code != 429 and answer.status_code < 500:
            return answer
        seconds = answer.headers.get("Retry-After", "")
        wait = int(seconds) + random.random() if seconds.isdecimal() else backoff(attempt)
        raise Failure(f"status {answer.status_code}", min(wait, LONGEST_WAIT))


# --- the program: calls the API ---


async def call(client: Client, url: str) -> bool:
    try:
        answer = await client.get(url)
        print(answer.status_code, answer.text, flush=True)
        return True
    except Failure as failure:
        print("gave up:", failure, file=sys.stderr, flush=True)
        return False


async def main() -> bool:
    names = ("ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE", "AUDIENCE")
    client = Client(*(os.environ[name] for name in names))
    url = os.environ.get("API_URL", "http://127.0.0.1:3000/data")
    calls, every = int(os.environ.get("CALLS", "1")), int(os.environ.get("EVERY", "0"))
    while True:
        succeeded = await asyncio.gather(*(call(client, url) for _ in range(calls)))
        if every == 0:
            return all(succeeded)
        await asyncio.sleep(every)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main()) else 1)
