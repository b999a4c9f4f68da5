//! Grants scope (RFC 6749 §3.3) and audiences (RFC 8707) to a request.

use std::borrow::Cow;
use std::sync::Arc;

use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::parameters::Parameters;
use crate::protocol::profile;
use crate::protocol::resource::{self, OpenTo, Resource, Resources};
use crate::protocol::scope::Scope;

/// What was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The scope.
    pub scope: Scope,
    /// The audiences.
    pub audiences: Vec<String>,
}

/// The audiences that there are besides those of the clients.
#[derive(Clone, Copy, Debug)]
pub struct Audiences<'a> {
    /// For clients without audiences.
    pub default: &'a str,
    /// For reserved scopes, and only for them.
    pub admin: &'a str,
    /// UserInfo: all that a client which registered itself reaches, unless it names a resource.
    pub userinfo: &'a str,
    /// The resources, some of which are open to clients that do not list them.
    pub resources: &'a Resources,
}

/// Grants a client what it asks for on its own behalf. Reserved scopes are granted to confidential clients only, for
/// the admin API alone and never together with others; they are the default only if the client has no other scope.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if it asks for more than it may have.
pub fn to_client(client: &Client, asked: &Parameters, audiences: Audiences<'_>) -> Result<Granted, Refusal> {
    let allowed = &client.settings.scope;
    let (others, reserved) = allowed.split_reserved();
    let (_, others) = profile::split(&others);
    let default = if others.is_empty() && !client.is_public() { reserved } else { others };
    let scope = choose_scope(asked, allowed, default)?;
    if !scope.has_reserved() {
        return for_resources(client, scope, choose_audiences(client, asked, audiences)?, asked, audiences.resources);
    }
    if client.is_public() || !scope.split_reserved().0.is_empty() {
        return Err(Refusal::new(
            ErrorCode::InvalidScope,
            "The jeton: scopes are for confidential clients only and cannot be combined with other scopes.",
        ));
    }
    Ok(Granted { audiences: choose_among(&[audiences.admin.to_owned()], asked)?, scope })
}

/// Grants what a login asks for, with a password or at a browser, as far as client and resources allow it. This comes
/// before the password check, so that a refusal reveals nothing about the user.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if it asks for more than the client may have.
pub fn to_login(client: &Client, asked: &Parameters, audiences: Audiences<'_>) -> Result<Granted, Refusal> {
    let (allowed, _) = client.settings.scope.split_reserved();
    let (_, mut default) = profile::split(&allowed);
    if client.settings.is_self_registered() {
        // Without a resource nothing of this is left, which is no fault of the request.
        let chosen = choose_audiences(client, asked, audiences)?;
        default = default.split_by(|name| may_have(client, &chosen, name, audiences.resources)).0;
    }
    let scope = choose_scope(asked, &allowed, default)?;
    for_resources(client, scope, choose_audiences(client, asked, audiences)?, asked, audiences.resources)
}

/// What an assertion of another issuer allows at most; nothing is limited by what it does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct AssertionLimits<'a> {
    /// The scope.
    pub scope: Option<&'a Scope>,
    /// The resources.
    pub resources: Option<&'a [String]>,
}

/// Grants what a client asks for in the name of the subject of an assertion (RFC 7521 §4.1). Scopes about identity are not granted:
/// of such a subject this server knows nothing.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if it asks for more than client and assertion allow, or nothing is left of that.
pub fn to_assertion(
    client: &Client,
    asked: &Parameters,
    limits: AssertionLimits<'_>,
    audiences: Audiences<'_>,
) -> Result<Granted, Refusal> {
    let (_, mut allowed) = profile::split(&client.settings.scope.split_reserved().0);
    if let Some(scope) = limits.scope {
        allowed = allowed.intersection(scope);
        if allowed.is_empty() && !scope.is_empty() {
            let text = "The client may be granted none of the scopes that the assertion names.";
            return Err(Refusal::new(ErrorCode::InvalidScope, text));
        }
    }
    let scope = choose_scope(asked, &allowed, allowed.clone())?;
    let chosen = match limits.resources {
        None => choose_audiences(client, asked, audiences)?,
        Some(named) => {
            let within: Vec<String> =
                named.iter().filter_map(|resource| audience_of(client, resource, audiences)).collect();
            if within.is_empty() {
                let text = "The client may request tokens for none of the resources that the assertion names.";
                return Err(Refusal::new(ErrorCode::InvalidTarget, text));
            }
            choose_among(&within, asked)?
        }
    };
    for_resources(client, scope, chosen, asked, audiences.resources)
}

