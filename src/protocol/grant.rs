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

pub(super) fn choose_scope(asked: &Parameters, allowed: &Scope, default: Scope) -> Result<Scope, Refusal> {
    let Some(text) = asked.one("scope")? else { return Ok(default) };
    let scope = Scope::parse(text).map_err(|_| {
        Refusal::new(ErrorCode::InvalidScope, "The scope is not a list of names separated by single spaces.")
    })?;
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
mod tests {
    use std::sync::LazyLock;

    use serde_json::json;

    use super::*;
    use crate::protocol::client::RegisteredBy;
    use crate::protocol::resource::tests::resources;
    use crate::protocol::time::Timestamp;

    static NONE: LazyLock<Resources> = LazyLock::new(Resources::default);
    static AUDIENCES: LazyLock<Audiences<'_>> = LazyLock::new(|| with(&NONE));

    fn with(resources: &Resources) -> Audiences<'_> {
        Audiences { default: "https://default", admin: "https://admin", userinfo: "https://userinfo", resources }
    }

    fn client(method: &str, scope: &str) -> Client {
        let settings = json!({"token_endpoint_auth_method": method, "scope": scope, "audiences": ["https://a"]});
        Client {
            client_id: "c".into(),
            settings: serde_json::from_value(settings).unwrap(),
            secrets: vec![],
            created_at: Timestamp::from_millis(0),
            version: 1,
        }
    }

    fn asked(body: &str) -> Parameters {
        Parameters::from_form(body.as_bytes()).unwrap()
    }

    fn code(result: Result<Granted, Refusal>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn reserved_scopes_are_granted_alone_to_confidential_clients_for_the_admin_api() {
        let both = client("client_secret_basic", "read jeton:read");
        assert_eq!(to_client(&both, &asked(""), *AUDIENCES).unwrap().scope.to_string(), "read");
        let granted = to_client(&both, &asked("scope=jeton:read"), *AUDIENCES).unwrap();
        assert_eq!(granted.audiences, ["https://admin"]);
        assert_eq!(code(to_client(&both, &asked("scope=read+jeton:read"), *AUDIENCES)), ErrorCode::InvalidScope);
        let target = asked("scope=jeton:read&resource=https://a");
        assert_eq!(code(to_client(&both, &target, *AUDIENCES)), ErrorCode::InvalidTarget);
        assert_eq!(code(to_login(&both, &asked("scope=jeton:read"), *AUDIENCES)), ErrorCode::InvalidScope);
        let admin = client("client_secret_basic", "jeton:admin");
        assert_eq!(to_client(&admin, &asked(""), *AUDIENCES).unwrap().scope.to_string(), "jeton:admin");
        let public = client("none", "jeton:admin");
        assert_eq!(code(to_client(&public, &asked("scope=jeton:admin"), *AUDIENCES)), ErrorCode::InvalidScope);
    }

    #[test]
    fn a_user_limits_what_a_client_may_have() {
        let granted = to_login(&client("none", "read write"), &asked(""), *AUDIENCES).unwrap();
        let read = Scope::parse("read").unwrap();
        assert_eq!(limit_to_user(granted.clone(), Some(&read), false).unwrap().scope, read);
        assert_eq!(code(limit_to_user(granted.clone(), Some(&read), true)), ErrorCode::InvalidScope);
        assert_eq!(code(limit_to_user(granted.clone(), Some(&Scope::default()), false)), ErrorCode::InvalidScope);
        assert_eq!(limit_to_user(granted.clone(), None, true).unwrap(), granted);
    }

    #[test]
    fn scopes_about_identity_are_asked_for_by_name_and_no_user_limits_them() {
        let client = client("none", "openid read profile");
        assert_eq!(to_login(&client, &asked(""), *AUDIENCES).unwrap().scope.to_string(), "read");
        let granted = to_login(&client, &asked("scope=openid+profile+read"), *AUDIENCES).unwrap();
        let (read, write) = (Scope::parse("read").unwrap(), Scope::parse("write").unwrap());
        assert_eq!(limit_to_user(granted.clone(), Some(&read), true).unwrap(), granted);
        assert_eq!(code(limit_to_user(granted.clone(), Some(&write), true)), ErrorCode::InvalidScope);
        let left = still_allowed(&granted, &client, Some(&write), *AUDIENCES).unwrap();
        assert_eq!(left.scope.to_string(), "openid profile");
    }

    #[test]
    fn a_refused_scope_is_named() {
        let client = client("none", "read write");
        let said =
            |scope: &str| to_login(&client, &asked(&format!("scope={scope}")), *AUDIENCES).unwrap_err().description;
        assert_eq!(said("read+delete+admin"), "This may not be granted: delete admin.");
        assert_eq!(said("delete+<b>"), "This may not be granted: delete and 1 more.");
        assert_eq!(said("<b>+<i>"), "This may not be granted: 2 scope(s).");
        assert_eq!(said("horse+staple&password=correct+horse"), "This may not be granted: staple and 1 more.");
        let granted = to_login(&client, &asked(""), *AUDIENCES).unwrap();
        let refused = limit_to_user(granted, Some(&Scope::parse("read").unwrap()), true).unwrap_err();
        assert_eq!(refused.description, "The user may not be granted: write.");
    }

    #[test]
    fn a_client_that_registered_itself_never_gets_the_default_audience() {
        let mut client = client("none", "openid");
        client.settings.audiences.clear();
        let audiences = |client: &Client, body: &str| to_login(client, &asked(body), *AUDIENCES).map(|it| it.audiences);
        assert_eq!(audiences(&client, "").unwrap(), ["https://default"]);
        client.settings.registered_by = RegisteredBy::Itself;
        assert_eq!(audiences(&client, "").unwrap(), ["https://userinfo"]);
        assert_eq!(audiences(&client, "resource=https://default").unwrap_err().code, ErrorCode::InvalidTarget);
        let granted = Granted { scope: Scope::default(), audiences: vec!["https://default".into()] };
        assert_eq!(code(still_allowed(&granted, &client, None, *AUDIENCES)), ErrorCode::InvalidTarget);
    }

    #[test]
    fn a_client_that_registered_itself_gets_the_scopes_of_the_open_resource_that_it_names() {
        let resources = resources(&json!({
            "https://any": {"open_to": "anybody", "scopes": {"read": ""}},
            "https://other": {"open_to": "anybody", "scopes": {"write": ""}},
            "https://free": {"open_to": "anybody"},
            "https://registered": {"open_to": "registered", "scopes": {"read": ""}},
            "https://listed": {"scopes": {"read": ""}},
        }));
        let mut client = client("none", "openid read write");
        client.settings.audiences.clear();
        let granted = |client: &Client, body: &str| {
            let granted = to_login(client, &asked(body), with(&resources))?;
            Ok::<_, Refusal>((granted.audiences.join(" "), granted.scope.to_string()))
        };
        let is = |(audiences, scope): (&str, &str)| (audiences.to_owned(), scope.to_owned());
        assert_eq!(
            granted(&client, "resource=https://registered").unwrap(),
            is(("https://registered", "read")),
            "a registered client may"
        );
        client.settings.registered_by = RegisteredBy::Itself;
        for (body, expected) in [
            ("", ("https://userinfo", "")),
            ("scope=openid", ("https://userinfo", "openid")),
            ("resource=https://any", ("https://any", "read")),
            ("resource=https://any&scope=openid+read", ("https://any", "openid read")),
            ("resource=https://free", ("https://free", "")),
        ] {
            assert_eq!(granted(&client, body).unwrap(), is(expected), "{body}");
        }
        for body in ["scope=read", "resource=https://any&scope=write", "resource=https://free&scope=read"] {
            assert_eq!(granted(&client, body).unwrap_err().code, ErrorCode::InvalidScope, "{body}");
        }
        for resource in ["https://registered", "https://listed"] {
            let refused = granted(&client, &format!("resource={resource}")).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidTarget, "{resource}");
        }
        // Each token of a session has the scopes of its own resources only.
        let both = to_login(&client, &asked("resource=https://any&resource=https://free"), with(&resources)).unwrap();
        let session = Granted { scope: Scope::parse("openid read").unwrap(), ..both };
        let narrowed = |body: &str| narrow(&session, &client, &asked(body), &resources).unwrap().scope.to_string();
        assert_eq!((narrowed(""), narrowed("resource=https://free")), ("openid read".into(), "openid".into()));
        // An administrator may give it an audience, as any other client.
        client.settings.audiences = vec!["https://given".into()];
        assert_eq!(granted(&client, "").unwrap(), is(("https://given", "read write")));
        assert_eq!(granted(&client, "resource=https://any").unwrap(), is(("https://any", "read")));
    }

    #[test]
    fn audience_means_resource() {
        let client = client("none", "read");
        assert_eq!(to_login(&client, &asked("audience=https://a/"), *AUDIENCES).unwrap().audiences, ["https://a"]);
        assert_eq!(code(to_login(&client, &asked("audience=https://b"), *AUDIENCES)), ErrorCode::InvalidTarget);
        let both = asked("resource=https://a&audience=https://b");
        assert_eq!(code(to_login(&client, &both, *AUDIENCES)), ErrorCode::InvalidTarget);
        let granted = to_login(&client, &asked(""), *AUDIENCES).unwrap();
        assert_eq!(code(narrow(&granted, &client, &asked("audience=https://b"), &NONE)), ErrorCode::InvalidTarget);
    }

    #[test]
    fn rfr_015_a_refresh_narrows_and_never_widens() {
        let client = client("none", "read write");
        let granted = to_login(&client, &asked("scope=read"), *AUDIENCES).unwrap();
        assert_eq!(code(narrow(&granted, &client, &asked("scope=read+write"), &NONE)), ErrorCode::InvalidScope);
        assert_eq!(code(narrow(&granted, &client, &asked("resource=https://b"), &NONE)), ErrorCode::InvalidTarget);
        assert_eq!(narrow(&granted, &client, &asked(""), &NONE).unwrap(), granted);
    }

    #[test]
    fn an_open_resource_may_be_named_and_is_never_the_default() {
        let client = client("none", "read");
        for (open_to, is_open) in [("listed", false), ("registered", true), ("anybody", true)] {
            let resources = resources(&json!({"https://b": {"open_to": open_to}}));
            let granted = to_login(&client, &asked("resource=https://b/"), with(&resources));
            assert_eq!(granted.map(|granted| granted.audiences).ok(), is_open.then(|| vec!["https://b".to_owned()]));
            let granted = to_login(&client, &asked(""), with(&resources)).unwrap();
            assert_eq!(granted.audiences, ["https://a"], "{open_to}");
        }
        let open = resources(&json!({"https://b": {"open_to": "registered"}}));
        let granted = to_login(&client, &asked("resource=https://b&resource=https://a"), with(&open)).unwrap();
        assert_eq!(still_allowed(&granted, &client, None, with(&open)).unwrap(), granted);
        assert_eq!(still_allowed(&granted, &client, None, *AUDIENCES).unwrap().audiences, ["https://a"]);
        let gone = Granted { audiences: vec!["https://b".into()], ..granted };
        assert_eq!(code(still_allowed(&gone, &client, None, *AUDIENCES)), ErrorCode::InvalidTarget);
    }

    #[test]
    fn res_006_a_resource_limits_the_scopes_of_its_tokens_but_not_those_about_identity() {
        let client = client("client_secret_basic", "read write admin openid email");
        let scopes =
            |names: &[&str]| json!(names.iter().map(|name| (*name, "")).collect::<std::collections::BTreeMap<_, _>>());
        let resources = resources(&json!({
            "https://a": {"scopes": scopes(&["read", "other"])},
            "https://b": {"scopes": scopes(&["write"]), "open_to": "registered"},
            "https://c": {"open_to": "registered"},
            "https://d": {"scopes": scopes(&["delete"]), "open_to": "registered"},
        }));
        let granted =
            |body: &str| to_client(&client, &asked(body), with(&resources)).map(|granted| granted.scope.to_string());
        let refused = |body: &str| granted(body).map_err(|refusal| refusal.code);
        assert_eq!(granted("").unwrap(), "read", "the audience of the client is such a resource");
        assert_eq!(granted("resource=https://b").unwrap(), "write");
        assert_eq!(granted("resource=https://b&resource=https://a").unwrap(), "read write");
        assert_eq!(granted("resource=https://c").unwrap(), "read write admin", "it has no scopes");
        assert_eq!(granted("scope=openid+write&resource=https://b").unwrap(), "openid write");
        assert_eq!(refused("scope=read+write&resource=https://b"), Err(ErrorCode::InvalidScope));
        assert_eq!(
            refused("scope=other&resource=https://a"),
            Err(ErrorCode::InvalidScope),
            "the client may not have it"
        );
        let said = granted("scope=read+write&resource=https://b").unwrap_err().description;
        assert_eq!(said, "The resource does not have: read.");
        let no_identity = Client { settings: serde_json::from_value(json!({"scope": "read"})).unwrap(), ..client };
        let nothing_left = to_client(&no_identity, &asked("resource=https://d"), with(&resources));
        assert_eq!(code(nothing_left), ErrorCode::InvalidScope);
    }

    #[test]
    fn each_refresh_may_choose_another_of_the_authorized_resources_with_its_scopes() {
        let resources =
            resources(&json!({"https://a": {"scopes": {"read": ""}}, "https://b": {"scopes": {"write": ""}}}));
        let granted = Granted {
            scope: Scope::parse("read write openid").unwrap(),
            audiences: vec!["https://a".into(), "https://b".into()],
        };
        let client = client("none", "read write");
        let narrowed =
            |body: &str| narrow(&granted, &client, &asked(body), &resources).map(|granted| granted.scope.to_string());
        assert_eq!(narrowed("resource=https://a").unwrap(), "read openid");
        assert_eq!(narrowed("resource=https://b").unwrap(), "write openid");
        assert_eq!(narrowed("").unwrap(), "read write openid");
        assert_eq!(narrowed("resource=https://a&scope=write").unwrap_err().code, ErrorCode::InvalidScope);
        assert_eq!(narrowed("resource=https://c").unwrap_err().code, ErrorCode::InvalidTarget);
    }
}
