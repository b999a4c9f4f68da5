"""The providers of the MCP SDKs for clients that need nobody at a browser: by secrets, by keys, and by what an enterprise says of
its people (identity assertions, ID-JAG)."""

import html
import json
import os
import re
import shutil
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from mcp_stage import Stage
from support import READ, call

HERE = Path(__file__).parent
CALLBACK = "https://office.example.com/callback"
# The verifier and the challenge of RFC 7636 appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
TOKEN_TYPE = "urn:ietf:params:oauth:token-type:"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


SDK_1 = [f"@modelcontextprotocol/sdk/client/{part}.js" for part in ("auth-extensions", "index", "streamableHttp")]


@pytest.fixture(params=["typescript 1", "typescript 2", "python"])
def whoami(request):
    """What an MCP server says of a client of an SDK, by one of its providers."""
    modules = {"typescript 1": SDK_1, "typescript 2": ["@modelcontextprotocol/client"]}.get(request.param)
    if modules:
        # An ES module finds its packages in the folders above it.
        folder = os.environ["EXAMPLES_MCP_NODE" if modules == SDK_1 else "EXAMPLES_TESTS_NODE"]
        command = ["node", shutil.copy(HERE / "js/mcp_sdk.mjs", folder)]
    else:
        command = [os.environ["EXAMPLES_MCP_PYTHON"], str(HERE / "mcp_sdk.py")]

    def whoami(stage, provider, client, **settings):
        settings |= {"provider": provider, "client": client, "url": stage.address, "issuer": stage.issuer}
        settings["modules"] = modules
        authority = str(stage.documents.authority)
        environment = os.environ | {"NODE_EXTRA_CA_CERTS": authority, "SSL_CERT_FILE": authority}
        done = subprocess.run(
            [*command, json.dumps(settings)], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return whoami


def test_a_client_with_a_secret(whoami, mcp):
    client = mcp.jeton.client(audiences=[mcp.address])
    said = whoami(mcp, "client_credentials", client)
    assert (said["subject"], said["client"], said["scope"]) == (client[0], client[0], READ)


def test_a_client_with_a_key(whoami, mcp):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = {"kty": "EC", **ECAlgorithm.to_jwk(key.public_key(), as_dict=True)}
    settings = {"grant_types": ["client_credentials"], "scope": READ, "audiences": [mcp.address]}
    settings |= {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [public]}}
    client_id = mcp.jeton.admin("POST", "clients", settings).json["client_id"]
    said = whoami(mcp, "private_key_jwt", [client_id, None], key=pem.decode())
    assert (said["subject"], said["client"], said["scope"]) == (client_id, client_id, READ)


# --- two servers: the enterprise, where people log in, and that of the MCP server, which trusts it ---


class Person:
    """Somebody at a browser of a few lines, which keeps cookies and fills in forms."""

    def __init__(self, jeton):
        self.jeton, self.cookies = jeton, {}

    def ask(self, method, path, fields=None):
        headers = [("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))]
        if fields:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
        body = urllib.parse.urlencode(fields).encode() if fields else None
        answer = call(method, self.jeton.url + path, headers, body)
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        if (answer.headers["Location"] or "").startswith("/"):
            return self.ask("GET", answer.headers["Location"])
        return answer

    def code(self, **request):
        """Logs in, and gives the code that the client gets."""
        page = self.ask("GET", "/auth/authorize?" + urllib.parse.urlencode(request)).body.decode()
        (action,) = re.findall(r'<form method="post" action="([^"]+)"', page)
        inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        fields = {name: html.unescape(value) for name, value in inputs}
        answer = self.ask("POST", action, fields | {"username": "demo", "password": "demo-password"})
        location = urllib.parse.urlsplit(answer.headers["Location"])
        (code,) = urllib.parse.parse_qs(location.query)["code"]
        return code


class Enterprise:
    """Where a person has logged in with an app, and what that app presents there to get assertions for the other server."""

    def __init__(self, started, other):
        issuer = other.documents.origin
        self.other, jeton = other, started.jeton(JETON_ISSUER=issuer)
        other.documents.publisher = jeton
        self.subject = jeton.admin("GET", "users/demo").json["id"]
        # The other server knows the app, and trusts the enterprise, whose keys it finds by discovery.
        settings = {"grant_types": [JWT_BEARER], "scope": READ, "audiences": [other.address], "issuers": [issuer]}
        self.client = other.jeton.client(**settings)
        trust = {"issuer": issuer, "audience": [other.issuer], "uses": ["identity_assertion"]}
        trust["rules"] = [{"claims": {"sub": {"equals": self.subject}}}]
        other.jeton.admin("POST", "issuers", trust)

        allowed = {"audience": other.issuer, "client_id": self.client[0], "scope": READ}
        app = jeton.client(
            grant_types=["authorization_code", "refresh_token"],
            redirect_uris=[CALLBACK],
            scope=f"openid {READ}",
            consent="skip",
            identity_assertion_audiences=[allowed],
        )
        request = {"client_id": app[0], "redirect_uri": CALLBACK, "response_type": "code", "scope": f"openid {READ}"}
        code = Person(jeton).code(**request, code_challenge=CHALLENGE, code_challenge_method="S256")
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        answer = jeton.post("/auth/token", app, **form, redirect_uri=CALLBACK)
        assert answer.status == 200, answer
        form = {"grant_type": TOKEN_EXCHANGE, "requested_token_type": TOKEN_TYPE + "id-jag"}
        form |= {"subject_token": answer.json["id_token"], "subject_token_type": TOKEN_TYPE + "id_token"}
        self.idp = {"token_endpoint": jeton.url + "/auth/token", "client": app, "form": form}


@pytest.fixture(scope="module")
def enterprise(shared, open_folder):
    folder = open_folder / "other"
    folder.mkdir()
    folder.chmod(0o755)
    return Enterprise(shared, Stage(shared, folder, has_tls=True))


def test_an_app_of_an_enterprise_calls_for_its_person(whoami, enterprise):
    said = whoami(enterprise.other, "identity_assertion", enterprise.client, idp=enterprise.idp)
    assert (said["subject"], said["client"]) == (enterprise.subject, enterprise.client[0])
    assert said["scope"] == READ
