//! Administration of clients and their secrets.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::admin::{Actor, AdminError, Administration, List, ListRequest, Result, list, no_such};
use crate::crypto::{base64url, random, sha256};
use crate::protocol::cause::Cause;
use crate::protocol::claims;
use crate::protocol::client::{
    AuthMethod, Client, ClientSecret, ClientSettings, GrantType, MOST_SECRETS, SecretDigest, check_client_id,
};
use crate::protocol::revocation::Target;
use crate::protocol::scope::{RESERVED, is_reserved};
use crate::protocol::time::Timestamp;
use crate::settings::{LONGEST_ACCESS_TOKEN_TTL, LONGEST_SESSION_TTL};

/// The longest lists of a client.
const MOST_ENTRIES: usize = 50;
/// The most bytes in a list of a client: they stand in every token.
const LARGEST_LIST: usize = 3072;
/// The longest `retry_window`, in seconds.
const LONGEST_RETRY_WINDOW: i64 = 300;
/// The longest secret that somebody may choose, in bytes.
const LONGEST_CHOSEN_SECRET: usize = 1024;

/// A secret as it is shown: never the secret itself.
#[derive(Clone, Debug, Serialize)]
pub struct SecretView {
    /// Its id.
    pub id: Uuid,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last accepted, roughly.
    pub last_used_at: Option<Timestamp>,
}

/// A client as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ClientView {
    /// Its id.
    pub client_id: String,
    /// The secret, on creation only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// What is configured.
    #[serde(flatten)]
    pub settings: ClientSettings,
    /// Its secrets.
    pub secrets: Vec<SecretView>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A secret as it is shown once, when it is made.
#[derive(Clone, Debug, Serialize)]
pub struct NewSecretView {
    /// Its id.
    pub id: Uuid,
    /// The secret itself.
    pub client_secret: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A client that is to be created.
#[derive(Debug, Default)]
pub struct NewClient {
    /// Its id; generated if absent.
    pub client_id: Option<String>,
    /// A secret that somebody chose; generated if absent.
    pub client_secret: Option<SecretString>,
    /// The members of [`ClientSettings`].
    pub settings: Map<String, Value>,
}

fn view_secret(secret: &ClientSecret) -> SecretView {
    SecretView { id: secret.id, created_at: secret.created_at, last_used_at: secret.last_used_at }
}

fn view(client: Client) -> ClientView {
    ClientView {
        client_id: client.client_id,
        client_secret: None,
        secrets: client.secrets.iter().map(view_secret).collect(),
        settings: client.settings,
        created_at: client.created_at,
    }
}

impl Administration {
    /// Creates a client; its generated secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// When something about it is not acceptable, or its id is taken.
    pub async fn client_create(&self, new: NewClient, actor: &Actor) -> Result<ClientView> {
        let client_id = new.client_id.unwrap_or_else(|| format!("c_{}", base64url(random::<12>())));
        check_client_id(&client_id).map_err(AdminError::Invalid)?;
        let settings = merge_settings(None, new.settings)?;
        needs_admin(&settings, actor)?;
        let now = self.clock.now();
        let is_public = settings.token_endpoint_auth_method == AuthMethod::None;
        let (digest, shown) = match new.client_secret {
            Some(_) if is_public => {
                return Err(AdminError::Invalid(
                    "a client with token_endpoint_auth_method none has no client_secret".into(),
                ));
            }
            None if is_public => (None, None),
            Some(chosen) => (Some(self.digest_chosen(chosen).await?), None),
            None => {
                let (digest, secret) = self.generate_secret();
                (Some(digest), Some(secret))
            }
        };
        let secret =
            digest.map(|digest| ClientSecret { id: Uuid::now_v7(), digest, created_at: now, last_used_at: None });
        let client = Client { client_id, settings, secrets: secret.into_iter().collect(), created_at: now, version: 1 };
        match self.store.client_create(&client, &actor.audited).await {
            Err(crate::store::StoreError::Exists) => {
                Err(AdminError::Conflict(format!("there is a client {} already", client.client_id)))
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(ClientView { client_secret: shown, ..view(client) }),
        }
    }

    /// A client.
    ///
    /// # Errors
    /// When there is none.
    pub async fn client_show(&self, client_id: &str) -> Result<ClientView> {
        Ok(view(self.find_client(client_id).await?))
    }

    /// Clients by id.
    ///
    /// # Errors
    /// When the cursor or the limit is not acceptable.
    pub async fn client_list(&self, client_id: Option<&str>, request: &ListRequest) -> Result<List<ClientView>> {
        let page = request.page("clients")?;
        let clients = self.store.client_list(client_id, &page).await?;
        Ok(list("clients", &page, clients, |client| client.client_id.clone(), view))
    }

    /// Changes a client by a merge patch (RFC 7396). Disabling it ends what was issued to it.
    ///
    /// # Errors
    /// When there is none, something is not acceptable, or it was changed at the same time.
    pub async fn client_update(&self, client_id: &str, patch: Map<String, Value>, actor: &Actor) -> Result<ClientView> {
        let mut client = self.find_client(client_id).await?;
        needs_admin(&client.settings, actor)?;
        let was = client.settings.clone();
        client.settings = merge_settings(Some(&was), patch)?;
        needs_admin(&client.settings, actor)?;
        if was.token_endpoint_auth_method == AuthMethod::None
            && client.settings.token_endpoint_auth_method != AuthMethod::None
            && client.secrets.is_empty()
        {
            // It gets its secret by a request of its own; until then it cannot authenticate.
            tracing::info!(client_id, "the client is confidential now and has no secret yet");
        }
        let disabling = was.enabled && !client.settings.enabled;
        let revocation =
            disabling.then(|| self.revocation(Target::Client(client_id.to_owned()), Cause::ClientDisabled, None));
        let action = match (was.enabled, client.settings.enabled) {
            (true, false) => "client.disable",
            (false, true) => "client.enable",
            _ => "client.update",
        };
        if self.store.client_update(&client, action, revocation.as_ref(), &actor.audited).await? {
            Ok(view(client))
        } else {
            Err(AdminError::Conflict(format!("the client {client_id} was changed at the same time; try again")))
        }
    }

    /// Deletes a client and ends what was issued to it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn client_delete(&self, client_id: &str, actor: &Actor) -> Result<()> {
        let client = self.find_client(client_id).await?;
        needs_admin(&client.settings, actor)?;
        let revocation = self.revocation(Target::Client(client_id.to_owned()), Cause::ClientDeleted, None);
        if self.store.client_delete(client_id, &revocation, &actor.audited).await? {
            Ok(())
        } else {
            Err(not_found(client_id))
        }
    }

