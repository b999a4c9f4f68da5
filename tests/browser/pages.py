"""Opens every page of /docs in Chromium and holds it to what a reader needs.

    pages.py ADDRESS    the address of a running server
"""

import json
import sys
import time
import urllib.request
from urllib.parse import urldefrag, urljoin

import yaml
from chromium import chromium
from selenium.webdriver.common.by import By

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
SMALLEST_FONT = 15
LEAST_CONTRAST = 4.5
TAP_TARGET = 24  # WCAG 2.2, 2.5.8
STYLES = ["color", "background-color", "border-color", "display", "font-family", "font-size", "font-weight", "opacity", "visibility"]

# What is seen of the page as it stands: texts that are small or faint, what is too wide, links that are hard to hit.
MEASURE = r"""
const [smallestFont, leastContrast, tapTarget] = arguments;
const width = document.documentElement.clientWidth;
const short = text => text.trim().replace(/\s+/g, ' ').slice(0, 60);
const channels = colour => colour.match(/[\d.]+/g).map(Number);
const luminance = ([r, g, b]) => {
  const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
    if (colour[3] !== 0) return null;  // half transparent: not used here, and so not computed
  }
  return null;
};
const found = {problems: [], texts: 0, contrast: 21, font: 1000};
const wrong = (what, text) => found.problems.push(`${what}: ${short(text)}`);

const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const text = texts.currentNode.data, element = texts.currentNode.parentElement;
  if (!text.trim()) continue;
  found.texts += 1;
  const style = getComputedStyle(element);
  const font = parseFloat(style.fontSize);
  found.font = Math.min(found.font, font);
  if (font < smallestFont) wrong(`text of ${font} px`, text);
  const back = behind(element);
  if (!back) { wrong('no background to compare with', text); continue; }
  const [one, other] = [luminance(channels(style.color)), luminance(back)];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  found.contrast = Math.min(found.contrast, contrast);
  if (contrast < leastContrast) wrong(`contrast of ${contrast.toFixed(2)}`, text);
}

if (document.documentElement.scrollWidth > width) wrong('the page scrolls sideways', document.title);
// Wide tables are in regions that people scroll, also by the keyboard.
const REGION = '[role="region"][tabindex="0"]';
for (const element of document.body.querySelectorAll('*')) {
  if (element.parentElement.closest(REGION)) continue;
  const box = element.getBoundingClientRect();
  if (box.right > width + 0.5 || box.left < -0.5) wrong(`outside of the ${width} px`, element.textContent);
  if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).display !== 'inline'
      && !element.matches(REGION + ', input, textarea'))
    wrong('scrolls sideways', element.textContent);
}

// A link is large enough, or a circle of that size around its middle touches no other link.
const boxes = [...document.links].map(link => ({link, box: link.getBoundingClientRect()}));
for (const {link, box} of boxes) {
  if (box.width >= tapTarget && box.height >= tapTarget) continue;
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  for (const {link: other, box: near} of boxes) {
    if (other === link) continue;
    const across = Math.max(near.left - x, 0, x - near.right), down = Math.max(near.top - y, 0, y - near.bottom);
    if (Math.hypot(across, down) < tapTarget / 2)
      wrong('links too close to hit', `${link.textContent} | ${other.textContent}`);
  }
}
return found;
"""


def fetch(address):
    with urllib.request.urlopen(address, timeout=10) as answer:
        return answer.read().decode()


