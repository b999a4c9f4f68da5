//! Administration of clients.

mod bodies;
mod secrets;
mod validation;
pub(super) mod warnings;

use serde::Serialize;
use utoipa::ToSchema;

pub use bodies::{ClientPatch, NewClient};
pub use secrets::{NewSecretView, SecretView};

use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::crypto::{base64url, random};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, ClientSettings, Consent, Permission, check_client_id};
use crate::protocol::client_document::is_url;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::{StoreError, SubOwner};

/// The most clients that are looked at for one page of those that are searched for.
const MOST_LOOKED_AT: i64 = 50_000;

/// A client as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    /// The id.
    pub client_id: String,
    /// The generated secret, on creation only. Begins with `jcs_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub client_secret: Option<String>,
    /// The settings.
    #[serde(flatten)]
    pub settings: ClientSettings,
    /// The secrets, at most two; never the secrets themselves.
    #[schema(max_items = 2)]
    pub secrets: Vec<SecretView>,
    /// When it was created.
    pub created_at: Timestamp,
    /// What may be a mistake, on creation and change only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub warnings: Vec<&'static str>,
}

impl From<Client> for ClientView {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.client_id,
            client_secret: None,
            secrets: client.secrets.iter().map(SecretView::from).collect(),
            settings: client.settings,
            created_at: client.created_at,
            warnings: vec![],
        }
    }
}

impl App {
    /// Creates a client; only the answer ever shows its generated secret.
    pub async fn client_create(&self, new: NewClient, actor: &Actor) -> Result<ClientView> {
        let client_id = new.client_id.unwrap_or_else(|| format!("c_{}", base64url(random::<12>())));
        let settings = self.new_client_settings(&client_id, new.settings, actor)?;
        let method = settings.token_endpoint_auth_method;
        let mut warnings = warnings::about(&settings);
        warnings.extend(new.client_secret.as_ref().and_then(warnings::about_secret));
        let (digest, client_secret) = match new.client_secret {
            Some(_) if !method.uses_secret() => {
                let name = method.name();
                return Err(AdminError::Invalid(format!(
                    "a client with token_endpoint_auth_method {name} has no client_secret"
                )));
            }
            None if !method.uses_secret() => (None, None),
            Some(chosen) => (Some(self.digest_chosen(chosen).await?), None),
            None => {
                let (digest, secret) = self.generate_secret();
                (Some(digest), Some(secret))
            }
        };
        let secrets = digest.map(|digest| self.new_secret(digest)).into_iter().collect();
        let client = Client { client_id, settings, secrets, created_at: self.clock.now(), version: 1 };
        match self.state.honour(self.store.client_create(&client, &self.dated(actor))).await {
            Err(error) => Err(not_created(error, &client.client_id)),
            Ok(()) => Ok(ClientView { client_secret, warnings, ..client.into() }),
        }
    }

    /// Shows a client.
    pub async fn client_show(&self, client_id: &str) -> Result<ClientView> {
        self.find_client(client_id).await.map(ClientView::from)
    }

    /// Lists clients by id.
    pub async fn client_list(&self, client_id: Option<&str>, request: &ListRequest) -> Result<List<ClientView>> {
        let page = request.page("clients")?;
        let clients = self.store.client_list(client_id, &page).await?;
        Ok(List::new("clients", &page, clients, |client| client.client_id.clone(), ClientView::from))
    }

    /// Lists clients whose id contains a text, by id.
    pub async fn client_search(&self, text: &str, request: &ListRequest) -> Result<List<ClientView>> {
        let page = request.page("found clients")?;
        let clients = self.store.client_search(text, &page, MOST_LOOKED_AT).await?;
        Ok(List::of_looked("found clients", &page, clients, |client| client.client_id.clone(), ClientView::from))
    }

    /// Changes a client by a merge patch (RFC 7396). Disabling it revokes what was issued to it.
    pub async fn client_update(&self, client_id: &str, patch: ClientPatch, actor: &Actor) -> Result<ClientView> {
        self.client_change(client_id, |_| Ok(patch), actor).await
    }

    /// Changes a client by a merge patch that is made of the very settings that it changes: whatever it looks at there still holds
    /// when it is written, or nothing is.
    pub async fn client_change(
        &self,
        client_id: &str,
        patch: impl FnOnce(&ClientSettings) -> Result<ClientPatch>,
        actor: &Actor,
    ) -> Result<ClientView> {
        let mut client = self.find_registered(client_id).await?;
        let settings = patch(&client.settings)?.apply(client.settings.clone())?;
        let (action, revocation) = self.change_client(&mut client, settings, actor)?;
        if self.state.honour(self.store.client_update(&client, action, revocation.as_ref(), &self.dated(actor))).await?
        {
            Ok(ClientView { warnings: warnings::about(&client.settings), ..client.into() })
        } else {
            Err(AdminError::Conflict(format!("the client {client_id} was changed at the same time; try again")))
        }
    }

    /// Deletes a client and revokes what was issued to it.
    pub async fn client_delete(&self, client_id: &str, actor: &Actor) -> Result<()> {
        let client = self.find_registered(client_id).await?;
        let revocation = self.remove_client(&client, actor)?;
        if self.state.honour(self.store.client_delete(client_id, &revocation, &self.dated(actor))).await? {
            Ok(())
        } else {
            Err(no_such("client", client_id))
        }
    }

