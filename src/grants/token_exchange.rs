//! Token exchange (RFC 8693): a client that got a token goes on in the name of its subject.
//!
//! Nothing is written and, while the node knows the user, nothing is read: the token that comes of it names those that it comes of, and
//! is judged by them.

use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::diagnosis::investigate::Depth;
use crate::diagnosis::{Diagnosis, Source};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding};
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::confirmation::Sender;
use crate::protocol::error::Refusal;
use crate::protocol::exchange::{self, Inherited, Presented, Role};
use crate::protocol::grant::Audiences;
use crate::protocol::identity::Identity;
use crate::protocol::ownership::Ownership;
use crate::telemetry::metrics::ExchangeKind;
use crate::tokens::verify::key_of;
use crate::validation;

/// Said of a token that this client may know nothing about.
const NOT_EXCHANGED: &str =
    "is not a valid access token that was issued to this client or is for a resource that it serves.";

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let GrantRequest { request, client, log } = asked;
    // 1. What is presented (§2.1)?
    let presented = Presented::read(request.parameters)?;
    // 2. Is it good, and may this client exchange it?
    let subject = token(app, asked, presented.subject, Role::Subject).await?;
    let about = |failure: Failure| failure.about(Identity::from(&*subject));
    let actor = match presented.actor {
        Some(text) => Some(token(app, asked, text, Role::Actor).await?),
        None => None,
    };
    // 3. Who acts for whom, and by what is it revoked (§4.1, §4.4)?
    let inherited = Inherited::of(client, request.issuer.url(), &subject, actor.as_deref());
    let inherited = inherited.map_err(|refusal| about(refusal.into()))?;
    let inherited = inherited.made_by(key_of(presented.subject), presented.actor.and_then(key_of));
    // 4. What is granted (§2.1)?
    let rule = |audiences: Audiences<'_>| {
        let granted = exchange::grant(client, &subject, request.parameters, audiences)?;
        Ok((issue::form(app, client, &granted, audiences)?, granted))
    };
    let (form, granted) = app.grant(request.issuer, rule).await.map_err(about)?;
    // 5. The token.
    let user = match subject.subject().user() {
        Some(sub) => app.state.user(sub).await?,
        None => None,
    };
    let params = TokenParams {
        sub: subject.sub.clone(),
        sub_iss: subject.sub_iss.clone(),
        granted,
        form,
        user: user.as_ref().map(|user| &user.claims),
        session: None,
        log: *log,
        // Whatever is bound stays bound.
        confirmation: binding::of_access_token(client, &request.sender)
            .or(subject.cnf)
            .or_else(|| actor.as_ref().and_then(|actor| actor.cnf)),
        person: None,
    };
    let kind = match actor.is_none() && exchange::impersonates(client) {
        true => ExchangeKind::Impersonation,
        false => ExchangeKind::Delegation,
    };
    let response = issue::exchanged(app, request.issuer, client, params, inherited)?;
    // 6. Who impersonates somebody is not named in the token, so it is recorded before it is answered.
    if kind == ExchangeKind::Impersonation {
        let target = format!("user {}", subject.sub);
        let detail = format!("in exchange for token {} of client {}", subject.jti, subject.client_id);
        app.store.audit_write(&app.audited(client, request), "token.impersonate", target, Some(detail)).await?;
    }
    app.metrics.exchanged(kind);
    let (subject_jti, subject) = (subject.jti.to_string(), &subject.sub);
    let actor = actor.as_ref().map(|actor| &actor.sub);
    tracing::info!(client = client.client_id, subject, actor, subject_jti, kind = kind.name(), "token exchanged");
    Ok(response)
}

/// The claims of a token that is in force and that this client may exchange.
async fn token(app: &App, asked: &GrantRequest<'_>, text: &str, role: Role) -> Result<Arc<AccessClaims>> {
    match validation::access_token(app, asked.request.issuer, text, Depth::FirstCause).await? {
        Ok(claims) => {
            let about = |refusal: Refusal| refusal.about(Identity::from(&*claims));
            if !may_exchange(app, asked, Ownership::from(&*claims).in_force()).await? {
                let reason =
                    format!("{}: of another client, and for no resource that this one serves", role.parameter());
                return Err(about(role.refusal(NOT_EXCHANGED).because(reason)).into());
            }
            holder_proof(role, &claims, &asked.request.sender).map_err(about)?;
            Ok(claims)
        }
        Err(diagnosis) => Err(refused(app, asked, &diagnosis, role).await?),
    }
}

/// Whether this client may exchange the token. Before it is refused, the node catches up with the log: the client may have become the
/// server of the resource a moment ago.
async fn may_exchange(app: &App, asked: &GrantRequest<'_>, token: Ownership<'_>) -> Result<bool> {
    if exchange::may_exchange(&asked.client, token, &*app.state.resources().await?) {
        return Ok(true);
    }
    app.state.ensure_current().await?;
    Ok(exchange::may_exchange(&asked.client, token, &*app.state.resources().await?))
}

/// A token that is bound to a key or a certificate is exchanged by its holder alone: the request proves to hold that, as for a token
/// of its own. A resource server that a bound token was sent to has no such proof.
fn holder_proof(role: Role, claims: &AccessClaims, sender: &Sender) -> std::result::Result<(), Refusal> {
    let cause = match &claims.cnf {
        None => return Ok(()),
        Some(confirmation) if sender.holds(confirmation) => return Ok(()),
        Some(confirmation) if !sender.has_one_like(confirmation) => Cause::ProofMissing,
        Some(_) => Cause::ProofKeyMismatch,
    };
    Err(role.refusal(&format!("is refused: {}", cause.title())).by(cause))
}

/// Why a token is refused. The cause is told to clients that may know it: to anybody if the bytes show it, else to those that could
/// exchange the token if it were good.
async fn refused(app: &App, asked: &GrantRequest<'_>, diagnosis: &Diagnosis, role: Role) -> Result<Failure> {
    let first = diagnosis.findings.first();
    let may_know = match (first, diagnosis.claims()) {
        (Some(first), _) if first.source == Source::Bytes => true,
        (_, Some(claims)) => may_exchange(app, asked, Ownership::from(claims)).await?,
        _ => false,
    };
    let refusal = match first {
        Some(first) if may_know => role.refusal(&format!("is refused: {}", first.cause.title())),
        _ => role.refusal(NOT_EXCHANGED),
    };
    let (name, detail) = (role.parameter(), first.map_or("it is refused", |first| first.detail.as_str()));
    let refusal = refusal.because(format!("{name}: {detail}")).about(diagnosis.identity());
    Ok(match first {
        Some(first) => refusal.by(first.cause).into(),
        None => refusal.into(),
    })
}
