//! The JWT bearer grant (RFC 7523 §2.1) and identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant): a token of
//! a trusted issuer is exchanged for an access token of its subject. There is no refresh token: the issuer says each time whether the
//! subject may still be granted one.

use serde_json::Value;

use crate::app::{App, Failure, Result};
use crate::federation::{self, ForeignToken, Trusted};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::grant::{self, AssertionLimits, Audiences};
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::protocol::subject::check_sub;
use crate::protocol::trusted_issuer::{IssuerUse, LocalUsers};
use crate::protocol::user::User;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let request = asked.request;
    // 1. The assertion, and what kind it is.
    let Some(text) = request.parameters.one("assertion")? else {
        return Err(Refusal::invalid_request("The parameter assertion is missing.").into());
    };
    let token = ForeignToken::read(text).map_err(refused)?;
    let used_for = if token.is_identity_assertion() { IssuerUse::IdentityAssertion } else { IssuerUse::JwtBearer };
    if token.claims().issuer().is_none() {
        return Err(refused(Problem::new(Fault::UntrustedIssuer, "the assertion has no iss")));
    }
    // 2. May this client present it, and who is it?
    let (asked, trusted) = judge(app, asked, &token, used_for).await?;
    let client = &asked.client;
    if used_for == IssuerUse::IdentityAssertion {
        check_identity_assertion(&asked, token.claims())?;
    }
    let subject = subject(app, &trusted, token.claims()).await?;
    // 3. What may the client have in the name of the subject?
    let (scope, resources) = limits(used_for, token.claims())?;
    let limits = AssertionLimits { scope: scope.as_ref(), resources: resources.as_deref() };
    let rule = |audiences: Audiences<'_>| {
        let granted = grant::to_assertion(client, request.parameters, limits, audiences)?;
        Ok((issue::form(app, client, &granted, audiences)?, granted))
    };
    let (form, mut granted) = app.grant(request.issuer, rule).await?;
    if let Subject::Local(user) = &subject {
        let was_asked = request.parameters.one("scope")?.is_some();
        granted = grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?;
    }
    // 4. The token.
    let (sub, sub_iss, claims) = match &subject {
        Subject::Local(user) => (user.sub.clone(), None, Some(&user.claims)),
        Subject::Foreign(sub) => (sub.clone(), Some(trusted.issuer.issuer.clone()), None),
    };
    let params = TokenParams {
        sub,
        sub_iss,
        granted,
        form,
        user: claims,
        session: None,
        log: asked.log,
        person: None,
        // Whatever is bound stays bound.
        confirmation: binding::of_access_token(client, &request.sender).or(trusted.confirmation),
    };
    let response = issue::response(app, request.issuer, client, params, None)?;
    // 5. The assertion counts once: last, so that it is not spent on a token that could not be written.
    federation::consume(app, &trusted, &token, used_for).await?.map_err(refused)?;
    Ok(response)
}

/// `invalid_grant` for what is wrong with the assertion (RFC 7523 §3.1).
fn refused(problem: Problem) -> Failure {
    Refusal::foreign_assertion(ErrorCode::InvalidGrant, problem).into()
}

/// Judges the assertion. Before it is refused, the client is read anew: it may name the issuer since a moment ago.
async fn judge<'a>(
    app: &App,
    asked: &GrantRequest<'a>,
    token: &ForeignToken,
    used_for: IssuerUse,
) -> Result<(GrantRequest<'a>, Trusted)> {
    let issuer = asked.request.issuer;
    let sender = &asked.request.sender;
    let problem = match federation::judge(app, issuer, &asked.client, sender, token, used_for).await? {
        Ok(trusted) => return Ok((asked.clone(), trusted)),
        Err(problem) => problem,
    };
    if problem.fault != Fault::UntrustedIssuer {
        return Err(refused(problem));
    }
    let renewed = asked.renewed(app, GrantType::JwtBearer).await?;
    if renewed.client.version == asked.client.version {
        return Err(refused(problem));
    }
    let trusted = federation::judge(app, issuer, &renewed.client, sender, token, used_for).await?.map_err(refused)?;
    Ok((renewed, trusted))
}

