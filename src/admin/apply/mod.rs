//! Administration as code: brings the objects of a named set to what files say, all or nothing.
//!
//! Each kind of objects has its file, which reads what is wanted and decides what to write by the rules of the kind's own use
//! cases. Objects belong to the set that applied them; no other set changes them, and pruning touches nothing else.

mod blocks;
mod clients;
mod export;
mod issuers;
mod plan;
mod resources;
mod roles;
mod schema;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use clients::SetClient;
pub use export::Exported;
pub use roles::SetRole;
pub(crate) use schema::SECRET_FILE;
pub use schema::file_schema;

use crate::admin::client_blocks::NewClientBlock;
use crate::admin::clients::not_created;
use crate::admin::issuers::{self as trusted, NewIssuer};
use crate::admin::resources::{NewResource, refused};
use crate::admin::users;
use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::protocol::object::{Kind, check_set};
use crate::store::{SetRefusal, StoreError};
use plan::{Names, Plan};

/// An object as a file has it: members by the names of the admin API.
pub type Object = Map<String, Value>;

/// A set to apply. What an object does not name has its default.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The name of the set, to which its objects belong from then on.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_./-]+$")]
    pub set: String,
    /// The clients of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SetClient>>)]
    pub clients: Option<Vec<Object>>,
    /// The resources of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<NewResource>>)]
    pub resources: Option<Vec<Object>>,
    /// The trusted issuers of the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<NewIssuer>>)]
    pub issuers: Option<Vec<Object>>,
    /// The roles that the set gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<SetRole>>)]
    pub roles: Option<Vec<Object>>,
    /// What the set blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<NewClientBlock>>)]
    pub client_blocks: Option<Vec<Object>>,
    /// Only say what would change.
    #[serde(default)]
    #[schema(default = false)]
    pub dry_run: bool,
    /// Delete what belongs to the set and is not in it any more.
    #[serde(default)]
    #[schema(default = false)]
    pub prune: bool,
    /// Take objects from other sets, which are refused otherwise.
    #[serde(default)]
    #[schema(default = false)]
    pub take_over: bool,
    /// Create clients that need a secret without one. They cannot authenticate until they get one.
    #[serde(default)]
    #[schema(default = false)]
    pub without_secrets: bool,
}

impl ApplyRequest {
    /// The objects of a kind.
    pub fn objects(&self, kind: Kind) -> &[Object] {
        let list = match kind {
            Kind::Client => &self.clients,
            Kind::Resource => &self.resources,
            Kind::Issuer => &self.issuers,
            Kind::Role => &self.roles,
            Kind::Block => &self.client_blocks,
        };
        list.as_deref().unwrap_or_default()
    }

    /// The objects of a kind, to add some.
    pub fn objects_mut(&mut self, kind: Kind) -> &mut Vec<Object> {
        let list = match kind {
            Kind::Client => &mut self.clients,
            Kind::Resource => &mut self.resources,
            Kind::Issuer => &mut self.issuers,
            Kind::Role => &mut self.roles,
            Kind::Block => &mut self.client_blocks,
        };
        list.get_or_insert_default()
    }
}

impl Kind {
    /// The member of a file that lists such objects.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Client => "clients",
            Self::Resource => "resources",
            Self::Issuer => "issuers",
            Self::Role => "roles",
            Self::Block => "client_blocks",
        }
    }

    /// The member by which a file names such an object.
    pub const fn id_member(self) -> &'static str {
        match self {
            Self::Client => "client_id",
            Self::Resource => "resource",
            Self::Issuer => "issuer",
            Self::Role => "username",
            Self::Block => "target",
        }
    }
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeAction {
    /// It is created.
    Create,
    /// Its members are changed.
    Update,
    /// It is deleted.
    Delete,
    /// It would be deleted, but stays.
    Keep,
}

/// A member that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberChange {
    /// Its name.
    pub name: String,
    /// What it is before; the default if the object is created.
    #[schema(value_type = Value)]
    pub before: Value,
    /// What it is after.
    #[schema(value_type = Value)]
    pub after: Value,
}

/// What happens to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// What happens.
    pub action: ChangeAction,
    /// The kind of the object.
    pub kind: Kind,
    /// The `client_id` of a client, the URI of a resource, the name of an issuer, the username of who has a role, the target of a block.
    pub id: String,
    /// The members that change.
    pub members: Vec<MemberChange>,
    /// Whether it is the role of a user who is created with it, without a password.
    #[serde(default)]
    #[schema(required)]
    pub creates_user: bool,
    /// Whether it is a client that needs a secret and was given none.
    pub needs_secret: bool,
    /// What may be a mistake, or why it stays.
    pub notes: Vec<String>,
}

