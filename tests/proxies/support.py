"""What the tests put around a proxy: a real Jeton, an API that tells what it received, a client that says anything."""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "proxies"

# What the examples ask for.
SCOPE = "read:conversations"
AUDIENCE = "https://api.example.com"

IDENTITY = ("X-Auth-Subject", "X-Auth-Client", "X-Auth-Scope", "X-Auth-Session")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(what, condition, seconds=30):
    """Ask until the condition holds, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


# --- a client that is held to nothing -----------------------------------------------------------------------------


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def challenge(self):
        """The one WWW-Authenticate header, or nothing."""
        found = self.headers.get_all("WWW-Authenticate", [])
        assert len(found) <= 1, found
        return found[0] if found else None

    @property
    def seen(self):
        """What the API says that it received."""
        assert self.headers.get("X-Served-By") == "api", f"not an answer of the API: {self}"
        return json.loads(self.body)


def send(port, target, *headers, method="GET", body=b"", host="127.0.0.1"):
    """One request, written to the wire as it stands here."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body and not any(name.lower() == "transfer-encoding" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        with http.client.HTTPResponse(connection, method=method) as response:
            response.begin()
            return Answer(response.status, response.headers, response.read())


class Key:
    """A key for proofs of possession (RFC 9449), by the openssl program."""

    def __init__(self, folder):
        self.file = folder / f"{id(self)}.pem"
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.file)
        point = self._openssl("ec", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"kty": "EC", "crv": "P-256", "x": base64url(point[:32]), "y": base64url(point[32:])}

    @staticmethod
    def _openssl(*words, given=None):
        words = ["openssl", *map(str, words)]
        return subprocess.run(words, input=given, capture_output=True, check=True).stdout

    def proof(self, method, address, token=None):
        claims = {"jti": os.urandom(16).hex(), "htm": method, "htu": address, "iat": int(time.time())}
        if token:
            claims["ath"] = base64url(hashlib.sha256(token.encode()).digest())
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk}
        content = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signed = self._openssl("dgst", "-sha256", "-sign", self.file, given=content.encode())
        # Two integers in DER, each perhaps with a zero before it.
        length = signed[3]
        numbers = signed[4 : 4 + length], signed[6 + length :]
        signature = b"".join(number[-32:].rjust(32, b"\0") for number in numbers)
        return ("DPoP", f"{content}.{base64url(signature)}")


