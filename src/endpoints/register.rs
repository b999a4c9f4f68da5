//! Dynamic client registration (RFC 7591), and its management by the client (RFC 7592).

use std::sync::Arc;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::app::{App, Failure, Request, Result};
use crate::certificates;
use crate::crypto::{base64url, equal_in_constant_time, random, sha256};
use crate::protocol::bearer::{self, Sent};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, ClientSecret, ClientSettings, SecretDigest};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::protocol::registration::{self, Metadata, UNUSED_LIFE};
use crate::protocol::resource::Resources;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::settings::Registration;
use crate::store::Audited;
use crate::throttle::Throttled;
use crate::tokens::environment::REGISTRATION_TOKEN_PREFIX;

/// The path of the endpoint; that of a client is below it.
pub const PATH: &str = "/auth/register";
/// Seconds to wait when there are too many clients with which nobody has logged in.
const WAIT_WHEN_FULL: i64 = 600;

/// Registers a client by the metadata in a JSON document, and says all that is known of it, with its secrets.
pub async fn create(app: &App, request: &Request<'_>, document: &[u8]) -> Result<Map<String, Value>> {
    // 1. May the caller register clients (RFC 7591 §3)?
    admit(app, request)?;
    // 2. What does the client say of itself?
    let metadata = Metadata::parse(document)?;
    let resources = resources(app).await?;
    let settings = metadata.apply(ClientSettings::default(), &resources)?;
    check_certificate(app, &settings)?;
    // 3. Has this network registered many?
    app.throttle.registration(request.source().network())?;
    // 4. Id, secret and registration access token are made here, whatever the request says.
    let audited = audited(app, request, "registration".into());
    let environment = request.issuer.environment();
    let secret = settings.token_endpoint_auth_method.uses_secret().then(|| environment.generate_client_secret());
    let digest = |secret: &String| SecretDigest::Generated(sha256(secret.as_bytes()));
    let secrets = secret.iter().map(|secret| ClientSecret {
        id: Uuid::now_v7(),
        digest: digest(secret),
        created_at: audited.at,
        last_used_at: None,
    });
    let client = Client {
        client_id: format!("c_{}", base64url(random::<12>())),
        secrets: secrets.collect(),
        settings,
        created_at: audited.at,
        version: 1,
    };
    let token = environment.generate_registration_token();
    let expires_at = audited.at.plus_seconds(UNUSED_LIFE);
    let created = app.store.registration_create(&client, sha256(token.as_bytes()), expires_at, &audited);
    if !app.state.honour(created).await? {
        let reason = "there are too many clients that registered themselves and with which nobody has logged in";
        return Err(Throttled { seconds: WAIT_WHEN_FULL, reason, about: Identity::default() }.into());
    }
    let mut answer = about(request, &client);
    if let Some(secret) = secret {
        answer.insert("client_secret".into(), secret.into());
    }
    answer.insert("registration_access_token".into(), token.into());
    Ok(answer)
}

/// Shows a client its registration (RFC 7592 §2.1).
pub async fn show(app: &App, request: &Request<'_>) -> Result<Map<String, Value>> {
    let client = authenticate(app, request).await?;
    Ok(about(request, &client))
}

/// Replaces what a client says of itself (RFC 7592 §2.2).
pub async fn replace(app: &App, request: &Request<'_>, document: &[u8]) -> Result<Map<String, Value>> {
    // 1. Which client is it?
    let client = authenticate(app, request).await?;
    // 2. What does it say of itself now?
    let metadata = Metadata::parse(document)?;
    check_identity(&metadata, &client)?;
    let before = client.settings.clone();
    let resources = resources(app).await?;
    let settings = metadata.apply(before.clone(), &resources)?;
    check_certificate(app, &settings)?;
    if settings.token_endpoint_auth_method.uses_secret() != before.token_endpoint_auth_method.uses_secret() {
        let text =
            "token_endpoint_auth_method: whether a client has a secret cannot be changed; register another client.";
        return Err(Refusal::new(ErrorCode::InvalidClientMetadata, text).into());
    }
    // 3. Has this network written much? A change costs an audit record, too.
    app.throttle.registration(request.source().network())?;
    // 4. Write it, unless the client was changed at the same time.
    let client = Client { settings, ..client };
    let audited = audited(app, request, format!("client {}", client.client_id));
    if !app.state.honour(app.store.client_update(&client, "client.update", None, &audited)).await? {
        return Err(Failure::Unavailable("the client was changed at the same time".into()));
    }
    Ok(about(request, &client))
}

/// Deletes a client and revokes what was issued to it (RFC 7592 §2.3).
pub async fn delete(app: &App, request: &Request<'_>) -> Result<()> {
    let client = authenticate(app, request).await?;
    let audited = audited(app, request, format!("client {}", client.client_id));
    let revocation = NewRevocation {
        target: Target::Client(client.client_id.clone()),
        cause: Cause::ClientDeleted,
        reason: Some("deleted by the client".into()),
        covers_until: app.settings.covers_until(audited.at),
    };
    // One that is gone by now was deleted by another request.
    app.state.honour(app.store.client_delete(&client.client_id, &revocation, &audited)).await?;
    Ok(())
}

