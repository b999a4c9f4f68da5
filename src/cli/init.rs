//! `jeton init`: from an empty database to the first requests.

use std::io::{BufRead, IsTerminal, Write};

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::admin::clients::{ClientPatch, ClientView, NewClient};
use crate::admin::users::{NewUser, UserView};
use crate::admin::{ListRequest, body};
use crate::app::App;
use crate::cli::context::{actor, open};
use crate::cli::{Failed, Format, Global, Outcome, migrate, names, output, secrets};
use crate::protocol::client::ClientSettings;
use crate::protocol::scope::Scope;
use crate::settings::Needs;
use crate::store::UserFilter;

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The API that the tokens are for, by its URL
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// What the tokens may allow, space- or comma-separated
    #[arg(long)]
    scope: Vec<String>,
    /// The first user, whose password is read from standard input or a prompt; without it, nobody can log in yet
    #[arg(long, value_name = "USER")]
    username: Option<String>,
}

/// What the flags and the answers say.
struct Plan {
    audience: String,
    scope: Scope,
    user: Option<(String, SecretString)>,
}

/// A client that init makes, and what it is for.
struct FirstClient {
    client_id: &'static str,
    purpose: &'static str,
    settings: ClientPatch,
}

/// What was made. What existed before is left as it is.
#[derive(Default)]
struct Made {
    user: Option<UserView>,
    clients: Vec<(ClientView, &'static str)>,
    existing: Vec<String>,
}

pub(super) async fn run(global: &Global, command: Init) -> Outcome {
    if global.dev {
        return Err(Failed(
            "`jeton serve --dev` makes a demo set by itself; init is for a database of your own".into(),
        ));
    }
    let plan = plan(command)?;
    let clients = plan.clients()?;
    migrate::apply(global, Needs::ALL).await?;
    let app = open(global, Needs::ALL).await?;
    let mut made = Made::default();
    let outcome = make(&app, &plan, clients, &mut made).await;
    // Also if something failed: a secret is shown now or never.
    match global.output {
        Format::Json => output::item(global.output, &made.to_json())?,
        Format::Text => print(&made)?,
    }
    outcome?;
    match global.output {
        Format::Json => Ok(()),
        Format::Text => output::line(&first_requests(app.issuer.url(), &plan)),
    }
}

fn plan(command: Init) -> Result<Plan, Failed> {
    let can_ask = std::io::stdin().is_terminal();
    let required = |given: Option<String>, flag: &str, question: &str| match given {
        Some(given) => Ok(given),
        None if can_ask => ask(question),
        None => Err(Failed(format!("{flag} is required where nobody can be asked"))),
    };
    let audience = required(command.audience, "--audience", "URL of the API that the tokens are for: ")?;
    let scope = match names::scope(&command.scope)? {
        Some(scope) => scope,
        None => {
            let text = required(None, "--scope", "What they may allow, such as `read write`: ")?;
            names::scope(&[text])?.unwrap_or_default()
        }
    };
    let username = match command.username {
        None if can_ask => Some(ask("First user (nothing for none): ")?),
        given => given,
    };
    let user = match username.filter(|name| !name.is_empty()) {
        Some(name) => {
            let password = secrets::read(&format!("password of {name}"))?;
            Some((name, password))
        }
        None => None,
    };
    Ok(Plan { audience, scope, user })
}

/// Asks on standard error, so that the answer to the command stays alone on standard output.
fn ask(question: &str) -> Result<String, Failed> {
    write!(std::io::stderr(), "{question}")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}

impl Plan {
    /// The clients, checked. Without a user, none for logging in.
    fn clients(&self) -> Result<Vec<FirstClient>, Failed> {
        let Self { audience, scope, user } = self;
        let login = (
            "login",
            "a program in which users log in; it has no secret",
            json!({
                "token_endpoint_auth_method": "none", "grant_types": ["password", "refresh_token"],
                "scope": scope, "audiences": [audience],
            }),
        );
        let others = [
            (
                "service",
                "a service that gets tokens for itself",
                json!({"grant_types": ["client_credentials"], "scope": scope, "audiences": [audience]}),
            ),
            (
                "api",
                "your API, which asks whether tokens are good",
                json!({"permissions": ["introspect", "explain"], "introspect_audiences": [audience]}),
            ),
            (
                "ops",
                "administration, under /admin/v1",
                json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"}),
            ),
        ];
        let clients = user.is_some().then_some(login).into_iter().chain(others);
        let checked = clients.map(|(client_id, purpose, settings)| {
            let settings: ClientPatch = body::read(settings.to_string().as_bytes())?;
            settings.clone().apply(ClientSettings::default())?;
            Ok(FirstClient { client_id, purpose, settings })
        });
        checked.collect()
    }
}

async fn make(app: &App, plan: &Plan, clients: Vec<FirstClient>, made: &mut Made) -> Outcome {
    let actor = actor();
    // First, since only the store and the rules for passwords can still refuse something.
    if let Some((username, password)) = &plan.user {
        let filter = UserFilter { username: Some(username), ..UserFilter::default() };
        if app.user_list(&filter, &ListRequest::default()).await?.items.is_empty() {
            let new = NewUser { username: username.clone(), password: Some(password.clone()), ..NewUser::default() };
            made.user = Some(app.user_create(new, &actor).await?);
        } else {
            made.existing.push(format!("user {username}"));
        }
    }
    for FirstClient { client_id, purpose, settings } in clients {
        if app.store.client_find(client_id).await?.is_some() {
            made.existing.push(format!("client {client_id}"));
            continue;
        }
        let new = NewClient { client_id: Some(client_id.to_owned()), client_secret: None, settings };
        made.clients.push((app.client_create(new, &actor).await?, purpose));
    }
    Ok(())
}

impl Made {
    fn to_json(&self) -> Map<String, Value> {
        let clients: Vec<_> = self.clients.iter().map(|(client, _)| client).collect();
        Map::from_iter([
            ("user".to_owned(), json!(self.user)),
            ("clients".to_owned(), json!(clients)),
            ("existing".to_owned(), json!(self.existing)),
        ])
    }
}

fn print(made: &Made) -> Outcome {
    let users = made.user.iter().map(|user| format!("user {}", output::plain_text(&user.username)));
    let clients = made.clients.iter().map(|(client, purpose)| format!("client {}: {purpose}", client.client_id));
    for line in users.chain(clients) {
        output::line(&format!("Created {line}."))?;
    }
    for existing in &made.existing {
        output::line(&format!("Kept {} as it was.", output::plain_text(existing)))?;
    }
    if made.existing.iter().any(|existing| existing.starts_with("client ")) {
        output::line("`jeton client secret add CLIENT_ID` prints another secret for a client that lost its own.")?;
    }
    let secrets: Vec<_> = made
        .clients
        .iter()
        .filter_map(|(client, _)| Some((&client.client_id, client.client_secret.as_ref()?)))
        .collect();
    if !secrets.is_empty() {
        output::line("\nSecrets, shown this once:")?;
    }
    for (client_id, secret) in secrets {
        output::line(&format!("  {client_id:8} {secret}"))?;
    }
    Ok(())
}

/// Requests to begin with; the words in capitals are to be replaced.
fn first_requests(issuer: &str, plan: &Plan) -> String {
    let login = plan.user.as_ref().map_or_else(String::new, |(username, _)| {
        // Encoded for the form, and so for the shell.
        let username: String = form_urlencoded::byte_serialize(username.as_bytes()).collect();
        format!(
            "# a user logs in\n\
             curl {issuer}/auth/token -d grant_type=password -d client_id=login -d username={username} -d password=PASSWORD\n\n"
        )
    });
    format!(
        "\nOnce `jeton serve` runs:\n\n{login}\
         # a service gets a token\n\
         curl -u service:SECRET {issuer}/auth/token -d grant_type=client_credentials\n\n\
         # the API asks whether a token is good\n\
         curl -u api:SECRET {issuer}/auth/introspect -d token=TOKEN"
    )
}
