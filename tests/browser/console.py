"""Administers a `--dev` server through its console in Chromium: every page on a phone and on a wide screen, light and dark, with
axe-core, and what a newcomer does, in at most four clicks from the overview.

    console.py ADDRESS AXE [PICTURES]

AXE is the script of axe-core. Pictures of some pages replace those in the folder PICTURES.
"""

import base64
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from looks import Looks
from selenium.common.exceptions import NoSuchElementException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

SIZES = {
    "phone": {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    "screen": {"width": 1600, "height": 900, "deviceScaleFactor": 1, "mobile": False},
}
# The pictures that are kept, and how large they may be together, in bytes.
PICTURES = [
    ("overview", "screen", "light"),
    ("overview", "phone", "dark"),
    ("verdict", "screen", "light"),
    ("verdict", "phone", "light"),
    ("token-preview", "screen", "light"),
    ("client", "screen", "dark"),
    ("revocation", "screen", "light"),
]
LARGEST_PICTURES = 1_600_000
MOST_CLICKS = 4

LOW_FIELDS = """
return [...document.querySelectorAll('main button, main input:not([type=hidden])')]
  .filter(field => field.offsetParent && field.getBoundingClientRect().height < 20)
  .map(field => field.name || field.textContent);
"""


def ask(address, form=None, client=None, body=None, token=None, method=None):
    """The answer of the server, as JSON; refusals too."""

    headers = {}
    data = urllib.parse.urlencode(form).encode() if form else None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    if client:
        headers["Authorization"] = "Basic " + base64.b64encode(client.encode()).decode()
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(address, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        text = refusal.read()
    return json.loads(text or "{}")


class Console(Looks):
    def __init__(self, base, axe, pictures=None):
        super().__init__(axe, pictures)
        self.base, self.checked, self.clicks = base, 0, 0

    # --- what a person does --------------------------------------------------------------------------------------

    def find(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def begin(self):
        """The overview, from where clicks are counted."""

        self.driver.get(f"{self.base}/console")
        self.clicks = 0

    def follow(self, text):
        """Follows a link that has this text."""

        # In one go: a live part may be replaced at any moment.
        address = self.driver.execute_script(
            "return [...document.links].find(link => link.textContent.includes(arguments[0]))?.href", text
        )
        if not address:
            raise LookupError(f"no link {text!r} on {self.driver.title!r}")
        self.driver.get(address)
        self.clicks += 1

    def fill(self, **values):
        for name, value in values.items():
            fields = self.driver.find_elements(By.CSS_SELECTOR, f"main [name={name}]:not([type=hidden])")
            if not fields:
                raise LookupError(f"no field {name!r} on {self.driver.title!r}")
            if fields[0].tag_name == "select":
                Select(fields[0]).select_by_value(value)
            else:
                fields[0].clear()
                fields[0].send_keys(value)

    def press(self, text):
        """Presses the button with this text, and waits for the page that comes."""

        buttons = [button for button in self.driver.find_elements(By.CSS_SELECTOR, "main button") if button.text == text]
        if not buttons:
            raise LookupError(f"no button {text!r} on {self.driver.title!r}")
        before = self.find("html")
        buttons[0].click()
        self.clicks += 1
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                if self.find("html") != before and self.driver.execute_script("return document.readyState") == "complete":
                    return
            except NoSuchElementException:
                pass
            time.sleep(0.05)
        raise LookupError(f"nothing came of {text!r} on {self.driver.title!r}")

    def sees(self, text):
        if text not in self.driver.page_source and text not in self.find("main").text:
            raise LookupError(f"{text!r} is not on {self.driver.title!r}: {self.find('main').text[:300]!r}")

    def log_in(self, username, password):
        self.driver.get(f"{self.base}/console")
        self.fill(username=username)
        if not self.driver.find_elements(By.CSS_SELECTOR, "main [name=password]"):
            self.driver.find_element(By.CSS_SELECTOR, "main button").click()
        self.fill(password=password)
        self.driver.find_element(By.CSS_SELECTOR, "main form:has([name=password]) button").click()
        deadline = time.monotonic() + 10
        while not self.driver.current_url.startswith(f"{self.base}/console") and time.monotonic() < deadline:
            time.sleep(0.05)
        self.sees("Overview")

    def task(self, name, does):
        self.begin()
        try:
            does()
        except LookupError as error:
            self.wrong(name, str(error))
        if self.clicks > MOST_CLICKS:
            self.wrong(name, f"takes {self.clicks} clicks")

    # --- how a page is ---------------------------------------------------------------------------------------------

    def check(self, name):
        """The page that is open: its looks, and who could not use it."""

        self.checked += 1
        for size, metrics in SIZES.items():
            for scheme in ["light", "dark"]:
                what = f"{name}, {size}, {scheme}"
                self.emulate(metrics, scheme)
                self.measure(what)
                # It judges what is there, which differs by size, and the contrast, which is measured above as well.
                if (size, scheme) in [("phone", "light"), ("screen", "dark")]:
                    self.run_axe(what)
                for field in self.driver.execute_script(LOW_FIELDS):
                    self.wrong(what, f"{field} is hard to hit")
                if self.pictures and (name, size, scheme) in PICTURES:
                    self.take_picture(f"{name}.{size}.{scheme}")
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZES["screen"])
        for entry in self.driver.get_log("browser"):
            # It says so of every page that is not 200.
            if "the server responded with a status of 4" not in entry["message"]:
                self.wrong(name, f"the browser says: {entry['message']}")

    def check_at(self, name, path):
        self.driver.get(f"{self.base}/{path}")
        self.check(name)


def prepare(base):
    """Something to see: sessions, a refused token, a revocation, names that are long or hostile. Returns a revoked token."""

    admin = ask(f"{base}/auth/token", {"grant_type": "client_credentials"}, "demo-admin:demo-admin-secret")["access_token"]
    login = {"grant_type": "password", "username": "demo", "password": "demo-password"}
    tokens = [ask(f"{base}/auth/token", login, "demo-app:demo-app-secret") for _ in range(3)]
    revoked = tokens[0]["access_token"]
    ask(f"{base}/admin/v1/revocations", body={"token": revoked, "reason": "lost laptop"}, token=admin)
    ask(f"{base}/auth/introspect", {"token": revoked}, "demo-api:demo-api-secret")
    ask(f"{base}/auth/introspect", {"token": "nonsense"}, "demo-api:demo-api-secret")
    ask(f"{base}/auth/token", {**login, "password": "wrong"}, "demo-app:demo-app-secret")
    long = "a-client-with-an-uncommonly-long-name-" + "x" * 120
    for client_id in ["<script>alert(1)</script>", long]:
        settings = {"client_id": client_id, "grant_types": ["client_credentials"], "client_name": f"{client_id} & Söhne"}
        ask(f"{base}/admin/v1/clients", body=settings, token=admin)
    resource = {"resource": "https://orders.example.com", "name": "Orders", "scopes": {"orders:read": "Read your orders"}}
    ask(f"{base}/admin/v1/resources", body=resource, token=admin)
    rule = {"client_id": "demo-app", "claims": {"sub": {"equals": "system:serviceaccount:shop:worker"}}}
    issuer = {"issuer": "https://cluster.example.com", "name": "The cluster", "audience": [base], "rules": [rule]}
    issuer["uses"] = ["client_assertion"]
    ask(f"{base}/admin/v1/issuers", body=issuer, token=admin)
    return revoked


def tasks(console, revoked):
    """What a newcomer does."""

    def why_refused():
        console.follow("Token doctor")
        console.driver.find_element(By.CSS_SELECTOR, "main textarea").send_keys(revoked)
        console.press("Explain")
        console.sees("token_revoked")

    def withdraw_a_link():
        console.driver.get(f"{console.base}/console/doctor")
        console.driver.find_element(By.CSS_SELECTOR, "main textarea").send_keys(revoked)
        console.press("Explain")
        console.press("Make a link for a colleague")
        console.press("Withdraw the link")
        console.sees("The link is withdrawn")

    def what_a_client_did():
        console.follow("Clients")
        console.follow("demo-app")
        console.follow("What this client did")
        if console.find("h1").text != "Audit" or console.find("[name=actor]").get_property("value") != "client demo-app":
            raise LookupError("this is not what the client did")

    def end_all_sessions():
        console.follow("Users")
        console.follow("demo")
        console.follow("End all sessions and logins of this user")
        console.sees("This ends 3 active sessions")
        console.press("Revoke")
        console.sees("It is revoked.")

    def rotate_a_secret():
        console.follow("Clients")
        console.follow("demo-app")
        console.press("Add a secret")
        console.sees("jcs_")

    def who_has_seen():
        console.follow("Revocations")
        console.driver.get(console.find("tbody a").get_property("href"))
        console.clicks += 1
        console.sees("Every live node has seen it.")

    def who_changed_this():
        console.follow("Clients")
        console.follow("demo-app")
        console.follow("Who changed this client")
        console.sees("client.create")

    def what_it_would_get():
        console.follow("Preview")
        console.fill(client="demo-app", grant="password", user="demo")
        console.press("Show what it would get")
        console.sees("read:conversations")

    def a_client_for_a_service():
        console.follow("Clients")
        console.follow("New client")
        console.follow("Service")
        console.fill(client_name="Nightly report", client_id="nightly-report", scope="read:conversations")
        console.press("Create the client")
        secret = console.find("main pre").text
        token = {"grant_type": "client_credentials", "scope": "read:conversations"}
        answer = ask(f"{console.base}/auth/token", token, f"nightly-report:{secret}")
        if "access_token" not in answer:
            raise LookupError(f"the new client gets no token: {answer}")
        console.check("new client, at its end")

    def allow_github():
        console.follow("Issuers")
        console.follow("Allow a GitHub workflow")
        console.fill(owner="octo-org", repository="shop", owner_id="65", repository_id="74", reference="main")
        console.fill(client_id="shop-deploy")
        console.press("Allow the workflow")
        console.sees("client_assertion")
        console.check("workflow")

    def rotate_the_key():
        console.follow("Keys")
        console.press("Rotate the keys")
        console.sees("New keys are announced.")

    for scripts in [True, False]:
        console.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        console.task("why is this token refused", why_refused)
        console.task("withdraw a link to a verdict", withdraw_a_link)
        console.task("what did this client do today", what_a_client_did)
        console.task("what would this client get", what_it_would_get)
        console.task("who changed this", who_changed_this)
        console.task("which nodes have seen the revocation", who_has_seen)
    console.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    console.task("end all sessions of this user", end_all_sessions)
    console.task("rotate this client's secret", rotate_a_secret)
    console.task("make a client for a new service", a_client_for_a_service)
    console.task("allow GitHub's workflow of this repository", allow_github)
    console.task("rotate the signing key", rotate_the_key)


def pages(console, revoked):
    console.check_at("overview", "console")
    for name in [
        "doctor", "preview", "clients", "new-client", "resources", "new-resource", "issuers", "new-issuer", "issuer-test",
        "allow-github", "users", "new-user", "sessions", "revocations", "keys", "audit", "nodes",
    ]:
        console.check_at(name, f"console/{name}")
    for kind in ["service", "web", "single-page", "native", "agent", "workload"]:
        console.check_at(f"new-client, {kind}", f"console/new-client?kind={kind}")
    console.check_at("client-settings", "console/client-settings?id=demo-app")
    for kind, name in [("resource", "https://orders.example.com"), ("issuer", "https://cluster.example.com")]:
        named = urllib.parse.urlencode({kind: name})
        console.check_at(kind, f"console/{kind}?{named}")
        console.check_at(f"change-{kind}", f"console/change-{kind}?{named}")
    console.check_at("issuer-rule", f"console/issuer-rule?{named}&number=1")
    console.check_at("client", "console/client?id=demo-app")
    for name, listed in [("user", "users"), ("session", "sessions"), ("revocation", "revocations")]:
        console.driver.get(f"{console.base}/console/{listed}")
        console.driver.get(console.find("tbody a").get_property("href"))
        console.check(name)
    console.check_at("revoke", "console/revoke?user=demo")
    console.check_at("no such page", "console/nothing")
    console.check_at("not found", "console/client?id=nobody")
    console.check_at("a filter that is wrong", "console/audit?from=yesterday")
    console.check_at("an empty list", "console/clients?search=nothing-like-it")
    hostile = urllib.parse.quote("<script>alert(1)</script>")
    console.check_at("a hostile name", f"console/client?id={hostile}")
    console.driver.get(f"{console.base}/console/doctor")
    console.driver.find_element(By.CSS_SELECTOR, "main textarea").send_keys(revoked)
    console.press("Explain")
    console.check("verdict")
    if revoked.split(".")[1][:40] in console.driver.page_source:
        console.wrong("verdict", "the page repeats the token")
    console.press("Make a link for a colleague")
    console.sees("Time line")
    console.check("kept verdict")
    console.driver.get(f"{console.base}/console/preview")
    console.fill(client="demo-app", grant="password", user="demo")
    console.press("Show what it would get")
    console.check("token-preview")


def main():
    base = sys.argv[1]
    revoked = prepare(base)
    console = Console(base, *sys.argv[2:])
    try:
        console.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZES["screen"])
        console.log_in("admin", "admin-password")
        pages(console, revoked)
        tasks(console, revoked)
    finally:
        console.driver.quit()
    return console.report(f"{console.checked} pages of the console", len(PICTURES), LARGEST_PICTURES)


if __name__ == "__main__":
    sys.exit(main())
