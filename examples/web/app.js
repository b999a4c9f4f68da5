// A web app whose server logs people in with Jeton: OpenID Connect, authorization code with PKCE.
//
// The browser gets a cookie and never a token. The server calls an API for the person, renews the access token before it
// expires, and logs the person out here and at Jeton.
//
// Environment: ISSUER, CLIENT_ID, CLIENT_SECRET, BASE_URL (where browsers find this app; default http://127.0.0.1:4000,
// whose port it listens on, or PORT), API_URL (default http://127.0.0.1:3000/data).
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import express from 'express'
import session from 'express-session'
import * as openid from 'openid-client'

const { ISSUER, CLIENT_ID, CLIENT_SECRET, BASE_URL = 'http://127.0.0.1:4000' } = process.env
const { PORT = new URL(BASE_URL).port, API_URL = 'http://127.0.0.1:3000/data' } = process.env
for (const [name, value] of Object.entries({ ISSUER, CLIENT_ID, CLIENT_SECRET })) {
  if (!value) throw new Error(`${name} is not set`)
}

// Both are registered for the client, letter for letter.
const REDIRECT_URI = new URL('/callback', BASE_URL).href
const POST_LOGOUT_REDIRECT_URI = new URL('/', BASE_URL).href
const SCOPE = 'openid profile email read:conversations'
// The fraction of its life after which an access token is renewed.
const RENEW_AFTER = 0.75

const issuer = new URL(ISSUER)
const folder = fileURLToPath(new URL('.', import.meta.url))
// Plain http is for a server and an app on this machine only.
const [issuerIsPlain, appIsPlain] = [issuer, new URL(BASE_URL)].map((url) => url.protocol === 'http:')
const jeton = await openid.discovery(issuer, CLIENT_ID, undefined, openid.ClientSecretBasic(CLIENT_SECRET), {
  // Without TLS, the signature alone proves that an ID token is Jeton's.
  execute: issuerIsPlain ? [openid.allowInsecureRequests, openid.enableNonRepudiationChecks] : [],
})

// --- pages ---

const escape = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

function send(response, status, title, content) {
  response.status(status).send(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<link rel="stylesheet" href="/style.css">
<main>
<h1>${escape(title)}</h1>
${content}
</main>
</html>`)
}

const LOG_IN = '<p><a class="button" href="/login">Log in</a></p>'
const BACK = '<p><a class="button" href="/">Back</a></p>'

// --- tokens ---

// Of what the token endpoint answers, what the session keeps. A refresh may leave out what stays as it was.
const kept = (answer, before = {}) => ({
  access_token: answer.access_token,
  refresh_token: answer.refresh_token ?? before.refresh_token,
  id_token: answer.id_token ?? before.id_token,
  receivedAt: Date.now(),
  renewAt: Date.now() + answer.expires_in * 1000 * RENEW_AFTER,
})

// The renewals under way, by refresh token: requests of one browser that come at the same time share one.
const renewals = new Map()

async function renew(login) {
  const { refresh_token } = login.tokens
  if (!renewals.has(refresh_token)) {
    const renewal = openid.refreshTokenGrant(jeton, refresh_token).finally(() => renewals.delete(refresh_token))
    renewals.set(refresh_token, renewal)
  }
  login.tokens = kept(await renewals.get(refresh_token), login.tokens)
}

async function callApi(login) {
  if (Date.now() >= login.tokens.renewAt) await renew(login)
  const get = () =>
    fetch(API_URL, {
      headers: { authorization: `Bearer ${login.tokens.access_token}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(5_000),
    })
  const answer = await get()
  if (answer.status !== 401) return answer
  await renew(login)
  return get()
}

// --- the app ---

const app = express()
app.disable('x-powered-by')
// Where this app has https, a proxy in front of it does the TLS.
app.set('trust proxy', !appIsPlain)

app.use((request, response, next) => {
  // A browser holds a form to `form-action` through all redirects, and logging out leads to Jeton.
  const policy = `default-src 'none'; style-src 'self'; form-action 'self' ${issuer.origin}; base-uri 'none'`
  response.set('Content-Security-Policy', `${policy}; frame-ancestors 'none'`)
  response.set('Cache-Control', 'no-store')
  next()
})
app.get('/style.css', (request, response) => response.sendFile('style.css', { root: folder }))

