"""The plans for OpenID Providers that Jeton is tested with, and what the suite's browser does in them."""

import contextlib
from typing import NamedTuple

import server
from server import ALIAS, PASSWORD, USERNAME


class Plan(NamedTuple):
    title: str
    name: str
    variant: dict
    # Whether the clients are told of logouts. The modules of other plans take that for a mistake.
    is_told: bool = False
    document: str = "openid-conformance.md"

    @contextlib.contextmanager
    def configured(self, binary, folder, suite):
        """What the suite is told about a Jeton with the clients of this plan, which runs until the end of the block."""
        with server.start(binary, folder, suite, self.is_told) as jeton:
            yield configuration(self, jeton)


STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
LOGOUT = {"client_registration": "static_client", "response_type": "code"}
PLANS = [
    Plan("Config OP", "oidcc-config-certification-test-plan", {}),
    Plan("Basic OP", "oidcc-basic-certification-test-plan", STATIC),
    Plan("Form Post OP (with the code flow)", "oidcc-formpost-basic-certification-test-plan", STATIC),
    Plan("RP-Initiated Logout OP", "oidcc-rp-initiated-logout-certification-test-plan", LOGOUT),
    Plan("Back-Channel Logout OP", "oidcc-backchannel-rp-initiated-logout-certification-test-plan", LOGOUT, is_told=True),
]
# What people see, by the modules that ask for a picture of it.
WRONG_LINK, LOGGED_OUT = "Something is wrong with this link", "You are logged out"
LOGIN_SHOWN = ["oidcc-prompt-login", "oidcc-max-age-1"]
REQUEST_REFUSED = ["oidcc-ensure-registered-redirect-uri", "oidcc-ensure-request-object-with-redirect-uri"]
LOGOUT_REFUSED = [
    f"oidcc-rp-initiated-logout-{what}"
    for what in (
        "bad-post-logout-redirect-uri",
        "query-added-to-post-logout-redirect-uri",
        "modified-id-token-hint",
        "bad-id-token-hint",
        "no-id-token-hint",
    )
]
LOGOUT_SHOWN = [f"oidcc-rp-initiated-logout-{what}" for what in ("no-params", "no-post-logout-redirect-uri", "only-state")]


def seen(text, is_optional=False):
    """Waits for a text, and keeps the page as the picture that the module asks for."""
    return ["wait", "xpath", "//*", 10, text, "update-image-placeholder" + ("-optional" if is_optional else "")]


def login(issuer, *first, action="allow"):
    """Logs in and allows what is asked, or denies it, each if there is such a page, until the client has its answer."""
    form = "//form[.//input[@name='username']]"
    fill = [["text", "name", "username", USERNAME, "optional"], ["text", "name", "password", PASSWORD, "optional"]]
    send = ["click", "xpath", f"{form}//button", "optional"]
    return {
        "match": f"{issuer}/auth/authorize*",
        "tasks": [
            {"task": "Log in", "optional": True, "match": f"{issuer}/*", "commands": [*first, *fill, send]},
            {"task": "Answer", "optional": True, "match": f"{issuer}/*", "commands": [["click", "css", f"button[value={action}]", "optional"]]},
            {"task": "Arrive", "match": "*/test/*/callback*", "commands": [["wait", "id", "submission_complete", 10]]},
        ],
    }


def logout(issuer, *last):
    """Says yes if asked, and arrives at the client."""
    yes = {"task": "Log out", "optional": True, "match": f"{issuer}/*", "commands": [["click", "css", "button[value=log_out]", "optional"]]}
    return {"match": f"{issuer}/auth/logout*", "tasks": [yes, *last]}


def page(issuer, path, text):
    """A page on which the browser stays."""
    return {"task": "Look", "match": f"{issuer}{path}*", "commands": [seen(text)]}


def configuration(plan, jeton):
    """What the suite is told: the server, its clients, and how to use the pages."""
    issuer = jeton.issuer
    override = {}
    for module in LOGIN_SHOWN:
        override[module] = [login(issuer, seen("Log in", is_optional=True))]
    for module in REQUEST_REFUSED:
        override[module] = [{"match": f"{issuer}/auth/authorize*", "tasks": [page(issuer, "/auth/authorize", WRONG_LINK)]}]
    for modules, text in [(LOGOUT_REFUSED, WRONG_LINK), (LOGOUT_SHOWN, LOGGED_OUT)]:
        for module in modules:
            override[module] = [login(issuer), logout(issuer, page(issuer, "/auth/logout", text))]
    arrive = {"task": "Arrive", "match": "*/test/*/post_logout_redirect*"}
    return {
        "alias": ALIAS,
        "description": f"Jeton, {plan.title}",
        "server": {"discoveryUrl": f"{issuer}/.well-known/openid-configuration", "login_hint": USERNAME},
        **jeton.clients,
        "browser": [login(issuer), logout(issuer, arrive)],
        "override": {module: {"browser": browser} for module, browser in override.items()},
    }
