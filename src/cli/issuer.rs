//! `jeton issuer`.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;

use crate::admin::issuers::TokenTest;
use crate::cli::context::{actor, open};
use crate::cli::members::{Named, array};
use crate::cli::names::IssuerArgument;
use crate::cli::output::{self, plain_text};
use crate::cli::{Failed, Format, Global, Outcome};
use crate::federation::TokenReport;
use crate::protocol::trusted_issuer::IssuerUse;
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct IssuerCommand {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Trust an issuer: GitHub Actions, a Kubernetes cluster, a SPIFFE trust domain, an identity provider
    Create {
        #[command(flatten)]
        issuer: IssuerArgument,
        #[command(flatten)]
        members: Box<Members>,
    },
    /// List trusted issuers
    List {
        #[command(flatten)]
        part: crate::cli::user::Part,
    },
    /// Show a trusted issuer
    Show {
        #[command(flatten)]
        issuer: IssuerArgument,
    },
    /// Change a trusted issuer; members that are not named stay
    Update {
        #[command(flatten)]
        issuer: IssuerArgument,
        #[command(flatten)]
        members: Box<Members>,
    },
    /// Stop trusting an issuer
    Delete {
        #[command(flatten)]
        issuer: IssuerArgument,
    },
    /// Say whether a token of an issuer would be accepted, and which condition fails with which value; exits with 0 if
    /// it would be and with 1 if not
    Test {
        /// The token; without it, or with -, it is read from standard input
        #[arg(value_name = "TOKEN|-", allow_hyphen_values = true)]
        token: Option<String>,
        /// Judge it for this use: client_assertion, jwt_bearer or identity_assertion
        #[arg(long, value_name = "USE")]
        used_for: Option<String>,
    },
}

/// The members of an issuer, by the names of the API.
#[derive(Debug, clap::Args)]
struct Members {
    /// A name for people
    #[arg(long)]
    name: Option<String>,
    /// What the aud of its tokens may be (repeated or comma-separated)
    #[arg(long, value_name = "AUDIENCES")]
    audience: Vec<String>,
    /// What its tokens are for: client_assertion, jwt_bearer, identity_assertion (repeated or comma-separated)
    #[arg(long, value_name = "USES")]
    uses: Vec<String>,
    /// File with its public keys, a JSON Web Key Set; `-` for standard input. Its discovery document says where they
    /// are unless set
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where its public keys are, instead of --jwks
    #[arg(long, value_name = "URI")]
    jwks_uri: Option<String>,
    /// How long a token is accepted after it was issued, such as 10m
    #[arg(long, value_name = "TIME")]
    max_age: Option<String>,
    /// Whether each token counts once: true or false
    #[arg(long, value_name = "BOOL")]
    single_use: Option<bool>,
    /// Whether its subjects are users of this server: never, sub or email
    #[arg(long, value_name = "HOW")]
    local_users: Option<String>,
    /// Who its tokens are: a JSON array, or the file with it
    #[arg(long, value_name = "JSON|FILE")]
    rules: Option<String>,
    /// Whether its tokens are accepted
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
}

impl Members {
    /// The members that were named.
    fn named(&self) -> Result<Named, Failed> {
        let mut named = Named::default();
        named.set("name", self.name.as_deref());
        named.list("audience", &self.audience);
        named.list("uses", &self.uses);
        named.keys(self.jwks.as_deref(), self.jwks_uri.as_deref())?;
        named.seconds("max_age", self.max_age.as_deref())?;
        named.set("single_use", self.single_use);
        named.set("local_users", self.local_users.as_deref());
        named.set("rules", self.rules.as_deref().map(rules).transpose()?);
        named.set("enabled", self.enabled);
        Ok(named)
    }
}

/// The largest file of rules, in bytes.
const LARGEST_FILE: u64 = 256 * 1024;

/// Rules as JSON, or in a file.
fn rules(text: &str) -> Result<Value, Failed> {
    let wrong = |problem: String| Failed(format!("rules: {problem}"));
    let text = if text.trim_start().starts_with('[') {
        text.to_owned()
    } else {
        let mut read = String::new();
        let file = std::fs::File::open(Path::new(text));
        let outcome = file.and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut read));
        outcome.map_err(|error| wrong(format!("{text} cannot be read: {error}")))?;
        if read.len() as u64 > LARGEST_FILE {
            return Err(wrong(format!("{text} is larger than 256 KiB")));
        }
        read
    };
    array("rules", &text)
}

