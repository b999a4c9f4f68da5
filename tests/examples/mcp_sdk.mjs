// An MCP client of the official TypeScript SDK that calls `whoami` once, as a client that needs nobody at a browser.
//
//   node mcp_sdk.mjs SETTINGS
//
// The settings are JSON: `provider`, `url`, and what that provider takes.
import { ClientCredentialsProvider, PrivateKeyJwtProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const settings = JSON.parse(process.argv[2])
const { idp, issuer, url } = settings
const [clientId, clientSecret] = settings.client

// The SDK has no provider for identity assertions; this is the hook that it has for other grants.
class IdentityAssertions extends ClientCredentialsProvider {
  async prepareTokenRequest(scope) {
    const answer = await fetch(idp.token_endpoint, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(idp.client.join(':'))}` },
      body: new URLSearchParams({ ...idp.form, audience: issuer, resource: url }),
    })
    if (!answer.ok) throw new Error(await answer.text())
    const { access_token: assertion } = await answer.json()
    return new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
      assertion,
      ...(scope && { scope }),
    })
  }
}

const providers = {
  client_credentials: () => new ClientCredentialsProvider({ clientId, clientSecret, expectedIssuer: issuer }),
  private_key_jwt: () =>
    new PrivateKeyJwtProvider({ clientId, privateKey: settings.key, algorithm: 'ES256', expectedIssuer: issuer }),
  identity_assertion: () => new IdentityAssertions({ clientId, clientSecret, expectedIssuer: issuer }),
}

const client = new Client({ name: 'MCP test', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: providers[settings.provider]() }))
const { content } = await client.callTool({ name: 'whoami' })
console.log(content[0].text)
await client.close()
