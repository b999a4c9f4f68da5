//! Token exchange (RFC 8693): a client that got a token goes on in the name of its subject.
//!
//! Nothing is written and, while the node knows the user, nothing is read: the token that comes of it names those that it comes of, and
//! is judged by them. The token of a subject may be one of a trusted issuer, which is judged as by the JWT bearer grant, and counts once
//! if the issuer says so.

use std::borrow::Cow;
use std::sync::Arc;

use crate::app::{App, Failure, Result};
use crate::diagnosis::investigate::Depth;
use crate::diagnosis::{Diagnosis, Source};
use crate::federation::{self, ForeignToken, Trusted};
use crate::grants::issue::{self, TokenParams, TokenResponse};
use crate::grants::{GrantRequest, binding, foreign_subject, identity_assertion, may_not_use};
use crate::protocol::assertion::Problem;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::confirmation::Sender;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::exchange::{self, ForeignSubject, ID_JAG_TOKEN_TYPE, Inherited, Presented, Role};
use crate::protocol::grant::{self, AssertionLimits, Audiences, Granted};
use crate::protocol::identity::Identity;
use crate::protocol::origin::Trust;
use crate::protocol::ownership::Ownership;
use crate::protocol::token_form::TokenForm;
use crate::protocol::trusted_issuer::IssuerUse;
use crate::telemetry::metrics::ExchangeKind;
use crate::tokens::verify::key_of;
use crate::validation;

/// Said of a token that this client may know nothing about.
const NOT_EXCHANGED: &str =
    "is not a valid access token that was issued to this client or is for a resource that it serves.";

/// The use of an issuer whose tokens are exchanged: that of the JWT bearer grant, which gives as much.
const FOREIGN_USE: IssuerUse = IssuerUse::JwtBearer;

pub(super) async fn answer(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    match asked.request.parameters.one("requested_token_type")? {
        Some(ID_JAG_TOKEN_TYPE) => Box::pin(identity_assertion::answer(app, asked)).await,
        _ => exchange(app, asked).await,
    }
}

/// The token of the subject, once it is known to be good.
struct Subject {
    /// Its claims, or what an access token of this server would say in its place.
    claims: Arc<AccessClaims>,
    /// What else is known of it, if it is one of another issuer. On the heap, because it is rare.
    foreign: Option<Box<Foreign>>,
}

/// The token of a subject that another issuer vouches for.
struct Foreign {
    token: ForeignToken,
    trusted: Trusted,
    subject: foreign_subject::Subject,
    trust: Trust,
}

