"""What pages look like in Chromium, and who could not use them: what the tests of pages have in common."""

import base64
import sys
import time
from pathlib import Path

from chromium import chromium
from pages import LEAST_CONTRAST, MEASURE, SMALLEST_FONT, TAP_TARGET

AXE_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then(
  found => done(found.violations.map(one => `${one.id}: ${one.nodes.map(node => node.target.join(' ')).join(', ')}`)),
  error => done([String(error)]));
"""


class Looks:
    """A browser, and what is wrong with the pages that it shows."""

    def __init__(self, axe, pictures):
        """Both are paths: of the script of axe-core, and perhaps of the folder whose pictures are replaced."""

        self.axe, self.pictures = Path(axe).read_text(), pictures and Path(pictures)
        self.problems, self.started = [], time.monotonic()
        if self.pictures:
            self.pictures.mkdir(exist_ok=True)
            for old in self.pictures.glob("*.png"):
                old.unlink()
        self.driver = chromium()

    def wrong(self, what, text):
        self.problems.append(f"{what}: {text}")

    def emulate(self, metrics, scheme):
        cdp = self.driver.execute_cdp_cmd
        cdp("Emulation.setDeviceMetricsOverride", metrics)
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def measure(self, what):
        for problem in self.driver.execute_script(MEASURE, SMALLEST_FONT, LEAST_CONTRAST, TAP_TARGET)["problems"]:
            self.wrong(what, problem)

    def run_axe(self, what):
        self.driver.execute_script(self.axe)
        for problem in self.driver.execute_async_script(AXE_RUN):
            self.wrong(what, problem)

    def take_picture(self, name):
        picture = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (self.pictures / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def report(self, what, expected, largest):
        """Says what is wrong. Pictures: how many there should be, and how large they may be together. Returns the exit status."""

        if self.pictures:
            kept = list(self.pictures.glob("*.png"))
            size = sum(picture.stat().st_size for picture in kept)
            if len(kept) != expected or size > largest:
                self.wrong("pictures", f"{len(kept)} of {expected}, {size} bytes")
        for problem in self.problems:
            print(f"browser: {problem}", file=sys.stderr)
        print(f"{what}: {len(self.problems)} problems, {time.monotonic() - self.started:.0f} s")
        return 1 if self.problems else 0
