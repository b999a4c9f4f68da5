use proptest::prelude::*;
use serde_json::{Value, json};

use super::inherited::DEEPEST;
use super::*;
use crate::protocol::foreign_assertion::ForeignClaims;
use crate::protocol::origin::Trust;
use crate::protocol::resource::tests::resources;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::token_id::TokenId;

const ISSUER: &str = "https://auth.example";
const TYPE: &str = "urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";
const NAMES: [&str; 5] = ["https://a", "https://b", "https://c", "https://default", "https://admin"];

fn client(id: &str, settings: Value) -> Client {
    Client {
        client_id: id.into(),
        settings: serde_json::from_value(settings).unwrap(),
        secrets: vec![],
        created_at: Timestamp::from_seconds(100),
        version: 1,
    }
}

fn claims(changes: Value) -> AccessClaims {
    let mut claims = json!({
        "iss": ISSUER, "sub": "u", "aud": "https://a", "client_id": "web", "iat": 200, "exp": 1000, "log": 7,
        "scope": "read write", "jti": TokenId::new([1; 16]),
    });
    claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
    serde_json::from_value(claims).unwrap()
}

fn asked(body: &str) -> Parameters {
    Parameters::from_form(body.as_bytes()).unwrap()
}

fn audiences(resources: &Resources) -> Audiences<'_> {
    Audiences { default: "https://default", admin: "https://admin", userinfo: "https://userinfo", resources }
}

fn inherited(client: &Client, subject: &AccessClaims, actor: Option<&AccessClaims>) -> Result<Inherited, String> {
    Inherited::of(client, ISSUER, subject, actor).map_err(|refusal| {
        assert_eq!(refusal.code, ErrorCode::InvalidRequest);
        refusal.description.into_owned()
    })
}

fn act(inherited: &Inherited) -> Value {
    serde_json::to_value(&inherited.act).unwrap()
}

#[test]
fn exc_002_exc_003_exc_007_each_token_comes_with_its_type() {
    let read = |body: &str| Presented::read(&asked(body)).map(|presented| presented.actor.is_some()).ok();
    assert_eq!(read(&format!("subject_token=x&subject_token_type={TYPE}")), Some(false));
    let both = format!("subject_token=x&subject_token_type={TYPE}&actor_token=y&actor_token_type={TYPE}");
    assert_eq!(read(&both), Some(true));
    assert_eq!(read(&format!("{both}&requested_token_type={TYPE}")), Some(true));
    let jwt = JWT_TYPE.replace(':', "%3A");
    assert_eq!(read(&format!("subject_token=a.b.c&subject_token_type={jwt}")), Some(false));
    let jwts = format!("subject_token=a.b.c&subject_token_type={jwt}&actor_token=a.b.c&actor_token_type={jwt}");
    assert_eq!(read(&jwts), Some(true));
    // Only that of a subject may be an ID token.
    let id_token = ID_TOKEN_TYPE.replace(':', "%3A");
    let as_id_token = asked(&format!("subject_token=a.b.c&subject_token_type={id_token}"));
    assert!(Presented::read(&as_id_token).unwrap().is_id_token);
    let actor = format!("subject_token=x&subject_token_type={TYPE}&actor_token=y&actor_token_type={id_token}");
    assert_eq!(read(&actor), None);
    for body in [
        String::new(),
        "subject_token=x".to_owned(),
        format!("subject_token_type={TYPE}"),
        format!("subject_token=&subject_token_type={TYPE}"),
        "subject_token=x&subject_token_type=urn%3Ax%3Ay".to_owned(),
        format!("subject_token=jat_x&subject_token_type={jwt}"),
        format!("subject_token=jrt_x&subject_token_type={jwt}"),
        format!("{both}&requested_token_type={jwt}"),
        format!("subject_token=x&subject_token_type={TYPE}&actor_token=y"),
        format!("subject_token=x&subject_token_type={TYPE}&actor_token_type={TYPE}"),
        format!("{both}&requested_token_type=urn%3Ax%3Ay"),
        format!("{both}&subject_token=z"),
    ] {
        assert_eq!(read(&body), None, "{body}");
    }
}

