//! Identity assertions (ID-JAG, draft-ietf-oauth-identity-assertion-authz-grant) that this server issues: for which other authorization
//! server, and with what in them. Who the person is says an ID token of this server.
//!
//! Such an assertion grants nothing here, and nothing by itself elsewhere: the other server decides what its client may have in the name
//! of that person. Its scopes and resources are those of that server, so no scope or resource of this one limits them.

use crate::protocol::client::{Client, ClientSettings, IdentityAssertionAudience};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::exchange::{ID_TOKEN_TYPE, Role};
use crate::protocol::grant;
use crate::protocol::parameters::Parameters;
use crate::protocol::resource;
use crate::protocol::scope::Scope;
use crate::protocol::trusted_issuer::{check_issuer, is_spiffe};

/// The life of an assertion, in seconds.
pub const LIFE: i64 = 300;
/// The most servers for which a client may get assertions.
const MOST_AUDIENCES: usize = 50;
/// The most resources that an assertion names.
const MOST_RESOURCES: usize = 8;
/// The longest id of a client at another server, in bytes.
const LONGEST_CLIENT_ID: usize = 255;

/// Checks the servers for which a client may get assertions.
///
/// # Errors
/// What is wrong with them.
pub fn check_settings(settings: &ClientSettings) -> Result<(), String> {
    let list = &settings.identity_assertion_audiences;
    let name = "identity_assertion_audiences";
    if list.is_empty() {
        return Ok(());
    }
    if settings.token_endpoint_auth_method.is_public() {
        return Err(format!("{name}: a client with token_endpoint_auth_method none cannot have any"));
    }
    if settings.is_self_registered() {
        return Err(format!("{name}: a client that registered itself has none"));
    }
    if list.len() > MOST_AUDIENCES {
        return Err(format!("{name} has more than {MOST_AUDIENCES} entries"));
    }
    for (index, entry) in list.iter().enumerate() {
        let wrong = |problem: &str| Err(format!("{name}[{index}].{problem}"));
        if let Err(problem) = check_issuer(&entry.audience) {
            return wrong(&format!("audience: {problem}"));
        }
        if is_spiffe(&entry.audience) {
            return wrong("audience: it is the issuer of an authorization server, an https URL");
        }
        if list[..index].iter().any(|other| other.audience == entry.audience) {
            return wrong("audience: it is there twice");
        }
        let is_plain = entry.client_id.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
        if entry.client_id.is_empty() || entry.client_id.len() > LONGEST_CLIENT_ID || !is_plain {
            return wrong("client_id: it has 1 to 255 printable ASCII characters");
        }
        // An assertion without a scope leaves it to that server, which would give all.
        if entry.scope.as_ref().is_some_and(Scope::is_empty) {
            return wrong("scope: it has at least one name; without scope, the client may name any");
        }
    }
    Ok(())
}

/// A request for an assertion.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The ID token of the person.
    pub id_token: &'a str,
    /// The server that the assertion is for.
    pub audience: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads the parameters of a request (§4.3 of the draft).
    ///
    /// # Errors
    /// `invalid_request` if one is missing, repeated or of another kind.
    pub fn read(parameters: &'a Parameters) -> Result<Self, Refusal> {
        let missing = |name: &str| {
            let text = format!("The parameter {name} is missing: an identity assertion needs it.");
            Refusal::naming(ErrorCode::InvalidRequest, text)
        };
        let id_token = parameters.one("subject_token")?.ok_or_else(|| missing("subject_token"))?;
        let kind = parameters.one("subject_token_type")?.ok_or_else(|| missing("subject_token_type"))?;
        if kind != ID_TOKEN_TYPE {
            let text = format!("The subject_token_type of an identity assertion can only be {ID_TOKEN_TYPE}.");
            return Err(Refusal::naming(ErrorCode::InvalidRequest, text));
        }
        for name in ["actor_token", "actor_token_type"] {
            if parameters.one(name)?.is_some() {
                let text = "An identity assertion is for the client itself: it has no actor_token.";
                return Err(Refusal::invalid_request(text));
            }
        }
        let audience = parameters.one("audience")?.ok_or_else(|| missing("audience"))?;
        Ok(Self { id_token, audience })
    }

    /// The entry of the client for that server.
    pub fn target<'c>(&self, client: &'c Client) -> Option<&'c IdentityAssertionAudience> {
        client.settings.identity_assertion_audiences.iter().find(|entry| entry.audience == self.audience)
    }
}

/// The refusal of a server for which the client may get no assertions.
pub fn no_such_audience() -> Refusal {
    let text = "The audience is no authorization server for which the client may get identity assertions.";
    Refusal::new(ErrorCode::InvalidTarget, text)
}

/// The refusal of what is no ID token of this server for this client. It does not say which of that it is not.
pub fn no_id_token(reason: &'static str) -> Refusal {
    Role::Subject.refusal("is not a valid ID token of this server that was issued to this client.").because(reason)
}

/// What an assertion says of what the client wants. Without `scope` it is all that the client may ask for there, or nothing, which leaves
/// it to that server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The scope.
    pub scope: Scope,
    /// The resources.
    pub resources: Vec<String>,
}

