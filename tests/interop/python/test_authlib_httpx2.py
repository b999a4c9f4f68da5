"""Authlib, over httpx2: the asynchronous client, and the other one.

The user is bob, whose password is ASCII: Authlib 1.9.9 raises UnicodeEncodeError on anything else when
it has to put the client's secret into the body here.
"""

import asyncio

import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuth2Client


def settings(server, client, **more):
    return {
        "client_id": client.id,
        "client_secret": client.secret,
        "token_endpoint_auth_method": client.method,
        "revocation_endpoint_auth_method": client.method,
        "token_endpoint": server.token_endpoint,
        **more,
    }


def test_password_refresh_introspect_revoke(server, shop):
    async def story():
        async with AsyncOAuth2Client(**settings(server, shop, scope="read")) as bob:
            first = dict(await bob.fetch_token(username="bob", password=server.password_of("bob")))
            assert first["scope"] == "read"
            second = dict(await bob.refresh_token())
            assert second["refresh_token"] != first["refresh_token"]

            async def active():
                answer = await bob.introspect_token(
                    server.introspection_endpoint, token=second["access_token"]
                )
                assert answer.status_code == 200
                return answer.json()["active"]

            assert await active() is True
            answer = await bob.revoke_token(
                server.revocation_endpoint, token=second["refresh_token"]
            )
            assert answer.status_code == 200
            assert await active() is False
            with pytest.raises(OAuthError) as refused:
                await bob.refresh_token()
            assert refused.value.error == "invalid_grant"

    asyncio.run(story())


def test_client_credentials_many_at_once(server, shop, introspect):
    async def story():
        async with AsyncOAuth2Client(**settings(server, shop)) as client:
            return await asyncio.gather(*(client.fetch_token() for _ in range(20)))

    tokens = {token["access_token"] for token in asyncio.run(story())}
    assert len(tokens) == 20
    assert all(introspect(token)["active"] is True for token in tokens)


def test_expired_token_is_renewed(server, shop, api):
    async def story():
        renewed = []

        async def keep(token, refresh_token=None, access_token=None):
            renewed.append(refresh_token)

        async with AsyncOAuth2Client(**settings(server, shop, update_token=keep)) as bob:
            before = dict(await bob.fetch_token(username="bob", password=server.password_of("bob")))
            bob.token = {**before, "expires_at": 1}
            # Requests that meet the expired token together refresh it once.
            answers = await asyncio.gather(*(bob.get(api) for _ in range(5)))
            assert [answer.status_code for answer in answers] == [200] * 5
            assert renewed == [before["refresh_token"]]

    asyncio.run(story())


def test_wrong_secret(server, shop):
    async def story():
        wrong = settings(server, shop, client_secret=shop.secret + "x")
        async with AsyncOAuth2Client(**wrong) as client:
            with pytest.raises(OAuthError) as refused:
                await client.fetch_token()
            assert refused.value.error == "invalid_client"

    asyncio.run(story())


def test_synchronous_client(server, shop, introspect):
    with OAuth2Client(**settings(server, shop)) as client:
        token = client.fetch_token()
    assert introspect(token["access_token"])["client_id"] == shop.id
