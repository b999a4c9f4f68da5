//! Tokens of other issuers (RFC 7521, RFC 7523): what an issuer is trusted with, whose key made a signature, which rule says who a
//! token is. Three uses share this: a token proves a client, is exchanged for a token of its subject, or is an identity assertion.
//!
//! A token is judged in this order: its bytes; its issuer, among those that the client names; the signature, by the keys of that
//! issuer alone; audience and age; the rules; whether the sender holds what it is bound to. Nothing is refused because memory lacks it: the log is asked before.

mod foreign_token;
mod report;

use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::crypto::sha256;
use crate::issuer::Issuer;
use crate::jose::jws::ExpectedType;
use crate::jose::key_set::{KeySet, Unverified};
use crate::key_sets::Unfetched;
use crate::protocol::assertion::{Fault, LARGEST_SKEW, Problem};
use crate::protocol::client::Client;
use crate::protocol::confirmation::{Confirmation, Sender};
use crate::protocol::origin::Trust;
use crate::protocol::token_id::TokenId;
use crate::protocol::trusted_issuer::{IssuerUse, TrustedIssuer, TrustedIssuers, is_spiffe};
use crate::state;
use crate::store::UsedAssertion;

pub(crate) use foreign_token::ForeignToken;
pub(crate) use report::of as report;
pub use report::{RuleReport, TokenProblem, TokenReport};

/// A token that passed, and the issuer that vouches for it.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    /// The issuer, as it was when the token was judged.
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// What it is bound to, if it is: then so is what comes of it.
    pub(crate) confirmation: Option<Confirmation>,
}

type Judged<T> = std::result::Result<T, Problem>;

/// Judges a token that a client presents with this proof of what it holds. It is not yet recorded as used.
pub(crate) async fn judge(
    app: &App,
    issuer: &Issuer,
    client: &Client,
    sender: &Sender,
    token: &ForeignToken,
    used_for: IssuerUse,
) -> Result<Judged<Trusted>> {
    if let Err(problem) = token.claims().check(app.clock.now()) {
        return Ok(Err(problem));
    }
    let known = app.state.trusted_issuers().await?;
    let judged = judge_by(app, issuer, &known, (client, sender), token, used_for).await?;
    if judged.is_ok() {
        return Ok(judged);
    }
    app.state.ensure_current().await?;
    let current = app.state.trusted_issuers().await?;
    if Arc::ptr_eq(&known, &current) {
        return Ok(judged);
    }
    judge_by(app, issuer, &current, (client, sender), token, used_for).await
}

/// The same by what is known of issuers.
async fn judge_by(
    app: &App,
    issuer: &Issuer,
    known: &TrustedIssuers,
    (client, sender): (&Client, &Sender),
    token: &ForeignToken,
    used_for: IssuerUse,
) -> Result<Judged<Trusted>> {
    let found = known.of_token(token.claims(), &client.settings.issuers);
    let trusted = match found.and_then(|found| is_for(found, issuer, used_for).map(|()| found)) {
        Ok(found) => found,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Err(problem) = verify(app, trusted, token, used_for).await? {
        return Ok(Err(problem));
    }
    let checked = check_claims(app, issuer, trusted, token, used_for);
    let ruled = checked.and_then(|()| check_rules(trusted, client, token, used_for));
    let held = ruled.and_then(|()| token.claims().check_holder(sender));
    Ok(held.map(|confirmation| Trusted { issuer: Arc::clone(trusted), confirmation }))
}

/// Whether an issuer is trusted for this use.
fn is_for(trusted: &TrustedIssuer, issuer: &Issuer, used_for: IssuerUse) -> Judged<()> {
    let name = &trusted.issuer;
    if name == issuer.url() {
        return Err(Problem::new(Fault::UntrustedIssuer, "this server is no other issuer"));
    }
    if !trusted.settings.enabled {
        return Err(Problem::new(Fault::UntrustedIssuer, format!("the issuer {name} is disabled")));
    }
    if !trusted.settings.uses.contains(&used_for) {
        let reason = format!("the issuer {name} is not trusted for {}", used_for.name());
        return Err(Problem::new(Fault::UntrustedIssuer, reason));
    }
    Ok(())
}

/// The types that a token may have.
fn types(trusted: &TrustedIssuer, token: &ForeignToken, used_for: IssuerUse) -> ExpectedType<'static> {
    match used_for {
        IssuerUse::IdentityAssertion => ForeignToken::ID_JAG,
        _ if is_spiffe(&trusted.issuer) => ForeignToken::TYPES,
        IssuerUse::ClientAssertion => ForeignToken::USUAL_TYPES,
        IssuerUse::JwtBearer => token.types(),
    }
}

/// Verifies the type and the signature, by the keys of this issuer alone.
async fn verify(app: &App, trusted: &TrustedIssuer, token: &ForeignToken, used_for: IssuerUse) -> Result<Judged<()>> {
    let types = types(trusted, token, used_for);
    if !types.includes(token.header().typ.as_deref()) {
        return Ok(Err(Problem::new(Fault::WrongType, "the typ of the assertion is that of something else")));
    }
    let verify = |keys: &KeySet| keys.verify(token.text(), token.header(), types).map(drop);
    let unverified = match signed(app, trusted, token, verify).await? {
        Ok(()) => return Ok(Ok(())),
        Err(unverified) => unverified,
    };
    let (name, alg) = (&trusted.issuer, &token.header().alg);
    let problem = match unverified {
        Unverified::NoSuchKey => {
            let kid = if token.header().kid.is_some() { "the kid of the assertion and " } else { "" };
            Problem::new(Fault::UnknownKey, format!("the issuer {name} has no key for {kid}the algorithm {alg}"))
        }
        Unverified::BadSignature => {
            let reason = format!("no key of the issuer {name} that fits made the {alg} signature of the assertion");
            Problem::new(Fault::BadSignature, reason)
        }
    };
    Ok(Err(problem))
}

