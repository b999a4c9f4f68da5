//! The JWT bearer grant (RFC 7523 §2.1) and identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant): a token of
//! a trusted issuer is exchanged for an access token of its subject. There is no refresh token: the issuer says each time whether the
//! subject may still be granted one.

use serde_json::Value;

use crate::app::{App, Failure, Result};
use crate::federation::{self, ForeignToken};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding, foreign_subject};
use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::grant::{self, AssertionLimits, Audiences};
use crate::protocol::scope::Scope;
use crate::protocol::trusted_issuer::IssuerUse;

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
    let grant = (GrantType::JwtBearer, ErrorCode::InvalidGrant);
    let (asked, trusted) = foreign_subject::judge(app, asked, &token, used_for, grant).await?;
    let client = &asked.client;
    if used_for == IssuerUse::IdentityAssertion {
        check_identity_assertion(&asked, token.claims())?;
    }
    let subject = foreign_subject::subject(app, &trusted, token.claims(), ErrorCode::InvalidGrant).await?;
    // 3. What may the client have in the name of the subject?
    let (scope, resources) = limits(used_for, token.claims())?;
    let limits = AssertionLimits { scope: scope.as_ref(), resources: resources.as_deref() };
    let rule = |audiences: Audiences<'_>| grant::to_assertion(client, request.parameters, limits, audiences);
    let (form, mut granted) = issue::granted(app, request.issuer, client, rule).await?;
    if let Some(user) = subject.user() {
        let was_asked = request.parameters.one("scope")?.is_some();
        granted = grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?;
    }
    // 4. The token.
    let params = TokenParams {
        sub: subject.sub().to_owned(),
        sub_iss: subject.user().is_none().then(|| trusted.issuer.issuer.clone()),
        granted,
        form,
        user: subject.user_claims(),
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
    foreign_subject::refused(ErrorCode::InvalidGrant, problem)
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
    let scope = claims.scope().map_err(refused)?;
    let resources = match claims.get("resource") {
        None => None,
        Some(Value::String(resource)) => Some(vec![resource.clone()]),
        Some(Value::Array(entries)) if entries.iter().all(Value::is_string) => Some(claims.texts("resource")),
        Some(_) => return Err(malformed("the resource of the identity assertion is no text and no list of texts")),
    };
    Ok((scope, resources))
}
