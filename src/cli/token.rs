//! `jeton token explain`.

use std::io::{IsTerminal, Read};

use clap::Subcommand;
use uuid::Uuid;

use crate::admin::preview::{self, PreviewRequest};
use crate::cli::context::{actor, open};
use crate::cli::output::{self, plain_text};
use crate::cli::{Failed, Format, Global, Outcome};
use crate::diagnosis::explanation::Explanation;
use crate::diagnosis::judge::Requirements;
use crate::diagnosis::pasted::{self, Pasted, Problem};
use crate::endpoints::explain::{ExplainRequest, explain_to_operator};
use crate::protocol::client::GrantType;
use crate::protocol::scope::Scope;
use crate::settings::Needs;
use crate::store::Audited;

#[derive(Debug, clap::Args)]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say why a token is refused and what to do about it; exits with 0 if it is good and with 1 if not
    Explain(Explain),
    /// Say what a client would get for a request, and which setting each claim comes from
    Preview(Preview),
}

#[derive(Debug, clap::Args)]
struct Preview {
    /// The client
    #[arg(long, value_name = "CLIENT_ID")]
    client_id: String,
    /// The grant by which it asks: client_credentials, password, authorization_code…
    #[arg(long, value_name = "GRANT")]
    grant_type: String,
    /// The user who logs in: name, id or `sub`
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// The scopes that it asks for; what the client has if left out
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The resources that it asks for (repeated)
    #[arg(long, value_name = "URI")]
    resource: Vec<String>,
    /// Whether the token request comes with the DPoP proof or the certificate that its token is bound to; as the client must send
    /// it if left out
    #[arg(long, value_name = "true|false")]
    sender_constrained: Option<bool>,
    /// Whether the authorization request is pushed; as the client must send it if left out
    #[arg(long, value_name = "true|false")]
    pushed: Option<bool>,
}

#[derive(Debug, clap::Args)]
struct Explain {
    /// The text that was sent as a token; without it, or with -, it is read from standard input, without one final line
    /// break
    #[arg(value_name = "TOKEN|-", allow_hyphen_values = true)]
    token: Option<String>,
    /// The scopes that the resource server needs
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The audience that the resource server expects
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Explain it as a refresh token instead of refusing it for being one
    #[arg(long)]
    refresh_token: bool,
    /// Read a whole request, a curl command or a block of headers, and say what is wrong with it too
    #[arg(long)]
    curl: bool,
}

/// The JSON answer about a pasted request.
#[derive(serde::Serialize)]
struct RequestReport<'a> {
    /// What is wrong with the request itself.
    request: &'a [Problem],
    /// The explanation of its token, if it has one.
    token: Option<&'a Explanation>,
}

pub(super) async fn run(global: &Global, command: TokenCommand) -> Outcome {
    let command = match command.action {
        Action::Explain(command) => command,
        Action::Preview(command) => return preview(global, command).await,
    };
    let scope = Scope::parse(command.scope.as_deref().unwrap_or_default())
        .map_err(|error| Failed(format!("--scope: {error}")))?;
    let text = match command.token {
        Some(text) if text != "-" => text,
        _ => from_input()?,
    };
    let (problems, text) = if command.curl {
        let Pasted { problems, token, .. } = pasted::read(&text).map_err(|error| Failed(error.to_string()))?;
        (problems, token)
    } else {
        (vec![], Some(text))
    };
    let explanation = match text {
        Some(text) => {
            let required = Requirements { audience: command.audience.filter(|audience| !audience.is_empty()), scope };
            let question = ExplainRequest { text, required, accepts_refresh_token: command.refresh_token };
            Some(explain(global, &question).await?)
        }
        None => None,
    };
    match (global.output, &explanation) {
        (Format::Json, Some(explanation)) if !command.curl => output::item(global.output, explanation)?,
        (Format::Json, token) => {
            output::item(global.output, &RequestReport { request: &problems, token: token.as_ref() })?;
        }
        (Format::Text, token) => {
            for problem in &problems {
                print_problem(problem)?;
            }
            match token {
                Some(explanation) => print(explanation)?,
                None => output::line("There is no token in the request.")?,
            }
        }
    }
    let is_good = problems.iter().all(|problem| problem.cause.is_none());
    if is_good && explanation.is_some_and(|explanation| explanation.active) { Ok(()) } else { Err(Failed::silently()) }
}

fn print_problem(problem: &Problem) -> Outcome {
    let style = Style::of_output();
    let name = problem.cause.map(|cause| format!("  ({cause})")).unwrap_or_default();
    output::line(&format!("{} {}{name}\n  {}\n", style.paint("1;31", "The request:"), problem.detail, problem.fix))
}

/// All of standard input, without the line break at its end.
fn from_input() -> Result<String, Failed> {
    if std::io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("token: ")?);
    }
    let mut bytes = vec![];
    std::io::stdin().lock().take(1024 * 1024).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.strip_suffix("\r\n").or(text.strip_suffix('\n')).unwrap_or(&text).to_owned())
}

async fn explain(global: &Global, question: &ExplainRequest) -> Result<Explanation, Failed> {
    let app = open(global, Needs::ALL).await?;
    let request_id = Some(Uuid::now_v7().to_string());
    let audited = Audited { actor: actor().name, request_id, address: None, at: app.clock.now() };
    app.load().await?;
    explain_to_operator(&app, &app.issuer, question, &audited)
        .await
        .map_err(|failure| Failed(format!("could_not_check: {failure}")))
}

