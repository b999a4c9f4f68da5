"""What must hold through every proxy, with its shipped configuration, a real Jeton and real requests."""

import json
import re
import urllib.parse

import pytest
from support import AUDIENCE, IDENTITY, SCOPE, Api, Jeton, Key, bearer, eventually, free_port, send

GOOD = ("of a machine", "of a person", "sealed")
BAD = ("expired", "revoked", "garbage", "for another audience", "with a bad signature")
FORGED = "forged"


def parts_of(challenge):
    """The scheme of a WWW-Authenticate header, and its parameters."""
    assert challenge is not None, "there is no WWW-Authenticate"
    scheme, _, rest = challenge.partition(" ")
    return scheme, dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))


def without_digits(text):
    """For answers that count seconds."""
    return re.sub(r"\d+", "#", text)


def asked_directly(jeton, *headers):
    """What Jeton itself says to the question that the examples ask."""
    query = urllib.parse.urlencode({"scope": SCOPE, "audience": AUDIENCE})
    return send(jeton.port, f"/auth/verify?{query}", *headers)


# --- who calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_the_api_learns_who_calls(proxy, api, jeton, tokens, name):
    answer = send(proxy.port, "/v1/data", bearer(tokens[name]))
    assert answer.status == 200
    assert len(api.requests) == 1
    client = {"of a machine": "machine", "of a person": "app", "sealed": "sealed"}[name]
    told = jeton.introspect(client, tokens[name])
    assert told["active"]
    request = api.requests[0]
    assert request.header("X-Auth-Subject") == [told["sub"]]
    assert request.header("X-Auth-Client") == [client]
    assert request.header("X-Auth-Scope") == [told["scope"]]
    if name == "of a person":
        assert told["sid"]
        assert request.header("X-Auth-Session") == [told["sid"]]
    else:
        assert request.header("X-Auth-Session") in ([], [""])


def test_the_subject_of_a_person_is_the_id_of_that_user(proxy, api, tokens, alice):
    send(proxy.port, "/v1/data", bearer(tokens["of a person"]))
    assert api.requests[0].header("X-Auth-Subject") == [alice["id"]]