/// Limits a login to what the user may be granted: a scope that was asked for must be allowed, a default is cut down. Scopes that
/// say who the user is are not limited.
///
/// # Errors
/// `invalid_scope` if nothing is left, or something asked for is not allowed.
pub fn limit_to_user(granted: Granted, user_scope: Option<&Scope>, was_asked: bool) -> Result<Granted, Refusal> {
    let Some(allowed) = user_scope else { return Ok(granted) };
    let allowed = &profile::split(&granted.scope).0.union(allowed);
    let within = granted.scope.intersection(allowed);
    if granted.scope == within || (!was_asked && !within.is_empty()) {
        return Ok(Granted { scope: within, ..granted });
    }
    Err(beyond("The user may not be granted", &granted.scope, allowed, |_| true))
}

/// What is left of a session's grant if its client or user may have less than at the login: a scope that was taken away
/// ends with the next refresh.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if nothing is left.
pub fn still_allowed(
    granted: &Granted,
    client: &Client,
    user_scope: Option<&Scope>,
    audiences: Audiences<'_>,
) -> Result<Granted, Refusal> {
    let mut scope = granted.scope.intersection(&client.settings.scope);
    if let Some(allowed) = user_scope {
        scope = scope.intersection(&profile::split(&scope).0.union(allowed));
    }
    if scope.is_empty() && !granted.scope.is_empty() {
        let text = "None of the granted scopes may be granted any more.";
        return Err(Refusal::new(ErrorCode::InvalidScope, text));
    }
    let left: Vec<String> =
        granted.audiences.iter().filter_map(|audience| audience_of(client, audience, audiences)).collect();
    if left.is_empty() {
        let text = "The client may no longer request tokens for these resources.";
        return Err(Refusal::new(ErrorCode::InvalidTarget, text));
    }
    Ok(Granted { scope, audiences: left })
}

/// Narrows what a session was granted, for one access token (RFC 6749 §6, RFC 8707 §2.2).
///
/// # Errors
/// `invalid_scope` or `invalid_target` if more is asked for than the session was granted.
pub fn narrow(
    granted: &Granted,
    client: &Client,
    asked: &Parameters,
    resources: &Resources,
) -> Result<Granted, Refusal> {
    let scope = choose_scope(asked, &granted.scope, granted.scope.clone())?;
    for_resources(client, scope, choose_among(&granted.audiences, asked)?, asked, resources)
}

/// Limits a scope to what the resources have: a scope that was asked for must be one of theirs, a default is cut down.
/// Scopes about identity belong to no resource.
pub(super) fn for_resources(
    client: &Client,
    scope: Scope,
    audiences: Vec<String>,
    asked: &Parameters,
    resources: &Resources,
) -> Result<Granted, Refusal> {
    let (within, excess) = scope.split_by(|name| may_have(client, &audiences, name, resources));
    let was_asked = asked.one("scope")?.is_some();
    if excess.is_empty() || (!was_asked && !within.is_empty()) {
        return Ok(Granted { scope: within, audiences });
    }
    Err(beyond("The resource does not have", &scope, &within, |name| !asked.is_in_a_secret(name)))
}