async fn exchange(app: &App, asked: &GrantRequest<'_>) -> Result<TokenResponse> {
    let asked = permitted(app, asked).await?;
    // 1. What is presented (§2.1)?
    let presented = Presented::read(asked.request.parameters)?;
    // 2. Is it good, and may this client exchange it?
    let (asked, subject) = subject(app, &asked, presented).await?;
    // The client may have been read anew, and have lost the permission.
    let asked = permitted(app, &asked).await?;
    let GrantRequest { request, client, log } = &*asked;
    let Subject { claims: subject, foreign } = subject;
    let about = |failure: Failure| failure.about(Identity::from(&*subject));
    let actor = match presented.actor {
        Some(text) => Some(token(app, &asked, text, Role::Actor).await?),
        None => None,
    };
    // 3. Who acts for whom, and by what is it revoked (§4.1, §4.4)?
    let inherited = Inherited::of(client, request.issuer.url(), &subject, actor.as_deref());
    let inherited = inherited.map_err(|refusal| about(refusal.into()))?;
    let of_actor = presented.actor.and_then(key_of);
    let inherited = match &foreign {
        Some(foreign) => inherited.made_by(None, of_actor).trusting(foreign.trust.clone()),
        None => inherited.made_by(key_of(presented.subject), of_actor),
    };
    // 4. What is granted (§2.1)?
    let (form, granted) = match &foreign {
        Some(foreign) => granted_to_foreign(app, &asked, foreign).await.map_err(about)?,
        None => {
            let rule = |audiences: Audiences<'_>| exchange::grant(client, &subject, request.parameters, audiences);
            issue::granted(app, request.issuer, client, rule).await.map_err(about)?
        }
    };
    // 5. The token.
    let known = match (subject.subject().user(), &foreign) {
        (Some(sub), None) => app.state.user(sub).await?,
        _ => None,
    };
    let user = match &foreign {
        Some(foreign) => foreign.subject.user_claims(),
        None => known.as_ref().map(|user| &user.claims),
    };
    let params = TokenParams {
        sub: subject.sub.clone(),
        sub_iss: subject.sub_iss.clone(),
        granted,
        form,
        user,
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
    // 6. A token of another issuer counts once: last, so that it is not spent on a token that could not be written.
    if let Some(Foreign { token, trusted, .. }) = foreign.as_deref() {
        federation::consume(app, trusted, token, FOREIGN_USE).await?.map_err(refused_foreign)?;
    }
    // 7. Who impersonates somebody is not named in the token, so it is recorded before it is answered.
    if kind == ExchangeKind::Impersonation {
        let target = match &subject.sub_iss {
            Some(issuer) => format!("subject {} of {issuer}", subject.sub),
            None => format!("user {}", subject.sub),
        };
        let detail = match foreign.as_deref() {
            Some(Foreign { trusted, .. }) => format!("in exchange for a token of the issuer {}", trusted.issuer.issuer),
            None => format!("in exchange for token {} of client {}", subject.jti, subject.client_id),
        };
        app.store.audit_write(&app.audited(client, request), "token.impersonate", target, Some(detail)).await?;
    }
    app.metrics.exchanged(kind);
    let issuer = foreign.as_deref().map(|foreign| &foreign.trusted.issuer.issuer).or(subject.sub_iss.as_ref());
    let (subject_jti, subject) = (subject.jti.to_string(), &subject.sub);
    let actor = actor.as_ref().map(|actor| &actor.sub);
    tracing::info!(
        client = client.client_id,
        subject,
        issuer,
        actor,
        subject_jti,
        kind = kind.name(),
        "token exchanged"
    );
    Ok(response)
}

/// The request, if its client may exchange tokens for access tokens. It may have been let in to get identity assertions alone. The
/// database is asked before it is refused.
async fn permitted<'r, 'a>(app: &App, asked: &'r GrantRequest<'a>) -> Result<Cow<'r, GrantRequest<'a>>> {
    if asked.client.settings.exchanges() {
        return Ok(Cow::Borrowed(asked));
    }
    let renewed = asked.renewed(app, GrantType::TokenExchange).await?;
    if renewed.client.settings.exchanges() {
        return Ok(Cow::Owned(renewed));
    }
    Err(may_not_use(app, GrantType::TokenExchange).await?.into())
}

/// The token of the subject: one of this server, or of an issuer that the client names. With the client as it is now, if it named that
/// only a moment ago.
async fn subject<'r, 'a>(
    app: &App,
    asked: &'r GrantRequest<'a>,
    presented: Presented<'_>,
) -> Result<(Cow<'r, GrantRequest<'a>>, Subject)> {
    let text = presented.subject;
    let issuer = ForeignToken::issuer_of(text).filter(|issuer| issuer != asked.request.issuer.url());
    let names = |client: &Client| issuer.as_ref().is_some_and(|issuer| client.settings.issuers.contains(issuer));
    if issuer.is_none() && presented.is_id_token {
        let text = "is an ID token of this server, or no JWT: an ID token of this server is exchanged for identity assertions alone.";
        return Err(Role::Subject.refusal(text).into());
    }
    let mut asked = Cow::Borrowed(asked);
    if issuer.is_some() && !names(&asked.client) {
        asked = Cow::Owned(asked.renewed(app, GrantType::TokenExchange).await?);
    }
    // As an ID token, it can only be one of another issuer, and is refused as such.
    if names(&asked.client) || presented.is_id_token {
        return foreign(app, &asked, text, presented.is_id_token)
            .await
            .map(|(renewed, subject)| (Cow::Owned(renewed), subject));
    }
    let claims = token(app, &asked, text, Role::Subject).await?;
    Ok((asked, Subject { claims, foreign: None }))
}

/// Judges the token of a subject that another issuer made.
async fn foreign<'a>(
    app: &App,
    asked: &GrantRequest<'a>,
    text: &str,
    is_id_token: bool,
) -> Result<(GrantRequest<'a>, Subject)> {
    let token = ForeignToken::read_subject(text, is_id_token).map_err(refused_foreign)?;
    let grant = (GrantType::TokenExchange, ErrorCode::InvalidRequest);
    let (asked, trusted) = foreign_subject::judge(app, asked, &token, FOREIGN_USE, grant).await?;
    Box::pin(app.begin_to_exchange_foreign()).await?;
    let trust = federation::trust_in(&trusted, &token).map_err(refused_foreign)?;
    let subject = foreign_subject::subject(app, &trusted, token.claims(), ErrorCode::InvalidRequest).await?;
    let presented = ForeignSubject {
        claims: token.claims(),
        issuer: &trusted.issuer.issuer,
        id: federation::id_of(&trusted, &token),
        sub: subject.sub().to_owned(),
        is_local: subject.user().is_some(),
        confirmation: trusted.confirmation,
    };
    let claims = Arc::new(presented.claims(&asked.client, asked.log)?);
    Ok((asked, Subject { claims, foreign: Some(Box::new(Foreign { token, trusted, subject, trust })) }))
}

/// `invalid_request` for what is wrong with a token of another issuer (RFC 8693 §2.2.2).
fn refused_foreign(problem: Problem) -> Failure {
    foreign_subject::refused(ErrorCode::InvalidRequest, problem)
}

/// What the client may have in the name of a subject of another issuer: as by the JWT bearer grant, and no more than the scope of the
/// token, if it has one (RFC 8693 §5).
async fn granted_to_foreign(app: &App, asked: &GrantRequest<'_>, foreign: &Foreign) -> Result<(TokenForm, Granted)> {
    let GrantRequest { request, client, .. } = asked;
    let scope = foreign.token.claims().scope().map_err(refused_foreign)?;
    let limits = AssertionLimits { scope: scope.as_ref(), resources: None };
    let rule = |audiences: Audiences<'_>| grant::to_assertion(client, request.parameters, limits, audiences);
    let (form, granted) = issue::granted(app, request.issuer, client, rule).await?;
    let Some(user) = foreign.subject.user() else { return Ok((form, granted)) };
    let was_asked = request.parameters.one("scope")?.is_some();
    Ok((form, grant::limit_to_user(granted, user.scope.as_ref(), was_asked)?))
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
