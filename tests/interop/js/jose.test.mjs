import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as jose from 'jose'
import { algorithm, alice, audience, damaged, issuer, login } from './setup.mjs'

const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()
const keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri))

const verify = (token, expected = {}) =>
  jose.jwtVerify(token, keys, {
    issuer,
    audience,
    typ: 'at+jwt',
    algorithms: [algorithm],
    requiredClaims: ['exp', 'iat', 'sub', 'jti', 'client_id'],
    ...expected,
  })

test('a good token', async () => {
  const { access_token, expires_in } = await login('shop', { scope: 'write' })
  const { payload, protectedHeader } = await verify(access_token)
  assert.equal(payload.sub, alice.id)
  assert.equal(payload.client_id, 'shop')
  assert.equal(payload.scope, 'write')
  assert.equal(payload.exp - payload.iat, expires_in)
  assert.equal(protectedHeader.alg, algorithm)
  assert.ok(protectedHeader.kid)
})

for (const [claim, expected] of [
  ['aud', { audience: 'https://files.example.com' }],
  ['iss', { issuer: `${issuer}/` }],
  ['typ', { typ: 'JWT' }],
]) {
  test(`another ${claim}`, async () => {
    const { access_token } = await login('shop')
    await assert.rejects(verify(access_token, expected), { code: 'ERR_JWT_CLAIM_VALIDATION_FAILED', claim })
  })
}

test('a changed signature', async () => {
  const { access_token } = await login('shop')
  await assert.rejects(verify(damaged(access_token)), {
    code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  })
})

test('a token signed by somebody else under the same key id', async () => {
  const { access_token } = await login('shop')
  const { privateKey } = await jose.generateKeyPair(algorithm)
  const forged = await new jose.SignJWT(jose.decodeJwt(access_token))
    .setProtectedHeader(jose.decodeProtectedHeader(access_token))
    .sign(privateKey)
  await assert.rejects(verify(forged), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' })
})