    /// Gives a client a second secret; the secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// When there is no such client, it is public, or it has two secrets already.
    pub async fn client_secret_add(&self, client_id: &str, actor: &Actor) -> Result<NewSecretView> {
        let client = self.find_client(client_id).await?;
        needs_admin(&client.settings, actor)?;
        if client.is_public() {
            return Err(AdminError::Conflict(format!("the client {client_id} is public and has no secrets")));
        }
        let (digest, shown) = self.generate_secret();
        let secret = ClientSecret { id: Uuid::now_v7(), digest, created_at: self.clock.now(), last_used_at: None };
        if !self.store.client_secret_add(client_id, &secret, &actor.audited).await? {
            // It was deleted at the same time, or it has two.
            self.find_client(client_id).await?;
            return Err(AdminError::Conflict(format!(
                "the client {client_id} has {MOST_SECRETS} secrets already; retire one first"
            )));
        }
        Ok(NewSecretView { id: secret.id, client_secret: shown, created_at: secret.created_at })
    }

    /// Retires a secret, and on request ends what was issued to the client.
    ///
    /// # Errors
    /// When there is no such client or secret.
    pub async fn client_secret_retire(&self, client_id: &str, id: &str, revoke: bool, actor: &Actor) -> Result<()> {
        let client = self.find_client(client_id).await?;
        needs_admin(&client.settings, actor)?;
        let reason = Some("a secret was retired".to_owned());
        let revocation =
            revoke.then(|| self.revocation(Target::Client(client_id.to_owned()), Cause::ClientRevoked, reason));
        let missing = || AdminError::NotFound(format!("the client {client_id} has no such secret"));
        let id: Uuid = id.parse().map_err(|_| missing())?;
        if self.store.client_secret_retire(client_id, id, revocation.as_ref(), &actor.audited).await? {
            Ok(())
        } else {
            Err(missing())
        }
    }

