"""An MCP client of the official Python SDK that calls `whoami` once, as a client that needs nobody at a browser.

    python mcp_sdk.py SETTINGS

The settings are JSON: `provider`, `url`, and what that provider takes.
"""

import asyncio
import json
import sys

import httpx2
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

SETTINGS = json.loads(sys.argv[1])


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


async def identity_assertion(audience, resource):
    """Exchanges the ID token at the enterprise for an identity assertion: the part that the SDK leaves to its users."""
    idp = SETTINGS["idp"]
    form = idp["form"] | {"audience": audience, "resource": resource}
    async with httpx2.AsyncClient() as http:
        answer = await http.post(idp["token_endpoint"], data=form, auth=tuple(idp["client"]))
        return answer.raise_for_status().json()["access_token"]


def provider():
    usual = {"storage": Memory(), "server_url": SETTINGS["url"], "issuer": SETTINGS["issuer"]}
    usual["client_id"], secret = SETTINGS["client"]
    match SETTINGS["provider"]:
        case "client_credentials":
            return ClientCredentialsOAuthProvider(**usual, client_secret=secret)
        case "private_key_jwt":
            signed = SignedJWTParameters(
                issuer=usual["client_id"],
                subject=usual["client_id"],
                signing_key=SETTINGS["key"],
                signing_algorithm="ES256",
            )
            return PrivateKeyJWTOAuthProvider(**usual, assertion_provider=signed.create_assertion_provider())
        case "identity_assertion":
            return IdentityAssertionOAuthProvider(
                **usual, client_secret=secret, assertion_provider=identity_assertion
            )


async def main():
    async with (
        httpx2.AsyncClient(auth=provider(), timeout=30) as http,
        Client(streamable_http_client(SETTINGS["url"], http_client=http)) as client,
    ):
        result = await client.call_tool("whoami")
        print(result.content[0].text)


asyncio.run(main())