    /// The settings of a client to create, checked.
    pub(super) fn new_client_settings(
        &self,
        client_id: &str,
        patch: ClientPatch,
        actor: &Actor,
    ) -> Result<ClientSettings> {
        check_client_id(client_id).map_err(AdminError::Invalid)?;
        let settings = patch.apply(ClientSettings::default())?;
        self.check_power(&settings, actor)?;
        Ok(settings)
    }

    /// Gives a client other settings, which are checked already: the action in the audit trail, and what ends with the change.
    pub(super) fn change_client(
        &self,
        client: &mut Client,
        settings: ClientSettings,
        actor: &Actor,
    ) -> Result<(&'static str, Option<NewRevocation>)> {
        self.check_power(&client.settings, actor)?;
        self.check_power(&settings, actor)?;
        let was = std::mem::replace(&mut client.settings, settings);
        let (client_id, settings) = (&client.client_id, &client.settings);
        let uses_secret = |settings: &ClientSettings| settings.token_endpoint_auth_method.uses_secret();
        if !uses_secret(&was) && uses_secret(settings) && client.secrets.is_empty() {
            tracing::info!(client_id, "the client needs a secret now and cannot authenticate until it gets one");
        }
        let (action, cause) = match (was.enabled, settings.enabled) {
            (true, false) => ("client.disable", Some(Cause::ClientDisabled)),
            (false, true) => ("client.enable", None),
            _ => ("client.update", None),
        };
        Ok((action, cause.map(|cause| self.revocation(Target::Client(client_id.clone()), cause, None))))
    }

    /// What ends when a client is deleted.
    pub(super) fn remove_client(&self, client: &Client, actor: &Actor) -> Result<NewRevocation> {
        self.check_power(&client.settings, actor)?;
        Ok(self.revocation(Target::Client(client.client_id.clone()), Cause::ClientDeleted, None))
    }

    /// A client that sees every token outranks those who hold only `jeton:clients`, as one with a `jeton:` scope does.
    fn check_power(&self, settings: &ClientSettings, actor: &Actor) -> Result<()> {
        if settings.sees_beyond_resources(self.issuer.admin_audience()) && !actor.is_admin {
            return Err(AdminError::NeedsAdmin(
                "a client that may introspect or explain tokens for any resource is administered with the scope \
                 jeton:admin; name its introspect_audiences"
                    .into(),
            ));
        }
        if settings.permissions.contains(&Permission::Impersonate) && !actor.is_admin {
            return Err(AdminError::NeedsAdmin(
                "a client with the permission impersonate is administered with the scope jeton:admin".into(),
            ));
        }
        if settings.consent == Consent::Skip && !actor.is_admin {
            return Err(AdminError::NeedsAdmin(
                "a client that gets access without asking people (consent: skip) is administered with the scope jeton:admin"
                    .into(),
            ));
        }
        // With its secret or its grants, somebody may get tokens of all subjects of the issuer.
        if !settings.issuers.is_empty() && !actor.is_admin {
            return Err(AdminError::NeedsAdmin(
                "a client that names issuers is administered with the scope jeton:admin".into(),
            ));
        }
        // It speaks for every person who logs in with it, at servers that trust this one.
        if !settings.identity_assertion_audiences.is_empty() && !actor.is_admin {
            return Err(AdminError::NeedsAdmin(
                "a client with identity_assertion_audiences is administered with the scope jeton:admin".into(),
            ));
        }
        needs_admin(settings, actor)
    }

    /// A client that can be changed here: its registration says what it is, not a document elsewhere.
    async fn find_registered(&self, client_id: &str) -> Result<Client> {
        let client = self.find_client(client_id).await?;
        if client.settings.is_of_document() {
            return Err(AdminError::Conflict(format!(
                "nobody registered the client {client_id}: its metadata document says what it is; block it instead"
            )));
        }
        Ok(client)
    }

    pub(super) async fn find_client(&self, client_id: &str) -> Result<Client> {
        check_client_id(client_id).map_err(|_| no_such("client", client_id))?;
        let found = self.store.client_find(client_id).await?;
        found.map(|(client, _)| client).ok_or_else(|| no_such("client", client_id))
    }
}

/// Why a client was not created.
pub(super) fn not_created(error: StoreError, client_id: &str) -> AdminError {
    match error {
        StoreError::SubTaken(SubOwner::Client) => {
            let known = format!("there is a client {client_id} already");
            // Nobody inherits what was issued to the client that others know by the same URL.
            AdminError::Conflict(if is_url(client_id) {
                format!(
                    "{known}; if it is known by its metadata document, block the URL, and create the client once that is gone"
                )
            } else {
                known
            })
        }
        StoreError::SubTaken(SubOwner::User) => {
            AdminError::Conflict(format!("the client_id {client_id} is the sub of a user"))
        }
        error => error.into(),
    }
}

/// A client with a reserved scope outranks those who hold only `jeton:clients` or `jeton:revoke`.
pub(super) fn needs_admin(settings: &ClientSettings, actor: &Actor) -> Result<()> {
    if settings.scope.has_reserved() && !actor.is_admin {
        return Err(AdminError::NeedsAdmin(
            "a client with a jeton: scope and its tokens are administered with the scope jeton:admin".into(),
        ));
    }
    Ok(())
}
