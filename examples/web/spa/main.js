// A single-page app that logs people in with Jeton: authorization code with PKCE, by a public client.
//
// The tokens are in the tab's session storage. Any script of this origin can read them, so the server's content security
// policy lets none in. Where that is not enough, let a server keep the tokens: see app.js.
const element = (id) => document.getElementById(id)
const { authority, client_id } = await (await fetch('/settings.json')).json()

const manager = new oidc.UserManager({
  authority,
  client_id,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  scope: 'openid profile email',
  // Name and e-mail address are not in the ID token.
  loadUserInfo: true,
  // With the refresh token, a minute before the access token expires.
  automaticSilentRenew: true,
})

function say(text) {
  element('message').textContent = text
}

function show(user) {
  element('logged-in').hidden = !user
  element('logged-out').hidden = !!user
  element('answer').hidden = true
  element('heading').textContent = user ? `Hello, ${user.profile.name ?? user.profile.sub}` : 'Single-page app'
  if (user) element('expires').textContent = new Date(user.expires_at * 1000).toLocaleTimeString()
}

// What went wrong, in words for the person.
function explain(error) {
  if (error.error === 'access_denied') return 'You did not allow access.'
  if (error.error === 'invalid_grant') return 'Your login has ended.'
  return `That did not work: ${error.error_description ?? error.message}`
}

const actions = {
  'log-in': () => manager.signinRedirect(),
  'log-out': () => manager.signoutRedirect(),

  // Only to show it: `automaticSilentRenew` does the same.
  renew: async () => {
    await manager.signinSilent()
    say('The access token is renewed.')
  },

  call: async () => {
    const [user, endpoint] = [await manager.getUser(), await manager.metadataService.getUserInfoEndpoint()]
    const answer = await fetch(endpoint, { headers: { authorization: `Bearer ${user.access_token}` } })
    element('answer').textContent = `${answer.status} ${await answer.text()}`
    element('answer').hidden = false
  },
}

for (const [id, action] of Object.entries(actions)) {
  element(id).onclick = async () => {
    say('')
    try {
      await action()
    } catch (error) {
      say(explain(error))
      // The session at Jeton is over, so the tokens here are of no use.
      if (error.error === 'invalid_grant') await manager.removeUser()
    }
  }
}
manager.events.addUserLoaded(show)
manager.events.addUserUnloaded(() => show(null))
manager.events.addSilentRenewError((error) => say(explain(error)))

if (location.pathname === '/callback') {
  try {
    await manager.signinRedirectCallback()
  } catch (error) {
    say(explain(error))
  }
  // The code has been used: it does not stay in the address or in the history.
  history.replaceState(null, '', '/')
}
let user = await manager.getUser()
if (user?.expired) user = await manager.signinSilent().catch((error) => say(explain(error)))
show(user)
