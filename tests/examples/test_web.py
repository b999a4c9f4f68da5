"""The apps of examples/web: a person logs in with a real browser."""

import json
import os
import re
import stat
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By

from support import EXAMPLES, Process, call, eventually, free_port

sys.path.append(str(Path(__file__).parents[1] / "browser"))

from chromium import chromium  # noqa: E402

WEB = Path(os.environ["EXAMPLES_WEB"])
LOGIN, CONSENT = "Log in", "Allow access to your account?"
# The ports that the README names.
APP_PORT, SPA_PORT = "4000", "4001"


class Stage:
    """Jeton, the API in Node.js and the two web apps, with the clients that the commands of the README make."""

    def __init__(self, shared):
        self.shared = shared
        self.app_url, self.spa_url, self.second_spa_url = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self.jeton = shared.jeton(JETON_CORS_ORIGINS=f"{self.spa_url},{self.second_spa_url}")
        self.clients = {client["client_id"]: client for client in self.run_commands_of_the_readme()}
        self.api = shared.api("node", self.jeton.url)
        self.start_app(self.app_url, self.clients["web-app"])
        self.start_spa(self.spa_url, "single-page-app")

    def run_commands_of_the_readme(self):
        blocks = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "web/README.md").read_text(), re.DOTALL)
        (commands,) = [block for block in blocks if "jeton client create" in block]
        for port, url in [(APP_PORT, self.app_url), (SPA_PORT, self.spa_url)]:
            assert f"http://127.0.0.1:{port}/callback" in commands
            commands = commands.replace(f"http://127.0.0.1:{port}", url)
        commands = 'set -e; jeton() { "$JETON_BIN" "$@" --output json; }\n' + commands
        done = subprocess.run(["bash", "-c", commands], cwd=self.jeton.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        decoder, rest, made = json.JSONDecoder(), done.stdout.strip(), []
        while rest:
            client, end = decoder.raw_decode(rest)
            made.append(client)
            rest = rest[end:].strip()
        assert len(made) == 3
        return made

    def like(self, client_id, **settings):
        """A client that differs from one of the README's in these settings."""
        old = self.jeton.admin("GET", f"clients/{client_id}").json
        names = ["client_name", "token_endpoint_auth_method", "grant_types", "scope", "audiences", "application_type"]
        names += ["redirect_uris", "post_logout_redirect_uris"]
        new = {name: old[name] for name in names if name in old} | settings
        return self.jeton.admin("POST", "clients", new).json

    def start(self, script, url, **environment):
        environment |= {"ISSUER": self.jeton.url, "PORT": url.rsplit(":", 1)[1]}
        process = self.shared.keep(Process(["node", str(WEB / script)], environment, self.shared.folder()))
        process.wait_for(int(environment["PORT"]))

    def start_app(self, url, client):
        credentials = {"CLIENT_ID": client["client_id"], "CLIENT_SECRET": client["client_secret"]}
        self.start("app.js", url, BASE_URL=url, API_URL=self.api.url, **credentials)

    def start_spa(self, url, client_id):
        self.start("spa.js", url, CLIENT_ID=client_id)

    def session(self, client_id):
        """The newest session that the client has for the user."""
        sessions = self.jeton.admin("GET", f"sessions?user=demo&client={client_id}").json["items"]
        return max(sessions, key=lambda session: session["created_at"])

    def refreshed_at(self, client_id):
        """When the client last got a token for the newest session. The first one, for the code, counts too."""
        return self.session(client_id)["last_refreshed_at"]


@pytest.fixture(scope="module")
def stage(shared):
    return Stage(shared)


class Browser:
    """A person at a browser who has never been anywhere."""

    def __init__(self):
        self.driver = chromium()

    @property
    def url(self):
        return self.driver.current_url

    @property
    def text(self):
        return self.run("return document.body.innerText") or ""

    def run(self, script):
        """What the script returns; nothing between two pages."""
        try:
            return self.driver.execute_script(script)
        except WebDriverException:
            return None

    def open(self, url):
        self.driver.get(url)

    def element(self, id):
        return self.driver.find_element(By.ID, id)

    def see(self, heading, seconds=20):
        """Waits for a page with this heading, which has loaded."""
        script = "return [document.readyState, document.querySelector('h1')?.textContent]"
        try:
            eventually(lambda: self.run(script) == ["complete", heading], seconds)
        except AssertionError:
            raise AssertionError(f"no page {heading!r}, but {self.url}:\n{self.text}") from None

    def read(self, text):
        """Waits for a text on the page."""
        try:
            eventually(lambda: text in self.text)
        except AssertionError:
            raise AssertionError(f"no text {text!r} at {self.url}:\n{self.text}") from None

    def press(self, name):
        """Presses the button or follows the link with this name."""

        def found():
            elements = self.driver.find_elements(By.CSS_SELECTOR, "button, a")
            return [element for element in elements if element.is_displayed() and element.text == name]

        found.__doc__ = f"button or link {name!r}"
        (one,) = eventually(found)
        one.click()

    def leave(self, name):
        """Presses a button that leads to a page with the same heading or address, and waits for that page."""
        self.driver.execute_script("window.wasLeft = false")
        self.press(name)
        eventually(lambda: self.run("return window.wasLeft === undefined && document.readyState === 'complete'"))

    def log_in(self, jeton):
        """At Jeton's page."""
        self.see(LOGIN)
        assert self.url.startswith(jeton.url)
        self.element("username").send_keys("demo")
        self.element("password").send_keys("demo-password")
        self.press("Log in")

    def answer(self, jeton, app, answer):
        """On Jeton's page that asks what the app may."""
        self.see(CONSENT)
        assert self.url.startswith(jeton.url)
        assert app in self.text
        self.press(answer)

    def complaints(self):
        """What the browser objected to, such as what a policy forbids. Without the icons, which no page has."""
        return [entry["message"] for entry in self.driver.get_log("browser") if "/favicon.ico" not in entry["message"]]


@pytest.fixture
def browser():
    browser = Browser()
    yield browser
    browser.driver.quit()


# --- the server-side web app ---


def log_in_to_app(browser, stage, url):
    browser.open(url)
    browser.see("Web app")
    browser.press("Log in")
    browser.log_in(stage.jeton)
    browser.answer(stage.jeton, "Web app", "Allow")
    browser.see("Hello, Demo User")


def test_a_person_uses_the_web_app_and_logs_out(browser, stage):
    log_in_to_app(browser, stage, stage.app_url)
    assert browser.url == stage.app_url + "/"
    assert browser.element("email").text == "demo@example.com"

    # The browser has a cookie that no script reads, and no token.
    cookie = browser.driver.get_cookie("web-app")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax"
    kept = browser.driver.page_source + str(browser.driver.get_cookies())
    assert "eyJ" not in kept and "jrt_" not in kept
    assert browser.driver.execute_script("return localStorage.length + sessionStorage.length") == 0

    browser.press("Call the API")
    browser.see("The API answers 200")
    assert '"client":"web-app"' in browser.text
    browser.press("Back")

    browser.see("Hello, Demo User")
    received = browser.element("received").text
    before = stage.refreshed_at("web-app")
    browser.leave("Renew the access token")
    assert browser.element("received").text > received
    assert stage.refreshed_at("web-app") > before
    assert browser.complaints() == []

    # Here and at Jeton: the next login asks for the password.
    browser.press("Log out")
    browser.see("Web app")
    assert browser.url == stage.app_url + "/"
    assert "You are not logged in" in browser.text
    assert stage.session("web-app")["revoked"]
    assert browser.complaints() == []
    browser.open(stage.app_url + "/data")
    browser.see("You are not logged in")
    browser.press("Log in")
    browser.see(LOGIN)


def test_the_web_app_says_that_access_was_denied(browser, stage):
    browser.open(stage.app_url + "/login")
    browser.log_in(stage.jeton)
    browser.answer(stage.jeton, "Web app", "Deny")
    browser.see("You did not allow access")
    assert browser.url.startswith(stage.app_url + "/callback?")
    # The person is still logged in at Jeton, and may think again.
    browser.press("Log in")
    browser.answer(stage.jeton, "Web app", "Allow")
    browser.see("Hello, Demo User")


def test_the_web_app_renews_what_expires(browser, stage):
    url = f"http://127.0.0.1:{free_port()}"
    # Long enough for the app to ask UserInfo with a new one, also on a slow machine.
    client = stage.like("web-app", access_token_ttl=5, redirect_uris=[url + "/callback"])
    stage.start_app(url, client)
    log_in_to_app(browser, stage, url)
    before = stage.refreshed_at(client["client_id"])
    for _ in range(2):
        received = browser.element("received").text
        time.sleep(5.1)  # the whole life of a token
        browser.press("Call the API")
        browser.see("The API answers 200")
        browser.press("Back")
        browser.see("Hello, Demo User")
        assert browser.element("received").text > received
    assert stage.refreshed_at(client["client_id"]) > before


def test_the_web_app_learns_that_an_administrator_ended_the_login(browser, stage):
    log_in_to_app(browser, stage, stage.app_url)
    stage.jeton.admin("DELETE", f"sessions/{stage.session('web-app')['id']}")
    browser.press("Renew the access token")
    browser.see("Your login has ended")
    browser.open(stage.app_url)
    browser.see("Web app")
    assert "You are not logged in" in browser.text


def test_the_web_app_takes_no_answer_that_it_did_not_ask_for(stage):
    answer = call("GET", stage.app_url + "/callback?code=c&state=s")
    assert answer.status == 400 and b"This login is over" in answer.body

    started = call("GET", stage.app_url + "/login")
    assert started.status == 302 and started.headers["Location"].startswith(stage.jeton.url + "/auth/authorize?")
    cookie = ("Cookie", started.headers["Set-Cookie"].split(";")[0])
    answer = call("GET", stage.app_url + "/callback?code=c&state=s", [cookie])
    assert answer.status == 502 and b"That did not work" in answer.body
    # And that login is over, so that nobody can try until one fits.
    answer = call("GET", stage.app_url + "/callback?code=c&state=s", [cookie])
    assert answer.status == 400
    assert b"You are not logged in" in call("GET", stage.app_url + "/", [cookie]).body


# --- the single-page app ---


def log_in_to_spa(browser, stage, url, answer="Allow"):
    browser.open(url)
    browser.see("Single-page app")
    browser.press("Log in")
    browser.log_in(stage.jeton)
    browser.answer(stage.jeton, "Single-page app", answer)
    browser.see("Hello, Demo User" if answer == "Allow" else "Single-page app")


def test_a_person_uses_the_single_page_app_and_logs_out(browser, stage):
    log_in_to_spa(browser, stage, stage.spa_url)
    eventually(lambda: browser.url == stage.spa_url + "/")

    browser.press("Ask UserInfo")
    browser.read("200 {")
    status, _, body = browser.element("answer").text.partition(" ")
    assert (status, json.loads(body)["email"]) == ("200", "demo@example.com")

    before = stage.refreshed_at("single-page-app")
    browser.press("Renew the access token")
    browser.read("The access token is renewed.")
    assert stage.refreshed_at("single-page-app") > before

    # The tab keeps the login, also where the access token has expired meanwhile.
    browser.driver.refresh()
    browser.see("Hello, Demo User")
    before = stage.refreshed_at("single-page-app")
    browser.driver.execute_script(
        "const [key] = Object.keys(sessionStorage);"
        "sessionStorage[key] = JSON.stringify({...JSON.parse(sessionStorage[key]), expires_at: 1})"
    )
    browser.driver.refresh()
    browser.see("Hello, Demo User")
    assert stage.refreshed_at("single-page-app") > before
    assert browser.complaints() == []

    browser.leave("Log out")
    browser.see("Single-page app")
    assert browser.url == stage.spa_url + "/"
    assert browser.driver.execute_script("return sessionStorage.length + localStorage.length") == 0
    assert stage.session("single-page-app")["revoked"]
    assert browser.complaints() == []
    browser.press("Log in")
    browser.see(LOGIN)


def test_the_single_page_app_says_that_access_was_denied(browser, stage):
    log_in_to_spa(browser, stage, stage.spa_url, "Deny")
    browser.read("You did not allow access.")
    assert browser.url == stage.spa_url + "/"
    browser.press("Log in")
    browser.answer(stage.jeton, "Single-page app", "Allow")
    browser.see("Hello, Demo User")


def test_the_single_page_app_renews_its_token_before_it_expires(browser, stage):
    url = stage.second_spa_url
    # The library renews a token a minute before its end.
    client_id = stage.like("single-page-app", access_token_ttl=62, redirect_uris=[url + "/callback"])["client_id"]
    stage.start_spa(url, client_id)
    log_in_to_spa(browser, stage, url)
    # Whether or not the first renewal is over by now.
    before = stage.refreshed_at(client_id)
    eventually(lambda: stage.refreshed_at(client_id) > before, pause=0.5)
    assert browser.text.startswith("Hello, Demo User")
    assert browser.complaints() == []


def test_the_single_page_app_learns_that_an_administrator_ended_the_login(browser, stage):
    log_in_to_spa(browser, stage, stage.spa_url)
    stage.jeton.admin("DELETE", f"sessions/{stage.session('single-page-app')['id']}")
    browser.press("Renew the access token")
    browser.read("Your login has ended.")
    browser.see("Single-page app")
    browser.press("Log in")
    browser.answer(stage.jeton, "Single-page app", "Allow")
    browser.see("Hello, Demo User")


# --- the command-line tool ---


class Tool:
    """The tool, with a home of its own and a desktop that notes which address it is to open."""

    def __init__(self, stage, client_id="command-line"):
        self.jeton, self.folder = stage.jeton, stage.shared.folder()
        self.tokens, self.opened = self.folder / ".jeton-example-cli.json", self.folder / "opened"
        desktop = self.folder / "xdg-open"
        desktop.write_text(f'#!/bin/sh\nprintf %s "$1" >"{self.opened}.new" && mv "{self.opened}.new" "{self.opened}"\n')
        desktop.chmod(0o700)
        self.environment = {"ISSUER": stage.jeton.url, "CLIENT_ID": client_id, "API_URL": stage.api.url}
        self.environment |= {"HOME": str(self.folder), "PATH": f"{self.folder}:{os.environ['PATH']}"}

    def start(self, *words):
        return Process(["node", str(WEB / "cli.js"), *words], self.environment, self.folder)

    def run(self, *words):
        """What it says, and its status."""
        process = self.start(*words)
        status = process.finish()
        return process.output, status

    def opened_address(self):
        eventually(self.opened.exists)
        return self.opened.read_text()


WHO = "You are logged in as Demo User (demo@example.com).\n"


def log_in_with_tool(tool, browser, answer="Allow"):
    login = tool.start("login")
    try:
        browser.open(tool.opened_address())
        browser.log_in(tool.jeton)
        browser.answer(tool.jeton, "Command-line tool", answer)
        status = login.finish()
        browser.read("You can close this page.")
        return login.output, status
    finally:
        login.stop()


def test_a_person_logs_in_to_the_tool_with_the_browser_of_this_machine(browser, stage):
    tool = Tool(stage)
    assert tool.run("whoami") == ("you are not logged in\n", 1)

    said, status = log_in_with_tool(tool, browser)
    assert status == 0 and said.endswith(WHO), said
    assert "Go back to the terminal." in browser.text
    assert stat.S_IMODE(tool.tokens.stat().st_mode) == 0o600

    assert tool.run("whoami") == (WHO, 0)
    said, status = tool.run("call")
    assert status == 0 and said.startswith("200 ") and '"client":"command-line"' in said

    session = stage.session("command-line")
    assert not session["revoked"]
    assert tool.run("logout") == ("You are logged out.\n", 0)
    assert stage.session("command-line")["id"] == session["id"]
    assert stage.session("command-line")["revoked"]
    assert not tool.tokens.exists()
    assert tool.run("call") == ("you are not logged in\n", 1)


def test_the_tool_says_that_access_was_denied(browser, stage):
    tool = Tool(stage)
    said, status = log_in_with_tool(tool, browser, "Deny")
    assert status == 1 and said.endswith("\nyou did not allow access\n"), said
    assert "You are not logged in." in browser.text
    assert not tool.tokens.exists()


def test_the_tool_takes_no_answer_that_it_did_not_ask_for(browser, stage):
    tool = Tool(stage)
    login = tool.start("login")
    try:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(tool.opened_address()).query)
        (address,) = query["redirect_uri"]
        for method, target in [("GET", address + "?code=c&state=s"), ("GET", address), ("GET", address + "x"),
                               ("POST", f"{address}?code=c&state={query['state'][0]}")]:  # fmt: skip
            assert call(method, target).status == 404
        # The login goes on; its own answer counts, also where the code is worth nothing.
        assert login.is_running()
        parameters = {"code": "c", "state": query["state"][0], "iss": stage.jeton.url}
        assert call("GET", f"{address}?{urllib.parse.urlencode(parameters)}").status == 200
        assert login.finish() == 1
        assert not tool.tokens.exists()
    finally:
        login.stop()


