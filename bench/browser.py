"""People at browsers: one who fills in the pages, and many who are logged in."""

import base64
import hashlib
import html
import http.client
import re
import sqlite3
import time
from contextlib import closing
from urllib.parse import parse_qs, urlencode, urlsplit

from crowd import DAY, uuid
from jeton import AUDIENCE
from processes import Failed

REDIRECT_URI = "https://app.example.com/callback"
VERIFIER = "a-code-verifier-of-the-bench-with-43-characters"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
# A client of the code flow. People allow it once what it asks for.
WEB = ["--grant-types", "authorization_code,refresh_token", "--redirect-uris", REDIRECT_URI, "--consent", "once", "--scope",
       "openid profile read", "--audiences", AUDIENCE, "--id-token-signed-response-alg", "RS256"]
AUTHORIZE = "/auth/authorize?" + urlencode({
    "client_id": "web", "redirect_uri": REDIRECT_URI, "response_type": "code", "scope": "openid profile read", "state": "xyz",
    "nonce": "n-0S6_WzA2Mj", "code_challenge": CHALLENGE, "code_challenge_method": "S256"})
# A token request, without its code.
REDEEM = urlencode({"grant_type": "authorization_code", "redirect_uri": REDIRECT_URI, "code_verifier": VERIFIER}) + "&code="


class Browser:
    """A browser on one connection, which keeps cookies and fills in forms."""

    def __init__(self, jeton):
        self.connection = http.client.HTTPConnection("127.0.0.1", jeton.port, timeout=120)
        self.cookies = {}

    def ask(self, method, path, form=None):
        """The status, the text and the address to which the answer leads."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request(method, path, urlencode(form) if form else None, headers)
        answer = self.connection.getresponse()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return answer.status, answer.read().decode(), answer.headers.get("Location", "")

    def send(self, page, path, **fields):
        """Sends the form of a page."""
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
        status, text, location = self.ask("POST", path, {name: html.unescape(value) for name, value in hidden} | fields)
        if status != 303:
            raise Failed(f"{path} was answered by {status}: {text[:300]}")
        return location


def log_in(jeton):
    """A login of the person `bench` by the client `web`, from the first page to the tokens."""
    browser = Browser(jeton)
    _, page, _ = browser.ask("GET", AUTHORIZE)
    location = browser.send(page, "/login", username="bench", password="bench-password")
    while location.startswith("/"):
        status, page, location = browser.ask("GET", location)
        if status == 200:
            location = browser.send(page, "/consent", action="allow")
    code = parse_qs(urlsplit(location).query).get("code")
    if not code:
        raise Failed(f"a login led to {location}")
    return jeton.post("/auth/token", jeton.basic("web"), REDEEM + code[0])


class People:
    """People who are logged in at a browser and have allowed `web` what it asks for. They are many, because each may have a hundred
    codes that nobody redeems, and a hundred sessions."""

    COUNT = 10_000

    def __init__(self, jeton):
        """Adds them to the database of a server that has the client. What they allowed is what `bench` allows by a login."""
        self.jeton, self.now = jeton, int(time.time() * 1000)
        log_in(jeton)

    def tables(self, allowed):
        people = [(uuid(self.now, n), f"web-user-{n}") for n in range(self.COUNT)]
        yield "subjects", "sub, is_client", ((sub, False) for _, sub in people)
        yield ("users", "id, sub, sub_key, username, username_key, claims, enabled, version, created_at, profile",
               ((id, sub, sub, sub, sub, "{}", True, 1, self.now, '{"name":"Somebody"}') for id, sub in people))
        yield ("browser_sessions", "id, secret_hash, user_id, methods, sequence, network, agent, created_at, authenticated_at, "
               "last_seen_at, idle_expires_at, expires_at",
               ((uuid(self.now, n), hashlib.sha256(self.secret(n)).digest(), id, '["pwd"]', 0, "127.0.0.0/24", "a browser", self.now,
                 self.now, self.now, self.now + DAY, self.now + DAY) for n, (id, _) in enumerate(people)))
        yield ("consents", "user_id, client_id, redirect_uri, allowed, created_at",
               ((id, "web", REDIRECT_URI, allowed, self.now) for id, _ in people))

    def fill_sqlite(self, path):
        with closing(sqlite3.connect(path, timeout=30)) as base, base:
            ((allowed,),) = base.execute("SELECT allowed FROM consents").fetchall()
            for table, columns, rows in self.tables(allowed):
                places = ", ".join("?" * len(columns.split(",")))
                base.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)
        return self

    def fill_postgres(self, postgres, database):
        for table, columns, rows in self.tables(postgres.sql(database, "SELECT allowed FROM consents")):
            postgres.copy(database, table, columns, rows)
        return self

    def secret(self, n):
        return hashlib.sha256(f"person {n} of {self.now}".encode()).digest()

    def write_cookies(self, path):
        """Writes the cookie of each to a file, one a line."""
        name = f"jeton-{urlsplit(self.jeton.environment['JETON_ISSUER']).port}"
        with open(path, "w", encoding="ascii") as file:
            for n in range(self.COUNT):
                file.write(f"{name}={base64.urlsafe_b64encode(self.secret(n)).decode().rstrip('=')}\n")
        return path