/// Checks what a client says of its certificate (RFC 8705 §2.1.2), and that this server can see certificates if the client has one.
fn check_certificate(app: &App, settings: &ClientSettings) -> std::result::Result<(), Refusal> {
    let method = settings.token_endpoint_auth_method;
    let wrong = |text: String| Refusal::naming(ErrorCode::InvalidClientMetadata, text);
    certificates::check_settings(settings).map_err(|problem| wrong(format!("{problem}.")))?;
    if !app.settings.offers(method) {
        return Err(wrong(format!("token_endpoint_auth_method: this server does not offer {}.", method.name())));
    }
    Ok(())
}

/// The resources, with those that another node made a moment ago: a scope that is left out now would be missing for good.
async fn resources(app: &App) -> Result<Arc<Resources>> {
    app.state.ensure_current().await?;
    Ok(app.state.resources().await?)
}

fn admit(app: &App, request: &Request<'_>) -> Result<()> {
    let Registration::WithToken(expected) = &app.settings.registration else { return Ok(()) };
    if expected.is(&bearer_token(request)?) {
        return Ok(());
    }
    Err(Refusal::new(ErrorCode::InvalidToken, "The initial access token is wrong.").into())
}

/// The client that a request names by its path and proves to be by its registration access token. Whether there is such a client
/// cannot be told from the answer.
async fn authenticate(app: &App, request: &Request<'_>) -> Result<Client> {
    let token = bearer_token(request)?;
    let path = request.target.split('?').next().unwrap_or_default();
    let client_id = path.rsplit('/').next().unwrap_or_default();
    let refuse = |reason| {
        let description = "The registration access token is not valid for this client.";
        Failure::from(Refusal::new(ErrorCode::InvalidToken, description).because(reason))
    };
    // Whatever else stands there costs no question to the database.
    if !token.starts_with(REGISTRATION_TOKEN_PREFIX) {
        return Err(refuse("the token is no registration access token"));
    }
    let hash = app.store.registration_token_hash(client_id).await?;
    let hash = hash.ok_or_else(|| refuse("there is no such client, or it did not register itself"))?;
    if !equal_in_constant_time(&hash, &sha256(token.as_bytes())) {
        return Err(refuse("the token is not that of this client").about(Identity::of_client(client_id)));
    }
    match app.store.client_find(client_id).await? {
        Some((client, _)) if client.settings.enabled => Ok(client),
        Some(_) => Err(refuse("the client is disabled").about(Identity::of_client(client_id))),
        None => Err(refuse("the client was deleted a moment ago")),
    }
}

fn bearer_token(request: &Request<'_>) -> Result<String> {
    let authorization = request.header("authorization");
    let query = request.target.split_once('?').map_or("", |(_, query)| query).as_bytes();
    let sent = Sent { authorization: &authorization, queries: &[query], form_names: &[] };
    bearer::read(sent).map_err(|fault| {
        let code = match fault.cause.bearer_answer().status {
            400 => ErrorCode::InvalidRequest,
            _ => ErrorCode::InvalidToken,
        };
        Refusal::new(code, fault.detail).by(fault.cause).telling_cause(true).into()
    })
}

/// What a client may not choose when it changes its registration (RFC 7592 §2.2). Its own secret it may repeat.
fn check_identity(metadata: &Metadata, client: &Client) -> std::result::Result<(), Refusal> {
    let refuse = |text| Err(Refusal::new(ErrorCode::InvalidClientMetadata, text));
    if metadata.get("client_id").is_none_or(|client_id| *client_id != client.client_id.as_str()) {
        return refuse("client_id must be there and be that of the client.");
    }
    let is_own = |secret: &Value| {
        let hash = secret.as_str().map(|secret| sha256(secret.as_bytes()));
        hash.is_some_and(|hash| client.secrets.iter().any(|own| own.digest == SecretDigest::Generated(hash)))
    };
    if metadata.get("client_secret").is_some_and(|secret| !is_own(secret)) {
        return refuse("client_secret cannot be chosen: leave it out.");
    }
    let made_here =
        ["registration_client_uri", "registration_access_token", "client_secret_expires_at", "client_id_issued_at"];
    if made_here.iter().any(|name| metadata.get(name).is_some()) {
        return refuse(
            "registration_client_uri, registration_access_token, client_secret_expires_at and client_id_issued_at must be left out.",
        );
    }
    Ok(())
}

/// What is known of a client, but for its secrets, which are kept as hashes only (RFC 7591 §3.2.1, RFC 7592 §3).
fn about(request: &Request<'_>, client: &Client) -> Map<String, Value> {
    let mut answer = registration::shown(&client.settings);
    answer.insert("client_id".into(), json!(client.client_id));
    answer.insert("client_id_issued_at".into(), json!(client.created_at.seconds()));
    if client.settings.token_endpoint_auth_method.uses_secret() {
        // Never.
        answer.insert("client_secret_expires_at".into(), json!(0));
    }
    let uri = request.issuer.endpoint(&format!("{PATH}/{}", client.client_id));
    answer.insert("registration_client_uri".into(), uri.into());
    answer
}

fn audited(app: &App, request: &Request<'_>, actor: String) -> Audited {
    Audited {
        actor,
        request_id: Some(request.request_id.to_string()),
        address: Some(request.address.to_string()),
        at: app.clock.now(),
    }
}
