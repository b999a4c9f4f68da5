import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as openid from 'openid-client'
import { alice, audience, client, introspect, issuer, privateKey, rejection, scopes } from './setup.mjs'

function authentication({ client_secret, token_endpoint_auth_method }, secret = client_secret) {
  switch (token_endpoint_auth_method) {
    case 'client_secret_basic':
      return openid.ClientSecretBasic(secret)
    case 'client_secret_post':
      return openid.ClientSecretPost(secret)
    case 'none':
      return openid.None()
  }
}

const discover = (made, { secret } = {}) =>
  openid.discovery(new URL(issuer), made.client_id, {}, authentication(made, secret), {
    algorithm: 'oauth2',
    execute: [openid.allowInsecureRequests],
  })

const login = (config, parameters = {}) =>
  openid.genericGrantRequest(config, 'password', {
    username: alice.username,
    password: alice.password,
    ...parameters,
  })

// The error is the library's own, and the server's answer names this code.
async function refused(promise, status, code) {
  const error = await rejection(promise)
  assert.equal(error.status, status, String(error))
  if (error instanceof openid.ResponseBodyError) {
    assert.equal(error.error, code)
    assert.ok(error.error_description)
  } else {
    // The library makes this of every answer with WWW-Authenticate, and leaves its body unread.
    assert.ok(error instanceof openid.WWWAuthenticateChallengeError)
    assert.equal((await error.response.json()).error, code)
  }
}

test('discovery', async () => {
  const server = (await discover(client('shop'))).serverMetadata()
  assert.equal(server.issuer, issuer)
  for (const endpoint of [
    'token_endpoint',
    'introspection_endpoint',
    'revocation_endpoint',
    'jwks_uri',
  ]) {
    assert.equal(new URL(server[endpoint]).origin, issuer, endpoint)
  }
  for (const grant of ['password', 'client_credentials', 'refresh_token']) {
    assert.ok(server.grant_types_supported.includes(grant), grant)
  }
})

describe('private_key_jwt', () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }

  const worker = (key) =>
    openid.discovery(new URL(issuer), 'worker', {}, openid.PrivateKeyJwt({ key, kid: 'own' }), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    })

  test('a client with a key gets, introspects and revokes tokens', async () => {
    const key = await crypto.subtle.importKey('jwk', privateKey('worker'), algorithm, false, ['sign'])
    const config = await worker(key)
    const { access_token } = await openid.clientCredentialsGrant(config)
    assert.equal((await openid.tokenIntrospection(config, access_token)).active, true)
    await openid.tokenRevocation(config, access_token)
    assert.equal((await openid.tokenIntrospection(config, access_token)).active, false)
  })

  test('another key is refused', async () => {
    const { privateKey: other } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify'])
    await refused(openid.clientCredentialsGrant(await worker(other)), 401, 'invalid_client')
  })
})

