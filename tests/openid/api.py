"""An API for the suite to call: it asks Jeton (`/auth/verify`) about each token, as a reverse proxy does."""

import base64
import contextlib
import http.client
import http.server
import ssl
import threading
import urllib.parse

from server import free_port

# Jeton believes what a proxy says of a client. So this one has an address of its own, which is not that of the suite.
ADDRESS = "127.0.0.2"
# RFC 9325 §4.2, for TLS 1.2.
CIPHERS = "ECDHE+AESGCM"


@contextlib.contextmanager
def start(host, listen, issuer, audience, folder, certificates):
    """Serves until the end of the block. `certificates`: a PEM file of those that clients show, or of who issued them."""
    port = free_port(listen)
    asked = urllib.parse.urlsplit(issuer)
    trust = ssl.create_default_context(cafile=folder / "tls.crt")
    query = urllib.parse.urlencode({"audience": audience})

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            jeton = http.client.HTTPSConnection(asked.hostname, asked.port, timeout=10, source_address=(ADDRESS, 0), context=trust)
            # Each of several headers goes on: that there are several is for Jeton to refuse.
            headers = [(name, value) for name in ("Authorization", "DPoP") for value in self.headers.get_all(name, [])]
            headers += [("X-Original-Method", self.command), ("X-Original-URI", self.path)]
            headers += [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", f"{host}:{port}")]
            if shown := self.connection.getpeercert(binary_form=True):
                headers.append(("Client-Cert", f":{base64.b64encode(shown).decode()}:"))
            jeton.putrequest("GET", f"/auth/verify?{query}")
            for header in headers:
                jeton.putheader(*header)
            jeton.endheaders()
            verdict = jeton.getresponse()
            body = b'{"accounts": []}' if verdict.status == 200 else verdict.read()
            jeton.close()
            self.send_response(verdict.status)
            for name in ("WWW-Authenticate", "DPoP-Nonce"):
                if value := verdict.getheader(name):
                    self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = answer

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def finish_request(self, request, address):
            # The handshake is done in the thread of the connection.
            with contextlib.suppress(OSError):
                super().finish_request(tls.wrap_socket(request, server_side=True), address)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.set_ciphers(CIPHERS)
    tls.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    tls.load_verify_locations(certificates)
    tls.verify_mode = ssl.CERT_OPTIONAL
    serving = Server((listen, port), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    try:
        yield f"https://{host}:{port}/accounts"
    finally:
        serving.shutdown()
        serving.server_close()
