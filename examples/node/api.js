// A protected API: GET /data answers anyone with a good Jeton access token.
//
// It verifies JWTs itself, with the keys that Jeton publishes. It asks Jeton (introspection, RFC 7662) about tokens that
// it cannot verify: opaque tokens, and JWTs whose key is not published; with INTROSPECT=always, about every token.
//
// Environment: ISSUER, AUDIENCE, SCOPE (what /data needs), CLIENT_ID and CLIENT_SECRET (this API's own),
// PORT (default 3000), INTROSPECT ("always", or nothing).
import { createServer } from 'node:http'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER, AUDIENCE, SCOPE, CLIENT_ID, CLIENT_SECRET, PORT = '3000', INTROSPECT } = process.env
for (const [name, value] of Object.entries({ ISSUER, AUDIENCE, SCOPE, CLIENT_ID, CLIENT_SECRET })) {
  if (!value) throw new Error(`${name} is not set`)
}

// The algorithms Jeton signs with. The library makes sure that a token uses the one of its key.
const ALGORITHMS = ['ES256', 'EdDSA', 'RS256']
const KEY_IS_MISSING = ['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC']
// How many seconds the issuer's clock may be ahead (nbf). Expiry gets no leeway.
const LEEWAY = 60
// An unknown key id makes the API fetch the keys at once, but not more often than every 10 s.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), {
  cooldownDuration: 10_000,
  cacheMaxAge: Infinity,
  timeoutDuration: 2_000,
})
// The keys are fetched every 5 minutes in any case, so that a deleted key is forgotten. If that fails, the known ones
// stay in use.
const refresh = () => keys.reload().catch((error) => console.error('the published keys could not be fetched:', error))
setInterval(refresh, 300_000)
refresh()

// Status, error code (RFC 6750 §3.1) and explanation.
class Refusal extends Error {
  constructor(status, code, text) {
    super(text)
    Object.assign(this, { status, code })
  }
}
const badToken = (text) => new Refusal(401, 'invalid_token', text)
// Whether the token is good is unknown: this is an outage, not a refusal.
function couldNotCheck(why) {
  console.error('introspection failed:', why)
  return new Refusal(503, 'temporarily_unavailable', 'The token could not be checked.')
}

// The token from the Authorization header, the only place where it is accepted.
function bearerToken(request) {
  const query = new URLSearchParams(request.url.split('?')[1])
  const sent = request.headersDistinct.authorization ?? []
  if (sent.length > 1 || (sent.length === 1 && query.has('access_token'))) {
    throw new Refusal(400, 'invalid_request', 'The request carries more than one token.')
  }
  if (query.has('access_token')) {
    throw new Refusal(400, 'invalid_request', 'The token is in the query string. Send it in the header.')
  }
  const [, token] = /^Bearer ([^ ].*)$/i.exec(sent[0]) ?? []
  if (!token) throw new Refusal(401, undefined, 'Send a Bearer token.')
  return token
}

// The claims of a good token, and how it was checked.
async function check(token) {
  if (token.startsWith('jrt_')) throw badToken('This is a refresh token. Send the access token.')
  const locally = INTROSPECT !== 'always' && !token.startsWith('jat_')
  const checked = locally ? await verify(token) : await introspect(token)
  // Bound to a key or a certificate of the client: examples/dpop checks that.
  if (checked.claims.cnf) throw badToken('The token is bound to its client, which this API cannot check.')
  const held = String(checked.claims.scope ?? '').split(' ')
  if (!SCOPE.split(' ').every((needed) => held.includes(needed))) {
    throw new Refusal(403, 'insufficient_scope', 'The token lacks a scope.')
  }
  return checked
}

async function verify(token) {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      typ: 'at+jwt',
      issuer: ISSUER,
      audience: AUDIENCE,
      requiredClaims: ['exp'],
      clockTolerance: LEEWAY,
    })
    if (payload.exp <= Date.now() / 1000) throw new errors.JWTExpired('', payload, 'exp')
    return { claims: payload, checked_by: 'keys' }
  } catch (error) {
    // The key is not among the keys just fetched, or they could not be fetched.
    if (!(error instanceof errors.JOSEError) || KEY_IS_MISSING.includes(error.code)) return introspect(token)
    throw badToken(reason(error))
  }
}

function reason(error) {
  if (error instanceof errors.JWTExpired) return 'The token has expired.'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'The signature is wrong.'
  if (error.claim === 'nbf') return 'The token is not valid yet.'
  if (error.claim === 'iss') return 'The token is of another issuer.'
  if (error.claim === 'aud') return 'The token is for another audience.'
  return 'This is not an access token.'
}

async function introspect(token) {
  // RFC 6749 §2.3.1: in Basic, id and secret are encoded.
  const credentials = btoa(`${encodeURIComponent(CLIENT_ID)}:${encodeURIComponent(CLIENT_SECRET)}`)
  let claims
  try {
    const answer = await fetch(`${ISSUER}/auth/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams({ token }),
      redirect: 'error',
      signal: AbortSignal.timeout(2_000),
    })
    if (answer.status !== 200) throw new Error(`status ${answer.status}`)
    claims = await answer.json()
    if (typeof claims?.active !== 'boolean') throw new Error('the answer does not say whether the token is active')
  } catch (error) {
    throw couldNotCheck(error)
  }
  if (!claims.active) throw badToken('The token has expired, was revoked, or was never issued.')
  if (claims.token_type !== 'Bearer') throw badToken('This is not an access token.')
  if (claims.iss !== ISSUER) throw badToken('The token is of another issuer.')
  if (![claims.aud].flat().includes(AUDIENCE)) throw badToken('The token is for another audience.')
  return { claims, checked_by: 'introspection' }
}

function send(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

const server = createServer(async (request, response) => {
  if (request.method !== 'GET' || request.url.split('?')[0] !== '/data') return send(response, 404, {})
  try {
    const { claims, checked_by } = await check(bearerToken(request))
    send(response, 200, { data: 'secret', client: claims.client_id, checked_by }, { 'cache-control': 'no-store' })
  } catch (error) {
    const { status, code, message } = error instanceof Refusal ? error : couldNotCheck(error)
    let challenge = 'Bearer realm="data"'
    if (code) challenge += `, error="${code}", error_description="${message}"`
    if (status === 403) challenge += `, scope="${SCOPE}"`
    const header = status === 503 ? { 'retry-after': '2' } : { 'www-authenticate': challenge }
    send(response, status, { error: code, error_description: message }, header)
  }
})
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/data`))