class Pages:
    def __init__(self, base):
        self.base = base
        self.driver = chromium()
        self.problems = []
        self.links = set()
        self.anchors = {}
        self.least = {"light": 21.0, "dark": 21.0}
        self.font = 1000

    def wrong(self, path, what):
        self.problems.append(f"{path}: {what}")

    def emulate(self, scheme, scripts=True):
        cdp = self.driver.execute_cdp_cmd
        cdp("Emulation.setDeviceMetricsOverride", PHONE)
        cdp("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        cdp("Emulation.setScriptExecutionDisabled", {"value": not scripts})

    def requests(self):
        """The addresses asked for since the last call."""

        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]

    def open(self, path):
        self.requests()
        self.driver.get(self.base + path)
        asked = self.requests()
        if asked != [self.base + path]:
            self.wrong(path, f"asked for {asked}")
        for entry in self.driver.get_log("browser"):
            self.wrong(path, f"the console says: {entry['message']}")

    def layout(self):
        """Where everything stands, with its text and style: what a picture shows, but of a page of any length."""

        snapshot = self.driver.execute_cdp_cmd("DOMSnapshot.captureSnapshot", {"computedStyles": STYLES})
        strings, layout = snapshot["strings"], snapshot["documents"][0]["layout"]
        return [
            (box, strings[text] if text >= 0 else None, [strings[style] for style in styles])
            for box, text, styles in zip(layout["bounds"], layout["text"], layout["styles"], strict=True)
        ]

    def check(self, path, title, heading):
        layouts = {}
        for scheme in ["light", "dark"]:
            self.emulate(scheme)
            self.open(path)
            found = self.driver.execute_script(MEASURE, SMALLEST_FONT, LEAST_CONTRAST, TAP_TARGET)
            for problem in found["problems"]:
                self.wrong(path, f"{scheme}: {problem}")
            if found["texts"] < 10:
                self.wrong(path, f"only {found['texts']} texts")
            self.least[scheme] = min(self.least[scheme], found["contrast"])
            self.font = min(self.font, found["font"])
            layouts[scheme] = self.layout()
        if layouts["light"] == layouts["dark"]:
            self.wrong(path, "looks the same in light and dark")
        if self.driver.title != title:
            self.wrong(path, f"the title is {self.driver.title!r}")
        headings = [element.text for element in self.driver.find_elements(By.TAG_NAME, "h1")]
        if headings != [heading]:
            self.wrong(path, f"the headings are {headings}")
        if self.driver.find_elements(By.CSS_SELECTOR, "script, [onclick], iframe, img, link, object, embed"):
            self.wrong(path, "has what runs or loads")
        targets = [element.get_dom_attribute("href") for element in self.driver.find_elements(By.TAG_NAME, "a")]
        self.links |= {urljoin(self.base + path, target) for target in targets}
        names = self.driver.find_elements(By.CSS_SELECTOR, "[id]")
        self.anchors[self.base + path] = {element.get_dom_attribute("id") for element in names}
        # Without scripts it is the same page.
        self.emulate("dark", scripts=False)
        self.open(path)
        if self.layout() != layouts["dark"]:
            self.wrong(path, "looks different without scripts")
        self.emulate("dark")

    def check_links(self):
        for link in sorted(self.links):
            address, anchor = urldefrag(link)
            if not link.startswith(self.base + "/"):
                self.wrong(link, "leads away from this server")
                continue
            if anchor and anchor not in self.anchors.get(address, set()):
                self.wrong(link, "there is no such place on the page")
            try:
                fetch(address)
            except OSError as error:
                self.wrong(link, f"leads nowhere: {error}")


def main():
    base = sys.argv[1]
    started = time.monotonic()
    description = yaml.safe_load(fetch(base + "/openapi.yaml"))
    schemas = description["components"]["schemas"]
    codes = list(dict.fromkeys(schemas["ErrorCode"]["enum"] + schemas["Cause"]["enum"]))
    assert len(codes) > 40, codes
    pages = Pages(base)
    try:
        info = description["info"]
        pages.check("/docs", f"{info['title']} {info['version']}: API reference", f"{info['title']} {info['version']}")
        pages.check("/docs/errors", "Errors and causes", "Errors and causes")
        listed = {link.rsplit("/", 1)[1] for link in pages.links if "/docs/errors/" in link}
        for missing in set(codes) - listed:
            pages.wrong("/docs/errors", f"does not lead to {missing}")
        codes += sorted(listed - set(codes))
        for code in codes:
            pages.check(f"/docs/errors/{code}", code, code)
        pages.check_links()
    finally:
        pages.driver.quit()
    for problem in pages.problems:
        print(f"browser: {problem}", file=sys.stderr)
    least = ", ".join(f"{scheme} {value:.2f}" for scheme, value in pages.least.items())
    print(
        f"{len(codes) + 2} pages, {len(pages.links)} links, smallest text {pages.font} px, least contrast {least}: "
        f"{len(pages.problems)} problems, {time.monotonic() - started:.0f} s"
    )
    return 1 if pages.problems else 0


if __name__ == "__main__":
    sys.exit(main())
