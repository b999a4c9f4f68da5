//! The parameters of authorization requests that have a form of their own.

use serde_json::{Map, Value};

use crate::protocol::authorization::{ClaimsRequest, Prompt};
use crate::protocol::client::Client;
use crate::protocol::confirmation::{KeyThumbprint, Sender};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::parameters::Parameters;
use crate::protocol::{profile, redirect};

/// The longest `claims`, in bytes.
const LONGEST_CLAIMS: usize = 8192;
/// The longest `prompt`, in bytes.
const LONGEST_PROMPT: usize = 256;

/// Checks the length of a parameter. A control character counts as six bytes, which it takes where the request is sealed.
///
/// # Errors
/// `invalid_request` if it has more bytes.
pub(super) fn at_most(longest: usize, name: &str, value: Option<&str>) -> Result<(), Refusal> {
    match value {
        Some(value) if value.len() + 5 * value.chars().filter(|c| c.is_control()).count() > longest => {
            let description = format!("The parameter {name} is longer than {longest} bytes.");
            Err(Refusal::naming(ErrorCode::InvalidRequest, description))
        }
        _ => Ok(()),
    }
}

/// The PKCE challenge. Only a confidential client may go without, if its registration says so.
///
/// # Errors
/// `invalid_request` if it is missing, malformed or not `S256`.
pub(super) fn code_challenge(client: &Client, asked: &Parameters) -> Result<Option<String>, Refusal> {
    let refuse = |description| Err(Refusal::invalid_request(description));
    match (asked.one("code_challenge")?, asked.one("code_challenge_method")?) {
        (None, Some(_)) => refuse("There is a code_challenge_method, but no code_challenge."),
        (None, None) if client.is_public() || client.settings.require_pkce => {
            refuse("The code_challenge is missing: this client needs PKCE with the method S256 (RFC 7636).")
        }
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if redirect::is_challenge(challenge) => Ok(Some(challenge.to_owned())),
        (Some(_), Some("S256")) => {
            refuse("The code_challenge is not the base64url form of a SHA-256 hash: 43 characters without padding.")
        }
        (Some(_), None) => refuse("The code_challenge_method is missing, which means plain: send S256."),
        (Some(_), Some(_)) => refuse("The code_challenge_method is not supported: it is S256."),
    }
}

/// The key that the code is bound to (RFC 9449 §10): the one that is named, and in a pushed request the one that was proved.
///
/// # Errors
/// `invalid_request` if it is no thumbprint; `invalid_dpop_proof` if the two differ.
pub(super) fn code_key(asked: &Parameters, sender: &Sender) -> Result<Option<KeyThumbprint>, Refusal> {
    let Some(text) = asked.one("dpop_jkt")? else { return Ok(sender.key) };
    let named: KeyThumbprint = text.parse().map_err(|_| {
        Refusal::invalid_request(
            "The dpop_jkt is not the base64url form of a SHA-256 hash: 43 characters without padding.",
        )
    })?;
    match sender.key {
        Some(proved) if proved != named => {
            let text = "The dpop_jkt names another key than that of the DPoP proof.";
            Err(Refusal::new(ErrorCode::InvalidDpopProof, text))
        }
        _ => Ok(Some(named)),
    }
}

/// What people are to be asked. Values that nobody knows yet are ignored.
///
/// # Errors
/// `invalid_request` if `none` stands beside others.
pub(super) fn prompt(asked: &Parameters) -> Result<Prompt, Refusal> {
    let text = asked.one("prompt")?;
    at_most(LONGEST_PROMPT, "prompt", text)?;
    let values: Vec<&str> = text.unwrap_or_default().split(' ').filter(|value| !value.is_empty()).collect();
    let has = |name: &str| values.contains(&name);
    if has("none") && values.iter().any(|value| *value != "none") {
        return Err(Refusal::invalid_request("The prompt has none beside other values."));
    }
    Ok(Prompt {
        none: has("none"),
        login: has("login"),
        consent: has("consent"),
        select_account: has("select_account"),
    })
}

/// The longest time since the login, in seconds.
///
/// # Errors
/// `invalid_request` if it is not a number.
pub(super) fn max_age(asked: &Parameters) -> Result<Option<i64>, Refusal> {
    let Some(text) = asked.one("max_age")? else { return Ok(None) };
    // A time too long to count is as good as any time.
    let is_number = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return Err(Refusal::invalid_request("The max_age is not a number of seconds."));
    }
    Ok(Some(text.parse().unwrap_or(i64::MAX)))
}

