"""The plans of the FAPI 2.0 Security Profile: clients with keys and certificates, and an API that they call."""

import contextlib
import json
from typing import NamedTuple

import api
import keys
import server
from plans import login, page

ALIAS = "jeton-fapi"
DOCUMENT = "fapi-conformance.md"
CODE = "fapi2-security-profile-final-test-plan"
CLIENT_CREDENTIALS = "fapi2-security-profile-final-client-credentials-grant-test-plan"
PREFIX = "fapi2-security-profile-final-"
AUDIENCE = "https://api.example.com"
SCOPES = {"openid_connect": "openid profile email", "plain_oauth": "accounts payments"}
# The algorithm of each client's key, and the way in which it shows a certificate where that proves who it is.
CLIENTS = {"client": ("PS256", keys.RSA, "tls_client_auth"), "client2": ("ES256", keys.EC, "self_signed_tls_client_auth")}


class Plan(NamedTuple):
    name: str
    auth: str
    binding: str
    openid: str = "plain_oauth"
    document: str = DOCUMENT

    @property
    def title(self):
        grant = "Client credentials" if self.name == CLIENT_CREDENTIALS else f"Code flow, {self.openid}"
        return f"{grant}: {self.auth} and {self.binding}"

    @property
    def variant(self):
        chosen = {"client_auth_type": self.auth, "sender_constrain": self.binding}
        if self.name == CODE:
            chosen |= {"openid": self.openid, "fapi_profile": "plain_fapi", "authorization_request_type": "simple"}
        return chosen

    @contextlib.contextmanager
    def configured(self, binary, folder, suite):
        """What the suite is told about a Jeton with the clients of this plan, which runs until the end of the block."""
        made = {name: Client(folder, name, *CLIENTS[name]) for name in CLIENTS}
        authority = folder / "client.authority"
        settings = {
            "JETON_TLS_CLIENT_CA": str(authority),
            "JETON_TRUSTED_PROXIES": f"{api.ADDRESS}/32",
            "JETON_CLIENT_CERT_PROXIES": f"{api.ADDRESS}/32",
        }
        with contextlib.ExitStack() as stack:
            jeton, admin = stack.enter_context(server.serving(binary, folder, suite, settings))
            for client in made.values():
                admin("client", "create", *client.words(self, suite.address), "--output", "json")
            url = f"{jeton.issuer}/auth/userinfo"
            if self.openid == "plain_oauth":
                shown = folder / "shown"
                shown.write_text(authority.read_text() + (folder / "client2.crt").read_text())
                url = stack.enter_context(api.start(jeton.host, jeton.listen, jeton.issuer, AUDIENCE, folder, shown))
            yield self.configuration(jeton.issuer, made, url)

    def configuration(self, issuer, made, url):
        document = "openid-configuration" if self.openid == "openid_connect" else "oauth-authorization-server"
        told = {
            "alias": ALIAS,
            "description": f"Jeton, FAPI 2.0 Security Profile: {self.title}",
            "server": {"discoveryUrl": f"{issuer}/.well-known/{document}"},
            "resource": {"resourceUrl": url},
            "browser": [login(issuer)],
            "override": {module: {"browser": browser} for module, browser in browsers(issuer).items()},
        }
        for name, client in made.items():
            told[name] = {"client_id": name, "scope": SCOPES[self.openid], "jwks": {"keys": [client.jwk]}}
            if self.binding == "dpop":
                told[name]["dpop_signing_alg"] = client.alg
            if "mtls" in (self.auth, self.binding):
                told[name.replace("client", "mtls")] = client.certificate()
        return told


