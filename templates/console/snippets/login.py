import base64
import hashlib
@if listen
import http.server
@end
import json
@if environment
import os
@end
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request


def ask(url, fields=None, headers=None):
    body = urllib.parse.urlencode(fields).encode() if fields else None
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        sys.exit(f"{error.code} {error.read().decode()}")


@if listen
class Callback(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.address = self.path
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"You can close this window.")

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Callback)
redirect_uri = @redirect_origin@ + f":{server.server_port}" + @redirect_path@
@end
@if paste
redirect_uri = @redirect_uri@
@end
state = secrets.token_urlsafe(16)
verifier = secrets.token_urlsafe(32)
challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
print("Open this address in a browser, and log in:")
print(@authorization_endpoint@ + "?" + urllib.parse.urlencode({
    @question@
}), flush=True)
@if listen
server.handle_request()
address = server.address
@end
@if paste
print("Paste the address to which the browser was sent, whatever it shows:", flush=True)
address = input()
@end
answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
if answer.get("state") != state or answer.get("iss") != @issuer@:
    sys.exit("This is no answer to this login.")
if "code" not in answer:
    sys.exit(f"{answer.get('error')}: {answer.get('error_description')}")
code = answer["code"]

_, answer = ask(@url@, {
    @fields@
})
token = json.loads(answer)["access_token"]
print(*ask(@api@, headers={"Authorization": f"Bearer {token}"}))
