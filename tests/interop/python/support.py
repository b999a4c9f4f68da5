"""The server under test, and an API behind it that checks tokens."""

import html
import json
import os
import pathlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urljoin

import jwt
import requests

API = "https://api.example.com"
FILES = "https://files.example.com"


class Client(NamedTuple):
    id: str
    secret: str | None
    method: str


class Server:
    """What `run` has written about the server, and what its metadata say."""

    def __init__(self):
        folder = pathlib.Path(os.environ["JETON_INTEROP_DIR"])
        self.issuer = (folder / "issuer").read_text()
        self.algorithm = (folder / "algorithm").read_text()
        self.folder = folder
        self.alice = json.loads((folder / "users" / "alice.json").read_text())
        self.password = self.password_of("alice")

        answer = requests.get(f"{self.issuer}/.well-known/oauth-authorization-server", timeout=10)
        answer.raise_for_status()
        metadata = answer.json()
        self.metadata = metadata
        self.token_endpoint = metadata["token_endpoint"]
        self.introspection_endpoint = metadata["introspection_endpoint"]
        self.revocation_endpoint = metadata["revocation_endpoint"]
        self.keys = jwt.PyJWKClient(metadata["jwks_uri"])

    def password_of(self, username):
        return (self.folder / "users" / f"{username}.password").read_text()

    def log_in(self, address, username="alice"):
        """Where the browser of somebody is sent who logs in at this address."""
        with requests.Session() as browser:
            page = browser.get(address, timeout=10)
            (action,) = re.findall(r'<form method="post" action="([^"]+)"', page.text)
            inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
            form = {name: html.unescape(value) for name, value in inputs}
            form |= {"username": username, "password": self.password_of(username)}
            answer = browser.post(urljoin(page.url, action), form, timeout=10, allow_redirects=False)
            while (location := urljoin(answer.url, answer.headers["Location"])).startswith(self.issuer):
                answer = browser.get(location, timeout=10, allow_redirects=False)
        return location

    def client(self, client_id):
        made = json.loads((self.folder / "clients" / f"{client_id}.json").read_text())
        return Client(made["client_id"], made.get("client_secret"), made["token_endpoint_auth_method"])

    def verify(self, token, audience=API):
        """Check an access token as RFC 9068 asks a resource server to, and return its claims."""
        checked = jwt.decode_complete(
            token,
            self.keys.get_signing_key_from_jwt(token),
            algorithms=[self.algorithm],
            issuer=self.issuer,
            audience=audience,
            options={"require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]},
        )
        assert checked["header"]["typ"] == "at+jwt"
        return checked["payload"]


class Api:
    """An API that answers a good access token with its claims, anything else with 401."""

    def __init__(self, server):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                scheme, _, token = self.headers.get("Authorization", "").partition(" ")
                try:
                    status, claims = 200, server.verify(token if scheme == "Bearer" else "")
                except jwt.PyJWTError as error:
                    status, claims = 401, {"error": str(error)}
                body = json.dumps(claims).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/orders"

    def __enter__(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()