// The last id is sent encoded in the Authorization header (RFC 6749 §2.3.1).
for (const id of ['shop', 'shop-post', 'shop-opaque', 'shop: 1+2 %41']) {
  describe(`client ${id}`, () => {
    test('client credentials', async () => {
      const config = await discover(client(id))
      const token = await openid.clientCredentialsGrant(config, { scope: 'read' })
      assert.equal(token.token_type, 'bearer')
      assert.equal(token.scope, 'read')
      assert.equal(token.refresh_token, undefined)
      assert.ok(token.expiresIn() > 0)

      const found = await introspect(token.access_token)
      assert.equal(found.active, true)
      assert.equal(found.sub, id)
      assert.equal(found.client_id, id)
      assert.equal(found.scope, 'read')
    })

    test('password', async () => {
      const token = await login(await discover(client(id)))
      assert.deepEqual(scopes(token.scope), new Set(['read', 'write']))
      const found = await introspect(token.access_token)
      assert.equal(found.active, true)
      assert.equal(found.username, 'alice')
      assert.equal(found.sub, alice.id)
      assert.equal(found.client_id, id)
    })

    test('refresh rotates, and reuse ends the session', async () => {
      const config = await discover(client(id))
      const first = await login(config)
      const second = await openid.refreshTokenGrant(config, first.refresh_token)
      assert.notEqual(second.access_token, first.access_token)
      assert.notEqual(second.refresh_token, first.refresh_token)
      assert.equal((await introspect(second.access_token)).active, true)

      const third = await openid.refreshTokenGrant(config, second.refresh_token, { scope: 'write' })
      assert.equal(third.scope, 'write')
      await refused(openid.refreshTokenGrant(config, first.refresh_token), 400, 'invalid_grant')
      await refused(openid.refreshTokenGrant(config, third.refresh_token), 400, 'invalid_grant')
      assert.deepEqual(await introspect(third.access_token), { active: false })
    })

    test('introspection and revocation', async () => {
      const config = await discover(client(id))
      const token = await login(config)
      const other = await login(config)
      for (const kind of ['access_token', 'refresh_token']) {
        const found = await openid.tokenIntrospection(config, token[kind], { token_type_hint: kind })
        assert.equal(found.active, true, kind)
        assert.equal(found.client_id, id)
      }

      assert.equal(await openid.tokenRevocation(config, token.access_token), undefined)
      assert.deepEqual(await openid.tokenIntrospection(config, token.access_token), {
        active: false,
      })
      const { access_token, refresh_token } = await openid.refreshTokenGrant(
        config,
        token.refresh_token,
      )
      await openid.tokenRevocation(config, refresh_token, { token_type_hint: 'refresh_token' })
      for (const dead of [access_token, refresh_token]) {
        assert.deepEqual(await openid.tokenIntrospection(config, dead), { active: false })
      }
      await refused(openid.refreshTokenGrant(config, refresh_token), 400, 'invalid_grant')
      assert.equal((await introspect(other.access_token)).active, true)
    })

    test('wrong secret', async () => {
      const wrong = await discover(client(id), { secret: 'wrong' })
      const { access_token } = await login(await discover(client(id)))
      await refused(openid.clientCredentialsGrant(wrong), 401, 'invalid_client')
      await refused(login(wrong), 401, 'invalid_client')
      await refused(openid.tokenIntrospection(wrong, access_token), 401, 'invalid_client')
      await refused(openid.tokenRevocation(wrong, access_token), 401, 'invalid_client')
      assert.equal((await introspect(access_token)).active, true)
    })
  })
}

test('public client', async () => {
  const config = await discover(client('shop-app'))
  const first = await login(config, { scope: 'read' })
  const second = await openid.refreshTokenGrant(config, first.refresh_token)
  assert.notEqual(second.refresh_token, first.refresh_token)
  assert.equal(second.scope, 'read')
  await openid.tokenRevocation(config, second.refresh_token)
  assert.deepEqual(await introspect(second.access_token), { active: false })
})

test('refusals', async () => {
  const config = await discover(client('shop'))
  await refused(login(config, { password: 'wrong' }), 400, 'invalid_grant')
  await refused(
    openid.clientCredentialsGrant(config, { scope: 'everything' }),
    400,
    'invalid_scope',
  )
  await refused(
    openid.clientCredentialsGrant(config, { resource: 'https://elsewhere.example.com' }),
    400,
    'invalid_target',
  )
  await refused(
    openid.genericGrantRequest(config, 'urn:example:magic', {}),
    400,
    'unsupported_grant_type',
  )
  await refused(login(await discover(client('api'))), 400, 'unauthorized_client')
})

test('resource', async () => {
  const config = await discover(client('shop-post'))
  const { access_token } = await openid.clientCredentialsGrant(config, { resource: audience })
  assert.deepEqual([(await introspect(access_token)).aud].flat(), [audience])
})

test('the admin API as a protected resource', async () => {
  const config = await discover(client('ops'))
  const { access_token } = await openid.clientCredentialsGrant(config, { scope: 'jeton:admin' })
  const ask = (token) =>
    openid.fetchProtectedResource(config, token, new URL(`${issuer}/admin/v1/users/alice`), 'GET')
  const answer = await ask(access_token)
  assert.equal(answer.status, 200)
  assert.equal((await answer.json()).id, alice.id)

  // A token without the power for it: the library reads the challenge.
  const weak = await login(await discover(client('shop')))
  const error = await rejection(ask(weak.access_token))
  assert.ok(error instanceof openid.WWWAuthenticateChallengeError)
  assert.equal(error.cause[0].scheme, 'bearer')
  assert.equal(error.cause[0].parameters.error, 'invalid_token')
})
