"""Connections that stay open and idle."""

import re
import socket
import ssl
import time

from processes import Failed


class IdleConnections:
    """Connections that ask for the keys once, and again at the end to show which of them are still open."""

    ALIVE = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])

    def __init__(self, kind, jeton, certificate=None):
        self.jeton, self.http2, self.context = jeton, "HTTP/2" in kind, None
        if certificate:
            self.context = ssl.create_default_context(cafile=certificate)
            self.context.set_alpn_protocols(["h2" if self.http2 else "http/1.1"])
        for _ in range(300):  # while the server starts
            try:
                return self.connect(0).close()
            except OSError:
                jeton.process.check()
                time.sleep(0.1)
        raise Failed("the server did not start within 30 s")

    def connect(self, number):
        # Several addresses, so that ports do not run out.
        connection = socket.create_connection(("127.0.0.1", self.jeton.port), 10, (f"127.0.0.{2 + number % 8}", 0))
        if self.context:
            connection = self.context.wrap_socket(connection, server_hostname="127.0.0.1")
        if self.http2:
            connection.sendall(self.PREFACE)
        return connection

    def ask(self, connections, stream):
        """Asks on all connections at once, and returns how many got an answer. HTTP/2 uses streams 1, 3 and so on."""
        field = lambda name, value: bytes([0, len(name)]) + name + bytes([len(value)]) + value
        head = b"".join(field(*pair) for pair in ((b":method", b"GET"), (b":scheme", b"http"),
                                                  (b":authority", b"127.0.0.1"), (b":path", b"/.well-known/jwks.json")))
        request = len(head).to_bytes(3, "big") + bytes([1, 5]) + stream.to_bytes(4, "big") + head
        for connection in connections:
            try:
                connection.sendall(request if self.http2 else self.ALIVE)
            except OSError:
                pass  # then it gets no answer either
        return sum(self.is_answered(connection, stream) for connection in connections)

    def is_answered(self, connection, stream):
        try:
            if not self.http2:
                answer = b""
                while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < int(
                        re.search(rb"content-length: (\d+)", answer).group(1)):
                    part = connection.recv(65536)
                    if not part:
                        return False
                    answer += part
                return answer.startswith(b"HTTP/1.1 200")
            received = b""
            while True:
                while len(received) >= 9 and len(received) >= 9 + int.from_bytes(received[:3], "big"):
                    length, kind, flags = int.from_bytes(received[:3], "big"), received[3], received[4]
                    if int.from_bytes(received[5:9], "big") == stream and kind in (0, 1, 3):
                        if kind == 3 or kind == 1 and received[9] != 0x88:
                            return False
                        if flags & 1:
                            return True
                    received = received[9 + length:]
                part = connection.recv(65536)
                if not part:
                    return False
                received += part
        except OSError:
            return False

    def hold(self, count):
        """Opens `count` connections; returns how many stayed open, and the resident memory per connection."""
        connections = []
        try:
            before = 0
            for number in range(-200, count, 100):  # the first ones pay one-time costs
                if number == 0:
                    before = self.jeton.process.memory()
                some = [self.connect(number + step) for step in range(100)]
                connections += some
                self.ask(some, 1)
            after = self.jeton.process.memory()
            held = sum(self.ask(connections[first:first + 100], 3) for first in range(200, len(connections), 100))
            return held, (after - before) / count
        finally:
            for connection in connections:
                connection.close()