/// The claims that are asked for by name (OpenID Connect Core §5.5): of those that this server knows, which are given if they are
/// there, whether or not they are called essential.
///
/// # Errors
/// `invalid_request` if it is not an object of the right form.
pub(super) fn claims(asked: &Parameters) -> Result<ClaimsRequest, Refusal> {
    let text = asked.one("claims")?;
    at_most(LONGEST_CLAIMS, "claims", text)?;
    let Some(text) = text else { return Ok(ClaimsRequest::default()) };
    let malformed = || Refusal::invalid_request("The parameter claims is not a JSON object as OpenID Connect has it.");
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| malformed())?;
    let of = |place: &str| match object.get(place) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) if members.values().all(|claim| claim.is_null() || claim.is_object()) => {
            Ok(members.clone())
        }
        Some(_) => Err(malformed()),
    };
    let (userinfo, id_token) = (of("userinfo")?, of("id_token")?);
    let known = |members: &Map<String, Value>| {
        profile::names().filter(|name| members.contains_key(*name)).map(str::to_owned).collect()
    };
    let sub = [&id_token, &userinfo].into_iter().find_map(|members| members.get("sub")?.get("value"));
    let sub = match sub {
        None => None,
        Some(Value::String(sub)) if sub.len() <= 255 => Some(sub.clone()),
        Some(_) => return Err(malformed()),
    };
    Ok(ClaimsRequest { userinfo: known(&userinfo), id_token: known(&id_token), sub })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{AuthMethod, ClientSettings};
    use crate::protocol::time::Timestamp;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(pairs);
        Parameters::from_query(form.finish().as_bytes()).unwrap()
    }

    fn client(method: AuthMethod, require_pkce: bool) -> Client {
        let settings = ClientSettings { token_endpoint_auth_method: method, require_pkce, ..ClientSettings::default() };
        Client { client_id: "c".into(), settings, secrets: vec![], created_at: Timestamp::from_seconds(0), version: 1 }
    }

    #[test]
    fn aut_029_only_a_confidential_client_may_go_without_pkce() {
        let challenge = |method, required| code_challenge(&client(method, required), &parameters(&[]));
        assert!(challenge(AuthMethod::None, true).is_err());
        assert!(challenge(AuthMethod::None, false).is_err());
        assert!(challenge(AuthMethod::ClientSecretBasic, true).is_err());
        assert_eq!(challenge(AuthMethod::ClientSecretBasic, false), Ok(None));
    }

    #[test]
    fn aut_030_and_031_a_challenge_is_s256_and_well_formed_even_where_it_is_not_required() {
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let client = client(AuthMethod::ClientSecretBasic, false);
        let read = |pairs: &[(&str, &str)]| code_challenge(&client, &parameters(pairs));
        assert_eq!(read(&[("code_challenge", good), ("code_challenge_method", "S256")]), Ok(Some(good.to_owned())));
        for method in ["plain", "s256", "S512", ""] {
            assert!(read(&[("code_challenge", good), ("code_challenge_method", method)]).is_err(), "{method}");
        }
        for challenge in [&good[1..], &format!("{good}="), &format!("{} ", &good[1..]), &"x".repeat(129)] {
            assert!(read(&[("code_challenge", challenge), ("code_challenge_method", "S256")]).is_err(), "{challenge}");
        }
        assert!(read(&[("code_challenge_method", "S256")]).is_err());
    }

    #[test]
    fn prompt_none_stands_alone_and_unknown_values_are_ignored() {
        let read = |text: &str| prompt(&parameters(&[("prompt", text)]));
        assert_eq!(read("none"), Ok(Prompt { none: true, ..Prompt::default() }));
        assert_eq!(read("login consent"), Ok(Prompt { login: true, consent: true, ..Prompt::default() }));
        assert_eq!(read("select_account create"), Ok(Prompt { select_account: true, ..Prompt::default() }));
        for wrong in ["none login", "login none", "none create", &"x".repeat(257)] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dpo_016_a_key_is_named_or_proved_and_both_are_the_same() {
        let key = |byte: u8| KeyThumbprint::new([byte; 32]);
        let (one, nobody) = (key(1), Sender::default());
        let holder = Sender { key: Some(one), certificate: None };
        let read = |text: Option<String>, sender: &Sender| {
            let text = text.unwrap_or_default();
            code_key(&parameters(&[("dpop_jkt", &text)]), sender).map_err(|refusal| refusal.code)
        };
        assert_eq!((read(None, &nobody), read(None, &holder)), (Ok(None), Ok(Some(one))));
        assert_eq!(read(Some(one.to_string()), &nobody), Ok(Some(one)));
        assert_eq!(read(Some(one.to_string()), &holder), Ok(Some(one)));
        assert_eq!(read(Some(key(2).to_string()), &holder), Err(ErrorCode::InvalidDpopProof));
        for wrong in ["x".to_owned(), format!("{one}="), one.to_string()[1..].to_owned(), " ".to_owned()] {
            assert_eq!(read(Some(wrong.clone()), &nobody), Err(ErrorCode::InvalidRequest), "{wrong}");
        }
    }

    #[test]
    fn max_age_is_a_number_of_seconds() {
        let read = |text: &str| max_age(&parameters(&[("max_age", text)]));
        assert_eq!((read("0"), read("10"), read("")), (Ok(Some(0)), Ok(Some(10)), Ok(None)));
        assert_eq!(read("99999999999999999999"), Ok(Some(i64::MAX)));
        for wrong in ["-1", "1.5", "+1", " 1", "ten", "999999999999999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn claims_are_an_object_of_objects_and_unknown_ones_are_left_out() {
        let read = |text: &str| claims(&parameters(&[("claims", text)]));
        let text = r#"{"userinfo":{"email":{"essential":true},"x":null},"id_token":{"name":null,"sub":{"value":"u"}}}"#;
        let expected =
            ClaimsRequest { userinfo: vec!["email".into()], id_token: vec!["name".into()], sub: Some("u".into()) };
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(r#"{"id_token":null,"later":1}"#), Ok(ClaimsRequest::default()));
        for wrong in
            ["[]", "x", "{", r#"{"userinfo":[]}"#, r#"{"id_token":{"email":1}}"#, r#"{"id_token":{"sub":{"value":1}}}"#]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
