//! Why a token of another issuer is accepted or not, for administrators: everything that speaks against it, not only the first reason.

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Result};
use crate::federation::{ForeignToken, check_claims, is_for, verify};
use crate::issuer::Issuer;
use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::confirmation::Sender;
use crate::protocol::trusted_issuer::{ConditionReport, IssuerUse, TrustedIssuer, TrustedIssuers};

/// How a rule was met.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RuleReport {
    /// Its place among the rules of the issuer, from 1.
    pub number: usize,
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// The client that it proves; null if it is about the subject.
    #[schema(required)]
    pub client_id: Option<String>,
    /// Whether all its conditions hold.
    pub matches: bool,
    /// Its conditions.
    pub conditions: Vec<ConditionReport>,
}

/// Something that speaks against a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenProblem {
    /// Its name, as in the log; it has a page under `/docs/errors`.
    pub cause: Fault,
    /// How exactly.
    pub reason: String,
}

impl From<Problem> for TokenProblem {
    fn from(problem: Problem) -> Self {
        Self { cause: problem.fault, reason: problem.reason }
    }
}

/// What would become of a token.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenReport {
    /// Whether it would be accepted.
    pub accepted: bool,
    /// The use for which it was judged.
    pub used_for: IssuerUse,
    /// Its issuer, if it is trusted.
    #[schema(required)]
    pub issuer: Option<String>,
    /// The client that it proves.
    #[schema(required)]
    pub client_id: Option<String>,
    /// The clients that name this issuer decide who may present it; what else speaks against the token, in the order in which it is
    /// judged.
    pub problems: Vec<TokenProblem>,
    /// How the rules for this use were met.
    pub rules: Vec<RuleReport>,
}

impl TokenReport {
    fn of_unread(problem: Problem) -> Self {
        let problems = vec![problem.into()];
        let used_for = IssuerUse::ClientAssertion;
        Self { accepted: false, used_for, issuer: None, client_id: None, problems, rules: vec![] }
    }
}

/// The issuer of a token, whichever client presents it.
fn issuer_of<'a>(
    known: &'a TrustedIssuers,
    token: &ForeignToken,
) -> std::result::Result<&'a std::sync::Arc<TrustedIssuer>, Problem> {
    let named = match token.claims().issuer() {
        Some(issuer) => issuer.to_owned(),
        None => {
            // spiffe://trust-domain/path
            let sub = token.claims().subject()?;
            let domain = sub.strip_prefix("spiffe://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
            format!("spiffe://{domain}")
        }
    };
    known.of_token(token.claims(), &[named])
}

/// The use that a token is most likely meant for: the only one of its issuer, or the one that has rules.
fn likely_use(trusted: &TrustedIssuer, token: &ForeignToken) -> IssuerUse {
    if token.is_identity_assertion() {
        return IssuerUse::IdentityAssertion;
    }
    let has = |used_for: IssuerUse| trusted.settings.uses.contains(&used_for);
    let proves_client = trusted.settings.rule_for(token.claims(), true).is_ok();
    match (has(IssuerUse::ClientAssertion), has(IssuerUse::JwtBearer)) {
        (true, true) if proves_client => IssuerUse::ClientAssertion,
        (_, true) => IssuerUse::JwtBearer,
        _ => IssuerUse::ClientAssertion,
    }
}

/// Says what would become of a token. Nothing is recorded as used.
pub(crate) async fn of(app: &App, issuer: &Issuer, text: &str, used_for: Option<IssuerUse>) -> Result<TokenReport> {
    let token = match ForeignToken::read_any(text) {
        Ok(token) => token,
        Err(problem) => return Ok(TokenReport::of_unread(problem)),
    };
    // From the database, since the command line keeps nothing in memory.
    let mut known = TrustedIssuers::default();
    app.store.issuer_all().await?.into_iter().for_each(|issuer| known.put(issuer));
    let trusted = match issuer_of(&known, &token) {
        Ok(trusted) => trusted,
        Err(problem) => return Ok(TokenReport::of_unread(problem)),
    };
    let used_for = used_for.unwrap_or_else(|| likely_use(trusted, &token));
    let is_client = used_for == IssuerUse::ClientAssertion;
    let mut problems: Vec<Problem> = vec![];
    problems.extend(is_for(trusted, issuer, used_for).err());
    problems.extend(verify(app, trusted, &token, used_for).await?.err());
    problems.extend(token.claims().check(app.clock.now()).err());
    problems.extend(check_claims(app, issuer, trusted, &token, used_for).err());
    // Nobody proves anything here. It is said nevertheless: to be accepted, the token needs more than what was sent.
    problems.extend(token.claims().check_holder(&Sender::default()).err());
    let chosen = trusted.settings.rule_for(token.claims(), is_client).map(|rule| rule.client_id.clone());
    let client_id = match chosen {
        Ok(client_id) => client_id,
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    if let Some(client_id) = &client_id {
        problems.extend(about_client(app, trusted, client_id).await?);
    }
    let rules = trusted.settings.rules.iter().zip(1..).filter(|(rule, _)| rule.client_id.is_some() == is_client);
    let rules = rules.map(|(rule, number)| {
        let conditions = rule.examine(token.claims());
        let matches = conditions.iter().all(|condition| condition.holds);
        RuleReport { number, name: rule.name.clone(), client_id: rule.client_id.clone(), matches, conditions }
    });
    Ok(TokenReport {
        accepted: problems.is_empty(),
        used_for,
        issuer: Some(trusted.issuer.clone()),
        client_id,
        problems: problems.into_iter().map(TokenProblem::from).collect(),
        rules: rules.collect(),
    })
}

/// Whether the client that a token proves would let it.
async fn about_client(app: &App, trusted: &TrustedIssuer, client_id: &str) -> Result<Option<Problem>> {
    let problem = |reason: String| Some(Problem::new(Fault::UntrustedIssuer, reason));
    let Some((client, _)) = app.store.client_find(client_id).await? else {
        return Ok(problem(format!("there is no client {client_id}")));
    };
    let names_it = client.settings.issuers.contains(&trusted.issuer);
    let method = client.settings.token_endpoint_auth_method.name();
    Ok(match (client.settings.enabled, names_it, method) {
        (false, ..) => problem(format!("the client {client_id} is disabled")),
        (_, false, _) => problem(format!("the client {client_id} does not name the issuer in issuers")),
        (.., "private_key_jwt") => None,
        _ => problem(format!("the token_endpoint_auth_method of the client {client_id} is {method}")),
    })
}
