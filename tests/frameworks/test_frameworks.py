"""Each recipe of docs/frameworks.md that can be run is started as printed, and asked with tokens of every sort."""

import base64
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


def sections(guide):
    """The text under each heading of the second and third level, without that under headings below it."""
    parts = re.split(r"^#{2,3} (.*)\n", guide, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def recipe(heading, language):
    """The only code block in this language of a section."""
    (block,) = re.findall(rf"```{language}\n(.*?)```", sections(GUIDE)[heading], re.DOTALL)
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


# The kinds of access tokens, and the clients that have them of each kind.
KINDS = {
    "at+jwt": [],
    "JWT": ["--access-token-typ", "JWT"],
    "opaque": ["--access-token-format", "opaque"],
}
CLIENTS = {
    "service": ["--audiences", AUDIENCE],
    "elsewhere": ["--audiences", "https://files.example.com"],
    "hasty": ["--audiences", AUDIENCE, "--access-token-ttl", "1"],
}


class Jeton:
    """A production server that `jeton init` has prepared, with an audience, a scope and clients too many."""

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
        self.secrets = {client["client_id"]: client.get("client_secret") for client in made["clients"]}
        for kind, of_kind in KINDS.items():
            for name, options in CLIENTS.items():
                options = [*options, *of_kind, "--grant-types", "client_credentials", "--scope", "read write"]
                created = self.run("client", "create", f"{name}-{kind}", *options, "--output", "json")
                self.secrets[f"{name}-{kind}"] = json.loads(created)["client_secret"]

    def run(self, *words):
        environment = {"PATH": os.environ["PATH"], **self.environment}
        done = subprocess.run(
            [os.environ["JETON_BIN"], *words], env=environment, cwd=self.folder, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"jeton {' '.join(words)}: {done.stderr}"
        return done.stdout

    def token(self, client, scope="read"):
        return json.loads(self.post("token", client, grant_type="client_credentials", scope=scope))["access_token"]

    def post(self, endpoint, client, **form):
        form |= {"client_id": client, "client_secret": self.secrets[client]}
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{self.issuer}/auth/{endpoint}", body, timeout=10) as answer:
            return answer.read()


@pytest.fixture(scope="session")
def jeton(tmp_path_factory):
    jeton = Jeton(tmp_path_factory.mktemp("jeton"))
    with running([os.environ["JETON_BIN"], "serve"], jeton.port, jeton.folder, **jeton.environment):
        yield jeton


@pytest.fixture(scope="session")
def tokens(jeton):
    """Of each kind, a good token and others that are refused."""
    return {kind: tokens_of(jeton, kind) for kind in KINDS}


def tokens_of(jeton, kind):
    good = jeton.token(f"service-{kind}", "read write")
    tokens = {
        "good": good,
        "without the scope": jeton.token(f"service-{kind}", "write"),
        "for another API": jeton.token(f"elsewhere-{kind}"),
        "of a changed signature": good[:-8] + good[-8:][::-1],
        "that is none": "undefined",
        "that is over": jeton.token(f"hasty-{kind}"),
    }
    if kind != "opaque":
        unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": kind}).encode()).decode().rstrip("=")
        tokens["unsigned"] = f"{unsigned}.{good.split('.')[1]}."
    return tokens


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
    """Reads who is calling from the token, which the proxy has checked."""

    def do_GET(self):
        claims = self.headers["Authorization"].split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"subject": subject}).encode())

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


@contextlib.contextmanager
def spring(heading, jeton, port, folder):
    classpath = f"{folder}{os.pathsep}{(CACHE / 'spring' / 'classpath').read_text()}"
    programs = {"Api.java": recipe("Spring Boot", "java")}
    if "```java" in sections(GUIDE)[heading]:
        programs["Tokens.java"] = recipe(heading, "java")
    else:
        (folder / "application.yaml").write_text(recipe(heading, "yaml").replace(ISSUER, jeton.issuer))
    for name, text in programs.items():
        (folder / name).write_text(text.replace(ISSUER, jeton.issuer))
    subprocess.run(["javac", "-parameters", "-cp", classpath, "-d", ".", *programs], cwd=folder, check=True)
    environment = {"SERVER_PORT": str(port), "SERVER_ADDRESS": "127.0.0.1", "API_SECRET": jeton.secrets["api"]}
    with running(["java", "-cp", classpath, "com.example.Api"], port, folder, **environment):
        yield


# What runs each recipe, and the kinds of tokens that it accepts. Those that accept a token the longest come last.
RECIPES = {
    "Express": (node, ["at+jwt"]),
    "Fastify": (node, ["at+jwt"]),
    "FastAPI": (fastapi, ["at+jwt"]),
    "Django": (django, ["at+jwt"]),
    "Go": (go, ["at+jwt", "JWT"]),
    "HAProxy": (haproxy, ["at+jwt"]),
    "Spring: introspection": (spring, ["at+jwt", "JWT", "opaque"]),
    "Spring: JWTs with typ JWT": (spring, ["JWT"]),
    "Spring: JWTs with typ at+jwt": (spring, ["at+jwt"]),
}

# Those that see a revocation at once.
INTROSPECTION = {"Spring: introspection"}


@pytest.mark.parametrize("heading", RECIPES)
def test_the_recipe_lets_good_tokens_pass_and_no_others(heading, jeton, tokens, tmp_path):
    port = free_port()
    run, kinds = RECIPES[heading]
    with run(heading, jeton, port, tmp_path):
        status, challenge, _ = ask(port, None)
        assert status == 401 and challenge.startswith("Bearer") and "error=" not in challenge, (status, challenge)
        # RFC 6750 §3.1 has no rule for another scheme: some call it a bad request.
        status, challenge, _ = ask(port, "Basic c2VydmljZTpzZWNyZXQ=")
        assert status in (400, 401) and "Bearer" in challenge, (status, challenge)
        for kind in KINDS:
            if kind in kinds:
                check(port, tokens[kind], f"service-{kind}")
            else:
                assert_refused(kind, ask(port, f"Bearer {tokens[kind]['good']}"))
        if heading in INTROSPECTION:
            token = jeton.token("service-opaque")
            assert ask(port, f"Bearer {token}")[0] == 200
            jeton.post("revoke", "service-opaque", token=token)
            assert_refused("revoked", ask(port, f"Bearer {token}"))


def check(port, tokens, subject):
    """Good tokens pass, others do not."""
    status, _, body = ask(port, f"Bearer {tokens['good']}")
    assert (status, json.loads(body or b"null")) == (200, {"subject": subject})
    for sort in sorted(tokens.keys() - {"good", "without the scope"}):
        # Some libraries accept a token for up to a minute more.
        deadline = time.monotonic() + (75 if sort == "that is over" else 0)
        while (answer := ask(port, f"Bearer {tokens[sort]}"))[0] == 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert_refused(sort, answer)
    status, challenge, _ = ask(port, f"Bearer {tokens['without the scope']}")
    assert status == 403 and 'error="insufficient_scope"' in challenge, (status, challenge)


def assert_refused(sort, answer):
    status, challenge, _ = answer
    assert status == 401 and 'error="invalid_token"' in challenge, (sort, status, challenge)


def test_every_recipe_is_run_or_says_that_it_is_not():
    run = {"Spring Boot", *RECIPES}
    for heading, text in sections(GUIDE).items():
        if "```" in text:
            assert (heading in run) != ("*Not run by our tests.*" in text), heading
    for line in GUIDE.split("\n## ")[0].splitlines():
        for heading in re.findall(r"\[([^]]*)\]\(#", line):
            assert (heading in run) == ("`tests/frameworks/run`" in line), heading
