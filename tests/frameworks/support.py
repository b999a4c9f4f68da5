"""What the tests share: the guide, programs that run for a while, and the real jeton binary."""

import contextlib
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from keys import Holder, write_keys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
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
    """Below the ports that the system gives to whoever asks for any: nobody else gets it while a program starts."""
    while True:
        port = random.randrange(20000, 32768)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


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
        deadline = time.monotonic() + 240
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


# What a trusted issuer says of its people counts for the client `portal`.
IDP = "https://idp.example.com"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


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
            "JETON_DPOP_NONCE": "required",
            # Some tests ask /auth/verify as a proxy does.
            "JETON_TRUSTED_PROXIES": "127.0.0.1/32",
        }
        self.environment["JETON_MASTER_KEY"] = self.run("key", "generate-master").strip()
        made = json.loads(self.run("init", "--audience", AUDIENCE, "--scope", "read write", "--output", "json"))
        self.secrets = {client["client_id"]: client.get("client_secret") for client in made["clients"]}
        for kind, of_kind in KINDS.items():
            for name, options in CLIENTS.items():
                self.create(f"{name}-{kind}", "client_credentials", *options, *of_kind)
        write_keys(folder)
        self.create("worker", "client_credentials", "--token-endpoint-auth-method", "private_key_jwt",
                    "--jwks", "worker.jwks.json", "--audiences", AUDIENCE, "--permissions", "exchange")  # fmt: skip
        self.create("portal", JWT_BEARER, "--issuers", IDP, "--audiences", AUDIENCE)
        self.run("issuer", "create", IDP, "--jwks", "idp.jwks.json", "--audience", self.issuer, "--uses", "jwt_bearer",
                 "--rules", '[{"claims": {"sub": {"equals": "ann"}}}]')  # fmt: skip

    def create(self, client, grant, *options):
        options = ["--grant-types", grant, "--scope", "read write", *options, "--output", "json"]
        self.secrets[client] = json.loads(self.run("client", "create", client, *options)).get("client_secret")

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

    def post(self, endpoint, client, headers=(), **form):
        form |= {"client_id": client, "client_secret": self.secrets[client]}
        body = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"{self.issuer}/auth/{endpoint}", body, dict(headers))
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def bound_token(self, client, holder: Holder):
        """A token that is bound to the key of the holder, who learns by a refusal which nonce this server wants."""
        form = {"grant_type": "client_credentials", "scope": "read"}
        address = f"{self.issuer}/auth/token"
        try:
            self.post("token", client, {"DPoP": holder.proof("POST", address)}, **form)
        except urllib.error.HTTPError as refusal:
            assert json.load(refusal)["error"] == "use_dpop_nonce"
            proof = holder.proof("POST", address, nonce=refusal.headers["DPoP-Nonce"])
        answer = json.loads(self.post("token", client, {"DPoP": proof}, **form))
        assert answer["token_type"] == "DPoP"
        return answer["access_token"]
