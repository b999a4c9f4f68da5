// An MCP client of the official TypeScript SDK, version 1 or 2, that calls `whoami` once, as a client that needs nobody at a
// browser.
//
//   node mcp_sdk.mjs SETTINGS
//
// The settings are JSON: the `modules` of the SDK, `provider`, `url`, and what that provider takes.
const settings = JSON.parse(process.argv[2])
const { idp, issuer, url } = settings
const [clientId, clientSecret] = settings.client
const sdk = Object.assign({}, ...(await Promise.all(settings.modules.map((name) => import(name)))))

// Version 1 has no provider for identity assertions; this is the hook that it has for other grants.
class IdentityAssertions extends sdk.ClientCredentialsProvider {
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

// What version 2 has.
async function identityAssertion({ authorizationServerUrl, resourceUrl, scope, fetchFn }) {
  const { jwtAuthGrant } = await sdk.requestJwtAuthorizationGrant({
    tokenEndpoint: idp.token_endpoint,
    audience: authorizationServerUrl,
    resource: resourceUrl,
    idToken: idp.form.subject_token,
    clientId: idp.client[0],
    clientSecret: idp.client[1],
    scope,
    fetchFn,
  })
  return jwtAuthGrant
}

const usual = { clientId, clientSecret, expectedIssuer: issuer }
const providers = {
  client_credentials: () => new sdk.ClientCredentialsProvider(usual),
  private_key_jwt: () => new sdk.PrivateKeyJwtProvider({ ...usual, privateKey: settings.key, algorithm: 'ES256' }),
  identity_assertion: () =>
    sdk.CrossAppAccessProvider
      ? new sdk.CrossAppAccessProvider({ ...usual, assertion: identityAssertion })
      : new IdentityAssertions(usual),
}

const client = new sdk.Client({ name: 'MCP test', version: '1.0.0' })
const authProvider = providers[settings.provider]()
await client.connect(new sdk.StreamableHTTPClientTransport(new URL(url), { authProvider }))
const { content } = await client.callTool({ name: 'whoami' })
console.log(content[0].text)
await client.close()
