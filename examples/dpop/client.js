// A client whose tokens are bound to a key that never leaves it (DPoP, RFC 9449).
//
//   ISSUER=http://127.0.0.1:8080  the Jeton server
//   CLIENT_ID, CLIENT_SECRET      the credentials of the client
//   AUDIENCE=https://api.example.com  for whom the token is
//   API=http://127.0.0.1:3000/data    what it calls

import * as oauth from 'oauth4webapi'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, AUDIENCE, API = 'http://127.0.0.1:3000/data' } = process.env
// Plain http is for servers on this machine only.
const insecure = { [oauth.allowInsecureRequests]: ISSUER.startsWith('http://127.0.0.1') }
const issuer = new URL(ISSUER)
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
)
const client = { client_id: CLIENT_ID }

// The private key cannot be read, not even by this program.
const keys = await oauth.generateKeyPair('ES256', { extractable: false })
const DPoP = oauth.DPoP(client, keys)

// If the server wants a nonce, the handle has it after the first answer.
async function withNonce(work) {
  try {
    return await work()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return work()
  }
}

const { access_token, token_type } = await withNonce(async () =>
  oauth.processClientCredentialsResponse(
    server,
    client,
    await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.ClientSecretBasic(CLIENT_SECRET),
      { resource: AUDIENCE },
      { DPoP, ...insecure },
    ),
  ),
)
console.log(`the token_type is ${token_type}`)

const answer = await withNonce(() =>
  oauth.protectedResourceRequest(access_token, 'GET', new URL(API), undefined, undefined, { DPoP, ...insecure }),
)
console.log(`with a proof: ${answer.status} ${await answer.text()}`)

// What a thief of the token could do.
const stolen = await fetch(API, { headers: { authorization: `Bearer ${access_token}` } })
console.log(`as a bearer token: ${stolen.status} ${stolen.headers.get('www-authenticate')}`)
