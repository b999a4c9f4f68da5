"""Opens the pages for people in Chromium: on a phone and on a screen, light and dark, in English and French.

    people.py FOLDER AXE [PICTURES]

FOLDER has each page as NAME.LANGUAGE.html, with its content security policy in NAME.LANGUAGE.policy. AXE is the script of
axe-core, which looks for what keeps people out. Pictures of some pages replace those in the folder PICTURES.
"""

import http.server
import json
import sys
import threading
import time
from pathlib import Path

from looks import Looks
from pages import TAP_TARGET
from selenium.webdriver.common.by import By

SIZES = {
    "phone": {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True},
    "screen": {"width": 1200, "height": 800, "deviceScaleFactor": 1, "mobile": False},
}
# The pictures that are kept, and how large they may be together, in bytes.
PICTURES = [
    ("login", "en", "phone", "light"),
    ("login-for-app", "fr", "phone", "dark"),
    ("login-code", "en", "phone", "light"),
    ("consent", "en", "phone", "light"),
    ("consent", "fr", "screen", "dark"),
    ("consent-unknown", "fr", "phone", "light"),
    ("authorization-error", "en", "phone", "light"),
    ("form-post", "fr", "phone", "light"),
    ("logout", "fr", "phone", "dark"),
    ("logged-out", "en", "phone", "light"),
    ("account", "en", "phone", "light"),
    ("account", "fr", "screen", "light"),
    ("account-new", "en", "phone", "dark"),
    ("device", "en", "phone", "light"),
    ("device-confirm", "fr", "phone", "light"),
    ("device-done", "en", "phone", "dark"),
    ("password", "fr", "phone", "light"),
    ("second-factor", "en", "phone", "light"),
    ("recovery-codes", "fr", "phone", "light"),
    ("form-expired", "en", "phone", "light"),
    ("demo-tokens", "en", "screen", "dark"),
]
LARGEST_PICTURES = 1_000_000
# Pages that send their form by themselves, so that they are looked at without scripts.
SENT = {"form-post": "https://app.example/callback"}


class Server(http.server.ThreadingHTTPServer):
    """Serves the pages with their policies."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/")
        page, policy = self.server.folder / f"{name}.html", self.server.folder / f"{name}.policy"
        if "/" in name or not page.exists():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", policy.read_text())
        self.end_headers()
        self.wfile.write(page.read_bytes())

    def log_message(self, *_):
        pass


class People(Looks):
    def __init__(self, folder, axe, pictures=None):
        super().__init__(axe, pictures)
        self.server = Server(folder)

    def requests(self):
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def open(self, name, size, scheme, scripts):
        self.emulate(SIZES[size], scheme)
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        self.requests()
        self.driver.get(f"{self.server.base}/{name}")

    def check(self, name, size, scheme):
        what = f"{name}, {size}, {scheme}"
        page = name.split(".")[0]
        self.open(name, size, scheme, scripts=page not in SENT)
        asked = [address for address in self.requests() if not address.startswith("data:")]
        if asked != [f"{self.server.base}/{name}"]:
            self.wrong(what, f"asked for {asked}")
        for entry in self.driver.get_log("browser"):
            self.wrong(what, f"the console says: {entry['message']}")
        if page not in SENT:
            self.measure(what)
            self.run_axe(what)
            for field in self.driver.find_elements(By.CSS_SELECTOR, "button, input:not([type=hidden]), a.button"):
                box = field.rect
                if field.is_displayed() and box["height"] < TAP_TARGET:
                    self.wrong(what, f"{field.tag_name} {field.text!r} is only {box['height']} px high")
        if self.pictures and (*name.split("."), size, scheme) in PICTURES:
            self.take_picture(f"{name}.{size}.{scheme}")

    def check_sent(self, page, target):
        """With scripts, the form goes on its way at once, and only there."""

        self.open(f"{page}.en", "phone", "light", scripts=True)
        deadline, asked = time.monotonic() + 10, []
        while target not in asked and time.monotonic() < deadline:
            asked += self.requests()
            time.sleep(0.05)
        if target not in asked:
            self.wrong(page, f"does not send its form: {asked}")


def main():
    folder = Path(sys.argv[1])
    names = sorted(page.name.removesuffix(".html") for page in folder.glob("*.html"))
    assert len(names) > 40, names
    people = People(folder, *sys.argv[2:])
    try:
        for name in names:
            for size in SIZES:
                for scheme in ["light", "dark"]:
                    people.check(name, size, scheme)
        for page, target in SENT.items():
            people.check_sent(page, target)
    finally:
        people.driver.quit()
    return people.report(f"{len(names)} pages for people", len(PICTURES), LARGEST_PICTURES)


if __name__ == "__main__":
    sys.exit(main())
