//! The console: pages on which people with a role administer this server. A page is plain data, which `http` shows; what it reads and
//! does are the use cases of `admin`, so that each rule stands in one place.

mod attention;
mod audit;
mod chart;
mod client_form;
mod client_settings;
mod clients;
mod confirm;
mod csv;
mod doctor;
mod figures;
mod github;
mod issuer_rules;
mod issuer_test;
mod issuers;
mod kept_verdict;
mod keys;
mod live;
mod navigation;
mod new_client;
mod new_user;
mod nodes;
mod overview;
mod page;
mod preview;
mod refusals;
mod remedy;
mod resources;
mod revocations;
mod script;
mod sessions;
mod snippets;
mod trail;
mod typed;
mod users;
mod verdict;
mod visit;

pub use chart::{Bar, Chart};
pub use live::{LOGGED_OUT, Live, Told};
pub use navigation::NavigationEntry;
pub use page::{Block, Button, Cell, Event, Field, FieldKind, Form, Page, Parts, Row, Table};
pub use script::{ADDRESS as SCRIPT_ADDRESS, SCRIPT};

use crate::app::{App, Request, Result};
use crate::browser::cookie::SetCookie;
use crate::browser::{form, session};
use crate::console::page::LIVE;
use crate::console::visit::{Content, Outcome, Problem, Visit};
use crate::endpoints::login;
use crate::endpoints::reply::{Reply, Shown};
use crate::protocol::role::Role;
use crate::protocol::time::Timestamp;
use crate::store::BrowserSessionRecord;

/// The first page.
const OVERVIEW: &str = "/console";

/// An answer of the console.
pub enum Answer {
    /// A page in its frame.
    Page(Box<Page>, Box<Frame>),
    /// A file to keep.
    File(File),
    /// A stream that keeps a page current.
    Live(Box<Live>),
    /// No stream, because nobody is logged in any more for whom a page would be kept current.
    NotLive,
    /// The script of the console.
    Script,
    /// What any endpoint for people may answer: the login, or another address.
    Other(Box<Reply>),
}

/// What is around every page.
pub struct Frame {
    /// Who is logged in.
    pub username: String,
    /// The person's role.
    pub role: Option<Role>,
    /// Where the person may go.
    pub navigation: Vec<NavigationEntry>,
    /// The proof that this server showed the forms.
    pub proof: String,
    /// The cookie that belongs to it, if the browser has none.
    pub cookie: Option<SetCookie>,
    /// The present.
    pub now: Timestamp,
}

/// A file to keep.
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub content: String,
}

/// Shows a page.
pub async fn show(app: &App, request: &Request<'_>) -> Result<Answer> {
    let path = path_of(request.target);
    let address = path.trim_start_matches('/');
    if address == SCRIPT_ADDRESS.as_str() {
        return Ok(Answer::Script);
    }
    // A script asks for it again and again, so it neither begins a login nor keeps one going.
    let is_live = address == LIVE;
    let Some(record) = session::find(app, request).await? else {
        return if is_live { Ok(Answer::NotLive) } else { log_in(app, request, request.target) };
    };
    if !is_live {
        session::seen(app, &record).await?;
    }
    let Some(role) = record.user.role else { return without_role(app, request, &record) };
    let visit = Visit { app, request, record: &record, role };
    if is_live {
        return match Box::pin(live::begin(&visit)).await {
            Ok(live) => Ok(Answer::Live(Box::new(live))),
            Err(problem) => finish(&visit, Err(problem)),
        };
    }
    let shown = Box::pin(read(&visit, path)).await;
    finish(&visit, shown)
}

/// Does what a form of a page asks for.
pub async fn act(app: &App, request: &Request<'_>) -> Result<Answer> {
    // 1. Who asks, and was the form shown to this browser?
    let path = path_of(request.target);
    let Some(record) = session::find(app, request).await? else { return log_in(app, request, after_login(path)) };
    let Some(role) = record.user.role else { return without_role(app, request, &record) };
    form::check(app, request, &about(&record)).await?;
    // 2. What is to be done?
    let visit = Visit { app, request, record: &record, role };
    let done = Box::pin(write(&visit, path)).await;
    finish(&visit, done)
}