#[test]
fn a_client_exchanges_its_own_tokens_and_those_for_a_resource_that_it_serves() {
    let serving = resources(&json!({"https://a": {"serves": ["api"]}}));
    let may = |id: &str, claims: &AccessClaims, resources: &Resources| {
        may_exchange(&client(id, json!({})), Ownership::from(claims), resources)
    };
    let token = claims(json!({}));
    assert!(may("web", &token, &Resources::default()));
    assert!(may("api", &token, &serving) && !may("api", &token, &Resources::default()));
    assert!(!may("other", &token, &serving));
    assert!(!may("api", &claims(json!({"aud": "https://b"})), &serving));
    assert!(!may("web", &claims(json!({"iat": 99})), &serving), "of an earlier client with this id");
}

#[test]
fn each_token_is_remembered_with_the_key_that_made_it() {
    let web = client("web", json!({"permissions": ["exchange"]}));
    let kids = |actor: Option<&AccessClaims>| -> Vec<Option<String>> {
        let inherited = inherited(&web, &claims(json!({})), actor).unwrap();
        let inherited = inherited.made_by(Some("s".into()), actor.map(|_| "a".into()));
        inherited.exchanged_from.into_iter().map(|origin| origin.kid).collect()
    };
    assert_eq!(kids(None), [Some("s".to_owned())]);
    assert_eq!(kids(Some(&claims(json!({"sub": "b"})))), [Some("a".to_owned()), Some("s".to_owned())]);
}

#[test]
fn exc_008_who_acts_is_named_and_who_acted_before_stays_named() {
    let (gateway, api) = (client("gateway", json!({})), client("api", json!({})));
    let first = claims(json!({}));
    let of_gateway = inherited(&gateway, &first, None).unwrap();
    assert_eq!(act(&of_gateway), json!({"sub": "gateway"}));
    let second = claims(json!({
        "client_id": "gateway", "jti": TokenId::new([2; 16]), "log": 9, "act": of_gateway.act,
        "exchanged_from": of_gateway.exchanged_from,
    }));
    let actor = claims(json!({"sub": "agent", "client_id": "app", "jti": TokenId::new([3; 16]), "exp": 500}));
    let of_agent = inherited(&api, &second, Some(&actor)).unwrap();
    assert_eq!(act(&of_agent), json!({"sub": "agent", "act": {"sub": "gateway"}}));
    assert_eq!(of_agent.ends_at, Some(500));
    let chain: Vec<_> = of_agent.exchanged_from.iter().map(|origin| (origin.client_id.as_str(), origin.log)).collect();
    assert_eq!(chain, [("app", 7), ("gateway", 9), ("web", 7)]);
    let silent = client("silent", json!({"permissions": ["impersonate"]}));
    assert_eq!(act(&inherited(&silent, &first, None).unwrap()), Value::Null);
    assert_eq!(act(&inherited(&silent, &second, None).unwrap()), json!({"sub": "gateway"}));
    assert_eq!(act(&inherited(&silent, &first, Some(&actor)).unwrap()), json!({"sub": "agent"}));
    assert!(inherited(&api, &first, Some(&second)).unwrap_err().contains("came of an exchange"));
}

