// Tokens that are bound to a key (RFC 9449), for a client that also proves itself by one.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import * as dpop from 'dpop'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { alice, audience, client, introspect, issuer, nonces, privateKey, rejection } from './setup.mjs'

const orders = new URL(`${audience}/orders?page=2`)
const kind = 'urn:ietf:params:oauth:token-type:access_token'
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'

// The API, behind a proxy: that asks Jeton about each request, and passes on what it answers.
function api(url, { method = 'GET', headers }) {
  const asked = new Headers(headers)
  asked.set('x-original-method', method)
  asked.set('x-original-url', url)
  return fetch(`${issuer}/auth/verify?scope=read&audience=${encodeURIComponent(audience)}`, { headers: asked })
}

// Whoever talks to the API talks to its proxy.
const behindTheProxy = (url, options) =>
  (new URL(url).origin === audience ? api : fetch)(url, options)

let key
before(async () => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  key = { key: await crypto.subtle.importKey('jwk', privateKey('worker'), algorithm, false, ['sign']), kid: 'own' }
})

// The token is bound to a key, for the API, and of no use without a proof by that key.
async function assertBound({ access_token, token_type }, thumbprint, subject) {
  assert.equal(token_type, 'dpop')
  const found = await introspect(access_token)
  assert.equal(found.token_type, 'DPoP')
  assert.equal(found.sub, subject)
  if (thumbprint) assert.equal(found.cnf.jkt, thumbprint)
  const stolen = await api(orders.href, { headers: { authorization: `Bearer ${access_token}` } })
  assert.equal(stolen.status, 401)
  assert.match(stolen.headers.get('www-authenticate'), /^DPoP .*error="invalid_token"/)
}

describe('oauth4webapi', () => {
  const worker = { client_id: 'worker' }
  const options = { [oauth.allowInsecureRequests]: true, [oauth.customFetch]: behindTheProxy }
  let server, DPoP
  before(async () => {
    const url = new URL(issuer)
    server = await oauth.processDiscoveryResponse(
      url,
      await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...options }),
    )
  })

  // The handle learns the nonce from the refusal.
  async function withNonce(work) {
    const fresh = { ...options, DPoP: (DPoP ??= oauth.DPoP(worker, await oauth.generateKeyPair('ES256'))) }
    try {
      return await work(fresh)
    } catch (error) {
      if (nonces === 'off' || !oauth.isDPoPNonceError(error)) throw error
      return work(fresh)
    }
  }
  const grant = (type, parameters) =>
    withNonce(async (fresh) =>
      oauth.processGenericTokenEndpointResponse(
        server,
        worker,
        await oauth.genericTokenEndpointRequest(server, worker, oauth.PrivateKeyJwt(key), type, parameters, fresh),
      ),
    )
  const call = (token) =>
    withNonce((fresh) => oauth.protectedResourceRequest(token, 'GET', orders, undefined, undefined, fresh))

  test('a bound token opens the API, with a proof', async () => {
    const answer = await grant('client_credentials', { scope: 'read' })
    await assertBound(answer, await DPoP.calculateThumbprint(), 'worker')
    assert.equal((await call(answer.access_token)).status, 200)
  })

  test('a refresh keeps the key', async () => {
    const first = await grant('password', { username: alice.username, password: alice.password })
    const second = await grant('refresh_token', { refresh_token: first.refresh_token })
    await assertBound(second, await DPoP.calculateThumbprint(), alice.id)
    assert.equal((await call(second.access_token)).status, 200)
  })

  test('a token is exchanged for a bound one', async () => {
    const { access_token } = await grant('password', { username: alice.username, password: alice.password })
    const answer = await grant(exchange, { subject_token: access_token, subject_token_type: kind, scope: 'read' })
    assert.equal(answer.issued_token_type, kind)
    await assertBound(answer, await DPoP.calculateThumbprint(), alice.id)
    assert.deepEqual((await introspect(answer.access_token)).act, { sub: 'worker' })
    assert.equal((await call(answer.access_token)).status, 200)
  })

  test('a proof by another key is refused', async () => {
    const { access_token } = await grant('client_credentials', { scope: 'read' })
    DPoP = undefined
    const error = await rejection(call(access_token))
    assert.ok(error instanceof oauth.WWWAuthenticateChallengeError)
    assert.equal(error.cause[0].scheme, 'dpop')
    assert.equal(error.cause[0].parameters.error, 'invalid_token')
  })
})

describe('openid-client', () => {
  test('gets nonces by itself, for tokens, exchanges and the API', async () => {
    const config = await openid.discovery(new URL(issuer), 'worker', {}, openid.PrivateKeyJwt(key), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
      [openid.customFetch]: behindTheProxy,
    })
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('Ed25519'))
    const first = await openid.clientCredentialsGrant(config, { scope: 'read' }, { DPoP })
    const second = await openid.genericGrantRequest(
      config,
      exchange,
      { subject_token: first.access_token, subject_token_type: kind },
      { DPoP },
    )
    for (const token of [first, second]) {
      await assertBound(token, await DPoP.calculateThumbprint(), 'worker')
      const answer = await openid.fetchProtectedResource(
        config,
        token.access_token,
        orders,
        'GET',
        undefined,
        undefined,
        { DPoP },
      )
      assert.equal(answer.status, 200)
    }
  })
})

describe('dpop', () => {
  const url = `${issuer}/auth/token`
  const { client_id, client_secret } = client('shop')
  const authorization = `Basic ${btoa(`${client_id}:${client_secret}`)}`

  for (const algorithm of ['ES256', 'Ed25519', 'PS256']) {
    test(algorithm, async () => {
      const keys = await dpop.generateKeyPair(algorithm)
      let nonce
      const ask = async () => {
        const answer = await fetch(url, {
          method: 'POST',
          headers: { dpop: await dpop.generateProof(keys, url, 'POST', nonce), authorization },
          body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' }),
        })
        return [answer, await answer.json()]
      }
      let [answer, token] = await ask()
      if (nonces === 'required') {
        assert.deepEqual([answer.status, token.error], [400, 'use_dpop_nonce'])
        nonce = answer.headers.get('dpop-nonce')
        ;[answer, token] = await ask()
      }
      assert.equal(answer.status, 200, JSON.stringify(token))
      assert.equal(token.token_type, 'DPoP')
      const proof = await dpop.generateProof(keys, audience + orders.pathname, 'GET', nonce, token.access_token)
      const headers = { authorization: `DPoP ${token.access_token}`, dpop: proof }
      assert.equal((await api(orders.href, { headers })).status, 200)
      // A proof counts once.
      const again = await api(orders.href, { headers })
      assert.equal(again.status, 401)
      assert.match(again.headers.get('www-authenticate'), /error="invalid_dpop_proof"/)
    })
  }
})