def base64url(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def bearer(token):
    return ("Authorization", f"Bearer {token}")


# --- servers in this process --------------------------------------------------------------------------------------


class Request(NamedTuple):
    method: str
    target: str
    headers: list
    body: bytes

    def header(self, name):
        """All values of a header, as a framework sees it that takes `_` and `-` for the same."""
        return [value for key, value in self.headers if key.lower().replace("_", "-") == name.lower()]


class Recorder:
    """An HTTP server that keeps the requests that it received."""

    def __init__(self, port=0):
        recorder = self
        self.requests = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.serve
                raise AttributeError(name)

            def serve(self):
                # From the request line: `path` is not quite what was sent.
                target = self.requestline.split(" ")[1]
                request = Request(self.command, target, self.headers.items(), self.read_body())
                recorder.requests.append(request)
                recorder.answer(self, request)

            def read_body(self):
                if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def reply(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self.http = Server(("127.0.0.1", port), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Api(Recorder):
    """The protected API. `/answer/418` is answered with that status, everything with what was received but its body.

    A long answer to a long request can be cut off by proxies written in Go, which is not what is tested here: they end
    the exchange when the answer comes before they have seen that the body is over.
    """

    def answer(self, handler, request):
        parts = request.target.partition("?")[0].split("/")
        status = int(parts[2]) if parts[1:2] == ["answer"] else 200
        seen = {
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
        }
        headers = [("X-Served-By", "api"), ("Content-Type", "application/json")]
        if status == 401:
            headers.append(("WWW-Authenticate", 'Basic realm="of the API itself"'))
        handler.reply(status, headers, json.dumps(seen).encode())


class Listener(Recorder):
    """Stands between a proxy and Jeton, keeps what the proxy asked, and passes it on, or answers in Jeton's place."""

    def __init__(self, jeton_port):
        self.jeton_port = jeton_port
        self.instead = None
        super().__init__()

    def answer(self, handler, request):
        if self.instead:
            return handler.reply(*self.instead)
        connection = http.client.HTTPConnection("127.0.0.1", self.jeton_port, timeout=10)
        with contextlib.closing(connection):
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers:
                if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                    connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            passed = [(name, value) for name, value in answer.getheaders() if name.lower() != "content-length"]
            handler.reply(answer.status, passed, answer.read())

    @contextlib.contextmanager
    def answering(self, status, headers=(), body=b""):
        self.instead = (status, list(headers), body)
        try:
            yield
        finally:
            self.instead = None


# --- processes ----------------------------------------------------------------------------------------------------


class Process:
    """A program that listens on a port, and its log."""

    def __init__(self, command, port, folder, *, environment=None, unprivileged=False):
        options = {}
        if unprivileged and os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            for path in (folder, *folder.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        self.port = port
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **options,
            )
        try:
            eventually(f"{command[0]} listens on port {port}", self._listens)
        except BaseException:
            self.stop()
            print(self.log.read_text(errors="replace")[-4000:])
            raise

    def _listens(self):
        assert self.process.poll() is None, f"it ended at once:\n{self.log.read_text(errors='replace')[-4000:]}"
        return accepts(self.port)

    @contextlib.contextmanager
    def frozen(self):
        """It keeps its connections, and does nothing."""
        state = pathlib.Path(f"/proc/{self.process.pid}/status")
        self.process.send_signal(signal.SIGSTOP)
        try:
            eventually("it stands still", lambda: "State:\tT" in state.read_text())
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Ask it to end, and make it end if it has not after 15 seconds. Returns the status."""
        self.process.terminate()
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


class Jeton:
    """A production server of the real binary."""

    def __init__(self, folder, **settings):
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.binary = os.environ["JETON_BIN"]
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "JETON_ISSUER": self.issuer,
            "JETON_LISTEN": f"127.0.0.1:{self.port}",
            "JETON_OPS_LISTEN": "127.0.0.1:0",
            "JETON_DATABASE_URL": f"sqlite://{folder}/jeton.db",
            "JETON_TRUSTED_PROXIES": "127.0.0.1/32,::1/128",
            "JETON_THROTTLING": "off",
            **settings,
        }
        self.environment["JETON_MASTER_KEY"] = self.command("key", "generate-master").strip()
        self.command("migrate")
        self.process = Process([self.binary, "serve"], self.port, folder, environment=self.environment)
        self.clients = {}

    def command(self, *words, given=None):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        done = subprocess.run(
            [self.binary, *words], env=environment, cwd=self.folder, input=given, capture_output=True, text=True
        )
        assert done.returncode == 0, f"jeton {' '.join(words)}: {done.stderr}"
        return done.stdout

    def create_client(self, name, *, grants="client_credentials", audience=AUDIENCE, options=()):
        made = self.command(
            "client", "create", "--client-id", name, "--grant-types", grants,
            "--scope", f"{SCOPE} write:conversations", "--audiences", audience, *options, "--output", "json",
        )  # fmt: skip
        self.clients[name] = json.loads(made)

    def create_user(self, username, password):
        options = ("--username", username, "--scope", f"{SCOPE} write:conversations")
        return json.loads(self.command("user", "create", *options, "--output", "json", given=password + "\n"))

    def token(self, client, **parameters):
        return self.token_with(client, **parameters)

    def token_with(self, client, *headers, **parameters):
        """The same with further headers."""
        parameters = {"grant_type": "client_credentials", **parameters}
        answer = self._post("/auth/token", client, parameters, *headers)
        assert answer.status == 200, answer
        return json.loads(answer.body)["access_token"]

    def revoke(self, client, token):
        assert self._post("/auth/revoke", client, {"token": token}).status == 200

    def introspect(self, client, token):
        """What the client that it was issued to is told about the token."""
        return json.loads(self._post("/auth/introspect", client, {"token": token}).body)

    def _post(self, path, client, parameters, *headers):
        client = self.clients[client]
        parameters = {
            "client_id": client["client_id"],
            "client_secret": client["client_secret"],
            **parameters,
        }
        body = urllib.parse.urlencode(parameters).encode()
        form = ("Content-Type", "application/x-www-form-urlencoded")
        return send(self.port, path, form, *headers, method="POST", body=body)

    def stop(self):
        return self.process.stop()


# --- the proxies ---------------------------------------------------------------------------------------------------


class Proxy:
    """A proxy with its shipped configuration, in which only the three ports are replaced."""

    # The shipped files, and how the ports stand there, for {port} 8000 (own), 8080 (Jeton) and 9000 (API).
    files: tuple
    port_text = "127.0.0.1:{port}"
    listen_text = None
    # What this proxy answers when Jeton cannot be reached.
    unreachable = 503
    # What it tells of a Retry-After of 7.
    retry_after = "7"

    def __init__(self, folder, jeton_port, api_port):
        folder.mkdir(mode=0o755)
        self.folder = folder
        self.port = free_port()
        text = {name: (EXAMPLES / name).read_text() for name in self.files}
        listen = self.listen_text or self.port_text
        for pattern, shipped, port in (
            (listen, 8000, self.port),
            (self.port_text, 8080, jeton_port),
            (self.port_text, 9000, api_port),
        ):
            old, new = pattern.format(port=shipped), pattern.format(port=port)
            assert any(old in content for content in text.values()), f"{old} is in none of {self.files}"
            text = {name: content.replace(old, new) for name, content in text.items()}
        for name, content in text.items():
            (folder / name).write_text(content)
        self.process = self.start()

    def run(self, *command, environment=None):
        return Process(command, self.port, self.folder, environment=environment, unprivileged=True)

    def copy(self, name):
        """A copy of the program, which the other user can run wherever it lies."""
        copy = shutil.copyfile(program(name), self.folder / name)
        copy.chmod(0o700)
        return copy

    def stop(self):
        return self.process.stop()


class Nginx(Proxy):
    files = ("nginx.conf",)

    def start(self):
        # What stands around the shipped file on a real machine, with everything in this folder.
        places = "".join(
            f"  {kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "main.conf").write_text(
            f"daemon off;\nworker_processes 1;\npid {self.folder}/pid;\nevents {{}}\n"
            f"http {{\n  access_log off;\n{places}  include {self.folder}/nginx.conf;\n}}\n"
        )
        return self.run(program("nginx"), "-e", "stderr", "-p", self.folder, "-c", self.folder / "main.conf")


class Caddy(Proxy):
    files = ("Caddyfile",)
    listen_text = "http://:{port}"

    def start(self):
        (self.folder / "main").write_text(f"{{\n\tadmin off\n}}\nimport {self.folder}/Caddyfile\n")
        return self.run(program("caddy"), "run", "--config", self.folder / "main", "--adapter", "caddyfile")


class Envoy(Proxy):
    files = ("envoy.yaml",)
    port_text = "port_value: {port}"
    retry_after = "5"

    def start(self):
        return self.run(self.copy("envoy"), "-c", self.folder / "envoy.yaml", "--disable-hot-restart", "--concurrency", "1")


class Traefik(Proxy):
    files = ("traefik.yaml", "traefik-dynamic.yaml")
    unreachable = 500

    def start(self):
        process = self.run(self.copy("traefik"), "--configFile=traefik.yaml")
        # It listens before it has read the other file.
        eventually("Traefik knows its routes", lambda: send(self.port, "/").status != 404)
        return process


def program(name):
    """The program that `run` found; a proxy whose program is named in no variable is not tested."""
    return os.environ[f"{name.upper()}_BIN"]


PROXIES = {"nginx": Nginx, "caddy": Caddy, "envoy": Envoy, "traefik": Traefik}