def log_in_with_device(tool, browser, answer):
    login = tool.start("login", "--device")
    try:
        eventually(lambda: login.output.endswith("\n"))
        address, code = re.fullmatch(r"Open (\S+) and type in this code: (\S+)\n", login.output).groups()
        assert address.startswith(tool.jeton.url) and code not in address
        browser.open(address)
        browser.see("Connect a device")
        browser.element("user_code").send_keys(code.lower())
        browser.press("Continue")
        browser.log_in(tool.jeton)
        browser.see("Give this device access?")
        assert "Command-line tool" in browser.text and code in browser.text
        browser.press(answer)
        browser.see("Your device is connected" if answer == "Allow" else "The device gets no access")
        status = login.finish()
        return login.output.split("\n", 1)[1], status
    finally:
        login.stop()


def test_a_person_logs_in_to_the_tool_with_a_code(browser, stage):
    tool = Tool(stage)
    assert log_in_with_device(tool, browser, "Allow") == (WHO, 0)
    assert not tool.opened.exists()
    said, status = tool.run("call")
    assert status == 0 and said.startswith("200 ")
    assert tool.run("logout") == ("You are logged out.\n", 0)


def test_the_tool_says_that_its_code_was_refused(browser, stage):
    tool = Tool(stage)
    assert log_in_with_device(tool, browser, "Deny") == ("you did not allow access\n", 1)
    assert not tool.tokens.exists()


def test_the_login_of_the_tool_outlives_that_at_the_browser(browser, stage):
    # Shorter than the time before the end at which the tool renews: so each command does.
    client_id = stage.like("command-line", access_token_ttl=20)["client_id"]
    tool = Tool(stage, client_id)
    _, status = log_in_with_tool(tool, browser)
    assert status == 0
    browser.open(stage.jeton.url + "/auth/logout")
    browser.see("Log out?")
    browser.press("Log out")
    browser.see("You are logged out")

    before = stage.session(client_id)
    assert tool.run("whoami") == (WHO, 0)
    after = stage.session(client_id)
    assert after["id"] == before["id"] and after["last_refreshed_at"] > before["last_refreshed_at"]

    stage.jeton.admin("DELETE", f"sessions/{after['id']}")
    assert tool.run("whoami") == ("your login has ended: log in again\n", 1)


def test_the_tool_explains_how_it_is_used(stage):
    tool = Tool(stage)
    for words in [[], ["nothing"], ["whoami", "--device"], ["login", "--device", "more"], ["toString"]]:
        said, status = tool.run(*words)
        assert status == 2 and said.startswith("usage: "), words
