//! `jeton init`: from an empty database to the first requests.

use std::io::{BufRead, IsTerminal, Write};

use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::admin::clients::{ClientView, NewClient};
use crate::admin::users::{NewUser, UserView};
use crate::admin::{Actor, AdminError, body};
use crate::app::App;
use crate::cli::context::{actor, open};
use crate::cli::{Failed, Format, Global, Outcome, migrate, names, output, secrets};
use crate::protocol::scope::Scope;
use crate::settings::Needs;

#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// The API that the tokens are for, by its URL [required; asked for at a terminal]
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// What the tokens may allow, space- or comma-separated [required; asked for at a terminal]
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

/// What was made. What existed before is left as it is.
#[derive(Default)]
struct Made {
    clients: Vec<(ClientView, &'static str)>,
    user: Option<UserView>,
    existing: Vec<String>,
}

pub(super) async fn run(global: &Global, command: Init) -> Outcome {
    if global.dev {
        return Err(Failed(
            "`jeton serve --dev` makes a demo set by itself; init is for a database of your own".into(),
        ));
    }
    let plan = plan(command)?;
    migrate::apply(global, Needs::ALL).await?;
    let app = open(global, Needs::ALL).await?;
    let mut made = Made::default();
    let outcome = make(&app, &plan, &actor(&app), &mut made).await;
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

async fn make(app: &App, plan: &Plan, actor: &Actor, made: &mut Made) -> Outcome {
    let Plan { audience, scope, user } = plan;
    let scope = scope.to_string();
    let mut clients = vec![
        (
            "service",
            "a service, which gets tokens for itself",
            json!({"grant_types": ["client_credentials"], "scope": scope, "audiences": [audience]}),
        ),
        (
            "api",
            "the API, which asks whether tokens are good",
            json!({"permissions": ["introspect", "explain"], "introspect_audiences": [audience]}),
        ),
        (
            "ops",
            "administration, under /admin/v1",
            json!({"grant_types": ["client_credentials"], "scope": "jeton:admin"}),
        ),
    ];
    if user.is_some() {
        clients.push((
            "login",
            "a program in which users log in; it has no secret",
            json!({
                "token_endpoint_auth_method": "none", "grant_types": ["password", "refresh_token"],
                "scope": scope, "audiences": [audience],
            }),
        ));
    }
    for (client_id, what, settings) in clients {
        let settings = body::read(settings.to_string().as_bytes())?;
        let new = NewClient { client_id: Some(client_id.to_owned()), client_secret: None, settings };
        let client = match app.store.client_find(client_id).await? {
            Some(_) => None,
            None => unless_existing(app.client_create(new, actor).await)?,
        };
        match client {
            Some(client) => made.clients.push((client, what)),
            None => made.existing.push(format!("client {client_id}")),
        }
    }
    if let Some((username, password)) = user {
        let new = NewUser { username: username.clone(), password: Some(password.clone()), ..NewUser::default() };
        made.user = unless_existing(app.user_create(new, actor).await)?;
        if made.user.is_none() {
            made.existing.push(format!("user {username}"));
        }
    }
    Ok(())
}

/// Nothing if it exists already.
fn unless_existing<T>(made: Result<T, AdminError>) -> Result<Option<T>, AdminError> {
    match made {
        Ok(made) => Ok(Some(made)),
        Err(AdminError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Made {
    fn to_json(&self) -> Map<String, Value> {
        let clients: Vec<_> = self.clients.iter().map(|(client, _)| client).collect();
        Map::from_iter([
            ("clients".to_owned(), json!(clients)),
            ("user".to_owned(), json!(self.user)),
            ("existing".to_owned(), json!(self.existing)),
        ])
    }
}

fn print(made: &Made) -> Outcome {
    let clients = made.clients.iter().map(|(client, what)| {
        let secret = client.client_secret.as_deref().unwrap_or_default();
        json!({"made": "client", "id": client.client_id, "secret": secret, "for": what})
    });
    let user = made.user.iter().map(|user| {
        json!({"made": "user", "id": user.username, "secret": "", "for": "logging in with the password that you gave"})
    });
    let rows: Vec<Value> = clients.chain(user).collect();
    if !rows.is_empty() {
        output::items(Format::Text, &rows, &["made", "id", "secret", "for"])?;
        output::line("\nKeep the secrets: they are not shown again.")?;
    }
    for existing in &made.existing {
        output::line(&format!("There is a {existing} already, which stays as it is."))?;
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