    pub(crate) async fn find_client(&self, client_id: &str) -> Result<Client> {
        check_client_id(client_id).map_err(|_| not_found(client_id))?;
        let found = self.store.client_find(client_id).await?;
        found.map(|(client, _)| client).ok_or_else(|| not_found(client_id))
    }

    fn generate_secret(&self) -> (SecretDigest, String) {
        let secret = self.settings.environment.generate_client_secret();
        (SecretDigest::Generated(sha256(secret.as_bytes())), secret)
    }

    async fn digest_chosen(&self, secret: SecretString) -> Result<SecretDigest> {
        let text = secret.expose_secret();
        let legal = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        if !legal || !(1..=LONGEST_CHOSEN_SECRET).contains(&text.len()) {
            return Err(AdminError::Invalid(format!(
                "client_secret is 1 to {LONGEST_CHOSEN_SECRET} printable ASCII characters; leave it out to have one generated"
            )));
        }
        Ok(SecretDigest::Chosen(self.passwords.hash(secret).await?))
    }
}

fn not_found(client_id: &str) -> AdminError {
    no_such("client", client_id)
}

/// Whoever holds a reserved scope is above those who administer clients.
fn needs_admin(settings: &ClientSettings, actor: &Actor) -> Result<()> {
    if settings.scope.has_reserved() && !actor.is_admin {
        return Err(AdminError::NeedsAdmin(
            "a client with a jeton: scope is administered with the scope jeton:admin".into(),
        ));
    }
    Ok(())
}

/// The settings after a merge patch: an absent member stays, `null` goes back to the default (RFC 7396).
///
/// # Errors
/// [`AdminError::Invalid`], with the name of the member that is not acceptable.
pub fn merge_settings(current: Option<&ClientSettings>, patch: Map<String, Value>) -> Result<ClientSettings> {
    let defaults = serde_json::from_value::<ClientSettings>(Value::Object(Map::new()))
        .and_then(serde_json::to_value)
        .map_err(|error| AdminError::Invalid(error.to_string()))?;
    if let Some(unknown) = patch.keys().find(|name| defaults.get(name).is_none()) {
        let is_fixed = ["client_id", "client_secret", "secrets", "created_at"].contains(&unknown.as_str());
        let why = if is_fixed { "cannot be changed here" } else { "is no member of a client" };
        return Err(AdminError::Invalid(format!("{unknown} {why}")));
    }
    let mut members = match current.map(serde_json::to_value) {
        Some(Ok(Value::Object(members))) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if let (Value::Object(change), "claims") = (&value, name.as_str()) {
            let held = members.entry(name).or_insert_with(|| Value::Object(Map::new()));
            merge_patch(held, Value::Object(change.clone()));
        } else if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    let settings: ClientSettings = read_members(members)?;
    check(&settings).map_err(AdminError::Invalid)?;
    Ok(settings)
}

/// Reads each member by itself first, so that an error names the member.
fn read_members(members: Map<String, Value>) -> Result<ClientSettings> {
    for (name, value) in &members {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        serde_json::from_value::<ClientSettings>(Value::Object(alone))
            .map_err(|error| AdminError::Invalid(format!("{name}: {error}")))?;
    }
    serde_json::from_value(Value::Object(members)).map_err(|error| AdminError::Invalid(error.to_string()))
}

/// RFC 7396 §2.
pub(crate) fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(members) = target {
        for (name, value) in patch {
            if value.is_null() {
                members.remove(&name);
            } else {
                merge_patch(members.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

fn check(settings: &ClientSettings) -> std::result::Result<(), String> {
    let is_public = settings.token_endpoint_auth_method == AuthMethod::None;
    if is_public && settings.grant_types.contains(&GrantType::ClientCredentials) {
        return Err("a client with token_endpoint_auth_method none cannot use client_credentials".into());
    }
    if is_public && !settings.permissions.is_empty() {
        return Err("a client with token_endpoint_auth_method none cannot have permissions".into());
    }
    if is_public && settings.scope.has_reserved() {
        return Err("the jeton: scopes are for clients with a secret".into());
    }
    if is_public && !settings.refresh_token_rotation {
        return Err("refresh_token_rotation cannot be off for a client with token_endpoint_auth_method none".into());
    }
    let repeats =
        settings.grant_types.iter().enumerate().any(|(index, grant)| settings.grant_types[..index].contains(grant));
    if repeats || settings.permissions.len() > 2 {
        return Err("grant_types and permissions name each entry once".into());
    }
    if let Some(unknown) = settings.scope.tokens().find(|token| is_reserved(token) && !RESERVED.contains(token)) {
        return Err(format!("scope: {unknown} is none of the reserved scopes {}", RESERVED.join(" ")));
    }
    if settings.client_name.as_ref().is_some_and(|name| name.len() > 255 || name.chars().any(char::is_control)) {
        return Err("client_name is at most 255 bytes without control characters".into());
    }
    for (name, list) in [("audiences", &settings.audiences), ("introspect_audiences", &settings.introspect_audiences)] {
        let size: usize = list.iter().map(String::len).sum();
        if list.len() > MOST_ENTRIES || size > LARGEST_LIST {
            return Err(format!("{name} has more than {MOST_ENTRIES} entries or {LARGEST_LIST} bytes"));
        }
        for audience in list {
            let uri = url::Url::parse(audience).map_err(|_| format!("{name}: {audience:?} is no absolute URI"))?;
            // A parser of URIs drops some control characters; the text is compared as it is.
            let plain = audience.bytes().all(|byte| (0x21..=0x7E).contains(&byte));
            if uri.fragment().is_some() || audience.len() > 1024 || !plain {
                return Err(format!("{name}: {audience:?} has a fragment, is too long, or holds what no URI may"));
            }
        }
    }
    let lengths = [
        ("access_token_ttl", settings.access_token_ttl, 1, LONGEST_ACCESS_TOKEN_TTL),
        ("refresh_token_ttl", settings.refresh_token_ttl, 1, LONGEST_SESSION_TTL),
        ("session_ttl", settings.session_ttl, 1, LONGEST_SESSION_TTL),
        ("retry_window", settings.retry_window, 0, LONGEST_RETRY_WINDOW),
        ("max_sessions", Some(settings.max_sessions), 1, 1_000_000),
    ];
    for (name, value, least, most) in lengths {
        if value.is_some_and(|value| !(least..=most).contains(&value)) {
            return Err(format!("{name} is a number from {least} to {most}"));
        }
    }
    claims::check_extra(&settings.claims).map_err(|problem| format!("claims: {problem}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_restores_the_default() {
        let first = object(
            json!({"scope": "read", "max_sessions": 5, "claims": {"a": 1, "b": 2}, "grant_types": ["password"]}),
        );
        let first = merge_settings(None, first).unwrap();
        let patch = object(json!({"max_sessions": null, "claims": {"a": null, "c": 3}, "enabled": false}));
        let second = merge_settings(Some(&first), patch).unwrap();
        assert_eq!(second.scope.to_string(), "read");
        assert_eq!(second.max_sessions, 100);
        assert_eq!(Value::Object(second.claims), json!({"b": 2, "c": 3}));
        assert!(!second.enabled);
    }

    #[test]
    fn what_is_not_acceptable_is_named() {
        for (members, name) in [
            (json!({"colour": "red"}), "colour"),
            (json!({"scope": "a  b"}), "scope"),
            (json!({"scope": 1}), "scope"),
            (json!({"grant_types": ["implicit"]}), "grant_types"),
            (json!({"access_token_ttl": 0}), "access_token_ttl"),
            (json!({"audiences": ["/api"]}), "audiences"),
            (json!({"audiences": ["https://a.example/\u{0}"]}), "audiences"),
            (json!({"claims": {"sub": "x"}}), "claims"),
            (json!({"scope": "jeton:root"}), "jeton:root"),
            (
                json!({"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]}),
                "client_credentials",
            ),
        ] {
            let error = merge_settings(None, object(members.clone())).unwrap_err().to_string();
            assert!(error.contains(name), "{members}: {error}");
        }
    }
}
