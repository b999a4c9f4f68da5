"""Proxies in front of Jeton itself, with the files of examples/client-certificates: they tell it who showed which certificate."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import urllib.parse

import pytest
from support import Jeton, Process, free_port

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "client-certificates"

# The file of each proxy, and where that has the certificate with its key, apart or in one file, and those to verify with.
FILES = {
    "nginx": ("nginx.conf", "/etc/nginx"),
    "caddy": ("Caddyfile", "/etc/caddy"),
    "envoy": ("envoy.yaml", "/etc/envoy"),
    "haproxy": ("haproxy.cfg", "/etc/haproxy"),
}
TESTED = [name for name in FILES if f"{name.upper()}_BIN" in os.environ]


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def issue(folder, name, *, subject="/O=Example/CN=worker", key=("ec", "-pkeyopt", "ec_paramgen_curve:P-256")):
    """A certificate of the authority in this folder."""
    openssl(folder, "req", "-newkey", *key, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
    # With extensions, because a certificate without any is of version 1.
    (folder / "extensions").write_text("keyUsage = digitalSignature\nextendedKeyUsage = clientAuth, serverAuth\n")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "10",
        "-extfile", "extensions", "-out", f"{name}.pem",
    )  # fmt: skip
    return folder / f"{name}.pem", folder / f"{name}.key"


def authority(folder):
    folder.mkdir()
    key = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    openssl(
        folder, "req", "-x509", "-newkey", *key, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "10",
        "-subj", "/CN=authority",
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def certificates(folder):
    own, foreign = authority(folder / "authority"), authority(folder / "foreign")
    return {
        "ca": own / "ca.pem",
        "server": issue(own, "server", subject="/CN=localhost"),
        "right": issue(own, "right"),
        # As long as certificates get.
        "with a long key": issue(own, "long", key=("rsa:4096",)),
        "of another subject": issue(own, "other", subject="/O=Example/CN=other"),
        "of another authority": issue(foreign, "forged"),
    }


@pytest.fixture(scope="module")
def server(folder, certificates):
    settings = {"JETON_TLS_CLIENT_CA": str(certificates["ca"]), "JETON_CLIENT_CERT_PROXIES": "127.0.0.1/32"}
    jeton = Jeton(folder / "jeton-with-certificates", **settings)
    jeton.create_client(
        "worker",
        options=(
            "--token-endpoint-auth-method", "tls_client_auth", "--tls-client-auth-subject-dn", "CN=worker,O=Example",
            "--tls-client-certificate-bound-access-tokens", "true",
        ),
    )  # fmt: skip
    yield jeton
    assert jeton.stop() == 0, jeton.process.log.read_text()


@pytest.fixture(scope="module", params=TESTED)
def port(request, folder, certificates, server):
    """The port of a proxy."""
    name = request.param
    place = folder / f"{name}-certificates"
    place.mkdir()
    certificate, key = certificates["server"]
    (place / "auth.key").write_text(key.read_text())
    both = certificate.read_text() + (key.read_text() if name == "haproxy" else "")
    (place / "auth.pem").write_text(both)
    shutil.copy(certificates["ca"], place / "clients.pem")
    file, there = FILES[name]
    port = free_port()
    text = (EXAMPLES / file).read_text()
    for old, new in ((":8443", f":{port}"), (": 8443", f": {port}"), (":8080", f":{server.port}"), (": 8080", f": {server.port}")):
        text = text.replace(old, new)
    text = text.replace(f"{there}/", f"{place}/")
    program = os.environ[f"{name.upper()}_BIN"]
    if name == "nginx":
        paths = "".join(f"{kind}_temp_path {place}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        text = f"daemon off; pid {place}/pid; error_log stderr; events {{}} http {{ access_log off; {paths}\n{text}\n}}"
    if name == "caddy":
        text = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text
    (place / file).write_text(text)
    command = {
        "nginx": ["-c", place / file, "-p", place],
        "caddy": ["run", "--config", place / file],
        "envoy": ["-c", place / file, "--base-id", str(port)],
        "haproxy": ["-db", "-f", place / file],
    }[name]
    process = Process([program, *command], port, place)
    yield port
    process.stop()


def ask(port, certificate, path, *headers, body=None):
    """A request over TLS, with this certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    connection = http.client.HTTPSConnection("localhost", port, timeout=20, context=context)
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()


def token(port, certificate, *headers):
    body = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": "worker"})
    form = ("Content-Type", "application/x-www-form-urlencoded")
    return ask(port, certificate, "/auth/token", form, *headers, body=body)


def header_of(certificate):
    pem = certificate[0].read_text()
    return ":" + "".join(pem.split("-----")[2].split()) + ":"


@pytest.mark.parametrize("name", ["right", "with a long key"])
def test_jeton_learns_which_certificate_the_client_showed(port, certificates, name):
    status, body = token(port, certificates[name])
    assert status == 200, body
    bearer = ("Authorization", f"Bearer {json.loads(body)['access_token']}")
    path = "/auth/verify?audience=https%3A%2F%2Fapi.example.com"
    assert ask(port, certificates[name], path, bearer)[0] == 200
    other = "right" if name == "with a long key" else "with a long key"
    for certificate in (certificates[other], certificates["of another authority"], None):
        status, body = ask(port, certificate, path, bearer, ("Client-Cert", header_of(certificates[name])))
        assert status == 401, body


@pytest.mark.parametrize("name", ["of another subject", "of another authority", None])
def test_another_certificate_or_none_is_refused_also_with_a_forged_header(port, certificates, name):
    certificate = certificates[name] if name else None
    assert token(port, certificate)[0] == 401
    right = header_of(certificates["right"])
    for forged in ("Client-Cert", "client-cert", "Client_Cert", "X-Client-Cert"):
        status, body = token(port, certificate, (forged, right), ("Client-Cert-Chain", right))
        assert status == 401, (forged, body)
