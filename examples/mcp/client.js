// An MCP client of the official TypeScript SDK that knows nothing but the server's address. It finds out where tokens
// come from, registers itself there, sends the person's browser to log in, and calls the tool `whoami`.
//
//   node client.js http://127.0.0.1:8000/mcp
//
// Environment: EVERY (seconds between calls; without it, there is one call), CLIENT_DOCUMENT (the https address where
// client-document.json is published; without it, the client registers itself).
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const [address] = process.argv.slice(2)
const { EVERY, CLIENT_DOCUMENT } = process.env
// How long a login at the browser may take.
const PATIENCE = 5 * 60_000

// What is told to the person instead of a stack trace.
class Problem extends Error {}

const OPENERS = { darwin: ['open'], win32: ['rundll32', 'url.dll,FileProtocolHandler'] }

// Opens the person's browser; where there is none, the address that is printed has to do.
function openBrowser(page) {
  const [program, ...options] = OPENERS[process.platform] ?? ['xdg-open']
  const browser = spawn(program, [...options, page], { stdio: 'ignore', detached: true })
  browser.on('error', () => {})
  browser.unref()
}

// What the SDK asks of its user: to keep what it learns, here in memory, and to bring a person's browser to the page that
// it names. The answer arrives at a free port of this machine (RFC 8252).
class Login {
  #listener = createServer()
  #expected = {}
  #answer
  #kept = {}

  async listen() {
    this.#listener.on('request', (request, response) => this.#receive(request, response))
    this.#listener.listen(0, '127.0.0.1')
    await once(this.#listener, 'listening')
    // What keeps the program running are its calls.
    this.#listener.unref()
  }

  get redirectUrl() {
    return `http://127.0.0.1:${this.#listener.address().port}/callback`
  }

  // How this client registers itself.
  get clientMetadata() {
    return {
      client_name: 'MCP example in TypeScript',
      application_type: 'native',
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    }
  }

  // Where this metadata is published. The SDK then registers only with servers that cannot fetch it.
  get clientMetadataUrl() {
    return CLIENT_DOCUMENT
  }

  clientInformation = () => this.#kept.client
  saveClientInformation = (client) => void (this.#kept.client = client)
  tokens = () => this.#kept.tokens
  saveTokens = (tokens) => void (this.#kept.tokens = tokens)
  codeVerifier = () => this.#kept.verifier
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier)
  saveDiscoveryState = (found) => void (this.#kept.issuer = found.authorizationServerMetadata?.issuer)
  state = () => randomBytes(16).toString('base64url')

  // The server does not know the client any more, or has ended the login.
  invalidateCredentials(what) {
    if (what === 'all' || what === 'client') delete this.#kept.client
    if (what === 'all' || what === 'tokens') delete this.#kept.tokens
  }

  redirectToAuthorization(page) {
    this.#answer = new Promise((resolve) => (this.#expected = { state: page.searchParams.get('state'), resolve }))
    console.log(`Log in at your browser. If it does not open:\n${page.href}`)
    openBrowser(page.href)
  }

  // The code that the browser brings.
  async code() {
    const late = new AbortController()
    const timeout = wait(PATIENCE, undefined, { signal: late.signal }).catch(() => {})
    const answer = await Promise.race([this.#answer, timeout])
    late.abort()
    if (!answer) throw new Problem('nobody logged in within five minutes')
    // The SDK does not check who answers (RFC 9207).
    if (answer.get('iss') !== this.#kept.issuer) throw new Problem('the answer is from another server')
    const error = answer.get('error')
    if (error === 'access_denied') throw new Problem('you did not allow access')
    if (error) throw new Problem(answer.get('error_description') ?? error)
    return answer.get('code')
  }

  // Whatever else asks at the port is not the answer.
  #receive(request, response) {
    const url = new URL(request.url, this.redirectUrl)
    const { state, resolve } = this.#expected
    const isAnswer =
      request.method === 'GET' && url.pathname === '/callback' && state && url.searchParams.get('state') === state
    const text = !isAnswer
      ? 'This is not the answer to the login that was started.'
      : url.searchParams.has('code')
        ? 'Go back to the terminal. You can close this page.'
        : 'You are not logged in. The terminal says why. You can close this page.'
    response.writeHead(isAnswer ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
    response.end(`${text}\n`)
    if (!isAnswer) return
    this.#expected = {}
    resolve(url.searchParams)
  }
}

const login = new Login()
let transport, client

async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(address), { authProvider: login })
  client = new Client({ name: 'MCP example', version: '1.0.0' })
  await client.connect(transport)
}

// Where the server wants a token, and the SDK cannot renew one, a person has to log in.
async function loggedIn(send) {
  try {
    return await send()
  } catch (error) {
    if (!(error instanceof UnauthorizedError)) throw error
    await transport.finishAuth(await login.code())
    return send()
  }
}

async function call() {
  const { content, isError } = await loggedIn(() => client.callTool({ name: 'whoami' }))
  if (isError) throw new Problem(content[0].text)
  console.log(JSON.stringify(JSON.parse(content[0].text)))
}

if (!URL.canParse(address)) {
  console.error('usage: node client.js URL')
  process.exit(2)
}
try {
  await login.listen()
  await loggedIn(connect)
  await call()
  while (EVERY) {
    await wait(EVERY * 1000)
    await call()
  }
  await client.close()
} catch (error) {
  console.error(error instanceof Problem ? error.message : error)
  process.exitCode = 1
}