/// Says what an assertion for that server may name.
///
/// # Errors
/// `invalid_scope` or `invalid_target` if more is asked for than the client may ask for there.
pub fn wanted(target: &IdentityAssertionAudience, asked: &Parameters) -> Result<Wanted, Refusal> {
    let scope = match &target.scope {
        Some(allowed) => grant::choose_scope(asked, allowed, allowed.clone())?,
        None => grant::asked_scope(asked)?.unwrap_or_default(),
    };
    let mut resources: Vec<String> = vec![];
    for uri in asked.all("resource") {
        if resource::check_uri(uri).is_err() || resources.len() == MOST_RESOURCES {
            let text = "Each resource is an absolute URI without a fragment, and there are eight at most.";
            return Err(Refusal::new(ErrorCode::InvalidTarget, text));
        }
        if !resources.iter().any(|other| other == uri) {
            resources.push(uri.to_owned());
        }
    }
    Ok(Wanted { scope, resources })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TYPE: &str = "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token";

    fn problem(members: Value) -> Option<String> {
        check_settings(&serde_json::from_value(members).unwrap()).err()
    }

    fn asked(body: &str) -> Parameters {
        Parameters::from_form(body.as_bytes()).unwrap()
    }

    #[test]
    fn each_rule_for_audiences_refuses_what_breaks_it() {
        let of = |entries: Value| json!({"identity_assertion_audiences": entries});
        let good = json!({"audience": "https://as.example/x", "client_id": "f53f191f 9311-af35", "scope": "a b"});
        assert_eq!(problem(json!({})), None);
        assert_eq!(problem(of(json!([good, {"audience": "https://other.example", "client_id": "c"}]))), None);
        let many: Vec<Value> =
            (0..51).map(|number| json!({"audience": format!("https://{number}.example"), "client_id": "c"})).collect();
        for (entries, expected) in [
            (json!([good, good]), "[1].audience: it is there twice"),
            (json!([{"audience": "http://as.example", "client_id": "c"}]), "[0].audience"),
            (json!([{"audience": "spiffe://td.example", "client_id": "c"}]), "[0].audience"),
            (json!([{"audience": "as", "client_id": "c"}]), "[0].audience"),
            (json!([{"audience": "https://as.example", "client_id": ""}]), "[0].client_id"),
            (json!([{"audience": "https://as.example", "client_id": "é"}]), "[0].client_id"),
            (json!([{"audience": "https://as.example", "client_id": "x".repeat(256)}]), "[0].client_id"),
            (json!([{"audience": "https://as.example", "client_id": "c", "scope": ""}]), "[0].scope"),
            (json!(many), "more than 50"),
        ] {
            let found = problem(of(entries.clone())).unwrap_or_default();
            assert!(found.contains(expected), "{entries}: {found}");
        }
        for (member, value) in [("token_endpoint_auth_method", "none"), ("registered_by", "itself")] {
            let mut members = of(json!([good]));
            members[member] = json!(value);
            assert!(problem(members).is_some(), "{member}");
        }
    }

    #[test]
    fn a_request_names_an_id_token_and_one_audience() {
        let read = |body: &str| Asked::read(&asked(body)).map(|asked| asked.audience.to_owned()).ok();
        let good = format!("subject_token=a.b.c&{TYPE}&audience=https://as.example");
        assert_eq!(read(&good).as_deref(), Some("https://as.example"));
        let access = TYPE.replace("id_token", "access_token");
        for body in [
            format!("subject_token=a.b.c&{TYPE}"),
            format!("{TYPE}&audience=https://as.example"),
            "subject_token=a.b.c&audience=https://as.example".to_owned(),
            format!("subject_token=a.b.c&{access}&audience=https://as.example"),
            format!("{good}&audience=https://other.example"),
            format!("{good}&actor_token=x"),
            format!("{good}&actor_token_type=x"),
            format!("{good}&subject_token=x"),
        ] {
            assert_eq!(read(&body), None, "{body}");
        }
    }

    #[test]
    fn an_assertion_names_no_more_than_the_client_may_ask_for() {
        let target = |scope: Option<&str>| IdentityAssertionAudience {
            audience: "https://as.example".into(),
            client_id: "c".into(),
            scope: scope.map(|text| Scope::parse(text).unwrap()),
        };
        let scope = |allowed: Option<&str>, body: &str| {
            let wanted = wanted(&target(allowed), &asked(body));
            wanted.map(|wanted| wanted.scope.to_string()).map_err(|refusal| refusal.code)
        };
        assert_eq!(scope(Some("a b"), ""), Ok("a b".into()));
        assert_eq!(scope(Some("a b"), "scope=b"), Ok("b".into()));
        assert_eq!(scope(Some("a b"), "scope=b+c"), Err(ErrorCode::InvalidScope));
        assert_eq!(scope(Some(""), "scope=a"), Err(ErrorCode::InvalidScope));
        assert_eq!(scope(Some(""), ""), Ok(String::new()));
        assert_eq!(scope(None, "scope=a+c"), Ok("a c".into()));
        assert_eq!(scope(None, ""), Ok(String::new()));
        assert_eq!(scope(None, "scope=%22"), Err(ErrorCode::InvalidScope));
        let resources = |body: &str| wanted(&target(None), &asked(body)).map(|wanted| wanted.resources).ok();
        assert_eq!(resources(""), Some(vec![]));
        let two = "resource=https://a.example/&resource=https://b.example/&resource=https://a.example/";
        assert_eq!(resources(two), Some(vec!["https://a.example/".into(), "https://b.example/".into()]));
        // Its own audience is no resource.
        assert_eq!(resources("audience=https://as.example"), Some(vec![]));
        let many: Vec<String> = (0..9).map(|number| format!("resource=https://{number}.example")).collect();
        for body in ["resource=here", "resource=https://a.example/%23x", &many.join("&")] {
            assert_eq!(resources(body), None, "{body}");
        }
    }
}