/// Verifies with the keys that are registered, or with those that are published: of these, one that is not known is looked for once
/// more, also where the issuer says by now that they are.
async fn signed(
    app: &App,
    trusted: &TrustedIssuer,
    token: &ForeignToken,
    verify: impl Fn(&KeySet) -> std::result::Result<(), Unverified>,
) -> Result<std::result::Result<(), Unverified>> {
    if trusted.settings.jwks.is_some() {
        let registered = app.key_sets.registered_for(trusted);
        return Ok(registered.map_or(Err(Unverified::NoSuchKey), |registered| verify(&registered.1)));
    }
    let unavailable = |problem: Unfetched| Failure::Unavailable(format!("issuer {}: {problem}", trusted.issuer));
    let address = match &trusted.settings.jwks_uri {
        Some(address) => address.clone(),
        None => app.key_sets.discover(&app.caller, &trusted.issuer).await.map_err(unavailable)?,
    };
    let fetched = app.key_sets.at(&app.caller, &address).await.map_err(unavailable)?;
    let unverified = match verify(fetched.keys()) {
        Ok(()) => return Ok(Ok(())),
        // The key that it names is known, and did not sign it.
        Err(Unverified::BadSignature) if token.header().kid.is_some() => return Ok(Err(Unverified::BadSignature)),
        Err(unverified) => unverified,
    };
    let newer = app.key_sets.newer(&app.caller, &address, &fetched).await;
    let verified = match &newer {
        Ok(Some(newer)) => verify(newer.keys()),
        Ok(None) | Err(_) => Err(unverified),
    };
    if verified.is_err() && trusted.settings.jwks_uri.is_none() {
        // Or they are somewhere else by now; then what is still at the old place decides nothing.
        let moved = app.key_sets.rediscover(&app.caller, &trusted.issuer, &address).await.map_err(unavailable)?;
        if let Some(moved) = moved {
            let fetched = app.key_sets.at(&app.caller, &moved).await.map_err(unavailable)?;
            return Ok(verify(fetched.keys()));
        }
    }
    newer.map_err(unavailable)?;
    Ok(verified)
}

/// Checks what the issuer is trusted with: audience and age.
fn check_claims(
    app: &App,
    issuer: &Issuer,
    trusted: &TrustedIssuer,
    token: &ForeignToken,
    used_for: IssuerUse,
) -> Judged<()> {
    let claims = token.claims();
    match used_for {
        // It is for the authorization server of the resource, whatever else the issuer may write.
        IssuerUse::IdentityAssertion => claims.check_audience(std::iter::once(issuer.url()))?,
        IssuerUse::ClientAssertion | IssuerUse::JwtBearer => {
            claims.check_audience(trusted.settings.audience.iter().map(String::as_str))?;
        }
    }
    claims.check_age(trusted.settings.max_age, app.clock.now())
}

/// Checks that one rule says who the token is. What proves a client proves no other one.
fn check_rules(trusted: &TrustedIssuer, client: &Client, token: &ForeignToken, used_for: IssuerUse) -> Judged<()> {
    let is_client = used_for == IssuerUse::ClientAssertion;
    let rule = trusted.settings.rule_for(token.claims(), is_client)?;
    match &rule.client_id {
        Some(proved) if *proved != client.client_id => {
            let reason = format!("the assertion proves the client {proved}, not {}", client.client_id);
            Err(Problem::new(Fault::ConditionFailed, reason))
        }
        _ => Ok(()),
    }
}

/// What a token of a subject that passed owes its acceptance to.
///
/// # Errors
/// As [`judge`], though it passed that.
pub(crate) fn trust_in(trusted: &Trusted, token: &ForeignToken) -> Judged<Trust> {
    let rule = trusted.issuer.settings.rule_for(token.claims(), false)?;
    Ok(state::trust_in(&trusted.issuer, rule))
}

/// What stands for a token among those that others came of: it tells tokens apart, and says nothing of them.
pub(crate) fn id_of(trusted: &Trusted, token: &ForeignToken) -> TokenId {
    let hash = sha256(used_as(trusted, token).as_bytes());
    let mut id = [0; TokenId::LENGTH];
    id.copy_from_slice(&hash[..TokenId::LENGTH]);
    TokenId::new(id)
}

/// The name under which a token counts once. Without a `jti`, what was signed tells tokens apart. No client_id is empty, so no assertion
/// of a client has such a name.
fn used_as(trusted: &Trusted, token: &ForeignToken) -> String {
    match token.claims().id() {
        Some(id) => format!("\0{}\0{id}", trusted.issuer.issuer),
        None => format!("\0{}\0\0{}", trusted.issuer.issuer, token.signed_part()),
    }
}

/// Records a token as used, if it counts once: the last step, because it cannot be repeated.
pub(crate) async fn consume(
    app: &App,
    trusted: &Trusted,
    token: &ForeignToken,
    used_for: IssuerUse,
) -> Result<Judged<()>> {
    if !trusted.issuer.settings.is_single_use(used_for) {
        return Ok(Ok(()));
    }
    let now = app.clock.now();
    // The row outlives the token by more than any clock may be off.
    let expires_at = token.claims().expires_at().plus_seconds(LARGEST_SKEW);
    let used = UsedAssertion { hash: sha256(used_as(trusted, token).as_bytes()), now, expires_at };
    Ok(app
        .store
        .assertion_use(used)
        .await?
        .map_err(|before| Problem::new(Fault::UsedBefore, format!("the assertion was used before, at {before}"))))
}