FORGERIES = {
    "as it is written": lambda name: [(name, FORGED)],
    "in lower case": lambda name: [(name.lower(), FORGED)],
    "in odd case": lambda name: [(name.swapcase(), FORGED)],
    "twice": lambda name: [(name, FORGED), (name.upper(), FORGED)],
    "with underscores": lambda name: [(name.replace("-", "_"), FORGED)],
    "with one underscore": lambda name: [(name.replace("-", "_", 1), FORGED), (name[::-1].replace("-", "_", 1)[::-1], FORGED)],
    "empty, then full": lambda name: [(name, ""), (name, FORGED)],
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("name", GOOD)
def test_forged_headers_do_not_reach_the_api_beside_a_token(proxy, api, tokens, name, forgery):
    forged = [header for identity in IDENTITY for header in FORGERIES[forgery](identity)]
    answer = send(proxy.port, "/v1/data", *forged, bearer(tokens[name]), *forged)
    assert len(api.requests) == 1, answer
    honest = send(proxy.port, "/v1/data", bearer(tokens[name]))
    assert honest.status == 200
    for identity in IDENTITY:
        assert api.requests[0].header(identity) == api.requests[1].header(identity)
    assert FORGED not in str(api.requests[0].headers)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_headers_do_not_reach_the_public_part_of_the_api(proxy, api, forgery):
    forged = [header for identity in IDENTITY for header in FORGERIES[forgery](identity)]
    assert send(proxy.port, "/health", *forged).status == 200
    assert len(api.requests) == 1
    assert FORGED not in str(api.requests[0].headers)


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_headers_are_no_token(proxy, api, forgery):
    forged = [header for identity in IDENTITY for header in FORGERIES[forgery](identity)]
    assert send(proxy.port, "/v1/data", *forged).status == 401
    assert api.requests == []


def test_a_header_that_jeton_does_not_send_is_not_replaced_by_a_forged_one(observed, listener, api):
    with listener.answering(200, [("X-Auth-Subject", "alice")]):
        send(observed.port, "/v1/data", *[(name, FORGED) for name in IDENTITY])
    assert len(api.requests) == 1
    assert api.requests[0].header("X-Auth-Subject") == ["alice"]
    assert FORGED not in str(api.requests[0].headers)


@pytest.mark.parametrize("listed", [*IDENTITY, ", ".join(IDENTITY), "x-auth-subject, X-AUTH-SESSION"])
def test_a_client_cannot_take_the_identity_away_by_naming_it_in_connection(proxy, api, jeton, tokens, listed):
    send(proxy.port, "/v1/data", ("Connection", f"close, {listed}"), bearer(tokens["of a person"]))
    told = jeton.introspect("app", tokens["of a person"])
    assert len(api.requests) == 1
    assert [api.requests[0].header(name) for name in IDENTITY] == [
        [told["sub"]],
        ["app"],
        [told["scope"]],
        [told["sid"]],
    ]


# --- tokens that are bound to a key ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def bound(jeton, tokens, folder):
    """A key and a token that is bound to it."""
    key = Key(folder)
    return key, jeton.token_with("machine", key.proof("POST", f"{jeton.issuer}/auth/token"), scope=SCOPE)


def dpop(token):
    return ("Authorization", f"DPoP {token}")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_bound_token_passes_with_a_proof_for_this_request_once(proxy, api, bound, method):
    key, token = bound
    proof = key.proof(method, "http://127.0.0.1/v1/data", token)
    answer = send(proxy.port, "/v1/data?q=1", dpop(token), proof, method=method)
    assert answer.status == 200, answer
    assert len(api.requests) == 1
    again = send(proxy.port, "/v1/data?q=1", dpop(token), proof, method=method)
    assert again.status == 401
    scheme, parameters = parts_of(again.challenge)
    assert (scheme, parameters["error"]) == ("DPoP", "invalid_dpop_proof")
    assert len(api.requests) == 1


def test_a_bound_token_is_no_bearer_token(proxy, api, bound):
    key, token = bound
    proof = key.proof("GET", "http://127.0.0.1/v1/data", token)
    for headers in [[bearer(token)], [bearer(token), proof], [dpop(token)]]:
        answer = send(proxy.port, "/v1/data", *headers)
        assert (answer.status, parts_of(answer.challenge)[0]) == (401, "DPoP"), headers
    assert api.requests == []


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("POST", "http://127.0.0.1/v1/data"),
        ("GET", "http://127.0.0.1/v1/other"),
        ("GET", "https://127.0.0.1/v1/data"),
        ("GET", "http://elsewhere.example/v1/data"),
    ],
)
def test_a_proof_is_for_no_other_request_whatever_the_client_says_of_it(proxy, api, bound, method, address):
    key, token = bound
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    forged = [
        ("X-Original-Method", method),
        ("X-Forwarded-Method", method),
        ("X-Original-URL", address),
        ("X-Original-URI", f"/{path}"),
        ("X-Forwarded-Uri", f"/{path}"),
        ("X-Forwarded-Proto", scheme),
        ("X-Forwarded-Host", host),
    ]
    for headers in [[], *[[header] for header in forged], forged]:
        answer = send(proxy.port, "/v1/data", dpop(token), key.proof(method, address, token), *headers)
        assert (answer.status, parts_of(answer.challenge)[0]) == (401, "DPoP"), headers
    assert api.requests == []


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic bWU6bXlzZWxm")]], ids=["no token", "another scheme"])
def test_without_a_token_the_answer_is_401_without_an_error(proxy, api, headers):
    answer = send(proxy.port, "/v1/data", *headers)
    assert answer.status == 401
    scheme, parameters = parts_of(answer.challenge)
    assert scheme == "Bearer"
    assert "error" not in parameters
    assert api.requests == []


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_good_is_refused_with_its_reason(proxy, api, jeton, tokens, name):
    answer = send(proxy.port, "/v1/data", bearer(tokens[name]))
    assert answer.status == 401
    scheme, parameters = parts_of(answer.challenge)
    assert (scheme, parameters["error"]) == ("Bearer", "invalid_token")
    assert parameters["error_description"]
    direct = asked_directly(jeton, bearer(tokens[name]))
    assert direct.status == 401
    assert without_digits(answer.challenge) == without_digits(direct.challenge)
    assert api.requests == []


