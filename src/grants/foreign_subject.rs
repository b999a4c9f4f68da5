//! The subjects of other issuers, for the grants that take their tokens: may this client present one, and whom is it about?

use crate::app::{App, Failure, Result};
use crate::federation::{self, ForeignToken, Trusted};
use crate::grants::GrantRequest;
use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::claims::ExtraClaims;
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::identity::Identity;
use crate::protocol::scope::Scope;
use crate::protocol::subject::check_sub;
use crate::protocol::trusted_issuer::{IssuerUse, LocalUsers};
use crate::protocol::user::User;

/// The refusal of a token: the error that the grant has for that.
pub(super) fn refused(code: ErrorCode, problem: Problem) -> Failure {
    Refusal::foreign_assertion(code, problem).into()
}

/// Judges a token. Before it is refused, the client is read anew: it may name the issuer since a moment ago.
pub(super) async fn judge<'a>(
    app: &App,
    asked: &GrantRequest<'a>,
    token: &ForeignToken,
    used_for: IssuerUse,
    (grant, code): (GrantType, ErrorCode),
) -> Result<(GrantRequest<'a>, Trusted)> {
    let issuer = asked.request.issuer;
    let sender = &asked.request.sender;
    let problem = match federation::judge(app, issuer, &asked.client, sender, token, used_for).await? {
        Ok(trusted) => return Ok((asked.clone(), trusted)),
        Err(problem) => problem,
    };
    if problem.fault != Fault::UntrustedIssuer {
        return Err(refused(code, problem));
    }
    let renewed = asked.renewed(app, grant).await?;
    if renewed.client.version == asked.client.version {
        return Err(refused(code, problem));
    }
    let judged = federation::judge(app, issuer, &renewed.client, sender, token, used_for).await?;
    judged.map(|trusted| (renewed, trusted)).map_err(|problem| refused(code, problem))
}

/// Whom the access token is about.
pub(super) enum Subject {
    /// A user of this server.
    Local(Box<User>),
    /// A subject of the issuer.
    Foreign(String),
}

impl Subject {
    /// Its `sub`.
    pub(super) fn sub(&self) -> &str {
        match self {
            Self::Local(user) => &user.sub,
            Self::Foreign(sub) => sub,
        }
    }

    /// The user of this server that it is.
    pub(super) fn user(&self) -> Option<&User> {
        match self {
            Self::Local(user) => Some(user),
            Self::Foreign(_) => None,
        }
    }

    /// The claims of that user.
    pub(super) fn user_claims(&self) -> Option<&ExtraClaims> {
        self.user().map(|user| &user.claims)
    }
}

/// Whom a token that passed is about: a subject of its issuer, or a user of this server if the issuer speaks for those.
pub(super) async fn subject(app: &App, trusted: &Trusted, claims: &ForeignClaims, code: ErrorCode) -> Result<Subject> {
    let no_subject = |reason: &str| refused(code, Problem::new(Fault::NoSuchSubject, reason));
    let sub = claims.subject().map_err(|problem| refused(code, problem))?;
    let user = match trusted.issuer.settings.local_users {
        LocalUsers::Never => {
            check_sub(sub).map_err(|reason| refused(code, Problem::new(Fault::WrongSubject, reason)))?;
            // Resource servers that look at `sub` alone would take the one for the other.
            return match app.store.sub_owner(sub).await? {
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