pub(super) async fn run(global: &Global, command: IssuerCommand) -> Outcome {
    let format = global.output;
    let actor = actor();
    match command.command {
        Action::Create { issuer, members } => {
            let app = open(global, Needs::NOTHING).await?;
            let mut new = members.named()?;
            new.set("issuer", Some(issuer.get()));
            output::item(format, &app.issuer_create(new.read()?, &actor).await?)
        }
        Action::List { part } => {
            let app = open(global, Needs::NOTHING).await?;
            let list = app.issuer_list(None, &part.request()).await?;
            output::items(format, &list.items, &["issuer", "name", "uses", "audience", "enabled", "created_at"])?;
            part.show_next(list.next.as_deref())
        }
        Action::Show { issuer } => {
            let app = open(global, Needs::NOTHING).await?;
            output::item(format, &app.issuer_show(issuer.get()).await?)
        }
        Action::Update { issuer, members } => {
            let patch = members.named()?.read_change("--rules")?;
            let app = open(global, Needs::NOTHING).await?;
            output::item(format, &app.issuer_update(issuer.get(), patch, &actor).await?)
        }
        Action::Delete { issuer } => {
            let app = open(global, Needs::NOTHING).await?;
            app.issuer_delete(issuer.get(), &actor).await?;
            output::done(format, &format!("issuer {} is deleted", issuer.get()))
        }
        Action::Test { token, used_for } => test(global, token, used_for).await,
    }
}

async fn test(global: &Global, token: Option<String>, used_for: Option<String>) -> Outcome {
    let used_for = match used_for.as_deref().map(str::parse::<IssuerUse>).transpose() {
        Ok(used_for) => used_for,
        Err(()) => {
            let names: Vec<&str> = IssuerUse::ALL.iter().map(|used_for| used_for.name()).collect();
            return Err(Failed(format!("--used-for is one of {}", names.join(", "))));
        }
    };
    let token = match token {
        Some(token) if token != "-" => token,
        _ if std::io::stdin().is_terminal() => rpassword::prompt_password("token: ")?,
        _ => {
            let mut text = String::new();
            std::io::stdin().lock().take(LARGEST_FILE).read_to_string(&mut text)?;
            text
        }
    };
    // The name of this server is the audience of identity assertions.
    let app = open(global, Needs::ISSUER).await?;
    let report = app.issuer_test(TokenTest { token, used_for }).await?;
    match global.output {
        Format::Json => output::item(global.output, &report)?,
        Format::Text => print(&report)?,
    }
    if report.accepted { Ok(()) } else { Err(Failed::silently()) }
}

fn print(report: &TokenReport) -> Outcome {
    let what = if report.accepted { "accepted" } else { "refused" };
    output::line(&format!("The token is {what} as {}.", report.used_for.name()))?;
    if let Some(issuer) = &report.issuer {
        output::line(&format!("issuer  {}", plain_text(issuer)))?;
    }
    if let Some(client_id) = &report.client_id {
        output::line(&format!("client  {}", plain_text(client_id)))?;
    }
    for problem in &report.problems {
        output::line(&format!("{}: {}", problem.cause.name(), plain_text(&problem.reason)))?;
    }
    for rule in &report.rules {
        let name = rule.name.as_deref().or(rule.client_id.as_deref()).unwrap_or_default();
        let verdict = if rule.matches { "matches" } else { "does not match" };
        output::line(&format!("rule {} {} {verdict}", rule.number, plain_text(name)))?;
        for condition in &rule.conditions {
            let sign = if condition.holds { "+" } else { "-" };
            let found =
                if condition.found.is_empty() { "missing".to_owned() } else { format!("{:?}", condition.found) };
            let text = format!("  {sign} {} {}; it is {found}", condition.claim, condition.condition.describe());
            output::line(&plain_text(&text))?;
        }
    }
    Ok(())
}
