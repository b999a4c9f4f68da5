//! The clients of a set.

use secrecy::SecretString;
use serde_json::Value;
use utoipa::ToSchema;

use crate::admin::apply::plan::{Plan, at};
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::body;
use crate::admin::clients::{ClientPatch, NewClient, warnings};
use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::crypto::from_base64url;
use crate::protocol::client::{Client, ClientSettings, SecretDigest, check_client_id};
use crate::protocol::object::Kind;
use crate::store::{SetWrite, has_credential, is_administrator};

/// The member of a request that has the hash of a generated secret.
const SECRET_HASH: &str = "client_secret_sha256";

/// A client of a set.
#[derive(Debug, ToSchema)]
pub struct SetClient {
    /// Printable ASCII characters, no space at either end; not of the form of a UUID.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]([ -~]*[!-~])?$")]
    pub client_id: String,
    /// The secret with which it is created. It counts only then.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 1024, pattern = "^[ -~]+$")]
    pub client_secret: Option<SecretString>,
    /// The SHA-256 (base64url) of a secret of 256 random bits with which it is created, instead of the secret itself.
    #[schema(value_type = Option<String>, min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]+$")]
    pub client_secret_sha256: Option<[u8; 32]>,
    /// Everything else.
    #[serde(flatten)]
    pub settings: ClientPatch,
}

/// Reads a client and checks it as far as it goes by itself.
pub(super) fn read(object: &Object) -> Result<SetClient> {
    let invalid = |text: &str| AdminError::Invalid(text.to_owned());
    let mut members = object.clone();
    let client_secret_sha256 = match members.shift_remove(SECRET_HASH) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let hash = from_base64url(&text).and_then(|bytes| bytes.try_into().ok());
            Some(hash.ok_or_else(|| invalid("client_secret_sha256: expected 32 bytes in base64url"))?)
        }
        Some(_) => return Err(invalid("client_secret_sha256: expected a string")),
    };
    let NewClient { client_id, client_secret, settings } = body::read_members(members)?;
    let client_id = client_id.ok_or_else(|| invalid("missing field `client_id`"))?;
    check_client_id(&client_id).map_err(AdminError::Invalid)?;
    let method = settings.clone().apply(ClientSettings::default())?.token_endpoint_auth_method;
    if client_secret.is_some() && client_secret_sha256.is_some() {
        return Err(invalid("client_secret and client_secret_sha256: a client is created with one of them"));
    }
    if (client_secret.is_some() || client_secret_sha256.is_some()) && !method.uses_secret() {
        let name = method.name();
        return Err(AdminError::Invalid(format!(
            "client_secret: a client with token_endpoint_auth_method {name} has none"
        )));
    }
    Ok(SetClient { client_id, client_secret, client_secret_sha256, settings })
}

/// Decides what happens to the clients of the set, and to those that left it.
pub(super) async fn plan(app: &App, plan: &mut Plan<'_>, actor: &Actor) -> Result<()> {
    let mut wanted = Vec::new();
    plan.each(Kind::Client, read, |plan, client| {
        plan.claim(Kind::Client, &client.client_id, &client.client_id)?;
        wanted.push(client);
        Ok(())
    })?;
    let pruned = plan.pruned(Kind::Client);
    let ids: Vec<String> = wanted.iter().map(|client| &client.client_id).chain(&pruned).cloned().collect();
    let mut found = app.store.client_find_many(&ids).await?;
    // A client that nobody registered does not stand in the way of one that is.
    found.retain(|_, client| !client.settings.is_of_document());
    for (index, client) in wanted.into_iter().enumerate() {
        let done = match found.remove(&client.client_id) {
            Some(current) => update(app, plan, current, client, actor),
            None => create(app, plan, client, actor).await,
        };
        done.map_err(|error| at(Kind::Client, index, error))?;
    }
    if plan.loses_administrator && plan.administrators.is_empty() {
        return Err(AdminError::Conflict("no client with jeton:admin would be left".into()));
    }
    for id in pruned {
        if let Some(client) = found.remove(&id) {
            delete(app, plan, &client, actor)?;
        }
    }
    Ok(())
}