def test_the_reasons_differ(proxy, tokens):
    reasons = {name: parts_of(send(proxy.port, "/", bearer(tokens[name])).challenge)[1] for name in BAD}
    assert len({reason["error_description"] for reason in reasons.values()}) == len(BAD), reasons
    assert "expired" in reasons["expired"]["error_description"].lower()
    assert "revoked" in reasons["revoked"]["error_description"].lower()


def test_a_token_without_the_scope_is_refused_with_403(proxy, api, jeton, tokens):
    answer = send(proxy.port, "/v1/data", bearer(tokens["without the scope"]))
    assert answer.status == 403
    scheme, parameters = parts_of(answer.challenge)
    assert (scheme, parameters["error"], parameters["scope"]) == ("Bearer", "insufficient_scope", SCOPE)
    assert answer.challenge == asked_directly(jeton, bearer(tokens["without the scope"])).challenge
    assert api.requests == []


def test_two_tokens_are_an_invalid_request(proxy, api, tokens):
    answer = send(proxy.port, "/v1/data", bearer(tokens["of a machine"]), bearer(tokens["of a machine"]))
    assert answer.status == 400
    scheme, parameters = parts_of(answer.challenge)
    assert (scheme, parameters["error"]) == ("Bearer", "invalid_request")
    assert parameters["error_description"]
    assert "Retry-After" not in answer.headers
    assert api.requests == []


@pytest.mark.parametrize("with_header", [False, True], ids=["alone", "beside one in the header"])
@pytest.mark.parametrize("forged", [[], ["X-Original-URI"], ["X-Forwarded-Uri"], ["X-Original-URI", "X-Forwarded-Uri"]])
def test_a_token_in_the_query_is_an_invalid_request(proxy, api, tokens, with_header, forged):
    headers = [bearer(tokens["of a machine"])] if with_header else []
    headers += [(name, "/v1/data") for name in forged]
    answer = send(proxy.port, f"/v1/data?a=b&access_token={tokens['of a machine']}", *headers)
    assert answer.status == 400
    scheme, parameters = parts_of(answer.challenge)
    assert (scheme, parameters["error"]) == ("Bearer", "invalid_request")
    assert parameters["error_description"]
    assert "Retry-After" not in answer.headers
    assert api.requests == []


def test_a_refusal_names_the_request_in_the_log_and_is_not_cached(observed, listener, api, tokens):
    for headers in [], [bearer(tokens["expired"])], [bearer(tokens["without the scope"])]:
        answer = send(observed.port, "/v1/data", *headers)
        assert answer.status in (401, 403)
        assert answer.headers.get_all("X-Request-Id") and len(answer.headers.get_all("X-Request-Id")) == 1
        assert "no-store" in answer.headers["Cache-Control"]


def test_a_revocation_holds_for_the_next_request(proxy, api, jeton, tokens):
    for client in "machine", "sealed":
        token = jeton.token(client, scope=SCOPE)
        assert send(proxy.port, "/v1/data", bearer(token)).status == 200
        jeton.revoke(client, token)
        assert send(proxy.port, "/v1/data", bearer(token)).status == 401
    assert len(api.requests) == 2


@pytest.mark.parametrize("query", ["audience=https://files.example.com", "scope=", "scope=write:conversations", "audience="])
def test_the_query_of_a_request_does_not_change_what_is_checked(proxy, api, tokens, query):
    for suffix in f"?{query}", f"&{query}", f"%3F{query}", f"/auth/verify?{query}":
        assert send(proxy.port, f"/v1/data{suffix}", bearer(tokens["for another audience"])).status == 401
        assert send(proxy.port, f"/v1/data{suffix}", bearer(tokens["without the scope"])).status == 403
        assert api.requests == []
        assert send(proxy.port, f"/v1/data{suffix}", bearer(tokens["of a machine"])).status == 200
        api.requests.clear()