class Client:
    """A client with a key for assertions, and a certificate with another key."""

    def __init__(self, folder, name, alg, kind, method):
        self.name, self.alg, self.method = name, alg, method
        self.folder = folder
        self.jwk = keys.private_jwk(keys.make_key(folder / f"{name}.assertions", kind), name, alg)
        self.key = keys.make_key(folder / f"{name}.key", keys.EC)
        by = []
        if method == "tls_client_auth":
            by = [folder / f"{name}.authority", keys.make_key(folder / f"{name}.authority.key", keys.EC)]
            keys.make_certificate(by[0], by[1], "Authority")
        self.shown = keys.make_certificate(folder / f"{name}.crt", self.key, name, *by)

    def certificate(self):
        return {"cert": self.shown.read_text(), "key": self.key.read_text()}

    def words(self, plan, suite):
        """How `jeton client create` registers it."""
        words = [self.name, "--client-name", "Conformance suite", "--security-profile", "fapi2", "--audiences", AUDIENCE]
        words += ["--scope", SCOPES[plan.openid], "--consent", "required"]
        if plan.name == CODE:
            here = f"{suite}/test/a/{ALIAS}/callback"
            words += ["--grant-types", "authorization_code,refresh_token", "--redirect-uris", f"{here},{here}?dummy1=lorem&dummy2=ipsum"]
        else:
            words += ["--grant-types", "client_credentials"]
        bound = "--dpop-bound-access-tokens" if plan.binding == "dpop" else "--tls-client-certificate-bound-access-tokens"
        words += [bound, "true"]
        method = self.method if plan.auth == "mtls" else plan.auth
        words += ["--token-endpoint-auth-method", method]
        if method == "tls_client_auth":
            return [*words, "--tls-client-auth-subject-dn", f"CN={self.name}"]
        jwk = self.jwk if method == "private_key_jwt" else keys.private_jwk(self.key, self.name, "ES256")
        path = self.folder / f"{self.name}.jwks"
        path.write_text(json.dumps({"keys": [keys.public_jwk(jwk)]}))
        return [*words, "--jwks", str(path)]


PLANS = [Plan(CLIENT_CREDENTIALS, auth, binding) for auth in ("private_key_jwt", "mtls") for binding in ("dpop", "mtls")]
PLANS += [
    Plan(CODE, auth, binding, openid)
    for openid in ("openid_connect", "plain_oauth")
    for auth in ("private_key_jwt", "mtls")
    for binding in ("dpop", "mtls")
]


def table(results):
    """The results as Markdown: a row for each module, a column for each variant of its plan. "–" is where a variant has no such module."""
    lines = []
    for name in (CLIENT_CREDENTIALS, CODE):
        of_plan = [(plan, {module: result for module, result, _ in rows}) for plan, rows in results if plan.name == name]
        modules = dict.fromkeys(module for _, found in of_plan for module in found)
        heads = [plan.title.partition(": ")[2] + (", OpenID" if plan.openid == "openid_connect" else "") for plan, _ in of_plan]
        lines += [f"\n## `{name}`\n", f"| `{PREFIX}…` | {' | '.join(heads)} |", "| --- |" + " --- |" * len(heads)]
        for module in modules:
            cells = [found.get(module, "–") for _, found in of_plan]
            lines.append(f"| `{module.removeprefix(PREFIX)}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def browsers(issuer):
    """What people do in the modules in which they do not just log in and allow what is asked."""
    begin = f"{issuer}/auth/authorize*"
    look = {"task": "Look", "match": f"{issuer}/*", "commands": [["wait", "xpath", "//*", 10, "Log in"]]}
    late = {"match": begin, "tasks": [page(issuer, "/auth/authorize", "This login took too long")]}
    again = {"match": begin, "tasks": [page(issuer, "/auth/authorize", "This login is already done")]}
    module = (PREFIX + "{}").format
    return {
        module("user-rejects-authentication"): [login(issuer, action="deny")],
        module("par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"): [
            {"match": begin, "match-limit": 1, "tasks": [look]},
            login(issuer),
        ],
        module("par-attempt-reuse-request_uri"): [{**login(issuer), "match-limit": 1}, again],
        module("par-attempt-to-use-expired-request_uri"): [late],
        module("par-attempt-to-use-request_uri-for-different-client"): [late],
    }