/// What applying a set changed, or would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Applied)]
pub struct Applied {
    /// The name of the set.
    pub set: String,
    /// Whether nothing was changed, since that was only asked about.
    pub dry_run: bool,
    /// The changes.
    pub changes: Vec<Change>,
    /// How many objects are as the set says already.
    pub unchanged: u64,
    /// How many of those belong to the set from now on.
    pub joined: u64,
    /// With what the secrets that this server generates begin, for whoever generates one in its place.
    pub secret_prefix: String,
}

/// Reads an object of a file and checks what can be checked without the database.
///
/// # Errors
/// What is wrong, with the name of the member.
pub fn check_object(kind: Kind, object: &Object) -> Result<()> {
    match kind {
        Kind::Client => clients::read(object).map(drop),
        Kind::Resource => resources::read(object).map(drop),
        Kind::Issuer => issuers::read(object).map(drop),
        Kind::Role => roles::read(object).map(drop),
        Kind::Block => blocks::read(object).map(drop),
    }
}

impl App {
    /// Applies a set, or says what that would change.
    pub async fn apply(&self, request: &ApplyRequest, actor: &Actor) -> Result<Applied> {
        check_set(&request.set).map_err(AdminError::Invalid)?;
        let mut plan = Plan::new(request, self.store.set_owners().await?);
        plan.administrators.extend(self.store.client_administrators().await?);
        for kind in Kind::ALL {
            match kind {
                Kind::Client => clients::plan(self, &mut plan, actor).await?,
                Kind::Resource => resources::plan(self, &mut plan, actor).await?,
                Kind::Issuer => issuers::plan(self, &mut plan).await?,
                Kind::Role => roles::plan(self, &mut plan, actor).await?,
                Kind::Block => blocks::plan(self, &mut plan).await?,
            }
        }
        let covers_until = self.settings.covers_until(self.clock.now());
        let (changes, applied, names) = plan.finish(self.issuer.environment().client_secret_prefix(), covers_until);
        let is_nothing = changes.writes.is_empty() && changes.gained.is_empty();
        if !request.dry_run && !is_nothing {
            let outcome = self.state.honour(self.store.set_apply(&changes, &self.dated(actor))).await?;
            outcome.map_err(|refusal| not_applied(refusal, &names))?;
            if changes.writes.iter().any(|write| write.object().0 == Kind::Block) {
                // The set is applied, whatever becomes of this; the servers go on with it.
                if let Err(error) = self.client_blocks_carry_out(actor).await {
                    tracing::warn!(%error, "what the blocks of a set have still to do was left for later");
                }
            }
        }
        Ok(applied)
    }
}

/// Why a set was not applied although it could be planned. Objects have the names that the files have for them.
fn not_applied(refusal: SetRefusal, names: &Names) -> AdminError {
    let conflict = |text: String| AdminError::Conflict(format!("nothing was applied: {text}"));
    let named = |kind, id: String| names.get(&(kind, id.clone())).cloned().unwrap_or(id);
    match refusal {
        SetRefusal::Outdated(kind, id) => {
            conflict(format!("the {} {} was changed at the same time; try again", kind.name(), named(kind, id)))
        }
        SetRefusal::OfOtherSet(kind, id) => {
            conflict(format!("another set was given the {} {} at the same time", kind.name(), named(kind, id)))
        }
        SetRefusal::NoAdministrator => conflict("no client with jeton:admin would be left".into()),
        SetRefusal::Refused(_, _, error @ StoreError::Unavailable(_)) => error.into(),
        SetRefusal::Refused(kind, id, error) => {
            let name = named(kind, id.clone());
            let error = match kind {
                Kind::Client => not_created(error, &id),
                Kind::Resource => refused(error, &id),
                Kind::Issuer => trusted::refused(error, &id),
                Kind::Role => users::taken(error, &name, &id),
                Kind::Block => error.into(),
            };
            conflict(format!("{} {name}: {error}", kind.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_at_the_same_moment_has_the_name_that_the_file_has_for_it() {
        let names = Names::from([((Kind::Role, "idp|7".to_owned()), "Anna".to_owned())]);
        let told = |refusal| not_applied(refusal, &names).to_string();
        let sub = || "idp|7".to_owned();
        for refusal in [
            SetRefusal::Outdated(Kind::Role, sub()),
            SetRefusal::OfOtherSet(Kind::Role, sub()),
            SetRefusal::Refused(Kind::Role, sub(), StoreError::LastAdministrator),
        ] {
            let text = told(refusal);
            assert!(text.contains("role Anna") && !text.contains("idp|7"), "{text}");
        }
        let text = told(SetRefusal::Refused(Kind::Role, sub(), StoreError::Exists));
        assert!(text.contains("there is a user \"Anna\" already"), "{text}");
        assert!(told(SetRefusal::Outdated(Kind::Client, "web".to_owned())).contains("the client web was changed"));
    }
}