# --- Jeton cannot say ----------------------------------------------------------------------------------------------


def unavailable(kind, answer):
    """Neither a refusal nor a way through."""
    assert answer.status == kind.unreachable, answer
    assert answer.challenge is None
    if kind.unreachable == 503:
        assert int(answer.headers["Retry-After"]) > 0
    return True


def test_while_jeton_is_down_or_hangs_the_answer_is_503(kind, folder, api, tokens):
    jeton = Jeton(folder / f"jeton-of-{kind.__name__}")
    try:
        jeton.create_client("machine")
        token = jeton.token("machine", scope=SCOPE)
        proxy = kind(folder / f"{kind.__name__}-alone", jeton.port, api.port)
        try:
            assert send(proxy.port, "/v1/data", bearer(token)).status == 200
            api.requests.clear()
            with jeton.process.frozen():
                assert unavailable(kind, send(proxy.port, "/v1/data", bearer(token)))
            assert jeton.stop() == 0
            for headers in [bearer(token)], [bearer("garbage")], []:
                for method in "GET", "POST", "HEAD":
                    body = b"something" if method == "POST" else b""
                    assert unavailable(kind, send(proxy.port, "/v1/data", *headers, method=method, body=body))
            assert send(proxy.port, "/health").status == 200
            assert [request.target for request in api.requests] == ["/health"]
        finally:
            proxy.stop()
    finally:
        jeton.stop()


def test_when_jeton_could_not_check_the_answer_is_503(kind, observed, listener, api, tokens):
    with listener.answering(503, [("Retry-After", "7")], b"{}"):
        answer = send(observed.port, "/v1/data", bearer(tokens["of a machine"]))
    assert answer.status == 503
    assert answer.challenge is None
    assert answer.headers.get_all("Retry-After") == [kind.retry_after]
    assert api.requests == []


@pytest.mark.parametrize("status", [302, 304, 400, 401, 403, 404, 405, 408, 413, 429, 500, 502, 504])
def test_no_answer_of_the_check_but_success_leads_to_the_api(observed, listener, api, tokens, status):
    # Something else than Jeton may stand at that address.
    with listener.answering(status, [("Location", "/health")]):
        answer = send(observed.port, "/v1/data", bearer(tokens["of a machine"]))
    assert answer.status >= 300
    assert api.requests == []


# --- the request stays what it was ---------------------------------------------------------------------------------

BODY = b'{"text": "\xc3\xa4"}' + bytes(range(256)) * 64
TARGETS = [
    "/",
    "/v1/data?page=2&page=3&empty=&flag",
    "/v1/files/a%2Fb%20c%25?path=/x%2Fy&q=%26%3D+%20",
    "/v1/%C3%A4/~user/(a),b;c=d/@e:f!$&'*+",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_method_path_and_body_arrive_unchanged(proxy, api, tokens, method, target):
    body = BODY if method in ("POST", "PUT", "PATCH", "DELETE") else b""
    kept = [("Content-Type", "application/x-test"), ("X-Of-The-Client", "yes")]
    answer = send(proxy.port, target, *kept, bearer(tokens["of a machine"]), method=method, body=body)
    assert answer.status == 200
    assert len(api.requests) == 1
    request = api.requests[0]
    assert (request.method, request.target, request.body) == (method, target, body)
    for name, value in kept:
        assert request.header(name) == [value]
    assert answer.body == b"" if method == "HEAD" else answer.seen["target"] == target


def test_a_body_in_chunks_arrives(proxy, api, tokens):
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    encoding = ("Transfer-Encoding", "chunked")
    assert send(proxy.port, "/v1/data", encoding, bearer(tokens["of a machine"]), method="POST", body=chunks).status == 200
    assert [request.body for request in api.requests] == [b"hello world"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize("target", TARGETS)
def test_jeton_is_told_the_original_uri_and_not_the_body(observed, listener, api, tokens, method, target):
    listener.requests.clear()
    body = BODY if method in ("POST", "PUT") else b""
    forged = [("X-Original-URI", "/forged"), ("X-Forwarded-Uri", "/forged"), ("X-Forwarded-For", "203.0.113.9")]
    token = bearer(tokens["of a machine"])
    assert send(observed.port, target, *forged, token, method=method, body=body).status == 200
    assert len(listener.requests) == 1
    question = listener.requests[0]
    assert question.body == b""
    assert question.header("Transfer-Encoding") == []
    assert question.header("Authorization") == [token[1]]
    assert question.header("X-Original-URI") + question.header("X-Forwarded-Uri") == [target]
    # Jeton reads the addresses from the end: there is what the proxy saw, not what the client made up. (Envoy writes an
    # address of its machine for a client on the same machine.)
    assert question.header("X-Forwarded-For")[-1].split(",")[-1].strip() not in ("", "203.0.113.9")
    path, _, query = question.target.partition("?")
    assert path == "/auth/verify"
    assert urllib.parse.parse_qs(query) == {"scope": [SCOPE], "audience": [AUDIENCE]}
    assert [request.body for request in api.requests] == [body]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 502, 503])
