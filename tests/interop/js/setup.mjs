// The server under test, as `run` has written it down, and ways to ask it that belong to no library.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const read = (...path) => readFileSync(join(process.env.JETON_INTEROP_DIR, ...path), 'utf8')

export const issuer = read('issuer')
export const algorithm = read('algorithm')
// Whether the server wants a nonce in each proof (DPoP): off or required.
export const nonces = read('nonces')
export const audience = 'https://api.example.com'
export const alice = {
  ...JSON.parse(read('users', 'alice.json')),
  password: read('users', 'alice.password'),
}

// { client_id, client_secret, token_endpoint_auth_method, … }
export const client = (id) => JSON.parse(read('clients', `${id}.json`))

// The private key of a client that has one, as a JWK.
export const privateKey = (id) => JSON.parse(read(`${id}.key.json`))

// What a resource server, which may introspect every token, is told about one.
export async function introspect(token) {
  const { client_id, client_secret } = client('api')
  const answer = await fetch(`${issuer}/auth/introspect`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({ token }),
  })
  if (answer.status !== 200) throw new Error(`introspection answered ${answer.status}`)
  return answer.json()
}

// A token answer for alice, without a library.
export async function login(id, parameters = {}) {
  const { client_id, client_secret } = client(id)
  const answer = await fetch(`${issuer}/auth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({
      grant_type: 'password',
      username: alice.username,
      password: alice.password,
      ...parameters,
    }),
  })
  if (answer.status !== 200) throw new Error(`the token endpoint answered ${answer.status}`)
  return answer.json()
}

export const scopes = (text) => new Set(text.split(' '))

// The token with one bit of its signature changed.
export function damaged(token) {
  const at = token.lastIndexOf('.') + 6
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

// What the promise is rejected with.
export const rejection = (promise) =>
  promise.then(
    () => assert.fail('nothing was thrown'),
    (error) => error,
  )
