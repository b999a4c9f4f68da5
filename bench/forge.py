"""Keys of clients, and what they sign."""

import json
import os

from processes import run
from tools import BASELINE


class Key:
    """A private key, in a file."""

    def __init__(self, folder, alg):
        self.alg, self.file = alg, os.path.join(folder, f"{alg}.pk8")
        self.jwk = json.loads(run([BASELINE, "key", alg, self.file]))
        self.public = os.path.join(folder, f"{alg}.json")
        with open(self.public, "w", encoding="ascii") as file:
            json.dump(self.jwk, file)

    def sign(self, path, count, header, claims):
        """Writes so many JWTs to a file, one a line, each with a `jti` of its own. Returns the path."""
        variables = {"HEADER": json.dumps({"alg": self.alg} | header), "CLAIMS": json.dumps(claims)}
        with open(path, "wb") as file:
            run([BASELINE, "tokens", self.alg, self.file, str(count)], env=os.environ | variables, capture_output=False,
                stdout=file)
        return path