def test_what_the_api_itself_refuses_stays_as_it_is(proxy, api, tokens, status):
    answer = send(proxy.port, f"/answer/{status}", bearer(tokens["of a machine"]))
    assert answer.status == status
    assert answer.seen["target"] == f"/answer/{status}"
    assert answer.challenge == ('Basic realm="of the API itself"' if status == 401 else None)
    assert "Retry-After" not in answer.headers


def test_an_api_that_is_down_is_not_taken_for_jeton(kind, folder, jeton, tokens):
    proxy = kind(folder / f"{kind.__name__}-without-api", jeton.port, free_port())
    try:
        answer = send(proxy.port, "/v1/data", bearer(tokens["of a machine"]))
        assert answer.status in (502, 503)
        assert "Retry-After" not in answer.headers
        assert send(proxy.port, "/v1/data").status == 401
    finally:
        proxy.stop()


# --- no way around -------------------------------------------------------------------------------------------------

TRICKS = [
    "/",
    "/v1/data",
    "//v1/data",
    "///health//v1",
    "/health/",
    "/health//",
    "/health/../v1/data",
    "/health/..",
    "/health/%2e%2e/v1/data",
    "/health/%2E./v1/data",
    "/health/.%2e/v1/data",
    "/health%2f..%2fv1/data",
    "/health%2F%2E%2E%2Fv1",
    "/health/..%2fv1",
    "/health/..;/v1/data",
    "/health;/../v1/data",
    "/health\\..\\v1\\data",
    "/health%5c..%5cv1",
    "/v1/../health",
    "/v1/%2e%2e/health",
    "/v1//../health",
    "/v1/./../health",
    "/./v1/data",
    "/./health",
    "//health",
    "/health%00",
    "/health%20",
    "/health%3F",
    "/health#/../v1",
    "/HEALTH",
    "/%68ealth",
    "/healthy",
    "/health.json",
    "/auth/verify",
    "/_jeton/verify",
    "http://127.0.0.1/v1/data",
    "http://evil.example/v1/data",
    "http://evil.example/health/../v1/data",
    "http://evil.example//v1/data",
    "HTTP://evil.example/v1/data?x=/health",
    "https://evil.example/v1/data",
    "/v1/data?/health",
    "/?/../health",
]


@pytest.mark.parametrize("target", TRICKS)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_no_path_leads_around_the_check(proxy, api, method, target):
    answer = send(proxy.port, target, method=method)
    # The one public path, which some of these are, and which the API sees as that and nothing else.
    if api.requests:
        assert [urllib.parse.unquote(request.target) for request in api.requests] == ["/health"]
    else:
        assert 300 <= answer.status < 500, answer


@pytest.mark.parametrize("target", ["/healthy", "/health.json", "/health-check", "/health/x"])
def test_what_only_looks_like_the_public_path_is_protected(proxy, api, target):
    assert send(proxy.port, target).status == 401
    assert api.requests == []


