"""Opens the pages for people in Chromium: on a phone and on a screen, light and dark, in English and French.

    people.py FOLDER AXE [PICTURES]

FOLDER has each page as NAME.LANGUAGE.html, with its content security policy in NAME.LANGUAGE.policy. AXE is the script of
axe-core, which looks for what keeps people out. Pictures of some pages replace those in the folder PICTURES.
"""

import base64
import http.server
import json
import sys
import threading
import time
from pathlib import Path

from chromium import chromium
from pages import LEAST_CONTRAST, MEASURE, SMALLEST_FONT, TAP_TARGET
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

AXE_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(
  found => done(found.violations.map(one => `${one.id}: ${one.nodes.map(node => node.target.join(' ')).join(', ')}`)),
  error => done([String(error)]));
"""


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


class People:
    def __init__(self, folder, axe, pictures):
        self.server = Server(folder)
        self.driver = chromium()
        self.axe = axe
        self.pictures = pictures
        self.problems = []

    def wrong(self, what, text):
        self.problems.append(f"{what}: {text}")

    def requests(self):
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def open(self, name, size, scheme, scripts):
        cdp = self.driver.execute_cdp_cmd
        cdp("Emulation.setDeviceMetricsOverride", SIZES[size])
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        cdp("Emulation.setScriptExecutionDisabled", {"value": not scripts})
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
            for problem in self.driver.execute_script(MEASURE, SMALLEST_FONT, LEAST_CONTRAST, TAP_TARGET)["problems"]:
                self.wrong(what, problem)
            self.driver.execute_script(self.axe)
            for problem in self.driver.execute_async_script(AXE_RUN):
                self.wrong(what, problem)
            for field in self.driver.find_elements(By.CSS_SELECTOR, "button, input:not([type=hidden]), a.button"):
                box = field.rect
                if field.is_displayed() and box["height"] < TAP_TARGET:
                    self.wrong(what, f"{field.tag_name} {field.text!r} is only {box['height']} px high")
        if self.pictures and (*name.split("."), size, scheme) in PICTURES:
            picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
            (self.pictures / f"{name}.{size}.{scheme}.png").write_bytes(base64.b64decode(picture["data"]))

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
    folder, axe = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
    pictures = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    if pictures:
        pictures.mkdir(exist_ok=True)
        for old in pictures.glob("*.png"):
            old.unlink()
    started = time.monotonic()
    names = sorted(page.name.removesuffix(".html") for page in folder.glob("*.html"))
    assert len(names) > 40, names
    people = People(folder, axe, pictures)
    try:
        for name in names:
            for size in SIZES:
                for scheme in ["light", "dark"]:
                    people.check(name, size, scheme)
        for page, target in SENT.items():
            people.check_sent(page, target)
    finally:
        people.driver.quit()
    if pictures:
        kept = list(pictures.glob("*.png"))
        size = sum(picture.stat().st_size for picture in kept)
        if len(kept) != len(PICTURES) or size > LARGEST_PICTURES:
            people.wrong("pictures", f"{len(kept)} of {len(PICTURES)}, {size} bytes")
    for problem in people.problems:
        print(f"browser: {problem}", file=sys.stderr)
    print(f"{len(names)} pages for people: {len(people.problems)} problems, {time.monotonic() - started:.0f} s")
    return 1 if people.problems else 0


if __name__ == "__main__":
    sys.exit(main())
