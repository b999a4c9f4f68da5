"""Each recipe as a program: its text from the guide, with the addresses of the test."""

import base64
import contextlib
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from support import CACHE, GUIDE, ISSUER, recipe, running, sections


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


def compile_go(folder, text):
    """Compiles a program beside what go.mod names, and returns where it is."""
    folder = CACHE / "go" / folder
    folder.mkdir(exist_ok=True)
    (folder / "main.go").write_text(text)
    subprocess.run(["go", "build", "-o", "program", "."], cwd=folder, check=True)
    return str(folder / "program")


@contextlib.contextmanager
def go(heading, jeton, port, folder):
    program = compile_go("api", recipe(heading, "go").replace(ISSUER, jeton.issuer))
    with running([program], port, folder):
        yield


class Api(BaseHTTPRequestHandler):
    """Reads from the token who is calling; others check it."""

    def do_GET(self):
        self.server.token = self.headers["Authorization"].removeprefix("Bearer ")
        claims = self.server.token.split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"subject": subject}).encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def behind():
    """An API without checks of its own."""
    api = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    Thread(target=api.serve_forever, daemon=True).start()
    try:
        yield api
    finally:
        api.shutdown()


@contextlib.contextmanager
def haproxy(heading, jeton, port, folder):
    export = recipe(heading, "sh").strip().removesuffix(">/etc/haproxy/jeton.pem").split()[1:]
    (folder / "jeton.pem").write_text(jeton.run(*export))
    text = recipe(heading, "haproxy").replace(ISSUER, jeton.issuer)
    with behind() as api:
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


# Programs that run for seconds: compiling them well would take longer than it saves.
JAVA = ["java", "-XX:TieredStopAtLevel=1"]


def compile_java(folder, programs):
    """Compiles programs beside what Spring needs, and returns the class path."""
    classpath = f"{folder}{os.pathsep}{(CACHE / 'spring' / 'classpath').read_text()}"
    for name, text in programs.items():
        (folder / name).write_text(text)
    subprocess.run(
        ["javac", "-J-XX:TieredStopAtLevel=1", "-parameters", "-cp", classpath, "-d", ".", *programs],
        cwd=folder,
        check=True,
    )
    return classpath


@contextlib.contextmanager
def spring(heading, jeton, port, folder):
    programs = {"Api.java": recipe("Spring Boot", "java")}
    if "```java" in sections(GUIDE)[heading]:
        programs["Tokens.java"] = recipe(heading, "java").replace(ISSUER, jeton.issuer)
    else:
        (folder / "application.yaml").write_text(recipe(heading, "yaml").replace(ISSUER, jeton.issuer))
    classpath = compile_java(folder, programs)
    environment = {"SERVER_PORT": str(port), "SERVER_ADDRESS": "127.0.0.1", "API_SECRET": jeton.secrets["api"]}
    with running([*JAVA, "-cp", classpath, "com.example.Api"], port, folder, **environment):
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

# Those that check proofs (DPoP).
PROOFS = {"Spring: introspection", "Spring: JWTs with typ JWT", "Spring: JWTs with typ at+jwt"}
