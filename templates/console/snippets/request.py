import json
import os
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


_, answer = ask(@url@, {
    @fields@
})
@if token
token = json.loads(answer)["access_token"]
print(*ask(@api@, headers={"Authorization": f"Bearer {token}"}))
@end
@if answer
print(json.loads(answer))
@end
