// A command-line tool that logs people in with Jeton, as native apps do (RFC 8252), or as devices do (RFC 8628).
//
//   node cli.js login            opens a browser, and waits for it on a free port of this machine
//   node cli.js login --device   shows a code to type in at any browser, for machines that have none
//   node cli.js whoami           who is logged in
//   node cli.js call             calls the API
//   node cli.js logout           ends the login, and forgets the tokens
//
// Environment: ISSUER, CLIENT_ID, API_URL (default http://127.0.0.1:3000/data), TOKENS (the file that keeps the tokens;
// default: .jeton-example-cli.json in the home directory).
import { spawn } from 'node:child_process'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { homedir } from 'node:os'
import { join } from 'node:path'
import * as openid from 'openid-client'

const { ISSUER, CLIENT_ID, API_URL = 'http://127.0.0.1:3000/data' } = process.env
const { TOKENS = join(homedir(), '.jeton-example-cli.json') } = process.env
const SCOPE = 'openid profile email offline_access read:conversations'
// How long a login at the browser may take.
const PATIENCE = 5 * 60_000
// How long before it expires an access token is renewed.
const MARGIN = 30_000

// What is told to the person instead of a stack trace.
class Problem extends Error {}

const OPENERS = { darwin: ['open'], win32: ['rundll32', 'url.dll,FileProtocolHandler'] }

// Opens the person's browser; where there is none, the address that was printed has to do.
function openBrowser(address) {
  const [program, ...options] = OPENERS[process.platform] ?? ['xdg-open']
  const browser = spawn(program, [...options, address], { stdio: 'ignore', detached: true })
  browser.on('error', () => {})
  browser.unref()
}

// The address at which Jeton's answer arrives, on a free port. Whatever else asks there is not the answer.
async function loopback(state) {
  const server = createServer()
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const redirectUri = `http://127.0.0.1:${server.address().port}/callback`
  const answer = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Problem('nobody logged in within five minutes')), PATIENCE)
    server.on('request', (request, response) => {
      const url = new URL(request.url, redirectUri)
      const isAnswer = request.method === 'GET' && url.pathname === '/callback' && url.searchParams.get('state') === state
      const text = !isAnswer
        ? 'This is not the answer to the login that was started.'
        : url.searchParams.has('code')
          ? 'Go back to the terminal. You can close this page.'
          : 'You are not logged in. The terminal says why. You can close this page.'
      response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
      response.end(`${text}\n`)
      if (!isAnswer) return
      clearTimeout(late)
      resolve(url)
    })
  }).finally(() => server.close())
  return { redirectUri, answer }
}

async function loginAtBrowser(jeton) {
  const verifier = openid.randomPKCECodeVerifier()
  const [state, nonce] = [openid.randomState(), openid.randomNonce()]
  const { redirectUri, answer } = await loopback(state)
  const address = openid.buildAuthorizationUrl(jeton, {
    redirect_uri: redirectUri,
    scope: SCOPE,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
  })
  console.log(`Log in at your browser. If it does not open:\n${address.href}`)
  openBrowser(address.href)
  return openid.authorizationCodeGrant(jeton, await answer, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  })
}

async function loginByDevice(jeton) {
  const device = await openid.initiateDeviceAuthorization(jeton, { scope: SCOPE })
  console.log(`Open ${device.verification_uri} and type in this code: ${device.user_code}`)
  return openid.pollDeviceAuthorizationGrant(jeton, device)
}

// The file has the tokens in the clear: only its owner may read it. It is replaced whole.
async function save(tokens) {
  await writeFile(`${TOKENS}.new`, JSON.stringify(tokens), { mode: 0o600 })
  await rename(`${TOKENS}.new`, TOKENS)
}

const kept = (answer, before = {}) => ({
  issuer: ISSUER,
  sub: answer.claims()?.sub ?? before.sub,
  access_token: answer.access_token,
  refresh_token: answer.refresh_token ?? before.refresh_token,
  expires_at: Date.now() + answer.expires_in * 1000,
})

// The tokens of the login.
async function stored() {
  const text = await readFile(TOKENS, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') throw new Problem('you are not logged in')
    throw error
  })
  const tokens = JSON.parse(text)
  // Tokens go to nobody but the server that they are from.
  if (tokens.issuer !== ISSUER) throw new Problem(`you are logged in at ${tokens.issuer}, not at ${ISSUER}`)
  return tokens
}

// The tokens of the login, renewed if need be.
async function fresh(jeton) {
  const tokens = await stored()
  if (Date.now() < tokens.expires_at - MARGIN) return tokens
  try {
    const renewed = kept(await openid.refreshTokenGrant(jeton, tokens.refresh_token), tokens)
    await save(renewed)
    return renewed
  } catch (error) {
    if (error.error === 'invalid_grant') throw new Problem('your login has ended: log in again')
    throw error
  }
}

const commands = {
  async login(jeton, option) {
    const answer = await (option === '--device' ? loginByDevice(jeton) : loginAtBrowser(jeton))
    await save(kept(answer))
    await commands.whoami(jeton)
  },

  async whoami(jeton) {
    const { access_token, sub } = await fresh(jeton)
    const { name = sub, email } = await openid.fetchUserInfo(jeton, access_token, sub)
    console.log(`You are logged in as ${name}${email ? ` (${email})` : ''}.`)
  },

  async call(jeton) {
    const { access_token } = await fresh(jeton)
    const headers = { authorization: `Bearer ${access_token}` }
    const answer = await fetch(API_URL, { headers, redirect: 'manual', signal: AbortSignal.timeout(5_000) })
    console.log(answer.status, await answer.text())
  },

  async logout(jeton) {
    // Revoking the refresh token ends the session at Jeton, and with it the access tokens.
    await openid.tokenRevocation(jeton, (await stored()).refresh_token)
    await rm(TOKENS)
    console.log('You are logged out.')
  },
}

const explanations = {
  access_denied: 'you did not allow access',
  expired_token: 'nobody typed in the code in time',
}

const [name, option, ...rest] = process.argv.slice(2)
const isKnown = Object.hasOwn(commands, name) && (option === undefined || (name === 'login' && option === '--device'))
if (!isKnown || rest.length > 0) {
  console.error('usage: node cli.js login [--device] | whoami | call | logout')
  process.exit(2)
}
try {
  if (!ISSUER || !CLIENT_ID) throw new Problem('set ISSUER and CLIENT_ID')
  const issuer = new URL(ISSUER)
  const execute = issuer.protocol === 'http:' ? [openid.allowInsecureRequests] : []
  await commands[name](await openid.discovery(issuer, CLIENT_ID, undefined, openid.None(), { execute }), option)
} catch (error) {
  const known = error instanceof Problem ? error.message : explanations[error.error]
  console.error(known ?? error.error_description ?? error)
  process.exitCode = 1
}
