//! `jeton resource`.

use clap::Subcommand;
use serde_json::{Map, Value};

use crate::cli::context::{actor, open};
use crate::cli::members::Named;
use crate::cli::names::{ResourceName, entries};
use crate::cli::{Failed, Global, Outcome, output};
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct ResourceCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a resource: an API that tokens are for
    Create {
        #[command(flatten)]
        resource: ResourceName,
        #[command(flatten)]
        members: Box<Members>,
    },
    /// List resources
    List {
        #[command(flatten)]
        part: crate::cli::user::Part,
    },
    /// Show a resource
    Show {
        #[command(flatten)]
        resource: ResourceName,
    },
    /// Change a resource; members that are not named stay
    Update {
        #[command(flatten)]
        resource: ResourceName,
        #[command(flatten)]
        members: Box<Members>,
        /// Scopes to remove (repeated or comma-separated)
        #[arg(long, value_name = "NAMES")]
        remove_scopes: Vec<String>,
    },
    /// Delete a resource; clients that do not list it get no more tokens for it
    Delete {
        #[command(flatten)]
        resource: ResourceName,
    },
}

/// The members of a resource, by the names of the API.
#[derive(Debug, clap::Args)]
struct Members {
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// A scope with its description for people, such as 'read=Read your files' (repeated)
    #[arg(long, value_name = "SCOPE=TEXT")]
    scopes: Vec<String>,
    /// jwt or opaque; the client's unless set
    #[arg(long, value_name = "FORMAT")]
    access_token_format: Option<String>,
    /// at+jwt, or JWT for resource servers that accept no other; the client's unless set
    #[arg(long, value_name = "TYP")]
    access_token_typ: Option<String>,
    /// Lifetime of access tokens for it, such as 15m or 900; the client's unless set
    #[arg(long, value_name = "TIME")]
    access_token_ttl: Option<String>,
    /// listed (clients that have it in --audiences), registered or anybody
    #[arg(long, value_name = "WHOM")]
    open_to: Option<String>,
    /// The clients that are this resource's server, which may introspect and explain its tokens (repeated or
    /// comma-separated)
    #[arg(long, value_name = "CLIENT_IDS")]
    serves: Vec<String>,
    /// Claims that go into tokens for it, as a JSON object
    #[arg(long, value_name = "JSON")]
    claims: Option<String>,
}

impl Members {
    /// The members that were named.
    fn named(&self) -> Result<Named, Failed> {
        let mut named = Named::default();
        named.set("name", self.name.as_deref());
        let scopes: Map<String, Value> = self.scopes.iter().map(|text| scope(text)).collect();
        named.set("scopes", (!scopes.is_empty()).then_some(scopes));
        named.set("access_token_format", self.access_token_format.as_deref());
        named.set("access_token_typ", self.access_token_typ.as_deref());
        named.seconds("access_token_ttl", self.access_token_ttl.as_deref())?;
        named.set("open_to", self.open_to.as_deref());
        named.list("serves", &self.serves);
        named.claims(self.claims.as_deref())?;
        Ok(named)
    }
}

/// A scope and its description; the description may be left out.
fn scope(text: &str) -> (String, Value) {
    let (name, description) = text.split_once('=').unwrap_or((text, ""));
    (name.trim().to_owned(), description.trim().into())
}

pub(super) async fn run(global: &Global, command: ResourceCommand) -> Outcome {
    let format = global.output;
    let app = open(global, Needs::NOTHING).await?;
    let actor = actor();
    match command.command {
        Action::Create { resource, members } => {
            let mut new = members.named()?;
            new.set("resource", Some(resource.get()));
            output::item(format, &app.resource_create(new.read()?, &actor).await?)
        }
        Action::List { part } => {
            let list = app.resource_list(None, &part.request()).await?;
            output::items(format, &list.items, &["resource", "name", "open_to", "serves", "created_at"])?;
            part.show_next(list.next.as_deref())
        }
        Action::Show { resource } => output::item(format, &app.resource_show(resource.get()).await?),
        Action::Update { resource, members, remove_scopes } => {
            let mut patch = members.named()?;
            if !remove_scopes.is_empty() {
                let scopes = patch.0.entry("scopes").or_insert_with(|| Map::new().into());
                entries(&remove_scopes).into_iter().for_each(|name| scopes[name] = Value::Null);
            }
            let patch = patch.read_change("--scopes")?;
            output::item(format, &app.resource_update(resource.get(), patch, &actor).await?)
        }
        Action::Delete { resource } => {
            app.resource_delete(resource.get(), &actor).await?;
            output::done(format, &format!("resource {} is deleted", resource.get()))
        }
    }
}
