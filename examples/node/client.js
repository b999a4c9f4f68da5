// A client of a protected API that always has a good Jeton access token (client_credentials).
//
// It renews the token before it expires, once for all calls that need it. If the API refuses a token all the same, it
// gets a new one and repeats the call once. If a server is busy or down, it waits; when it gives up, it says why.
//
// Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE, API_URL (default http://127.0.0.1:3000/data),
// CALLS (at the same time; default 1), EVERY (seconds between rounds of calls; default: one round).
import { setTimeout as sleep } from 'node:timers/promises'

// The fraction of its life after which a token is renewed. The rest is for retries.
const RENEW_AFTER = 0.75
// How often a call or a renewal is tried before the client gives up.
const ATTEMPTS = 6
// No wait is longer than this (milliseconds), whatever a server asks for.
const LONGEST_WAIT = 30_000

// Why something failed, and how many milliseconds to wait before the next attempt; undefined if another is pointless.
class Failure extends Error {
  constructor(why, wait) {
    super(why)
    this.wait = wait
  }
}

const backoff = (attempt) => 200 * 2 ** attempt * (1 + Math.random())
const isBusy = (answer) => answer.status === 429 || answer.status >= 500
const challenge = (answer) => answer.headers.get('www-authenticate') ?? ''
const refusesToken = (answer) => answer.status === 401 && challenge(answer).includes('error="invalid_token"')

// Like fetch, but throws a Failure if the server is busy or down. It says how long to wait: as long as the server asks,
// and a random bit more, so that clients do not all come back at once.
async function request(url, options, attempt) {
  let answer
  try {
    answer = await fetch(url, { ...options, redirect: 'manual', signal: AbortSignal.timeout(5_000) })
  } catch (error) {
    throw new Failure(`${error.message}: ${error.cause?.message ?? error.cause?.code ?? ''}`, backoff(attempt))
  }
  if (!isBusy(answer)) return answer
  const seconds = Number.parseInt(answer.headers.get('retry-after'))
  const wait = Number.isNaN(seconds) ? backoff(attempt) : (seconds + Math.random()) * 1000
  throw new Failure(`status ${answer.status}`, Math.min(wait, LONGEST_WAIT))
}

export class Client {
  #token // { text, renewAt, expiresAt }
  #renewal // the promise of the renewal in progress

  constructor({ issuer, id, secret, scope, audience }) {
    this.tokenEndpoint = `${issuer}/auth/token`
    // RFC 6749 §2.3.1: in Basic, id and secret are encoded.
    this.authorization = `Basic ${btoa(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`
    this.form = { grant_type: 'client_credentials', scope, resource: audience }
  }

  // Gets a page of the API. Safe to repeat; a call that changes something may be repeated after a 401, 429 or 503, but
  // after a broken connection only if the API recognises the repetition.
  async get(url) {
    let wasRefused = false
    for (let attempt = 0; ; ) {
      const token = await this.token()
      try {
        const answer = await request(url, { headers: { authorization: `Bearer ${token}` } }, attempt)
        if (!refusesToken(answer)) return answer
        if (wasRefused) throw new Failure(`the API refuses a new token, too: ${challenge(answer)}`)
        wasRefused = true
        // Unless another call has replaced it already.
        if (this.#token?.text === token) this.#token = undefined
      } catch (error) {
        attempt += 1
        if (error.wait === undefined) throw error
        if (attempt === ATTEMPTS) throw new Failure(`no answer from ${url} after ${attempt} attempts: ${error.message}`)
        await sleep(error.wait)
      }
    }
  }

  // A token that is good for a while longer. Calls during a renewal wait for it.
  async token() {
    if (this.#token && Date.now() < this.#token.renewAt) return this.#token.text
    this.#renewal ??= this.#renew().finally(() => (this.#renewal = undefined))
    return this.#renewal
  }

  async #renew() {
    for (let attempt = 0; ; ) {
      try {
        this.#token = await this.#newToken(attempt)
        return this.#token.text
      } catch (error) {
        attempt += 1
        const now = Date.now()
        if (error.wait !== undefined && this.#token && now < this.#token.expiresAt) {
          // The old token is still good; the next call after the wait tries again.
          this.#token.renewAt = Math.min(this.#token.expiresAt, now + error.wait)
          return this.#token.text
        }
        if (error.wait === undefined || attempt === ATTEMPTS) {
          throw new Failure(`no token from ${this.tokenEndpoint} after ${attempt} attempts: ${error.message}`)
        }
        await sleep(error.wait)
      }
    }
  }

  async #newToken(attempt) {
    const asked = Date.now()
    const headers = { authorization: this.authorization }
    const options = { method: 'POST', headers, body: new URLSearchParams(this.form) }
    const answer = await request(this.tokenEndpoint, options, attempt)
    const body = await answer.json().catch(() => ({}))
    if (answer.status !== 200 || !body.access_token || !body.expires_in) {
      // Wrong credentials or a forbidden scope: retrying does not help.
      throw new Failure(`status ${answer.status} ${body.error} ${body.error_description} ${body.error_uri}`)
    }
    const life = body.expires_in * 1000
    return { text: body.access_token, renewAt: asked + life * RENEW_AFTER, expiresAt: asked + life }
  }
}

// --- the program: calls the API ---

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE } = process.env
const { API_URL = 'http://127.0.0.1:3000/data', CALLS = '1', EVERY = '0' } = process.env
for (const [name, value] of Object.entries({ ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, AUDIENCE })) {
  if (!value) throw new Error(`${name} is not set`)
}
const client = new Client({ issuer: ISSUER, id: CLIENT_ID, secret: CLIENT_SECRET, scope: SCOPE, audience: AUDIENCE })

async function call() {
  try {
    const answer = await client.get(API_URL)
    console.log(answer.status, await answer.text())
  } catch (error) {
    console.error('gave up:', error.message)
    process.exitCode = 1
  }
}

do {
  await Promise.all(Array.from({ length: Number(CALLS) }, call))
  await sleep(Number(EVERY) * 1000)
} while (Number(EVERY) > 0)
