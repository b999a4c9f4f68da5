// The server of the single-page app: it has files and nothing else, for the app talks to Jeton itself.
//
// Environment: ISSUER, CLIENT_ID, PORT (default 4001).
import { fileURLToPath } from 'node:url'
import express from 'express'

const { ISSUER, CLIENT_ID, PORT = '4001' } = process.env
for (const [name, value] of Object.entries({ ISSUER, CLIENT_ID })) {
  if (!value) throw new Error(`${name} is not set`)
}
// The folder of an address, as `sendFile` wants it.
const folder = (address) => ({ root: fileURLToPath(new URL('.', address)) })
const here = folder(import.meta.url)
const library = folder(new URL('dist/browser/', import.meta.resolve('oidc-client-ts/package.json')))

const app = express()
app.disable('x-powered-by')
app.use((request, response, next) => {
  // No script but these files can run, and so none that takes the tokens elsewhere.
  response.set(
    'Content-Security-Policy',
    `default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ${new URL(ISSUER).origin}; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  // An address with a code goes to nobody.
  response.set('Referrer-Policy', 'no-referrer')
  next()
})
app.get('/settings.json', (request, response) => response.json({ authority: ISSUER, client_id: CLIENT_ID }))
app.get('/oidc-client-ts.js', (request, response) => response.sendFile('oidc-client-ts.min.js', library))
app.get('/style.css', (request, response) => response.sendFile('style.css', here))
app.get('/callback', (request, response) => response.sendFile('spa/index.html', here))
app.use(express.static(`${here.root}spa`))

app.listen(Number(PORT), '127.0.0.1', () => console.log(`open http://127.0.0.1:${PORT}/`))
