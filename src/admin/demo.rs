//! The demo set of `serve --dev`, and its removal.

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::admin::clients::NewClient;
use crate::admin::users::NewUser;
use crate::admin::{Actor, AdminError, Result, body};
use crate::app::App;
use crate::passwords::queue::Requester;
use crate::protocol::client::SecretDigest;
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;
use crate::store::{Page, UserFilter};

/// The demo user and its password.
pub const USER: (&str, &str) = ("demo", "demo-password");
/// The demo user who administers in the console, and its password.
pub const ADMINISTRATOR: (&str, &str) = ("admin", "admin-password");
/// What the demo user and the demo clients may be granted.
pub const SCOPE: &str = "read:conversations write:conversations";
const AUDIENCE: &str = "https://api.example.com";

/// The most people with a role whose password is looked at.
const MOST_PEOPLE: i64 = 100;

struct DemoClient {
    id: &'static str,
    secret: Option<&'static str>,
    settings: Value,
}

fn clients() -> [DemoClient; 5] {
    [
        DemoClient {
            id: "demo-login",
            secret: None,
            settings: json!({
                "client_name": "Demo login", "token_endpoint_auth_method": "none",
                "grant_types": ["password", "refresh_token"], "scope": SCOPE, "audiences": [AUDIENCE],
            }),
        },
        DemoClient {
            id: "demo-app",
            secret: Some("demo-app-secret"),
            settings: json!({
                "client_name": "Demo application",
                "grant_types": ["password", "client_credentials", "refresh_token"],
                "scope": SCOPE, "audiences": [AUDIENCE],
            }),
        },
        DemoClient {
            id: "demo-api",
            secret: Some("demo-api-secret"),
            settings: json!({"client_name": "Demo resource server", "permissions": ["introspect", "explain"]}),
        },
        DemoClient {
            id: "demo-web",
            secret: None,
            settings: json!({
                "client_name": "Demo web application", "token_endpoint_auth_method": "none",
                "grant_types": ["authorization_code", "refresh_token"],
                "scope": format!("openid profile email offline_access {SCOPE}"), "audiences": [AUDIENCE],
                "redirect_uris": demo_redirect_uris(),
            }),
        },
        DemoClient {
            id: "demo-admin",
            secret: Some("demo-admin-secret"),
            settings: json!({
                "client_name": "Demo administrator", "grant_types": ["client_credentials"], "scope": "jeton:admin",
            }),
        },
    ]
}

/// On any port of this machine, under the paths that examples use.
fn demo_redirect_uris() -> Vec<String> {
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    let paths = ["/", "/cb", "/callback", "/demo"];
    hosts.iter().flat_map(|host| paths.iter().map(move |path| format!("http://{host}{path}"))).collect()
}

impl App {
    /// Makes the demo set in a database that nobody has used, and marks the database. In a marked database, what is
    /// missing is made again.
    pub async fn demo_create(&self, actor: &Actor) -> Result<()> {
        if !self.store.has_dev_mark().await? {
            if !self.store.is_unused().await? {
                return Err(AdminError::Conflict(format!(
                    "{} has clients or users and is not a database for development: --dev would put well-known \
                     secrets into it; use another database",
                    self.settings.database
                )));
            }
            self.store.set_dev_mark(true).await?;
        }
        for client in clients() {
            let new = NewClient {
                client_id: Some(client.id.to_owned()),
                client_secret: client.secret.map(SecretString::from),
                settings: body::read(client.settings.to_string().as_bytes())?,
            };
            if self.store.client_find(client.id).await?.is_none() {
                ignore_existing(self.client_create(new, actor).await)?;
            }
        }
        let scope = Scope::parse(SCOPE).map_err(|error| AdminError::Invalid(error.to_string()))?;
        let profile = json!({"name": "Demo User", "email": "demo@example.com", "email_verified": true});
        let user = NewUser { scope: Some(scope), profile: profile.as_object().cloned(), ..NewUser::default() };
        let administrator = NewUser { scope: Some(Scope::default()), role: Some(Role::Admin), ..NewUser::default() };
        for ((username, password), new) in [(USER, user), (ADMINISTRATOR, administrator)] {
            if self.store.user_named(username).await?.is_none() {
                let (username, password) = (username.to_owned(), Some(SecretString::from(password)));
                ignore_existing(self.user_create(NewUser { username, password, ..new }, actor).await)?;
            }
        }
        Ok(())
    }

    /// Removes the demo set and the mark.
    pub async fn demo_remove(&self, actor: &Actor) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        for found in self.demo_credentials().await? {
            match found.split_once(' ') {
                Some(("client", id)) => self.client_delete(id, actor).await?,
                Some(("user", name)) => self.user_delete_demo(name, actor).await?,
                _ => {}
            }
            removed.push(found);
        }
        if self.store.has_dev_mark().await? {
            self.store.set_dev_mark(false).await?;
            removed.push("the mark of a database for development".into());
        }
        Ok(removed)
    }

    /// The well-known credentials that this database accepts: `client ID` or `user NAME`.
    pub async fn demo_credentials(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for demo in clients() {
            let Some((client, _)) = self.store.client_find(demo.id).await? else { continue };
            let mut accepted = demo.secret.is_none() && client.is_public();
            for secret in &client.secrets {
                if let (SecretDigest::Chosen(hash), Some(text)) = (&secret.digest, demo.secret) {
                    accepted |= self
                        .passwords
                        .verify(SecretString::from(text), Some(hash.clone()), Requester::administrator())
                        .await?;
                }
            }
            if accepted {
                found.push(format!("client {}", demo.id));
            }
        }
        let mut users = Vec::new();
        for (username, password) in [USER, ADMINISTRATOR] {
            users.extend(self.store.user_named(username).await?.map(|user| (user, password)));
        }
        if self.store.has_dev_mark().await? {
            // Somebody may have given the administrator another name, and left the password.
            let filter = UserFilter { with_role: true, ..UserFilter::default() };
            let people = self.store.user_list(&filter, &Page { limit: MOST_PEOPLE, after: None }).await?;
            let others = people.into_iter().filter(|user| user.username != ADMINISTRATOR.0);
            users.extend(others.map(|user| (user, ADMINISTRATOR.1)));
        }
        for (user, password) in users {
            let password = SecretString::from(password);
            if self.passwords.verify(password, user.password_hash, Requester::administrator()).await? {
                found.push(format!("user {}", user.username));
            }
        }
        Ok(found)
    }
}

/// Another node may have made it a moment ago.
fn ignore_existing<T>(made: Result<T>) -> Result<()> {
    match made {
        Ok(_) | Err(AdminError::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}