def test_the_public_path_keeps_its_query(proxy, api):
    assert send(proxy.port, "/health?/../v1").seen["target"] == "/health?/../v1"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "X"])
def test_no_method_leads_around_the_check(proxy, api, method):
    assert send(proxy.port, "/v1/data", method=method).status >= 400
    # Some answer these two by themselves.
    send(proxy.port, {"OPTIONS": "*", "CONNECT": "127.0.0.1:80"}.get(method, "/"), method=method)
    assert api.requests == []


OVERRIDES = [
    ("X-HTTP-Method-Override", "OPTIONS"),
    ("X-Original-URL", "/health"),
    ("X-Rewrite-URL", "/health"),
    ("X-Original-URI", "/health"),
    ("X-Forwarded-Uri", "/health"),
    ("X-Forwarded-Prefix", "/health"),
    ("X-Forwarded-Host", "127.0.0.1"),
    ("X-Envoy-Original-Path", "/health"),
    ("Connection", "Authorization"),
    ("Connection", "upgrade"),
    ("Upgrade", "websocket"),
    ("Expect", "100-continue"),
]


@pytest.mark.parametrize("header", OVERRIDES)
def test_no_header_leads_around_the_check(proxy, api, tokens, header):
    assert send(proxy.port, "/v1/data", header).status >= 400
    assert send(proxy.port, "/v1/data", header, bearer(tokens["revoked"])).status >= 400
    assert api.requests == []


@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1:8080", "health"])
def test_no_host_leads_around_the_check(proxy, api, host):
    assert send(proxy.port, "/v1/data", host=host).status >= 400
    assert api.requests == []


@pytest.mark.parametrize("dots", ["..", "%2e%2e", "%2E.", ".%2e", ".", "%2e"])
@pytest.mark.parametrize("target", ["/v1/{}/admin", "/v1/{}", "/v1/{}?q", "/{}/v1", "http://127.0.0.1/v1/{}/admin"])
def test_no_dot_segment_reaches_the_api(proxy, api, tokens, target, dots):
    answer = send(proxy.port, target.format(dots), bearer(tokens["of a machine"]))
    segments = [part for request in api.requests for part in urllib.parse.unquote(request.target).split("?")[0].split("/")]
    assert not {".", ".."} & set(segments), segments
    assert answer.status == (200 if api.requests else 400)


@pytest.mark.parametrize("target", ["http://127.0.0.1/v1/data?a=b", "//v1/data"])
def test_other_spellings_of_a_path_pass_with_a_token(proxy, api, tokens, target):
    assert send(proxy.port, target, bearer(tokens["of a machine"])).status == 200
    assert [request.header("X-Auth-Client") for request in api.requests] == [["machine"]]


# --- clients that know only the address ----------------------------------------------------------------------------


@pytest.fixture
def resource(jeton):
    """The API as a resource that Jeton knows."""
    jeton.command("resource", "create", AUDIENCE, "--name", "Conversations", "--scopes", f"{SCOPE}=Read conversations")
    yield AUDIENCE
    jeton.command("resource", "delete", AUDIENCE)


def test_a_client_without_a_token_learns_where_to_get_one(kind, proxy, api, jeton, resource):
    address = "/.well-known/oauth-protected-resource"

    def challenge():
        return send(proxy.port, "/v1/data").challenge or ""

    metadata = f'resource_metadata="{AUDIENCE}{address}"'
    eventually("the challenge names the metadata", lambda: metadata in challenge())
    if kind.__name__ == "Traefik":
        pytest.skip("Traefik cannot add a query")
    document = send(proxy.port, address)
    assert document.status == 200, document
    assert json.loads(document.body) == {
        "resource": AUDIENCE,
        "authorization_servers": [jeton.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [SCOPE],
        "resource_name": "Conversations",
    }
    assert document.headers["Access-Control-Allow-Origin"] == "*"
    assert send(proxy.port, f"{address}/more").status == 401
    assert api.requests == []
