//! What an authorization request needs before its code: a login, consent, nothing, or a refusal (OpenID Connect Core §3.1.2.3 to
//! §3.1.2.6). Everything that matters is an argument.

use crate::protocol::authorization::AuthorizationRequest;
use crate::protocol::client::Consent;
use crate::protocol::consent::Remembered;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::RequestFault;
use crate::protocol::profile::{self, OFFLINE_ACCESS};
use crate::protocol::redirect;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// The person who is logged in at the browser.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    /// Who it is.
    pub sub: &'a str,
    /// What the person may be granted; everything if `None`.
    pub scope: Option<&'a Scope>,
    /// When the person last proved that.
    pub authenticated_at: Timestamp,
}

/// What a person allowed.
#[derive(Clone, Copy, Debug)]
pub enum Allowed<'a> {
    /// Nothing.
    Nothing,
    /// This much at an earlier time, for good.
    Before(&'a Remembered),
    /// This request, a moment ago.
    Now,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The person logs in, perhaps again.
    LogIn,
    /// The person is asked for this scope.
    AskConsent(Scope),
    /// The client gets this scope.
    Grant(Scope),
    /// The client gets nothing.
    Refuse(Refusal),
}

/// Decides what an authorization request needs next.
pub fn decide(
    asked: &AuthorizationRequest,
    consent: Consent,
    person: Option<Person<'_>>,
    allowed: Allowed<'_>,
    now: Timestamp,
) -> Decision {
    let refuse = |code, description| Decision::Refuse(Refusal::new(code, description));
    // 1. Is the right person logged in, and recently enough? A login after the request began always is.
    let is_fresh = person.is_some_and(|person| person.authenticated_at.millis() >= asked.begun_at);
    let is_right = person.is_some_and(|person| is_meant(asked, person.sub));
    let person = match person {
        Some(_) if is_fresh && !is_right => {
            let description = "Another person than the request names has logged in.";
            let refusal = Refusal::new(ErrorCode::LoginRequired, description);
            return Decision::Refuse(refusal.with(RequestFault::AnotherPerson));
        }
        Some(person) if is_right && (is_fresh || is_recent_enough(asked, person, now)) => person,
        _ if asked.prompt.none => {
            return refuse(ErrorCode::LoginRequired, "The person has to log in, which prompt=none does not allow.");
        }
        _ => return Decision::LogIn,
    };
    // 2. What may the person be granted? Who the person is, is no matter of permission.
    let scope = limited_to(person, &asked.scope);
    if scope.is_empty() && !asked.scope.is_empty() {
        let refusal = Refusal::new(ErrorCode::InvalidScope, "The person may not be granted any of these scopes.");
        return Decision::Refuse(refusal.with(RequestFault::ScopeNotOfPerson));
    }
    // 3. Does the person have to be asked?
    match is_allowed(asked, consent, allowed, &scope) {
        // A session that goes on after the person logs out needs consent (OpenID Connect Core §11).
        Consented::Unasked => Decision::Grant(without_offline_access(&scope)),
        Consented::Asked => Decision::Grant(scope),
        Consented::No if asked.prompt.none => {
            refuse(ErrorCode::ConsentRequired, "The person has to consent, which prompt=none does not allow.")
        }
        Consented::No => Decision::AskConsent(scope),
    }
}

/// Whether a person is the one whom the client means, if it means one.
fn is_meant(asked: &AuthorizationRequest, sub: &str) -> bool {
    [&asked.hinted_sub, &asked.claims.sub].into_iter().flatten().all(|meant| meant == sub)
}

/// Whether an earlier login will do.
fn is_recent_enough(asked: &AuthorizationRequest, person: Person<'_>, now: Timestamp) -> bool {
    let age = now.millis().saturating_sub(person.authenticated_at.millis());
    let is_young = asked.max_age.is_none_or(|seconds| age < seconds.saturating_mul(1000));
    is_young && !asked.prompt.login && !asked.prompt.select_account
}

/// What of a scope the person may be granted. Who the person is, is no matter of permission.
pub(crate) fn limited_to(person: Person<'_>, scope: &Scope) -> Scope {
    let Some(allowed) = person.scope else { return scope.clone() };
    let (identity, others) = profile::split(scope);
    scope.intersection(&identity.union(&others.intersection(allowed)))
}