/// An identity assertion is for one client, which has proved who it is, and has an id (§4.4 of the draft).
fn check_identity_assertion(asked: &GrantRequest<'_>, claims: &ForeignClaims) -> Result<()> {
    let client = &asked.client;
    if client.is_public() {
        let text = "A client that does not prove who it is may not use identity assertions.";
        return Err(Refusal::new(ErrorCode::UnauthorizedClient, text).into());
    }
    if claims.client_id() != Some(client.client_id.as_str()) {
        let reason = "the client_id of the identity assertion is missing or that of another client";
        return Err(refused(Problem::new(Fault::WrongClient, reason)));
    }
    if claims.id().is_none() {
        return Err(refused(Problem::new(Fault::NoId, "the identity assertion has no jti")));
    }
    Ok(())
}

/// The scope and the resources that an identity assertion names; other assertions name none.
fn limits(used_for: IssuerUse, claims: &ForeignClaims) -> Result<(Option<Scope>, Option<Vec<String>>)> {
    if used_for != IssuerUse::IdentityAssertion {
        return Ok((None, None));
    }
    let malformed = |reason: &'static str| refused(Problem::new(Fault::Malformed, reason));
    let scope = match claims.get("scope") {
        None => None,
        Some(Value::String(text)) => Some(
            Scope::parse(text).map_err(|_| malformed("the scope of the identity assertion is no list of scopes"))?,
        ),
        Some(_) => return Err(malformed("the scope of the identity assertion is no text")),
    };
    let resources = match claims.get("resource") {
        None => None,
        Some(Value::String(resource)) => Some(vec![resource.clone()]),
        Some(Value::Array(entries)) if entries.iter().all(Value::is_string) => Some(claims.texts("resource")),
        Some(_) => return Err(malformed("the resource of the identity assertion is no text and no list of texts")),
    };
    Ok((scope, resources))
}

/// Whom the access token is about.
enum Subject {
    /// A user of this server.
    Local(Box<User>),
    /// A subject of the issuer.
    Foreign(String),
}

async fn subject(app: &App, trusted: &Trusted, claims: &ForeignClaims) -> Result<Subject> {
    let no_subject = |reason: &str| refused(Problem::new(Fault::NoSuchSubject, reason));
    let sub = claims.subject().map_err(refused)?;
    let user = match trusted.issuer.settings.local_users {
        LocalUsers::Never => {
            check_sub(sub).map_err(|reason| refused(Problem::new(Fault::WrongSubject, reason)))?;
            // Resource servers that look at `sub` alone would take the one for the other.
            return match app.store.sub_holder(sub).await? {
                None => Ok(Subject::Foreign(sub.to_owned())),
                Some(_) => Err(no_subject("the sub of the assertion is that of a user or a client of this server")),
            };
        }
        LocalUsers::BySub => app.store.user_with_sub(sub).await?,
        LocalUsers::ByEmail => {
            let email = claims.verified_email().filter(|email| email.is_ascii());
            let email = email.ok_or_else(|| no_subject("the assertion has no verified email"))?;
            // A name that only looks like the address after it was normalised is not the same.
            app.store.user_named(email).await?.filter(|user| user.username.eq_ignore_ascii_case(email))
        }
    };
    let user = user.ok_or_else(|| no_subject("no user of this server is the subject of the assertion"))?;
    let is_powerful = user.role.is_some() || user.scope.as_ref().is_some_and(Scope::has_reserved);
    if !user.enabled || is_powerful {
        let reason = if is_powerful { "the user administers this server" } else { "the user is disabled" };
        return Err(no_subject(reason).about(Identity::of_user(&user.sub)));
    }
    Ok(Subject::Local(Box::new(user)))
}