// Sessions are in memory, so they end with this process: use a store of express-session to keep them.
app.use(
  session({
    name: 'web-app',
    secret: randomBytes(32).toString('hex'),
    resave: false,
    saveUninitialized: false,
    // Lax: forms of other sites come without the cookie, so they can neither log anyone out nor do anything else.
    cookie: { httpOnly: true, sameSite: 'lax', secure: !appIsPlain, maxAge: 12 * 3600 * 1000 },
  }),
)

app.get('/', (request, response) => {
  const { login } = request.session
  if (!login) return send(response, 200, 'Web app', `<p>You are not logged in.</p>${LOG_IN}`)
  const { name, email } = login.person
  send(
    response,
    200,
    `Hello, ${name}`,
    `<p>${email ? `Your e-mail address is <strong id="email">${escape(email)}</strong>. ` : ''}Your access token is of
<time id="received">${new Date(login.tokens.receivedAt).toISOString()}</time>.</p>
<p><a class="button" href="/data">Call the API</a></p>
<form method="post" action="/refresh"><button>Renew the access token</button></form>
<form method="post" action="/logout"><button>Log out</button></form>`,
  )
})

app.get('/login', async (request, response) => {
  const verifier = openid.randomPKCECodeVerifier()
  const [state, nonce] = [openid.randomState(), openid.randomNonce()]
  request.session.started = { verifier, state, nonce }
  const address = openid.buildAuthorizationUrl(jeton, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })
  response.redirect(address.href)
})

app.get('/callback', async (request, response) => {
  const { started } = request.session
  delete request.session.started
  if (!started) {
    return send(response, 400, 'This login is over', `<p>It was not started here, or was used before.</p>${LOG_IN}`)
  }
  let answer
  try {
    answer = await openid.authorizationCodeGrant(jeton, new URL(request.originalUrl, BASE_URL), {
      pkceCodeVerifier: started.verifier,
      expectedState: started.state,
      expectedNonce: started.nonce,
      idTokenExpected: true,
    })
  } catch (error) {
    if (error instanceof openid.AuthorizationResponseError && error.error === 'access_denied') {
      return send(response, 403, 'You did not allow access', `<p>So nobody is logged in here.</p>${LOG_IN}`)
    }
    throw error
  }
  const person = await openid.fetchUserInfo(jeton, answer.access_token, answer.claims().sub)
  // A new session id, which nobody can have known before the login.
  await promisify(request.session.regenerate).call(request.session)
  const { name = person.preferred_username ?? person.sub, email } = person
  request.session.login = { person: { name, email }, tokens: kept(answer) }
  response.redirect('/')
})

// What follows needs a login.
app.use(['/data', '/refresh', '/logout'], (request, response, next) => {
  if (request.session.login) return next()
  send(response, 401, 'You are not logged in', LOG_IN)
})

app.get('/data', async (request, response) => {
  const answer = await callApi(request.session.login)
  send(response, 200, `The API answers ${answer.status}`, `<pre>${escape(await answer.text())}</pre>${BACK}`)
})

// Only to show it: the app renews tokens by itself.
app.post('/refresh', async (request, response) => {
  await renew(request.session.login)
  response.redirect(303, '/')
})

app.post('/logout', async (request, response) => {
  const { id_token } = request.session.login.tokens
  await promisify(request.session.destroy).call(request.session)
  // The ID token shows Jeton whose login it is, so that nobody is asked.
  const parameters = { id_token_hint: id_token, post_logout_redirect_uri: POST_LOGOUT_REDIRECT_URI }
  response.redirect(303, openid.buildEndSessionUrl(jeton, parameters).href)
})

app.use((error, request, response, next) => {
  if (response.headersSent) return next(error)
  console.error(error)
  if (error instanceof openid.ResponseBodyError && error.error === 'invalid_grant' && request.session?.login) {
    // The session at Jeton has ended: by logout elsewhere, by an administrator, or because of its age.
    delete request.session.login
    return send(response, 401, 'Your login has ended', LOG_IN)
  }
  const description = error.error_description ?? error.message
  send(response, 502, 'That did not work', `<p>${escape(description)}</p>${BACK}`)
})

app.listen(Number(PORT), '127.0.0.1', () => console.log(`open ${POST_LOGOUT_REDIRECT_URI}`))