async fn read(visit: &Visit<'_>, path: &str) -> Outcome<Content> {
    match path {
        OVERVIEW | "/console/" => overview::show(visit).await,
        "/console/doctor" => doctor::show(visit),
        "/console/verdict" => kept_verdict::show(visit).await,
        "/console/clients" => clients::list(visit).await,
        "/console/client" => clients::show(visit).await,
        "/console/client-settings" => client_settings::show(visit).await,
        "/console/new-client" => new_client::show(visit).await,
        "/console/preview" => preview::show(visit).await,
        "/console/resources" => resources::list(visit).await,
        "/console/resource" => resources::show(visit).await,
        "/console/new-resource" => resources::show_new(visit),
        "/console/change-resource" => resources::show_change(visit).await,
        "/console/issuers" => issuers::list(visit).await,
        "/console/issuer" => issuers::show(visit).await,
        "/console/new-issuer" => issuers::show_new(visit),
        "/console/change-issuer" => issuers::show_change(visit).await,
        "/console/issuer-rule" => issuer_rules::show(visit).await,
        "/console/issuer-test" => issuer_test::show(visit),
        "/console/allow-github" => github::show(visit),
        "/console/github-workflow" => github::workflow(visit).await,
        "/console/users" => users::list(visit).await,
        "/console/new-user" => new_user::show(visit),
        "/console/user" => users::show(visit).await,
        "/console/sessions" => sessions::list(visit).await,
        "/console/session" => sessions::show(visit).await,
        "/console/revocations" => revocations::list(visit).await,
        "/console/revocation" => revocations::show(visit).await,
        "/console/revoke" => revocations::preview(visit).await,
        "/console/keys" => keys::show(visit).await,
        "/console/audit" => audit::show(visit).await,
        "/console/audit.csv" => audit::export_csv(visit).await,
        "/console/audit.json" => audit::export_json(visit).await,
        "/console/nodes" => nodes::show(visit).await,
        _ => Err(Problem::NoSuchPage),
    }
}

async fn write(visit: &Visit<'_>, path: &str) -> Outcome<Content> {
    match path {
        "/console/doctor" => doctor::explain(visit).await,
        "/console/verdict" => kept_verdict::act(visit).await,
        "/console/client" => clients::act(visit).await,
        "/console/client-settings" => client_settings::act(visit).await,
        "/console/new-client" => new_client::act(visit).await,
        "/console/preview" => preview::act(visit).await,
        "/console/resource" => resources::act(visit).await,
        "/console/new-resource" => resources::create(visit).await,
        "/console/change-resource" => resources::change(visit).await,
        "/console/issuer" => issuers::act(visit).await,
        "/console/new-issuer" => issuers::create(visit).await,
        "/console/change-issuer" => issuers::change(visit).await,
        "/console/issuer-rule" => issuer_rules::act(visit).await,
        "/console/issuer-test" => issuer_test::act(visit).await,
        "/console/allow-github" => github::act(visit).await,
        "/console/user" => users::act(visit).await,
        "/console/new-user" => new_user::act(visit).await,
        "/console/revoke" => revocations::act(visit).await,
        "/console/keys" => keys::act(visit).await,
        _ => Err(Problem::NoSuchPage),
    }
}

/// Where a person goes on who has to log in before a form of this page is taken: some pages show nothing without the form.
fn after_login(path: &str) -> &str {
    match path {
        "/console/doctor" | "/console/keys" | "/console/preview" | "/console/issuer-test" | "/console/allow-github" => {
            path
        }
        "/console/new-client" | "/console/new-issuer" | "/console/new-resource" | "/console/new-user" => path,
        _ => OVERVIEW,
    }
}

/// The path of a target.
fn path_of(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// What the proof of the forms is about: the console for this login.
fn about(record: &BrowserSessionRecord) -> String {
    format!("console {}", record.session.id)
}

/// Asks who wants to see an address of the console.
fn log_in(app: &App, request: &Request<'_>, address: &str) -> Result<Answer> {
    Ok(Answer::Other(Box::new(login::for_console(app, request, address)?)))
}

/// Says that the person has no role.
fn without_role(app: &App, request: &Request<'_>, record: &BrowserSessionRecord) -> Result<Answer> {
    let page = Problem::NoRole.page()?;
    Ok(Answer::Page(Box::new(page), Box::new(frame(app, request, record)?)))
}

fn frame(app: &App, request: &Request<'_>, record: &BrowserSessionRecord) -> Result<Frame> {
    let proof = form::prove(app, request, &about(record))?;
    let role = record.user.role;
    Ok(Frame {
        username: record.user.username.clone(),
        role,
        navigation: role.map(|role| navigation::of(role, path_of(request.target))).unwrap_or_default(),
        proof: proof.text,
        cookie: proof.cookie,
        now: app.clock.now(),
    })
}

impl Frame {
    /// What is around parts of a page that are kept current: they have no forms.
    pub fn of_parts(now: Timestamp) -> Self {
        Self { username: String::new(), role: None, navigation: Vec::new(), proof: String::new(), cookie: None, now }
    }
}

fn finish(visit: &Visit<'_>, outcome: Outcome<Content>) -> Result<Answer> {
    let page = match outcome {
        Ok(Content::Page(page)) => page,
        Ok(Content::File(file)) => return Ok(Answer::File(file)),
        Ok(Content::Elsewhere(address)) => {
            return Ok(Answer::Other(Box::new(Reply::from(Shown::Elsewhere(format!("/{address}"))))));
        }
        Err(problem) => Box::new(problem.page()?),
    };
    Ok(Answer::Page(page, Box::new(frame(visit.app, visit.request, visit.record)?)))
}
