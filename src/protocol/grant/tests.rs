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
    let said = |scope: &str| to_login(&client, &asked(&format!("scope={scope}")), *AUDIENCES).unwrap_err().description;
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
    assert_eq!(refused("scope=other&resource=https://a"), Err(ErrorCode::InvalidScope), "the client may not have it");
    let said = granted("scope=read+write&resource=https://b").unwrap_err().description;
    assert_eq!(said, "The resource does not have: read.");
    let no_identity = Client { settings: serde_json::from_value(json!({"scope": "read"})).unwrap(), ..client };
    let nothing_left = to_client(&no_identity, &asked("resource=https://d"), with(&resources));
    assert_eq!(code(nothing_left), ErrorCode::InvalidScope);
}

#[test]
fn each_refresh_may_choose_another_of_the_authorized_resources_with_its_scopes() {
    let resources = resources(&json!({"https://a": {"scopes": {"read": ""}}, "https://b": {"scopes": {"write": ""}}}));
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