async fn create(app: &App, plan: &mut Plan<'_>, new: SetClient, actor: &Actor) -> Result<()> {
    let SetClient { client_id, client_secret, client_secret_sha256, settings } = new;
    let settings = app.new_client_settings(&client_id, settings, actor)?;
    let mut notes: Vec<String> = warnings::about(&settings).into_iter().map(str::to_owned).collect();
    let digest = match (client_secret, client_secret_sha256) {
        // Hashing is slow, and nothing is stored.
        (Some(_), _) if plan.request.dry_run => Some(SecretDigest::Generated([0; 32])),
        (Some(chosen), _) => {
            notes.extend(warnings::about_secret(&chosen).map(str::to_owned));
            Some(app.digest_chosen(chosen).await?)
        }
        (None, Some(hash)) => Some(SecretDigest::Generated(hash)),
        (None, None) => None,
    };
    let needs_secret = settings.token_endpoint_auth_method.uses_secret() && digest.is_none();
    if needs_secret && !plan.request.dry_run && !plan.request.without_secrets {
        return Err(AdminError::Invalid("client_secret: a new client with a secret is created with one".into()));
    }
    let gets_secret = digest.is_some() || needs_secret && !plan.request.without_secrets;
    if is_administrator(&settings) && has_credential(&settings, gets_secret) {
        plan.administrators.insert(client_id.clone());
    }
    let change = Change { needs_secret, notes, ..Change::new(ChangeAction::Create, Kind::Client, &client_id) }
        .of(&ClientSettings::default(), &settings);
    let secrets = digest.map(|digest| app.new_secret(digest)).into_iter().collect();
    let client = Client { client_id, settings, secrets, created_at: app.clock.now(), version: 1 };
    plan.change(change, SetWrite::CreateClient(client));
    Ok(())
}

fn update(app: &App, plan: &mut Plan<'_>, mut client: Client, new: SetClient, actor: &Actor) -> Result<()> {
    if client.settings.is_self_registered() {
        return Err(AdminError::Conflict(format!(
            "client_id: the client {} registered itself; delete it, or leave it out",
            client.client_id
        )));
    }
    let was = client.settings.clone();
    // What files do not say stays.
    let base = ClientSettings {
        registered_by: was.registered_by,
        metadata: was.metadata.clone(),
        unknown: was.unknown.clone(),
        ..ClientSettings::default()
    };
    let settings = new.settings.apply(base)?;
    if settings == was {
        plan.is_unchanged(Kind::Client, &client.client_id);
        return Ok(());
    }
    let has_secret = !client.secrets.is_empty();
    let administers = |settings: &ClientSettings| is_administrator(settings) && has_credential(settings, has_secret);
    match (administers(&was), administers(&settings)) {
        (true, false) if actor.client_id() == Some(&client.client_id) => {
            return Err(AdminError::Conflict(
                "this would take jeton:admin, or its way to authenticate, from the client that applies the set".into(),
            ));
        }
        (true, false) => {
            plan.administrators.remove(&client.client_id);
            plan.loses_administrator = true;
        }
        (_, true) => {
            plan.administrators.insert(client.client_id.clone());
        }
        _ => {}
    }
    let mut change = Change::new(ChangeAction::Update, Kind::Client, &client.client_id).of(&was, &settings);
    change.notes = warnings::about(&settings).into_iter().map(str::to_owned).collect();
    if settings.token_endpoint_auth_method.uses_secret() && client.secrets.is_empty() {
        let id = &client.client_id;
        change
            .notes
            .push(format!("It has no secret and cannot authenticate: `jeton client secret add {id}` gives it one."));
    }
    let (action, revocation) = app.change_client(&mut client, settings, actor)?;
    plan.change(change, SetWrite::UpdateClient { client, action, revocation });
    Ok(())
}

fn delete(app: &App, plan: &mut Plan<'_>, client: &Client, actor: &Actor) -> Result<()> {
    let id = &client.client_id;
    let is_last = plan.administrators.contains(id) && plan.administrators.len() == 1;
    let kept = match actor.client_id() == Some(id) {
        true => Some("It applies the set."),
        false if is_last => Some("It is the last client with jeton:admin."),
        false => None,
    };
    if let Some(why) = kept {
        plan.keep(Kind::Client, id, why);
        return Ok(());
    }
    plan.loses_administrator |= plan.administrators.remove(id);
    plan.deleted_clients.insert(id.clone());
    let write = SetWrite::DeleteClient { client_id: id.clone(), revocation: app.remove_client(client, actor)? };
    plan.change(Change::new(ChangeAction::Delete, Kind::Client, id), write);
    Ok(())
}