fn without_offline_access(scope: &Scope) -> Scope {
    scope.split_by(|name| name == OFFLINE_ACCESS).1
}

enum Consented {
    /// Nobody was asked, and nobody has to be.
    Unasked,
    /// The person said yes.
    Asked,
    No,
}

fn is_allowed(asked: &AuthorizationRequest, consent: Consent, allowed: Allowed<'_>, scope: &Scope) -> Consented {
    if matches!(allowed, Allowed::Now) {
        return Consented::Asked;
    }
    // Anything on the device may claim such an address, so it is asked each time (RFC 8252 §8.6).
    if asked.prompt.consent || redirect::is_of_a_device(&asked.redirect_uri) {
        return Consented::No;
    }
    match (consent, allowed) {
        (Consent::Skip, _) => Consented::Unasked,
        (Consent::Once, Allowed::Before(remembered)) if remembered.covers(scope, &asked.audiences) => Consented::Asked,
        _ => Consented::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::authorization::{ClaimsRequest, Prompt};

    const NOW: Timestamp = Timestamp::from_seconds(10_000);

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn request() -> AuthorizationRequest {
        serde_json::from_value(serde_json::json!({
            "session": uuid::Uuid::nil(), "received_at": 0, "begun_at": 9_000_000, "client_id": "c", "redirect_uri": "https://app.example/cb",
            "sent_redirect_uri": true, "scope": "openid read", "sent_scope": true, "audiences": ["https://api.example"],
        }))
        .unwrap()
    }

    fn person(sub: &str, authenticated_at: i64) -> Person<'_> {
        Person { sub, scope: None, authenticated_at: Timestamp::from_seconds(authenticated_at) }
    }

    /// The name of a decision about a client that is trusted.
    fn about_login(asked: &AuthorizationRequest, person: Option<Person<'_>>) -> &'static str {
        name(&decide(asked, Consent::Skip, person, Allowed::Nothing, NOW))
    }

    fn name(decision: &Decision) -> &'static str {
        match decision {
            Decision::LogIn => "login",
            Decision::AskConsent(_) => "consent",
            Decision::Grant(_) => "grant",
            Decision::Refuse(refusal) => refusal.code.name(),
        }
    }

    #[test]
    fn who_logged_in_when_decides_about_the_login() {
        let none = Prompt { none: true, ..Prompt::default() };
        let login = Prompt { login: true, ..Prompt::default() };
        let select = Prompt { select_account: true, ..Prompt::default() };
        // The login was before the request (8999), or with it (9000), or after it (9500).
        for (prompt, max_age, nobody, before, with, after) in [
            (Prompt::default(), None, "login", "grant", "grant", "grant"),
            (none, None, "login_required", "grant", "grant", "grant"),
            (login, None, "login", "login", "grant", "grant"),
            (select, None, "login", "login", "grant", "grant"),
            (Prompt::default(), Some(0), "login", "login", "grant", "grant"),
            (Prompt::default(), Some(1001), "login", "login", "grant", "grant"),
            (Prompt::default(), Some(1002), "login", "grant", "grant", "grant"),
            (Prompt::default(), Some(i64::MAX), "login", "grant", "grant", "grant"),
            (none, Some(1001), "login_required", "login_required", "grant", "grant"),
        ] {
            let asked = AuthorizationRequest { prompt, max_age, ..request() };
            let decided =
                [None, Some(8999), Some(9000), Some(9500)].map(|at| about_login(&asked, at.map(|at| person("u", at))));
            assert_eq!(decided, [nobody, before, with, after], "{prompt:?} {max_age:?}");
        }
    }

    #[test]
    fn only_the_person_who_is_meant_will_do() {
        let hinted = AuthorizationRequest { hinted_sub: Some("u".into()), ..request() };
        let claimed = AuthorizationRequest {
            claims: ClaimsRequest { sub: Some("u".into()), ..ClaimsRequest::default() },
            ..request()
        };
        for asked in [hinted, claimed] {
            let none = AuthorizationRequest { prompt: Prompt { none: true, ..Prompt::default() }, ..asked.clone() };
            assert_eq!(about_login(&asked, Some(person("u", 1))), "grant");
            assert_eq!(about_login(&asked, Some(person("v", 1))), "login");
            assert_eq!(about_login(&asked, Some(person("v", 9500))), "login_required", "asking again would not end");
            assert_eq!(about_login(&none, Some(person("v", 1))), "login_required");
        }
    }

    #[test]
    fn consent_is_remembered_for_no_more_than_was_allowed() {
        let remembered = |text, resource: &str| Remembered::default().with(&scope(text), &[resource.to_owned()]);
        let more = remembered("openid read write", "https://api.example");
        let less = remembered("openid", "https://api.example");
        let elsewhere =
            remembered("openid read write", "https://other.example").with(&scope("openid"), &request().audiences);
        for (consent, allowed, decision) in [
            (Consent::Required, Allowed::Nothing, "consent"),
            (Consent::Required, Allowed::Before(&more), "consent"),
            (Consent::Required, Allowed::Now, "grant"),
            (Consent::Once, Allowed::Nothing, "consent"),
            (Consent::Once, Allowed::Before(&more), "grant"),
            (Consent::Once, Allowed::Before(&less), "consent"),
            (Consent::Once, Allowed::Before(&elsewhere), "consent"),
            (Consent::Skip, Allowed::Nothing, "grant"),
        ] {
            let decided =
                |asked: &AuthorizationRequest| name(&decide(asked, consent, Some(person("u", 1)), allowed, NOW));
            assert_eq!(decided(&request()), decision, "{consent:?} {allowed:?}");
            let without = AuthorizationRequest { prompt: Prompt { none: true, ..Prompt::default() }, ..request() };
            let silent = if decision == "consent" { "consent_required" } else { decision };
            assert_eq!(decided(&without), silent, "{consent:?} {allowed:?}");
            // On a device, and if the client wants it, people are asked each time.
            let each_time = if matches!(allowed, Allowed::Now) { "grant" } else { "consent" };
            let asking = AuthorizationRequest { prompt: Prompt { consent: true, ..Prompt::default() }, ..request() };
            assert_eq!(decided(&asking), each_time);
            for uri in ["http://127.0.0.1:5/cb", "http://localhost/cb", "com.example.app:/cb"] {
                let device = AuthorizationRequest { redirect_uri: uri.into(), ..request() };
                assert_eq!(decided(&device), each_time, "{uri}");
            }
        }
    }

    #[test]
    fn offline_access_needs_a_consent_that_has_it() {
        let asked = AuthorizationRequest { scope: scope("openid offline_access"), ..request() };
        let with = scope("openid offline_access");
        let before = |text: &str| Remembered::default().with(&scope(text), &asked.audiences);
        let (both, less) = (before("openid offline_access"), before("openid"));
        let decided = |consent, allowed| decide(&asked, consent, Some(person("u", 1)), allowed, NOW);
        assert_eq!(decided(Consent::Skip, Allowed::Nothing), Decision::Grant(scope("openid")));
        assert_eq!(decided(Consent::Skip, Allowed::Now), Decision::Grant(with.clone()));
        assert_eq!(decided(Consent::Once, Allowed::Before(&both)), Decision::Grant(with.clone()));
        assert_eq!(decided(Consent::Once, Allowed::Before(&less)), Decision::AskConsent(with));
    }

    #[test]
    fn a_person_is_granted_no_more_than_the_person_may_have() {
        let (read, nothing) = (scope("read"), Scope::default());
        let decided = |text: &str, allowed| {
            let asked = AuthorizationRequest { scope: scope(text), ..request() };
            let person = Person { scope: Some(allowed), ..person("u", 1) };
            decide(&asked, Consent::Skip, Some(person), Allowed::Nothing, NOW)
        };
        assert_eq!(decided("write openid read", &read), Decision::Grant(scope("openid read")));
        assert_eq!(decided("openid write", &nothing), Decision::Grant(scope("openid")));
        assert_eq!(name(&decided("write", &read)), "invalid_scope");
        assert_eq!(decided("", &read), Decision::Grant(scope("")));
    }
}
