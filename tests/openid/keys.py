"""Keys and certificates, made with openssl."""

import base64
import subprocess

EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")


def openssl(*words):
    return subprocess.run(["openssl", *words], check=True, capture_output=True).stdout


def make_key(path, kind):
    openssl("genpkey", *kind, "-out", path)
    return path


def make_certificate(path, key, name, *authority, host=None):
    """A certificate for the server at `host`, or for a client, signed by `authority` (its certificate and key) or by itself."""
    words = ["req", "-x509", "-new", "-key", key, "-out", path, "-days", "2", "-subj", f"/CN={name}"]
    if authority:
        words += ["-CA", authority[0], "-CAkey", authority[1], "-addext", "basicConstraints=critical,CA:FALSE"]
        words += ["-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=clientAuth"]
    if host:
        words += ["-addext", f"subjectAltName={'IP' if host.replace('.', '').isdigit() else 'DNS'}:{host}"]
    openssl(*words)
    return path


def private_jwk(path, kid, alg):
    """The key in a PEM file as a JWK (RFC 7518 §6)."""
    if alg == "ES256":
        # RFC 5915: 30 77, 02 01 01, 04 20 and the key; at the end, 04 and the point.
        der = openssl("ec", "-in", path, "-outform", "DER")
        members = {"kty": "EC", "crv": "P-256", "d": der[7:39], "x": der[-64:-32], "y": der[-32:]}
    else:
        der = openssl("rsa", "-in", path, "-traditional", "-outform", "DER")
        members = {"kty": "RSA", **dict(zip(("n", "e", "d", "p", "q", "dp", "dq", "qi"), integers(der)[1:]))}
    text = {name: value if isinstance(value, str) else encode(value) for name, value in members.items()}
    return {**text, "kid": kid, "alg": alg, "use": "sig"}


def public_jwk(private):
    """What a server may know of a key. Without `alg`, so that it is the server that has to refuse RS256."""
    return {name: private[name] for name in ("kty", "crv", "x", "y", "n", "e", "kid", "use") if name in private}


def integers(der):
    """The members of a SEQUENCE of INTEGERs (RFC 8017 §A.1.2), without the zeros before them."""
    at = 0
    found = []

    def length():
        nonlocal at
        first = der[at + 1]
        size = first & 0x7F if first & 0x80 else 0
        value = int.from_bytes(der[at + 2 : at + 2 + size]) if size else first
        at += 2 + size
        return value

    length()
    while at < len(der):
        size = length()
        found.append(der[at : at + size].lstrip(b"\0"))
        at += size
    return found


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
