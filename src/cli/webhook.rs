//! `jeton webhook`.

use clap::Subcommand;

use crate::admin::body::Patch;
use crate::admin::webhooks::WebhookPatch;
use crate::cli::context::{actor, open};
use crate::cli::members::Named;
use crate::cli::{Global, Outcome, output};
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct WebhookCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a webhook; the secret that signs its messages is printed once
    Create {
        /// Where it is told of events
        url: String,
        #[command(flatten)]
        members: Members,
    },
    /// List webhooks
    List {
        #[command(flatten)]
        part: crate::cli::user::Part,
    },
    /// Show a webhook, and whether it takes its messages
    Show {
        /// The webhook's id
        webhook: String,
    },
    /// Change a webhook; members that are not named stay
    Update {
        /// The webhook's id
        webhook: String,
        /// Where it is told of events
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        members: Members,
    },
    /// Disable a webhook and drop what waits for it
    Disable {
        /// The webhook's id
        webhook: String,
    },
    /// Enable a webhook
    Enable {
        /// The webhook's id
        webhook: String,
    },
    /// Delete a webhook and what waits for it
    Delete {
        /// The webhook's id
        webhook: String,
    },
    /// Add or retire secrets (two sign at a time)
    Secret {
        #[command(subcommand)]
        command: SecretAction,
    },
}

#[derive(Debug, Subcommand)]
enum SecretAction {
    /// Add a second secret; it is printed once
    Add {
        /// The webhook's id
        webhook: String,
    },
    /// Retire a secret
    Retire {
        /// The webhook's id
        webhook: String,
        /// The secret's id, as `jeton webhook show` prints it
        #[arg(long)]
        secret_id: String,
    },
}

/// The members of a webhook, by the names of the API.
#[derive(Debug, clap::Args)]
struct Members {
    /// The events that it is told of, such as 'client.*,session.reuse' (repeated or comma-separated); all unless set, or if ''
    #[arg(long, value_name = "TYPES")]
    types: Vec<String>,
    /// A note for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
}

impl Members {
    /// The members that were named.
    fn named(&self) -> Named {
        let mut named = Named::default();
        named.list("types", &self.types);
        named.set("description", self.description.as_deref());
        named
    }
}

pub(super) async fn run(global: &Global, command: WebhookCommand) -> Outcome {
    let format = global.output;
    let makes_secret =
        matches!(command.command, Action::Create { .. } | Action::Secret { command: SecretAction::Add { .. } });
    let app = open(global, if makes_secret { Needs::MASTER_KEY } else { Needs::NOTHING }).await?;
    if makes_secret {
        // Secrets are encrypted with a key that the master key wraps.
        app.load().await?;
    }
    let actor = actor();
    let set_enabled = async |webhook: &str, enabled: bool| {
        let patch = WebhookPatch { enabled: Patch::Set(enabled), ..WebhookPatch::default() };
        output::item(format, &app.webhook_update(webhook, patch, &actor).await?)
    };
    match command.command {
        Action::Create { url, members } => {
            let mut new = members.named();
            new.set("url", Some(url));
            output::item(format, &app.webhook_create(new.read()?, &actor).await?)
        }
        Action::List { part } => {
            let list = app.webhook_list(&part.request()).await?;
            output::items(
                format,
                &list.items,
                &["id", "url", "types", "enabled", "waiting", "delivered_at", "failure"],
            )?;
            part.show_next(list.next.as_deref())
        }
        Action::Show { webhook } => output::item(format, &app.webhook_show(&webhook).await?),
        Action::Update { webhook, url, members } => {
            let mut patch = members.named();
            patch.set("url", url);
            let patch = patch.read_change("--types")?;
            output::item(format, &app.webhook_update(&webhook, patch, &actor).await?)
        }
        Action::Disable { webhook } => set_enabled(&webhook, false).await,
        Action::Enable { webhook } => set_enabled(&webhook, true).await,
        Action::Delete { webhook } => {
            app.webhook_delete(&webhook, &actor).await?;
            output::done(format, &format!("webhook {webhook} is deleted"))
        }
        Action::Secret { command: SecretAction::Add { webhook } } => {
            output::item(format, &app.webhook_secret_add(&webhook, &actor).await?)
        }
        Action::Secret { command: SecretAction::Retire { webhook, secret_id } } => {
            app.webhook_secret_retire(&webhook, &secret_id, &actor).await?;
            output::done(format, &format!("secret {secret_id} is retired"))
        }
    }
}
