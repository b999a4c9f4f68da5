"""Each recipe of docs/frameworks.md that can be run is started as printed, and asked with tokens of every sort."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

ROOT = pathlib.Path(__file__).parents[2]
GUIDE = (ROOT / "docs/frameworks.md").read_text()
CACHE = pathlib.Path(os.environ["FRAMEWORKS_CACHE"])
AUDIENCE = "https://api.example.com"
ISSUER = "https://auth.example.com"


def recipe(heading, language):
    """The only code block in this language of a section."""
    section = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return block


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextlib.contextmanager
def running(command, port, folder, **environment):
    """A program, from when it accepts connections."""
    log = folder / f"log-{port}"
    with open(log, "w") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "PORT": str(port), **environment}, stdout=output, stderr=output
        )
    try:
        deadline = time.monotonic() + 120
        while not accepts(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield log
    finally:
        process.terminate()
        process.wait(30)


class Jeton:
    """A production server that `jeton init` has prepared, with an audience, a scope and a client too many."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "JETON_ISSUER": self.issuer,
            "JETON_LISTEN": f"127.0.0.1:{self.port}",
            "JETON_OPS_LISTEN": "127.0.0.1:0",
            "JETON_DATABASE_URL": f"sqlite://{folder}/jeton.db",
        }
        self.environment["JETON_MASTER_KEY"] = self.run("key", "generate-master").strip()
        made = json.loads(self.run("init", "--audience", AUDIENCE, "--scope", "read write", "--output", "json"))
        self.secrets = {client["client_id"]: client["client_secret"] for client in made["clients"]}
        for name, options in {
            "elsewhere": ["--audiences", "https://files.example.com"],
            "hasty": ["--audiences", AUDIENCE, "--access-token-ttl", "1"],
        }.items():
            create = ["client", "create", "--client-id", name, "--grant-types", "client_credentials", "--scope", "read"]
            self.secrets[name] = json.loads(self.run(*create, *options, "--output", "json"))["client_secret"]

    def run(self, *words):
        environment = {"PATH": os.environ["PATH"], **self.environment}
        done = subprocess.run(
            [os.environ["JETON_BIN"], *words], env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"jeton {' '.join(words)}: {done.stderr}"
        return done.stdout

    def token(self, client, scope="read"):
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": self.secrets[client]}
        body = urllib.parse.urlencode(form | {"scope": scope}).encode()
        with urllib.request.urlopen(f"{self.issuer}/auth/token", body, timeout=10) as answer:
            return json.load(answer)["access_token"]


@pytest.fixture(scope="session")
def jeton(tmp_path_factory):
    jeton = Jeton(tmp_path_factory.mktemp("jeton"))
    with running([os.environ["JETON_BIN"], "serve"], jeton.port, jeton.folder, **jeton.environment):
        yield jeton


@pytest.fixture(scope="session")
def tokens(jeton):
    good = jeton.token("service", "read write")
    head, claims, signature = good.split(".")
    return {
        "good": good,
        "without the scope": jeton.token("service", "write"),
        "for another API": jeton.token("elsewhere"),
        "of a changed signature": ".".join([head, claims, signature[:-8] + signature[-8:][::-1]]),
        "unsigned": "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0." + claims + ".",
        "that is none": "undefined",
        "that is over": jeton.token("hasty"),
    }


def ask(port, authorization):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/data", headers={"Authorization": authorization} if authorization else {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers.get("WWW-Authenticate"), body


@contextlib.contextmanager
def node(heading, jeton, port, folder):
    # An ES module finds its packages in the folders above it.
    program = CACHE / "js" / f"{heading.lower()}.mjs"
    program.write_text(recipe(heading, "js").replace(ISSUER, jeton.issuer))
    with running(["node", str(program)], port, folder):
        yield


@contextlib.contextmanager
def fastapi(heading, jeton, port, folder):
    (folder / "recipe.py").write_text(recipe(heading, "python").replace(ISSUER, jeton.issuer))
    with running([sys.executable, "-m", "uvicorn", "--port", str(port), "recipe:app"], port, folder):
        yield


@contextlib.contextmanager
def django(heading, jeton, port, folder):
    (folder / "recipe.py").write_text(recipe(heading, "python").replace(ISSUER, jeton.issuer))
    # The least that makes a project of a view.
    (folder / "project.py").write_text(
        "from django.conf import settings\n"
        "from django.core.wsgi import get_wsgi_application\n"
        "from django.urls import path\n"
        "settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=['127.0.0.1'], SECRET_KEY='of this test')\n"
        "app = get_wsgi_application()\n"
        "import recipe\n"
        "urlpatterns = [path('data', recipe.data)]\n"
        "from wsgiref.simple_server import make_server\n"
        f"make_server('127.0.0.1', {port}, app).serve_forever()\n"
    )
    with running([sys.executable, "project.py"], port, folder):
        yield


@contextlib.contextmanager
def go(heading, jeton, port, folder):
    if not shutil.which("go"):
        pytest.skip("Go is not installed")
    (CACHE / "go" / "main.go").write_text(recipe(heading, "go").replace(ISSUER, jeton.issuer))
    subprocess.run(["go", "build", "-o", "recipe", "."], cwd=CACHE / "go", check=True)
    with running([str(CACHE / "go" / "recipe")], port, folder):
        yield


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"subject": "service"}')

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def haproxy(heading, jeton, port, folder):
    export = recipe(heading, "sh").strip().removesuffix(">/etc/haproxy/jeton.pem").split()[1:]
    (folder / "jeton.pem").write_text(jeton.run(*export))
    text = recipe(heading, "haproxy").replace(ISSUER, jeton.issuer)
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=api.serve_forever, daemon=True).start()
    for theirs, ours in {
        "/etc/haproxy/jeton.pem": str(folder / "jeton.pem"),
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "127.0.0.1:9000": f"127.0.0.1:{api.server_port}",
    }.items():
        assert theirs in text
        text = text.replace(theirs, ours)
    defaults = "defaults\n  mode http\n  timeout client 30s\n  timeout connect 5s\n  timeout server 30s\n\n"
    (folder / "haproxy.cfg").write_text(defaults + text)
    with running([os.environ["HAPROXY_BIN"], "-db", "-f", "haproxy.cfg"], port, folder):
        yield
    api.shutdown()


