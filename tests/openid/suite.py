"""The conformance suite, by its HTTP API."""

import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

# Longer than any module waits: for the browser, or until a code or a request_uri has expired.
SECONDS = 300


class Suite:
    def __init__(self, address, token, ca):
        self.address = address.rstrip("/")
        self.ca = ca
        self.token = token
        self.trust = ssl.create_default_context(cafile=ca)

    def ask(self, method, path, body=None, **query):
        """The JSON that the suite answers with."""
        url = f"{self.address}/api/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.trust) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"openid: {method} {url}: {error.code} {error.read().decode(errors='replace')[:500]}") from error

    def version(self):
        return self.ask("GET", "server")["version"]

    def create_plan(self, name, variant, configuration):
        """Its id, and its modules."""
        plan = self.ask("POST", "plan", configuration, planName=name, variant=json.dumps(variant))
        return plan["id"], plan["modules"]

    def run_module(self, plan, module):
        """The result of a module, and what the suite says about it unless it passed."""
        query = {"test": module["testModule"], "plan": plan}
        if module.get("variant"):
            query["variant"] = json.dumps(module["variant"])
        module_id = self.ask("POST", "runner", **query)["id"]
        status = self._until(module_id, {"CONFIGURED", "WAITING", "FINISHED", "INTERRUPTED"})
        if status == "CONFIGURED":
            self.ask("POST", f"runner/{module_id}")
        status = self._until(module_id, {"FINISHED", "INTERRUPTED"})
        info = self.ask("GET", f"info/{module_id}")
        result = info.get("result") or "UNKNOWN"
        if status != "FINISHED":
            result = status or "TIMEOUT"
        return result, self._reasons(module_id, result)

    def _until(self, module_id, wanted):
        """The status that the module then has, or nothing if it takes too long."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if (status := self.ask("GET", f"info/{module_id}")["status"]) in wanted:
                return status
            time.sleep(0.5)
        return None

    def _reasons(self, module_id, result):
        """What made it other than passed."""
        if result == "PASSED":
            return []
        log = self.ask("GET", f"log/{module_id}")
        wanted = {"FAILURE", "WARNING", result}
        said = [entry["msg"] for entry in log if entry.get("result") in wanted and entry.get("msg")]
        if not said:
            said = [entry["msg"] for entry in log if entry.get("msg")][-1:]
        return list(dict.fromkeys(" ".join(text.split()) for text in said))
