//! `jeton revoke`.

use secrecy::ExposeSecret;

use crate::admin::revocations::RevocationRequest;
use crate::cli::context::{actor, open};
use crate::cli::{Global, Outcome, output, secrets};
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("target").required(true))]
pub(super) struct Revoke {
    /// An access token, or a refresh token with its session; - reads it from standard input
    #[arg(long, group = "target", value_name = "TOKEN|-")]
    token: Option<String>,
    /// A session, by id
    #[arg(long, group = "target", value_name = "ID")]
    session: Option<String>,
    /// Everything that was issued to a user, by name, id or `sub`
    #[arg(long, group = "target", value_name = "USER")]
    user: Option<String>,
    /// Everything that was issued to a client
    #[arg(long, group = "target", value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Everything that was issued so far; needs --yes or --dry-run
    #[arg(long, group = "target", requires = "meant")]
    all: bool,
    /// Yes, everything
    #[arg(long, group = "meant")]
    yes: bool,
    /// Only tell what would be revoked and how many sessions that would end
    #[arg(long, group = "meant")]
    dry_run: bool,
    /// Why, for the records
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(super) async fn run(global: &Global, command: Revoke) -> Outcome {
    let needs = if command.token.is_some() { Needs::ALL } else { Needs::NOTHING };
    let app = open(global, needs).await?;
    let mut token = None;
    if let Some(argument) = &command.token {
        app.load().await?;
        token = Some(secrets::argument_or_input(argument, "token")?.expose_secret().trim().to_owned());
    }
    let request = RevocationRequest {
        token,
        session: command.session,
        user: command.user,
        client: command.client,
        all: Some(command.all),
        reason: command.reason,
    };
    let actor = actor();
    if command.dry_run {
        return output::item(global.output, &app.revocation_preview(&request, &actor).await?);
    }
    output::item(global.output, &app.revoke(request, &actor).await?)
}