#[test]
fn a_token_of_another_issuer_names_its_client_as_the_actor_and_is_remembered_with_its_trust() {
    let gateway = client("gateway", json!({}));
    let claims = |changes: Value, is_local: bool| {
        let mut claims = json!({"iss": "https://idp.example", "sub": "anna", "exp": 700, "scope": "everything"});
        claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        let claims = ForeignClaims::of(claims.as_object().cloned().unwrap()).unwrap();
        let issuer = "https://idp.example";
        let id = TokenId::new([5; 16]);
        let subject = ForeignSubject { claims: &claims, issuer, id, sub: "anna".into(), is_local, confirmation: None };
        subject.claims(&gateway, 9).map_err(|refusal| refusal.description.into_owned())
    };
    let subject = claims(json!({}), false).unwrap();
    assert_eq!((subject.sub_iss.as_deref(), &subject.scope), (Some("https://idp.example"), &None));
    let trust = Trust { issuer: "https://idp.example".into(), rule: "r".into() };
    let result = inherited(&gateway, &subject, None).unwrap().trusting(trust.clone());
    assert_eq!((act(&result), result.ends_at), (json!({"sub": "gateway"}), Some(700)));
    let [origin] = &result.exchanged_from[..] else { panic!("{result:?}") };
    assert_eq!((origin.jti, origin.log, &origin.trust), (TokenId::new([5; 16]), 9, &Some(trust)));
    assert_eq!(claims(json!({}), true).unwrap().subject().user(), Some("anna"));
    // Who acts, and who may, is what this server can name.
    assert!(claims(json!({"act": {"sub": "gateway"}}), false).unwrap_err().contains("act of another issuer"));
    assert!(claims(json!({"may_act": "gateway"}), false).unwrap_err().contains("names nobody"));
    for (may_act, is_allowed) in [
        (json!({"sub": "gateway", "iss": ISSUER}), true),
        (json!({"sub": "gateway"}), false),
        (json!({"sub": "other", "iss": ISSUER}), false),
    ] {
        let subject = claims(json!({"may_act": may_act}), false).unwrap();
        assert_eq!(inherited(&gateway, &subject, None).is_ok(), is_allowed, "{may_act}");
    }
}

#[test]
fn a_chain_has_at_most_four_links() {
    for permissions in [json!(["exchange"]), json!(["impersonate"])] {
        let client = client("c", json!({"permissions": permissions}));
        let mut token = claims(json!({}));
        for exchanges in 1..=DEEPEST {
            let next = inherited(&client, &token, None).unwrap();
            assert_eq!(next.exchanged_from.len(), exchanges);
            (token.act, token.exchanged_from) = (next.act, next.exchanged_from);
        }
        assert!(inherited(&client, &token, None).unwrap_err().contains("four times"));
    }
}

#[test]
fn exc_008_may_act_is_obeyed_and_passed_on() {
    let client = client("gateway", json!({"permissions": ["impersonate"]}));
    let actor = claims(json!({"sub": "agent"}));
    let result = |may_act: Value, actor| inherited(&client, &claims(json!({"may_act": may_act})), actor);
    for (may_act, by_client, by_agent) in [
        (json!({"sub": "gateway"}), true, false),
        (json!({"sub": "gateway", "iss": ISSUER}), true, false),
        (json!({"sub": "agent"}), false, true),
        (json!({"sub": "gateway", "iss": "https://else.example"}), false, false),
        (json!({"sub": "gateway", "email": "a@example.com"}), false, false),
    ] {
        assert_eq!(result(may_act.clone(), None).is_ok(), by_client, "{may_act}");
        assert_eq!(result(may_act.clone(), Some(&actor)).is_ok(), by_agent, "{may_act}");
    }
    let passed_on = result(json!({"sub": "gateway"}), None).unwrap().may_act;
    assert_eq!(serde_json::to_value(passed_on).unwrap(), json!({"sub": "gateway"}));
}

#[test]
fn nothing_comes_of_a_token_with_a_reserved_scope() {
    let client = client("c", json!({"scope": "read jeton:read", "audiences": ["https://admin", "https://a"]}));
    let admin = claims(json!({"scope": "jeton:read", "aud": "https://admin"}));
    assert!(inherited(&client, &admin, None).unwrap_err().contains("jeton: scope"));
    assert!(inherited(&client, &claims(json!({})), Some(&admin)).unwrap_err().contains("actor_token"));
    let serving = resources(&json!({"https://a": {"serves": ["c"]}}));
    let granted = |body: &str| grant(&client, &claims(json!({})), &asked(body), audiences(&serving));
    assert_eq!(granted("").unwrap().audiences, ["https://a"]);
    assert_eq!(granted("scope=jeton%3Aread").unwrap_err().code, ErrorCode::InvalidScope);
    assert_eq!(granted("resource=https://admin").unwrap_err().code, ErrorCode::InvalidTarget);
}