RECIPES = {"Express": node, "Fastify": node, "FastAPI": fastapi, "Django": django, "Go": go, "HAProxy": haproxy}


@pytest.mark.parametrize("heading", RECIPES)
def test_the_recipe_lets_good_tokens_pass_and_no_others(heading, jeton, tokens, tmp_path):
    port = free_port()
    with RECIPES[heading](heading, jeton, port, tmp_path):
        status, _, body = ask(port, f"Bearer {tokens['good']}")
        assert (status, json.loads(body)) == (200, {"subject": "service"})
        for authorization in [None, "Basic c2VydmljZTpzZWNyZXQ="]:
            status, challenge, _ = ask(port, authorization)
            assert status == 401 and challenge.startswith("Bearer") and "error=" not in challenge, (status, challenge)
        for sort in sorted(tokens.keys() - {"good", "without the scope"}):
            # Some libraries accept a token for a few seconds more.
            deadline = time.monotonic() + (30 if sort == "that is over" else 0)
            while (answer := ask(port, f"Bearer {tokens[sort]}"))[0] == 200 and time.monotonic() < deadline:
                time.sleep(0.05)
            status, challenge, _ = answer
            assert status == 401 and 'error="invalid_token"' in challenge, (sort, status, challenge)
        status, challenge, _ = ask(port, f"Bearer {tokens['without the scope']}")
        assert status == 403 and 'error="insufficient_scope"' in challenge, (status, challenge)


def test_every_recipe_is_run_or_says_that_it_is_not():
    table = GUIDE.split("\n## ")[0]
    for section in GUIDE.split("\n## ")[2:]:
        heading = section.splitlines()[0]
        (line,) = [line for line in table.splitlines() if f"[{heading}](#{heading.lower().replace(' ', '-')})" in line]
        is_run = "tests/frameworks/run" in line
        assert is_run == (heading in RECIPES) == ("*Not run.*" not in section), heading
