"""Who asks, and what schemathesis cannot know by itself.

JETON_BASE   the address of the server
JETON_ROLE   nobody, reader (jeton:read) or administrator
JETON_BIN    the binary
JETON_FOLDER the working directory of the server, where its database is
JETON_STATS  the file for the number of answers by operation and status
"""

import atexit
import base64
import collections
import datetime
import hashlib
import json
import os
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import schemathesis
from hypothesis import strategies as st

BASE = os.environ["JETON_BASE"]
ROLE = os.environ["JETON_ROLE"]
SCOPES = {"reader": "jeton:read", "administrator": "jeton:admin"}


# --- values -----------------------------------------------------------------------------------------------------

# The description asks for moments in UTC from 1970 on (format and pattern); the built-in strategy has any offset.
schemathesis.openapi.format(
    "date-time",
    st.datetimes(min_value=datetime.datetime(1970, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0).isoformat() + "Z"
    ),
)
# Absolute addresses without a fragment, as `audiences` has them.
schemathesis.openapi.format(
    "uri",
    st.from_regex(r"(https?|urn|app):(//)?[a-z][a-z0-9.-]{0,20}[a-z](/[a-z0-9._~-]{0,8}){0,3}", fullmatch=True),
)

# What a list is called in its cursors, and a key that stands in front of or behind everything in it.
LISTS = {
    "listClients": ("clients", "demo-api"),
    "listClientBlocks": ("client blocks", "none.example"),
    "listResources": ("resources", "urn:none"),
    "listIssuers": ("issuers", "https://none.example"),
    "listUsers": ("users", "00000000-0000-0000-0000-000000000000"),
    "listSessions": ("sessions", "00000000-0000-0000-0000-000000000000"),
    "listRevocations": ("revocations", "1000000"),
    "listKeys": ("keys", "none"),
    "listWebhooks": ("webhooks", "00000000-0000-0000-0000-000000000000"),
    "listAudit": ("audit", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
}


def cursor(operation_id):
    """A cursor as the server makes them: a checksum and the key of the last item."""
    name, key = LISTS[operation_id]
    checksum = hashlib.sha256(f"cursor of {name}: {key}".encode()).digest()[:8]
    return base64.urlsafe_b64encode(checksum + key.encode()).rstrip(b"=").decode()


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


# What browsers and unregistered clients send: no Authorization header names a client there.
PAGES = ("/auth/authorize", "/auth/logout", "/auth/register")

# --- credentials ------------------------------------------------------------------------------------------------


def jeton(*arguments, password=""):
    """The command line, on the database of the server."""
    command = [os.environ["JETON_BIN"], "--dev", "--output", "json", *arguments]
    done = subprocess.run(
        command, check=True, capture_output=True, cwd=os.environ["JETON_FOLDER"], input=password.encode()
    )
    return json.loads(done.stdout)


class Client:
    """A confidential client that is made anew whenever the tests have taken away what it had."""

    count = 0

    def __init__(self, *flags):
        self.flags = flags
        self.pair = None
        self.basic = None
        self.token = None

    def forget(self):
        self.pair = self.basic = self.token = None

    def credentials(self):
        if self.basic is None:
            Client.count += 1
            made = jeton("client", "create", "--client-id", f"{ROLE}-{Client.count}", *self.flags)
            self.pair = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
            self.basic = "Basic " + base64.b64encode(":".join(self.pair.values()).encode()).decode()
        return self.basic

    def bearer(self):
        if self.token is None:
            parameters = urllib.parse.urlencode({"grant_type": "client_credentials"}).encode()
            request = urllib.request.Request(f"{BASE}/auth/token", parameters)
            request.add_header("Authorization", self.credentials())
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.token = "Bearer " + json.load(answer)["access_token"]
        return self.token


REDIRECT_URI = "https://app.example/callback"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
application = Client(
    *("--grant-types", f"authorization_code,password,client_credentials,refresh_token,{DEVICE_CODE}"),
    *("--redirect-uris", REDIRECT_URI, "--permissions", "introspect,explain", "--scope", "openid read"),
)
PASSWORD = "correct horse battery staple"
operator = Client("--grant-types", "client_credentials", "--scope", SCOPES.get(ROLE, "jeton:read"))


class User:
    """A user that is made anew like the clients."""

    count = 0
    name = None

    @classmethod
    def credentials(cls):
        if cls.name is None:
            cls.count += 1
            cls.name = f"schemathesis-{cls.count}"
            jeton("user", "create", "--username", cls.name, password=PASSWORD + "\n")
        return {"username": cls.name, "password": PASSWORD}


class Person:
    """The access token of a user, for UserInfo."""

    token = None

    @classmethod
    def bearer(cls):
        if cls.token is None:
            try:
                cls.token = cls.log_in()
            except urllib.error.HTTPError:
                # The tests have taken the user or the client away.
                User.name = None
                application.forget()
                cls.token = cls.log_in()
        return cls.token

    @staticmethod
    def log_in():
        parameters = {"grant_type": "password", "scope": "openid", **User.credentials()}
        request = urllib.request.Request(f"{BASE}/auth/token", urllib.parse.urlencode(parameters).encode())
        request.add_header("Authorization", application.credentials())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return "Bearer " + json.load(answer)["access_token"]


def client_in_body(case):
    """Whether the request names its client in the body: then it needs no header, and must not have one."""
    body = case.body
    return isinstance(body, dict) and bool({"client_id", "client_secret", "username"} & set(body))


if ROLE != "nobody":

    @schemathesis.auth(refresh_interval=None)
    class Credentials:
        def get(self, case, context):
            if case.operation.path.startswith(("/admin/", "/auth/verify")):
                return operator.bearer()
            if case.operation.path == "/auth/userinfo":
                return Person.bearer()
            if case.operation.path.startswith("/auth/register/") and registrations:
                name, token = list(registrations.items())[-1]
                case.path_parameters = {"client_id": name}
                return f"Bearer {token}"
            if case.operation.path.startswith(PAGES):
                return None
            if case.operation.path.startswith("/auth/") and not client_in_body(case):
                return application.credentials()
            return None

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), "Authorization": data}