/// Says what a request would get; fails if that is a refusal.
async fn preview(global: &Global, command: Preview) -> Outcome {
    let grant_type = command.grant_type.parse().map_err(|()| {
        let known: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.name()).collect();
        Failed(format!("--grant-type: expected one of {}", known.join(", ")))
    })?;
    let request = PreviewRequest {
        client_id: command.client_id,
        grant_type,
        user: command.username,
        scope: command.scope,
        resource: Some(command.resource),
        sender_constrained: command.sender_constrained,
        pushed: command.pushed,
    };
    let app = open(global, Needs::ALL).await?;
    app.load().await?;
    let found = app.preview(&request).await?;
    if global.output == Format::Json {
        output::item(global.output, &found)?;
    } else {
        print_preview(&found)?;
    }
    if found.refused.is_none() { Ok(()) } else { Err(Failed::silently()) }
}

fn print_preview(found: &preview::Preview) -> Outcome {
    let style = Style::of_output();
    if let Some(refused) = &found.refused {
        output::line(&format!("{}  ({})", style.paint("1;31", "The request would be refused"), refused.error.name()))?;
        output::line(&plain_text(&refused.error_description))?;
        if refused.reason != refused.error_description {
            output::line(&format!("For the log: {}", plain_text(&refused.reason)))?;
        }
    }
    if let Some(token) = &found.token {
        let form = match token.typ {
            Some(typ) => format!("a JWT (typ {})", typ.name()),
            None => "an opaque token".to_owned(),
        };
        output::line(&format!("{} {form} of {} bytes", style.paint("1;32", "The client would get"), token.size))?;
        for (also, what) in [(token.refresh_token, "a refresh token"), (token.id_token, "an ID token")] {
            if also {
                output::line(&format!("and {what}"))?;
            }
        }
        let claims: Vec<_> = token
            .claims
            .iter()
            .map(|claim| (claim.claim.as_str(), plain_text(&claim.value.to_string()), plain_text(&claim.from)))
            .collect();
        let width = claims.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
        output::line("")?;
        for (name, value, from) in claims {
            output::line(&format!("  {:width$}  {value}  ({from})", plain_text(name)))?;
        }
    }
    if !found.left_out.is_empty() {
        output::line(&format!("\n{}", style.heading("Left out")))?;
    }
    for left_out in &found.left_out {
        output::line(&format!("  {}: {}", plain_text(&left_out.scope), plain_text(&left_out.why)))?;
    }
    for (heading, texts) in [("Note:", &found.notes), ("Assumed:", &found.assumed)] {
        texts.iter().try_for_each(|text| output::line(&format!("\n{} {text}", style.heading(heading))))?;
    }
    Ok(())
}

/// The styles of a terminal, or none.
struct Style {
    is_on: bool,
}

impl Style {
    fn of_output() -> Self {
        let is_wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { is_on: is_wanted && std::io::stdout().is_terminal() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.is_on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn heading(&self, text: &str) -> String {
        self.paint("1", text)
    }
}

fn print(explanation: &Explanation) -> Outcome {
    let style = Style::of_output();
    let say = |text: &str| output::line(text);
    match explanation.cause {
        None => say(&style.paint("1;32", explanation.title))?,
        Some(cause) => say(&format!("{}  ({cause})", style.paint("1;31", explanation.title)))?,
    }
    say(&plain_text(&explanation.detail))?;
    let others: Vec<&str> = explanation.all_causes.iter().skip(1).map(|cause| cause.name()).collect();
    if !others.is_empty() {
        say(&format!("Also: {}", others.join(", ")))?;
    }
    for damage in &explanation.damage {
        let proof = if damage.proved { "proved: without it, the text is a token of this server" } else { "not proved" };
        say(&format!("\n{} {} ({proof})\n  {}", style.heading("Damage:"), damage.detail, damage.repair))?;
    }
    say(&format!("\n{}", style.heading("What to do")))?;
    let fix = &explanation.fix;
    for (who, what) in
        [("client", &fix.client), ("resource server", &fix.resource_server), ("administrator", &fix.administrator)]
    {
        say(&format!("  {who:<15}  {what}"))?;
    }
    say(&format!("\n{}", style.heading("Evidence")))?;
    for fact in &explanation.evidence {
        let value = fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned);
        let basis = if fact.verified { "verified".to_owned() } else { style.paint("33", "claimed") };
        say(&format!("  {:<17}  {}  ({basis})", fact.fact, plain_text(&value)))?;
    }
    if let Some(expect) = &explanation.expect {
        say(&format!("\n{}", style.heading("What a resource server must expect")))?;
        let or_none = |value: Option<&str>| value.unwrap_or("none (opaque token)").to_owned();
        for (name, value) in [
            ("issuer", expect.issuer.clone()),
            ("audience", expect.audience.join(" ")),
            ("algorithm", or_none(expect.algorithm)),
            ("key", or_none(expect.kid.as_deref())),
            ("published since", expect.key_published_at.map(|at| at.to_string()).unwrap_or_else(|| "-".into())),
            ("keys", expect.jwks_uri.clone()),
            ("introspection", expect.introspection_endpoint.clone()),
            ("server time", expect.server_time.to_string()),
            ("seconds left", expect.seconds_left.to_string()),
        ] {
            say(&format!("  {name:<15}  {value}"))?;
        }
    }
    if let Some(challenge) = &explanation.www_authenticate {
        say(&format!("\n{} {}, WWW-Authenticate: {challenge}", style.heading("Answer:"), explanation.status))?;
    }
    say(&format!("{} {}", style.heading("More:"), explanation.docs))
}
