"""A Jeton server, its clients and their requests."""

import base64
import http.client
import json
import os
import time

from processes import Failed, Process, free_port, run
from tools import JETON

AUDIENCE = "https://api.example.com"
CLIENTS = {
    "jwt": ["--grant-types", "client_credentials", "--scope", "read write", "--audiences", AUDIENCE],
    "opaque": ["--grant-types", "client_credentials", "--scope", "read write", "--audiences", AUDIENCE,
               "--access-token-format", "opaque"],
    "reader": ["--permissions", "introspect"],
    "refresh": ["--grant-types", "password,refresh_token", "--scope", "read write", "--audiences", AUDIENCE],
    "password": ["--grant-types", "password", "--scope", "read write", "--audiences", AUDIENCE],
    "admin": ["--grant-types", "client_credentials", "--scope", "jeton:admin"],
}
CLIENT_CREDENTIALS = "grant_type=client_credentials"
PASSWORD_GRANT = "grant_type=password&username=bench&password=bench-password"


class Jeton:
    """A Jeton server, run as in production: settings in the environment, clients created by its own commands."""

    def __init__(self, name, folder, database_url, like=None, **settings):
        self.name, self.folder, self.process = name, folder, None
        self.port, self.ops_port = free_port(), free_port()
        self.secrets = dict(like.secrets) if like else {}
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("JETON_")}
        self.environment.pop("DATABASE_URL", None)
        self.environment |= {
            "JETON_DATABASE_URL": database_url,
            "JETON_LISTEN": f"127.0.0.1:{self.port}",
            "JETON_OPS_LISTEN": f"127.0.0.1:{self.ops_port}",
            # A server `like` another shares its keys and issuer, so that the tokens of one are good at the other.
            "JETON_ISSUER": like.environment["JETON_ISSUER"] if like else f"http://127.0.0.1:{self.port}",
            "JETON_MASTER_KEY": like.environment["JETON_MASTER_KEY"] if like else run([JETON, "key", "generate-master"]),
            "JETON_THROTTLING": "off",
        } | settings
        if not like:
            self.command("migrate")
            for client, members in CLIENTS.items():
                self.create_client(client, members)
            self.command("user", "create", "bench", "--output", "json", input="bench-password\n")

    def command(self, *arguments, **options):
        return run([JETON, *arguments], cwd=self.folder, env=self.environment, **options)

    def create_client(self, client, members):
        made = json.loads(self.command("client", "create", "--client-id", client, *members, "--output", "json"))
        self.secrets[client] = made.get("client_secret")

    def start(self):
        """Starts the server; records the time to its first token, and its memory then."""
        begun = time.monotonic()
        log = os.path.join(self.folder, f"{self.name.replace(' ', '-')}.log")
        self.process = Process([JETON, "serve"], log, cwd=self.folder, env=self.environment)
        while True:
            self.process.check()
            try:
                self.token("jwt")
                break
            except OSError:
                if time.monotonic() - begun > 120:
                    raise Failed(f"{self.name} did not start within 120 s") from None
                time.sleep(0.001)
        self.first_token = time.monotonic() - begun
        self.first_memory = self.process.memory()
        return self

    def stop(self):
        self.process.stop()

    def basic(self, client):
        return "Basic " + base64.b64encode(f"{client}:{self.secrets[client]}".encode()).decode()

    def post(self, path, authorization, body, connection=None, media="application/x-www-form-urlencoded", **headers):
        connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", path, body, {"Authorization": authorization, "Content-Type": media} | headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise Failed(f"{self.name} answered {answer.status} at {path}: {text[:300]!r}")
        return json.loads(text) if text else None

    def token(self, client):
        return self.post("/auth/token", self.basic(client), CLIENT_CREDENTIALS)["access_token"]

    def is_active(self, token, connection=None):
        return self.post("/auth/introspect", self.basic("reader"), f"token={token}", connection)["active"]

    def refresh_tokens(self, count):
        return [self.post("/auth/token", self.basic("refresh"), PASSWORD_GRANT)["refresh_token"]
                for _ in range(count)]