REGISTRATION = {"showRegistration", "replaceRegistration", "deleteRegistration"}

# --- requests that are good ---------------------------------------------------------------------------------------

# RFC 7636, appendix B.
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
refresh_tokens = []
# Clients that registered themselves: their ids, and the tokens for their registrations.
registrations = {}
turns = collections.Counter()


def good_token_request(body):
    """The same request with credentials that exist."""
    application.credentials()
    grant = body.get("grant_type") or "client_credentials"
    if grant not in ("password", "refresh_token"):
        grant = "client_credentials"
    good = {"grant_type": grant, **application.pair}
    if grant == "password":
        good |= User.credentials()
    if grant == "refresh_token" and refresh_tokens:
        good["refresh_token"] = refresh_tokens.pop()
    if "scope" in body:
        good["scope"] = "read"
    return good


def good_device_request(_):
    """A device may begin a login."""
    application.credentials()
    return {**application.pair, "scope": "openid"}


def good_authorization_request(_):
    """The application may push this request."""
    application.credentials()
    return {
        **application.pair,
        **{"response_type": "code", "redirect_uri": REDIRECT_URI, "scope": "openid"},
        **{"code_challenge": CHALLENGE, "code_challenge_method": "S256"},
    }


def good_registration(_):
    """Clients of any kind may register with one redirect URI."""
    return {"redirect_uris": [REDIRECT_URI]}


