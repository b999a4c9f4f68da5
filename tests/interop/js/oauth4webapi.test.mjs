import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import * as oauth from 'oauth4webapi'
import {
  algorithm,
  alice,
  audience,
  client as made,
  damaged,
  introspect,
  issuer,
  login,
  rejection,
} from './setup.mjs'

const insecure = { [oauth.allowInsecureRequests]: true }

async function discover(algorithm) {
  const url = new URL(issuer)
  const answer = await oauth.discoveryRequest(url, { algorithm, ...insecure })
  return oauth.processDiscoveryResponse(url, answer)
}

let server
before(async () => {
  server = await discover('oauth2')
})

test('there is the same metadata of OAuth and of OpenID Connect', async () => {
  assert.equal(server.issuer, issuer)
  assert.deepEqual(await discover('oidc'), server)
})

for (const [id, authenticate] of [
  ['shop', oauth.ClientSecretBasic],
  ['shop-post', oauth.ClientSecretPost],
  ['shop: 1+2 %41', oauth.ClientSecretBasic],
]) {
  describe(`client ${id}`, () => {
    const client = { client_id: id }
    const authentication = authenticate(made(id).client_secret)

    const clientCredentials = async (auth, parameters = {}) =>
      oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, insecure),
      )
    const password = async () =>
      oauth.processGenericTokenEndpointResponse(
        server,
        client,
        await oauth.genericTokenEndpointRequest(
          server,
          client,
          authentication,
          'password',
          { username: alice.username, password: alice.password },
          insecure,
        ),
      )
    const refresh = async (token) =>
      oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(server, client, authentication, token, insecure),
      )
    const introspection = async (token, auth = authentication) =>
      oauth.processIntrospectionResponse(
        server,
        client,
        await oauth.introspectionRequest(server, client, auth, token, insecure),
      )
    const revoke = async (token) =>
      oauth.processRevocationResponse(
        await oauth.revocationRequest(server, client, authentication, token, insecure),
      )

    test('client credentials', async () => {
      const token = await clientCredentials(authentication, { scope: 'read' })
      assert.equal(token.token_type, 'bearer')
      assert.equal(token.scope, 'read')
      assert.equal(typeof token.expires_in, 'number')
      const found = await introspect(token.access_token)
      assert.equal(found.active, true)
      assert.equal(found.client_id, id)
    })

    test('password, refresh, introspection, revocation', async () => {
      const first = await password()
      const second = await refresh(first.refresh_token)
      assert.notEqual(second.refresh_token, first.refresh_token)
      const found = await introspection(second.access_token)
      assert.equal(found.active, true)
      assert.equal(found.sub, alice.id)

      assert.equal(await revoke(second.refresh_token), undefined)
      assert.deepEqual(await introspection(second.access_token), { active: false })
      const error = await rejection(refresh(second.refresh_token))
      assert.ok(error instanceof oauth.ResponseBodyError)
      assert.equal(error.status, 400)
      assert.equal(error.error, 'invalid_grant')
    })

    test('wrong secret', async () => {
      const { access_token } = await clientCredentials(authentication)
      const wrong = authenticate('wrong')
      for (const ask of [() => clientCredentials(wrong), () => introspection(access_token, wrong)]) {
        const error = await rejection(ask())
        assert.ok(error instanceof oauth.WWWAuthenticateChallengeError)
        assert.equal(error.status, 401)
        assert.equal(error.cause[0].scheme, 'basic')
        assert.ok(error.cause[0].parameters.realm)
        assert.equal((await error.response.json()).error, 'invalid_client')
      }
    })
  })
}

describe('a resource server validates JWT access tokens', () => {
  const validate = (token, expected = audience) =>
    oauth.validateJwtAccessToken(
      server,
      new Request(`${audience}/orders`, { headers: { authorization: `Bearer ${token}` } }),
      expected,
      { signingAlgorithms: [algorithm], ...insecure },
    )

  test('of a user', async () => {
    const { access_token } = await login('shop', { scope: 'read' })
    const claims = await validate(access_token)
    assert.equal(claims.iss, issuer)
    assert.equal(claims.sub, alice.id)
    assert.equal(claims.client_id, 'shop')
    assert.equal(claims.scope, 'read')
  })

  test('of another audience', async () => {
    const { access_token } = await login('shop')
    await assert.rejects(validate(access_token, 'https://files.example.com'), {
      name: 'OperationProcessingError',
    })
  })

  test('with a changed signature', async () => {
    const { access_token } = await login('shop')
    await assert.rejects(validate(damaged(access_token)), { name: 'OperationProcessingError' })
  })
})