/// Whether a token of the client for these audiences may have the scope. A client that registered itself has no scope but those
/// that a resource has itself: nobody said which others it may have, unless somebody gave it the audience.
fn may_have(client: &Client, audiences: &[String], scope: &str, resources: &Resources) -> bool {
    if profile::is_about_identity(scope) {
        return true;
    }
    if !client.settings.is_self_registered() {
        return resources.allow(audiences, scope);
    }
    let given: Vec<String> =
        audiences.iter().filter(|audience| client.settings.audiences.contains(audience)).cloned().collect();
    resources.have(audiences, scope) || resources.allow(&given, scope)
}

/// The scope that is asked for, if one is.
pub(super) fn asked_scope(asked: &Parameters) -> Result<Option<Scope>, Refusal> {
    let parsed = asked.one("scope")?.map(Scope::parse).transpose();
    parsed.map_err(|_| {
        Refusal::new(ErrorCode::InvalidScope, "The scope is not a list of names separated by single spaces.")
    })
}

pub(super) fn choose_scope(asked: &Parameters, allowed: &Scope, default: Scope) -> Result<Scope, Refusal> {
    let Some(scope) = asked_scope(asked)? else { return Ok(default) };
    if scope.is_within(allowed) {
        return Ok(scope);
    }
    Err(beyond("This may not be granted", &scope, allowed, |name| !asked.is_in_a_secret(name)))
}

/// Refuses a scope and names the excess: a few plain words, and none that may be a secret in the wrong parameter.
fn beyond(what: &str, asked: &Scope, allowed: &Scope, is_harmless: impl Fn(&str) -> bool) -> Refusal {
    let excess = asked.without(allowed);
    let is_plain = |name: &str| {
        name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/*+".contains(&byte))
    };
    let named: Vec<&str> = excess.tokens().filter(|name| is_plain(name) && is_harmless(name)).take(10).collect();
    let which = match (named.join(" "), excess.tokens().count() - named.len()) {
        (named, 0) => named,
        (named, others) if named.is_empty() => format!("{others} scope(s)"),
        (named, others) => format!("{named} and {others} more"),
    };
    let reason = format!("{what}: {excess}. Allowed: {allowed}.");
    Refusal::naming(ErrorCode::InvalidScope, format!("{what}: {which}.")).because(reason)
}

fn choose_audiences(client: &Client, asked: &Parameters, audiences: Audiences<'_>) -> Result<Vec<String>, Refusal> {
    let default = default_audiences(client, audiences);
    resource::choose(asked.resources(), &default, |resource| audience_of(client, resource, audiences))
}

fn choose_among(allowed: &[String], asked: &Parameters) -> Result<Vec<String>, Refusal> {
    resource::choose(asked.resources(), allowed, |resource| resource::find(resource, allowed).cloned())
}

/// The audiences of a client that names no resource.
pub(super) fn default_audiences<'a>(client: &'a Client, audiences: Audiences<'_>) -> Cow<'a, [String]> {
    let own = &client.settings.audiences;
    if !own.is_empty() {
        return Cow::Borrowed(own);
    }
    let default = if client.settings.is_self_registered() { audiences.userinfo } else { audiences.default };
    Cow::Owned(vec![default.to_owned()])
}

/// The audience that a client means by a resource, if it may request it: one of its own, else a resource that is open to it.
pub(super) fn audience_of(client: &Client, resource: &str, audiences: Audiences<'_>) -> Option<String> {
    let own = default_audiences(client, audiences);
    let is_open = |found: &&Arc<Resource>| match found.settings.open_to {
        OpenTo::Listed => false,
        OpenTo::Registered => !client.settings.is_self_registered(),
        OpenTo::Anybody => true,
    };
    let open = || audiences.resources.get(resource).filter(is_open);
    resource::find(resource, &own).cloned().or_else(|| Some(open()?.resource.clone()))
}

#[cfg(test)]
mod tests;