#[test]
fn exc_005_only_a_resource_server_goes_on_to_other_resources() {
    let serving = resources(&json!({"https://a": {"serves": ["api"]}, "https://c": {"open_to": "registered"}}));
    let settings = json!({"scope": "read", "audiences": ["https://a", "https://b"]});
    let granted = |id: &str, body: &str| {
        let granted = grant(&client(id, settings.clone()), &claims(json!({})), &asked(body), audiences(&serving));
        granted.map(|granted| granted.audiences.join(" ")).map_err(|refusal| refusal.code)
    };
    assert_eq!(granted("web", "").unwrap(), "https://a");
    assert_eq!(granted("web", "resource=https://b"), Err(ErrorCode::InvalidTarget));
    assert_eq!(granted("api", "").unwrap(), "https://a https://b");
    assert_eq!(granted("api", "resource=https://b").unwrap(), "https://b");
    assert_eq!(granted("api", "audience=https://c").unwrap(), "https://c");
    assert_eq!(granted("api", "audience=https://unknown"), Err(ErrorCode::InvalidTarget));
    let stranger = client("web", json!({"scope": "read", "audiences": ["https://b"]}));
    let nothing = grant(&stranger, &claims(json!({})), &asked(""), audiences(&serving)).unwrap_err();
    assert_eq!(nothing.code, ErrorCode::InvalidTarget);
}

fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(names, 0..=names.len())
}

const SCOPES: [&str; 5] = ["read", "write", "delete", "openid", "jeton:read"];

proptest! {
    #[test]
    fn exc_006_an_exchange_never_gives_more(
        held in some_of(&SCOPES), allowed in some_of(&SCOPES), wanted in some_of(&SCOPES), of_resource in some_of(&SCOPES),
        aud in some_of(&NAMES), own in some_of(&NAMES), resource in some_of(&NAMES), serves in any::<bool>(),
        (exp, actor_exp, with_actor) in (1i64..2000, 1i64..2000, any::<bool>()), impersonates in any::<bool>(),
    ) {
        let permission = if impersonates { "impersonate" } else { "exchange" };
        let client = client("c", json!({"scope": allowed.join(" "), "audiences": own, "permissions": [permission]}));
        let mut subject = claims(json!({"scope": held.join(" "), "aud": aud, "exp": exp}));
        subject.scope = subject.scope.filter(|scope| !scope.is_empty());
        let server = if serves { json!(["c"]) } else { json!([]) };
        let scopes: serde_json::Map<String, Value> = of_resource.iter().map(|name| ((*name).into(), json!(""))).collect();
        let known = resources(&json!({
            "https://a": {"serves": server, "scopes": scopes}, "https://c": {"open_to": "registered"},
        }));
        let mut body = form_urlencoded::Serializer::new(String::new());
        if !wanted.is_empty() {
            body.append_pair("scope", &wanted.join(" "));
        }
        for name in &resource {
            body.append_pair("resource", name);
        }
        if let Ok(granted) = grant(&client, &subject, &asked(&body.finish()), audiences(&known)) {
            let held = Scope::parse(&held.join(" ")).unwrap();
            prop_assert!(granted.scope.is_within(&held) && granted.scope.is_within(&client.settings.scope));
            prop_assert!(!granted.scope.has_reserved() && !granted.audiences.is_empty());
            let is_server = known.are_served_by(subject.aud.all(), "c");
            for audience in &granted.audiences {
                let asks_for_it = client.settings.audiences.contains(audience) || audience == "https://c"
                    || (client.settings.audiences.is_empty() && audience == "https://default");
                prop_assert!(asks_for_it && audience != "https://admin", "{}", audience);
                prop_assert!(is_server || subject.aud.contains(audience), "{}", audience);
            }
        }
        let actor = claims(json!({"sub": "agent", "exp": actor_exp}));
        if let Ok(inherited) = Inherited::of(&client, ISSUER, &subject, with_actor.then_some(&actor)) {
            let ends_at = inherited.ends_at.unwrap();
            prop_assert!(ends_at <= exp && (!with_actor || ends_at <= actor_exp));
            prop_assert!(inherited.exchanged_from.iter().any(|origin| origin.jti == subject.jti && origin.is_of_subject()));
            prop_assert_eq!(inherited.act.is_none(), impersonates && !with_actor);
            prop_assert_eq!(inherited.sid, subject.sid);
        }
    }
}
