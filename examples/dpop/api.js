// An API that takes only tokens which are bound to a key of the client (DPoP, RFC 9449): GET /data
//
//   ISSUER=http://127.0.0.1:8080  the Jeton server
//   AUDIENCE=https://api.example.com  what the tokens must be for
//   SCOPE=read:conversations      what they must allow
//   PORT=3000                     where it listens; ORIGIN is the address that clients use, http://127.0.0.1:PORT unless set

import { createServer } from 'node:http'
import * as oauth from 'oauth4webapi'

const { ISSUER, AUDIENCE, SCOPE, PORT = '3000' } = process.env
const ORIGIN = process.env.ORIGIN ?? `http://127.0.0.1:${PORT}`
const ALGORITHMS = 'ES256 EdDSA RS256 PS256'
// Seconds by which clocks may differ; a proof is remembered for longer than it can be used.
const TOLERANCE = 30
const REMEMBERED = 2 * (TOLERANCE + 300) * 1000

// Keys and addresses of the issuer. Plain http is for a server on this machine only.
const insecure = { [oauth.allowInsecureRequests]: ISSUER.startsWith('http://127.0.0.1') }
const issuer = new URL(ISSUER)
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
)

// The proofs that were used, in the order of their use. Several processes would have to share them.
const used = new Map()

function isFirstUse(proof) {
  const now = Date.now()
  for (const [known, at] of used) {
    if (now - at < REMEMBERED) break
    used.delete(known)
  }
  if (used.has(proof)) return false
  used.set(proof, now)
  return true
}

async function check(request) {
  const claims = await oauth.validateJwtAccessToken(server, request, AUDIENCE, {
    requireDPoP: true,
    [oauth.clockTolerance]: TOLERANCE,
    ...insecure,
  })
  const { jti } = JSON.parse(Buffer.from(request.headers.get('dpop').split('.')[1], 'base64url'))
  if (!isFirstUse(`${claims.cnf.jkt} ${jti}`)) throw new Refusal('invalid_dpop_proof', 'The proof was used before.')
  const held = (claims.scope ?? '').split(' ')
  if (!SCOPE.split(' ').every((needed) => held.includes(needed))) {
    throw new Refusal('insufficient_scope', 'The token lacks a scope.')
  }
  return claims
}

class Refusal extends Error {
  constructor(code, message) {
    super(message)
    this.code = code
  }
}

function send(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

createServer(async (incoming, response) => {
  if (incoming.method !== 'GET' || incoming.url.split('?')[0] !== '/data') return send(response, 404, {})
  try {
    const headers = new Headers()
    for (let i = 0; i < incoming.rawHeaders.length; i += 2) headers.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1])
    const claims = await check(new Request(`${ORIGIN}${incoming.url}`, { headers }))
    send(response, 200, { data: 'secret', client: claims.client_id }, { 'cache-control': 'no-store' })
  } catch (error) {
    const isRefusal = error instanceof Refusal || error instanceof oauth.WWWAuthenticateChallengeError
    const isOfToken = error instanceof oauth.OperationProcessingError || error instanceof oauth.UnsupportedOperationError
    if (!isRefusal && !isOfToken) {
      console.error(error)
      return send(response, 503, { error: 'temporarily_unavailable' }, { 'retry-after': '2' })
    }
    const code = error instanceof Refusal ? error.code : 'invalid_token'
    const challenge = `DPoP algs="${ALGORITHMS}", error="${code}"`
    send(response, code === 'insufficient_scope' ? 403 : 401, { error: code }, { 'www-authenticate': challenge })
  }
}).listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/data`))