def administer(path, body=None):
    """What the server answers to the operator; nothing if it refuses."""
    data = json.dumps(body).encode() if body else b""
    headers = {"Authorization": operator.bearer(), "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(BASE + path, data, headers), timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError:
        return None


ISSUER = "https://issuer.example"
TRUST = {"audience": [BASE], "uses": ["client_assertion"]}


def path_of_issuer():
    """An issuer that is there."""
    administer("/admin/v1/issuers", {"issuer": ISSUER, **TRUST})
    return {"issuer": urllib.parse.quote(ISSUER, safe="")}


def path_of_webhook_secret():
    """A secret that is not the last one of its webhook."""
    webhook = administer("/admin/v1/webhooks", {"url": "https://siem.example/hook"})
    secret = webhook and administer(f"/admin/v1/webhooks/{webhook['id']}/secrets")
    return secret and {"webhook": webhook["id"], "secret_id": secret["id"]}


def path_of_resource():
    """A resource that is there."""
    resource = f"https://resource-{turns['deleteResource']}.example"
    administer("/admin/v1/resources", {"resource": resource})
    return {"resource": urllib.parse.quote(resource, safe="")}


def new_user():
    """A user that is not there yet."""
    return {"username": f"made-{turns['createUser']}-{turns['deleteUser']}", "password": PASSWORD}


def path_of_user():
    """A user that is there."""
    user = administer("/admin/v1/users", new_user())
    return user and {"user": user["id"]}


GOOD_PATHS = {
    **dict.fromkeys(["showIssuer", "updateIssuer", "replaceIssuer", "deleteIssuer"], path_of_issuer),
    "deleteResource": path_of_resource,
    "deleteUser": path_of_user,
    "retireWebhookSecret": path_of_webhook_secret,
}
GOOD_BODIES = {
    "createUser": new_user,
    "createIssuer": lambda: {"issuer": f"https://issuer-{turns['createIssuer']}.example", **TRUST},
    "replaceIssuer": lambda: TRUST,
    "updateIssuer": lambda: {"name": "An issuer"},
}

GOOD_REQUESTS = {
    "register": good_registration,
    "token": good_token_request,
    "deviceAuthorization": good_device_request,
    "pushAuthorizationRequest": good_authorization_request,
}


@schemathesis.hook
def filter_case(context, case):
    """A parameter without a value counts as omitted (RFC 6749 §3.1). No schema says that, so schemathesis would take the
    good answer to one for a mistake."""
    if is_positive(case):
        return True
    parameters = [case.query]
    if case.media_type == "application/x-www-form-urlencoded":
        parameters.append(case.body)
    return not any(
        isinstance(part, dict) and any(value in ("", None, [], {}, [""]) for value in part.values())
        for part in parameters
    )


@schemathesis.hook
def before_call(context, case, kwargs):
    """A cursor that nobody gave is refused, as it should be, and so are credentials that do not exist: valid requests
    have a cursor of the list, and every other token request has credentials that are good."""
    operation_id = case.operation.definition.raw.get("operationId")
    if not is_positive(case):
        return
    if operation_id in LISTS and (case.query or {}).get("cursor"):
        case.query["cursor"] = cursor(operation_id)
    if operation_id == "replaceRegistration" and ROLE == "administrator" and isinstance(case.body, dict):
        case.body = {**good_registration(case.body), "client_id": case.path_parameters["client_id"]}
    if operation_id in {**GOOD_PATHS, **GOOD_BODIES} and ROLE == "administrator":
        # A few are enough, and there may be only twenty webhooks.
        turns[operation_id] += 1
        if turns[operation_id] <= 3:
            case.path_parameters = GOOD_PATHS.get(operation_id, dict)() or case.path_parameters
            case.body = GOOD_BODIES[operation_id]() if operation_id in GOOD_BODIES else case.body
    if operation_id == "createClientBlock" and isinstance(case.body, dict):
        # No pattern says which texts are URLs of documents or names of hosts.
        turns[operation_id] += 1
        case.body = {**case.body, "target": f"app-{turns[operation_id]}.example"}
    if case.operation.path.startswith("/auth/verify") and ROLE != "nobody":
        # Every other question is one that the operator's token is good for.
        turns["verify"] += 1
        if turns["verify"] % 2:
            case.query = {"audience": f"{BASE}/admin/v1", "scope": SCOPES[ROLE]}
    if operation_id in GOOD_REQUESTS and ROLE == "administrator" and isinstance(case.body, dict):
        turns[operation_id] += 1
        if turns[operation_id] % 2:
            case.body = GOOD_REQUESTS[operation_id](case.body)
            case.headers.pop("Authorization", None)


# --- what was answered ------------------------------------------------------------------------------------------

answers = collections.defaultdict(collections.Counter)


@schemathesis.hook
def after_call(context, case, response):
    operation_id = case.operation.definition.raw.get("operationId")
    answers[f"{operation_id} {case.operation.path}"][response.status_code] += 1
    sent = response.request.headers.get("Authorization")
    if operation_id in ("register", "replaceRegistration") and response.status_code in (200, 201):
        registered = json.loads(response.text)
        if "registration_access_token" in registered:
            registrations[registered["client_id"]] = registered["registration_access_token"]
    if operation_id in REGISTRATION and (operation_id == "deleteRegistration" or response.status_code == 401):
        registrations.pop(response.request.url.rpartition("/")[2], None)
    if operation_id in ("createRevocation", "deleteKey") and response.status_code in (201, 204):
        # It may have ended the token that asked for it.
        operator.token = None
    if operation_id == "token" and response.status_code == 200:
        refresh_tokens.extend(filter(None, [json.loads(response.text).get("refresh_token")]))
    if operation_id == "token" and response.status_code == 400 and "username" in response.text:
        User.name = Person.token = None
    if operation_id == "token" and response.status_code == 401 and "client_secret" in str(case.body):
        application.forget()
    if response.status_code == 401 and sent is not None and sent == Person.token:
        User.name = Person.token = None
    for client in (application, operator):
        is_lost = response.status_code == 401 and "wrong_audience" not in response.text
        if is_lost and sent is not None and sent in (client.token, client.basic):
            client.forget()


@atexit.register
def write_answers():
    with open(os.environ["JETON_STATS"], "w", encoding="utf-8") as file:
        json.dump(answers, file)
