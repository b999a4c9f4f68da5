"""Keys of clients and of an issuer, and proofs that somebody holds one (RFC 9449)."""

import base64
import hashlib
import json
import secrets
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


def write_keys(folder):
    """The pairs `worker` and `idp`: the private half as PEM and as a JWK, the public one as a set."""
    # golang.org/x/oauth2/jwt has RS256 only.
    for name, key, algorithm in [
        ("worker", ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
        ("idp", rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    ]:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{name}.pem").write_bytes(pem)
        (folder / f"{name}.jwk.json").write_text(json.dumps(jwk(algorithm, key)))
        (folder / f"{name}.jwks.json").write_text(json.dumps({"keys": [jwk(algorithm, key.public_key())]}))


def jwk(algorithm, key):
    return algorithm.to_jwk(key, as_dict=True) | {"kid": "own"}


class Holder:
    """Somebody who holds a key."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())

    def proof(self, method, address, token=None, nonce=None):
        claims = {"jti": secrets.token_urlsafe(), "htm": method, "htu": address, "iat": int(time.time())}
        if token:
            hashed = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        if nonce:
            claims["nonce"] = nonce
        headers = {"typ": "dpop+jwt", "jwk": ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)}
        return jwt.encode(claims, self.key, "ES256", headers=headers)
