"""An MCP client of the official Python SDK that knows nothing but the server's address. It finds out where tokens come
from, registers itself there, sends the person's browser to log in, and calls the tool `whoami`.

    python client.py http://127.0.0.1:8000/mcp

Environment: EVERY (seconds between calls; without it, there is one call), CLIENT_DOCUMENT (the https address where
client-document.json is published; without it, the client registers itself).
"""

import asyncio
import json
import logging
import os
import sys
import webbrowser
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

# How long a login at the browser may take, in seconds.
PATIENCE = 5 * 60


class Problem(Exception):
    """What is told to the person instead of a stack trace."""


class Memory:
    """Keeps what the SDK learns, until the program ends."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Login:
    """Brings a person's browser to the page that the SDK names.

    The answer arrives at a free port of this machine (RFC 8252).
    """

    state = answer = None

    async def listen(self):
        self.listener = await asyncio.start_server(self.receive, "127.0.0.1", 0)
        _, port = self.listener.sockets[0].getsockname()
        return f"http://127.0.0.1:{port}/callback"

    async def open(self, page):
        (self.state,) = parse_qs(urlsplit(page).query)["state"]
        self.answer = asyncio.get_running_loop().create_future()
        print(f"Log in at your browser. If it does not open:\n{page}", flush=True)
        await asyncio.to_thread(webbrowser.open, page)

    async def code(self):
        """The code that the browser brings; the SDK checks who answers (RFC 9207)."""
        try:
            answer = await asyncio.wait_for(self.answer, PATIENCE)
        except TimeoutError:
            raise Problem("nobody logged in within five minutes") from None
        match answer.get("error"):
            case None:
                return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer.get("iss"))
            case "access_denied":
                raise Problem("you did not allow access")
            case error:
                raise Problem(answer.get("error_description", error))

    async def receive(self, reader, writer):
        """One request. Whatever else asks at the port is not the answer."""
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            url = urlsplit(target)
            answer = {name: values[0] for name, values in parse_qs(url.query).items()}
            is_answer = (method, url.path) == ("GET", "/callback") and self.state and answer.get("state") == self.state
            if not is_answer:
                status, text = "404 Not Found", "This is not the answer to the login that was started."
            elif "code" in answer:
                status, text = "200 OK", "Go back to the terminal. You can close this page."
            else:
                status, text = "200 OK", "You are not logged in. The terminal says why. You can close this page."
            headers = "Content-Type: text/plain; charset=utf-8\r\nConnection: close"
            writer.write(f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n{text}\n".encode())
            await writer.drain()
            if is_answer:
                self.state = None
                self.answer.set_result(answer)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, TimeoutError, ValueError):
            pass  # no request, or nobody who waits for an answer
        finally:
            writer.close()


async def run(address, every):
    login = Login()
    metadata = OAuthClientMetadata(
        client_name="MCP example in Python",
        redirect_uris=[await login.listen()],
        token_endpoint_auth_method="none",
    )
    # Where the metadata is published. The SDK then registers only with servers that cannot fetch it.
    document = os.environ.get("CLIENT_DOCUMENT")
    provider = OAuthClientProvider(
        address, metadata, Memory(), login.open, login.code, client_metadata_url=document
    )
    async with (
        httpx2.AsyncClient(auth=provider, timeout=httpx2.Timeout(30, read=300)) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        while True:
            result = await client.call_tool("whoami")
            if result.is_error:
                raise Problem(result.content[0].text)
            print(json.dumps(json.loads(result.content[0].text)), flush=True)
            if not every:
                return
            await asyncio.sleep(every)


def problems(error):
    """The problems among the errors of the SDK's tasks."""
    if isinstance(error, BaseExceptionGroup):
        return [problem for part in error.exceptions for problem in problems(part)]
    return [error] if isinstance(error, Problem) else []


if len(sys.argv) != 2 or not urlsplit(sys.argv[1]).hostname:
    sys.exit("usage: python client.py URL")
# What the SDK logs arrives as an exception too.
logging.getLogger("mcp").addHandler(logging.NullHandler())
try:
    asyncio.run(run(sys.argv[1], float(os.environ.get("EVERY", "0"))))
except (Problem, BaseExceptionGroup) as error:
    if not (found := problems(error)):
        raise
    sys.exit(str(found[0]))
