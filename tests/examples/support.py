"""The real server, servers that misbehave on purpose, the examples as processes, and a way to call them."""

import base64
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
LANGUAGES = ["rust", "node", "python"]
AUDIENCE = "https://api.example.com"
READ, WRITE = "read:conversations", "write:conversations"


def command(language: str, name: str) -> list[str]:
    """How to start the example `api` or `client`."""
    match language:
        case "rust":
            return [os.environ["EXAMPLES_RUST"] + "/" + name]
        case "node":
            return ["node", f"{os.environ['EXAMPLES_NODE']}/{name}.js"]
        case "python":
            return [os.environ["EXAMPLES_PYTHON"], str(EXAMPLES / "python" / f"{name}.py")]
    raise ValueError(language)


def free_port() -> int:
    """Below the ports that the system gives to whoever asks for any: nobody else gets it while a program starts."""
    while True:
        port = random.randrange(20000, 32768)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def eventually(condition, seconds: float = 30, pause: float = 0.05):
    """What the condition gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition.__doc__ or condition}"
        time.sleep(pause)
    return found


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def challenge(self) -> str | None:
        return self.headers["WWW-Authenticate"]


def call(method: str, url: str, headers=(), body: bytes | None = None, seconds: float = 20) -> Answer:
    """A request with exactly these headers, which may come more than once."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=seconds)
    try:
        connection.putrequest(method, parts._replace(scheme="", netloc="").geturl())
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def basic(client: str, secret: str) -> tuple[str, str]:
    text = f"{urllib.parse.quote(client, safe='')}:{urllib.parse.quote(secret, safe='')}"
    return "Authorization", "Basic " + base64.b64encode(text.encode()).decode()


class Process:
    """A program that is ended with the test that started it, with this environment and nothing else."""

    def __init__(self, arguments: list[str], environment: dict, folder: Path):
        self.log = folder / f"log-{free_port()}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONDONTWRITEBYTECODE") if name in os.environ}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                arguments, cwd=folder, env=kept | environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, port: int) -> None:
        def listens():
            assert self.is_running(), self.output
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        eventually(listens)

    def finish(self, seconds: float = 60) -> int:
        return self.process.wait(seconds)

    def stop(self) -> None:
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Jeton:
    """`jeton serve --dev` in a folder of its own."""

    def __init__(self, folder: Path, **environment: str):
        folder.mkdir(exist_ok=True)
        self.folder, self.port, self.environment = folder, free_port(), environment
        self.url = f"http://127.0.0.1:{self.port}"
        self.made = 0
        self.start()

    def start(self) -> None:
        environment = {"JETON_OPS_LISTEN": "127.0.0.1:0"} | self.environment
        arguments = [os.environ["JETON_BIN"], "serve", "--dev", "--listen", f"127.0.0.1:{self.port}"]
        self.process = Process(arguments, environment, self.folder)
        self.process.wait_for(self.port)
        # It accepts connections before it has a database, and answers when it has made one.
        assert call("GET", self.url + "/.well-known/jwks.json").status == 200

    def stop(self) -> None:
        self.process.stop()

    def post(self, path: str, credentials: tuple[str, str] | None = None, **form: str) -> Answer:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        headers += [basic(*credentials)] if credentials else []
        return call("POST", self.url + path, headers, urllib.parse.urlencode(form).encode())

    def tokens(self, client="demo-app", secret="demo-app-secret", grant_type="client_credentials", **form) -> dict:
        answer = self.post("/auth/token", (client, secret), grant_type=grant_type, **form)
        assert answer.status == 200, answer
        return answer.json

    def token(self, *arguments, **form) -> str:
        return self.tokens(*arguments, **form)["access_token"]

    def revoke(self, token: str, client="demo-app", secret="demo-app-secret") -> None:
        assert self.post("/auth/revoke", (client, secret), token=token).status == 200

    def admin(self, method: str, path: str, body=None) -> Answer:
        authorization = "Bearer " + self.token("demo-admin", "demo-admin-secret")
        headers = [("Authorization", authorization), ("Content-Type", "application/json")]
        answer = call(method, f"{self.url}/admin/v1/{path}", headers, json.dumps(body).encode() if body else None)
        assert answer.status < 300, answer
        return answer

    def client(self, **settings) -> tuple[str, str]:
        """A new client that gets tokens for itself: its id and secret."""
        self.made += 1
        new = {"client_id": f"client-{self.made}", "grant_types": ["client_credentials"]}
        new |= {"scope": f"{READ} {WRITE}", "audiences": [AUDIENCE]} | settings
        made = self.admin("POST", "clients", new).json
        return made["client_id"], made["client_secret"]

    def jwks(self) -> list[dict]:
        return call("GET", self.url + "/.well-known/jwks.json").json["keys"]


class Api:
    """An example API, and what it answers."""

    def __init__(self, language: str, issuer: str, folder: Path, **environment: str):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/data"
        given = {"ISSUER": issuer, "AUDIENCE": AUDIENCE, "SCOPE": READ, "PORT": str(self.port)}
        given |= {"CLIENT_ID": "demo-api", "CLIENT_SECRET": "demo-api-secret"}
        self.process = Process(command(language, "api"), given | environment, folder)
        self.process.wait_for(self.port)

    def get(self, token: str | None = None, query: str = "", headers=()) -> Answer:
        sent = [("Authorization", f"Bearer {token}")] if token is not None else []
        return call("GET", self.url + query, [*sent, *headers])

    def stop(self) -> None:
        self.process.stop()


class Server:
    """A server in this process; `answer` is given the request and says what to answer."""

    def __init__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                self.body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                found = outer.answer(self)
                if found is None:  # as if nobody were there
                    self.close_connection = True
                    return
                status, body, headers = found
                self.send_response(status)
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                usual = {"Content-Type": "application/json", "Content-Length": str(len(body))}
                for name, value in (usual | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.lock = threading.Lock()
        self.listener = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request) -> tuple[int, object, dict] | None:
        raise NotImplementedError

    def stop(self) -> None:
        self.listener.shutdown()
        self.listener.server_close()
