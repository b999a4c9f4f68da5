"""A Jeton for the suite: its server, with TLS, the clients of the plans and the person that the suite's browser logs in as."""

import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

import keys

ALIAS = "jeton"
SCOPE = "openid profile email address phone offline_access"
USERNAME, PASSWORD = "anna", "correct horse battery staple"
# Each claim of OpenID Connect Core §5.4 and §5.1.1.
PROFILE = {
    "name": "Anna Maria Example",
    "given_name": "Anna",
    "family_name": "Example",
    "middle_name": "Maria",
    "nickname": "Annie",
    "preferred_username": "anna",
    "profile": "https://people.example.com/anna",
    "picture": "https://people.example.com/anna.png",
    "website": "https://anna.example.com",
    "gender": "female",
    "birthdate": "1990-04-01",
    "zoneinfo": "Europe/Vienna",
    "locale": "en-GB",
    "updated_at": 1767225600,
    "email": "anna@example.com",
    "email_verified": True,
    "address": {
        "formatted": "1 Example Street\n1010 Vienna\nAustria",
        "street_address": "1 Example Street",
        "locality": "Vienna",
        "region": "Vienna",
        "postal_code": "1010",
        "country": "Austria",
    },
    "phone_number": "+43 1 555 0100",
    "phone_number_verified": True,
}
# The clients by their names in the configuration of a plan, and how each authenticates.
CLIENTS = {"client": "client_secret_basic", "client2": "client_secret_basic", "client_secret_post": "client_secret_post"}


@dataclass
class Jeton:
    issuer: str
    host: str
    listen: str
    clients: dict = field(default_factory=dict)


@contextlib.contextmanager
def start(binary, folder, suite, is_told):
    """A server in this folder, until the end of the block. `is_told`: its clients have a back-channel logout URI."""
    with serving(binary, folder, suite, {}) as (jeton, admin):
        jeton.clients = {name: create_client(admin, suite.address, name, method, is_told) for name, method in CLIENTS.items()}
        yield jeton


@contextlib.contextmanager
def serving(binary, folder, suite, more):
    """A server in this folder with these settings and the person, until the end of the block, and its command line."""
    host = os.environ.get("JETON_OPENID_HOST", "localhost")
    listen = os.environ.get("JETON_OPENID_LISTEN", "127.0.0.1")
    port, ops = free_port(listen), free_port("127.0.0.1")
    jeton = Jeton(f"https://{host}:{port}", host, listen)
    # The suite trusts whatever certificate there is; it has to be one for this host.
    keys.make_certificate(folder / "tls.crt", keys.make_key(folder / "tls.key", keys.EC), host, host=host)
    settings = {
        "JETON_ISSUER": jeton.issuer,
        "JETON_LISTEN": f"{listen}:{port}",
        "JETON_OPS_LISTEN": f"127.0.0.1:{ops}",
        "JETON_DATABASE_URL": f"sqlite://{folder}/jeton.db",
        "JETON_MASTER_KEY": run(binary, "key", "generate-master", env={}).strip(),
        "JETON_TLS_CERTIFICATE": f"{folder}/tls.crt",
        "JETON_TLS_KEY": f"{folder}/tls.key",
        "JETON_THROTTLING": "off",
        # Back-channel logout calls the suite.
        "JETON_FETCH_ALLOW": ",".join(addresses(suite.address)),
        **({"JETON_FETCH_CA": str(suite.ca)} if suite.ca else {}),
    }
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | settings | more

    def admin(*words, given=None):
        return run(binary, *words, env=env, cwd=folder, given=given)

    admin("migrate")
    admin("user", "create", "--username", USERNAME, "--profile", json.dumps(PROFILE), given=PASSWORD + "\n")
    with open(folder / "log", "w") as log:
        process = subprocess.Popen([binary, "serve"], env=env, cwd=folder, stdout=log, stderr=log)
    try:
        wait(process, f"http://127.0.0.1:{ops}/readyz", folder / "log")
        yield jeton, admin
    finally:
        process.terminate()
        process.wait(30)


def create_client(admin, suite, name, method, is_told):
    """Registered as the suite asks for, with PKCE as an option: half of its modules send none, as OpenID Connect Core allows."""
    here = f"{suite}/test/a/{ALIAS}"
    words = ["client", "create", "--client-id", name.replace("_", "-"), "--client-name", "Conformance suite"]
    words += ["--token-endpoint-auth-method", method, "--grant-types", "authorization_code,refresh_token", "--scope", SCOPE]
    words += ["--redirect-uris", f"{here}/callback", "--post-logout-redirect-uris", f"{here}/post_logout_redirect"]
    words += ["--require-pkce", "false", "--consent", "skip"]
    words += ["--backchannel-logout-uri", f"{here}/backchannel_logout"] if is_told else []
    made = json.loads(admin(*words, "--output", "json"))
    return {"client_id": made["client_id"], "client_secret": made["client_secret"]}


def run(binary, *words, env, cwd=None, given=None):
    done = subprocess.run([binary, *words], env=env, cwd=cwd, input=given, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"openid: jeton {' '.join(words[:2])}: {done.stderr.strip()}")
    return done.stdout


def free_port(address):
    with socket.socket() as listener:
        listener.bind((address, 0))
        return listener.getsockname()[1]


def addresses(url):
    """Where the host of a URL is, as JETON_FETCH_ALLOW says it."""
    parts = urllib.parse.urlsplit(url)
    port = parts.port or 443
    found = {info[4][0] for info in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)}
    return sorted(f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in found)


def wait(process, url, log):
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise SystemExit(f"openid: Jeton did not start:\n{log.read_text()}")
