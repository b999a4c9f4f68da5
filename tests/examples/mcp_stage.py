"""What the agents of examples/mcp call: Jeton, and nginx in front of an MCP server, with the files that are shipped."""

import contextlib
import datetime
import ipaddress
import json
import os
import re
import ssl
import subprocess
import urllib.parse
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support import EXAMPLES, Process, Server, call, free_port

MCP = EXAMPLES / "mcp"
PYTHON = os.environ["EXAMPLES_MCP_PYTHON"]


class Request(NamedTuple):
    """One that nginx answered, at this time."""

    time: float
    method: str
    path: str
    status: int


class Documents(Server):
    """The host of the metadata document that is shipped, by https; and in front of a server that publishes keys, if there is one."""

    publisher = None

    def __init__(self, folder):
        super().__init__()
        self.authority, file = folder / "documents.pem", folder / "documents.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "documents")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.authority.write_bytes(certificate.public_bytes(pem))
        file.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, file)
        self.listener.socket = context.wrap_socket(self.listener.socket, server_side=True)
        self.origin = f"https://127.0.0.1:{self.listener.server_port}"
        self.url = f"{self.origin}/client-document.json"
        self.document = json.loads((MCP / "client-document.json").read_text()) | {"client_id": self.url}
        self.document["client_uri"] = self.url

    def answer(self, request):
        if self.publisher and request.path.startswith("/.well-known/"):
            answer = call("GET", self.publisher.url + request.path)
            return answer.status, answer.body, {}
        return (200, self.document, {}) if request.path == "/client-document.json" else (404, {}, {})


class Stage:
    """Jeton with the resource that the README makes, the MCP server, and nginx with the file that is shipped.

    With TLS, nginx also stands in front of Jeton, as in production.
    """

    def __init__(self, started, folder, has_tls=False):
        self.started, self.folder = started, folder
        self.port, self.server_port = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}/mcp"
        self.metadata = f"http://127.0.0.1:{self.port}/.well-known/oauth-protected-resource/mcp"
        proxies = {"JETON_TRUSTED_PROXIES": "127.0.0.1/32,::1/128"}
        self.documents = started.keep(Documents(folder))
        self.tls_port = free_port() if has_tls else None
        issuer = {"JETON_ISSUER": f"https://127.0.0.1:{self.tls_port}"} if has_tls else {}
        self.jeton = started.jeton(
            JETON_REGISTRATION="open", JETON_FETCH_CA=str(self.documents.authority), **proxies, **issuer
        )
        self.issuer = issuer.get("JETON_ISSUER", self.jeton.url)
        self.run_commands_of_the_readme()
        self.log = folder / "access.log"
        server = [PYTHON, str(MCP / "server.py")]
        started.keep(Process(server, {"PORT": str(self.server_port)}, started.folder())).wait_for(self.server_port)
        started.keep(self.nginx()).wait_for(self.port)

    def run_commands_of_the_readme(self):
        blocks = re.findall(r"```sh\n(.*?)```", (MCP / "README.md").read_text(), re.DOTALL)
        (commands,) = [block for block in blocks if "jeton resource create" in block]
        assert "http://127.0.0.1:8000/mcp" in commands
        commands = commands.replace("http://127.0.0.1:8000/mcp", self.address)
        commands = 'set -e; jeton() { "$JETON_BIN" "$@"; }\n' + commands
        done = subprocess.run(["bash", "-c", commands], cwd=self.jeton.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def nginx(self):
        text = (MCP / "nginx.conf").read_text()
        for shipped, port in [("8000", self.port), ("8080", self.jeton.port), ("9000", self.server_port)]:
            assert f"127.0.0.1:{shipped}" in text
            for colon in [":", "%3A"]:
                text = text.replace(f"127.0.0.1{colon}{shipped}", f"127.0.0.1{colon}{port}")
        (self.folder / "mcp.conf").write_text(text)
        # What stands around the shipped file on a real machine, with everything in this folder.
        kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        places = "".join(f"  {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        (self.folder / "main.conf").write_text(
            f"daemon off;\nworker_processes 1;\npid {self.folder}/pid;\nevents {{}}\nhttp {{\n"
            f"  log_format short '$msec $request_method $request_uri $status';\n  access_log {self.log} short;\n"
            f"{places}  include {self.folder}/mcp.conf;\n{self.tls() if self.tls_port else ''}}}\n"
        )
        words = [os.environ["NGINX_BIN"], "-e", "stderr", "-p", self.folder, "-c", self.folder / "main.conf"]
        return Process([str(word) for word in words], {}, self.folder)

    def tls(self):
        """The server of nginx in front of Jeton, with the certificate of the documents."""
        files = f"ssl_certificate {self.folder}/documents.pem; ssl_certificate_key {self.folder}/documents.key;"
        to_jeton = f"proxy_pass http://127.0.0.1:{self.jeton.port}; proxy_set_header X-Forwarded-For $remote_addr;"
        return f"server {{ listen 127.0.0.1:{self.tls_port} ssl; {files} location / {{ {to_jeton} }} }}\n"

    def requests(self):
        """What nginx was asked, and what it answered."""
        lines = [line.split(" ") for line in self.log.read_text().splitlines()]
        return [Request(float(time), method, path, int(status)) for time, method, path, status in lines]

    def clients(self, name):
        """The ids of the clients that registered themselves under this name, the newest first."""
        clients = self.jeton.admin("GET", "clients?limit=100").json["items"]
        made = [client for client in clients if client.get("client_name") == name]
        return [client["client_id"] for client in sorted(made, key=lambda client: client["created_at"], reverse=True)]

    @contextlib.contextmanager
    def tokens_that_live(self, seconds):
        path = "resources/" + urllib.parse.quote(self.address, safe="")
        self.jeton.admin("PATCH", path, {"access_token_ttl": seconds})
        try:
            yield
        finally:
            self.jeton.admin("PATCH", path, {"access_token_ttl": None})

    def session(self, id):
        return self.jeton.admin("GET", f"sessions/{id}").json

    def call_tool(self, *headers):
        """A call of the tool in one request."""
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        kinds = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")]
        return call("POST", self.address, [*kinds, *headers], json.dumps(body).encode())
