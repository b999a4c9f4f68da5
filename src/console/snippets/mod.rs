//! Snippets: small programs that do what a client does, in its own way. They name the issuer, the client and its scope; what is secret
//! they read from the environment.

mod language;
mod program;

use crate::admin::clients::ClientView;
use crate::console::page::{Block, Cell};
use crate::console::snippets::language::LANGUAGES;
use crate::console::snippets::program::{Fields, Login, Program, Signer, Value};
use crate::issuer::Issuer;
use crate::protocol::client::{ApplicationType, AuthMethod, ClientSettings, GrantType, Permission};
use crate::protocol::scope::Scope;

pub(super) use language::shell_quote;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a program says of the address of an API that it calls.
const API_URL: Value = Value::Environment("API_URL");

/// The snippets for a client, or why there are none.
pub(super) fn of(issuer: &Issuer, client: &ClientView) -> Vec<Block> {
    let mut blocks = vec![Block::heading("Snippets")];
    let ways = match ways(issuer, &client.client_id, &client.settings) {
        Ok(ways) => ways,
        Err(reason) => {
            blocks.push(Block::Text(Cell::prose(reason)));
            return blocks;
        }
    };
    for Way { text, program } in ways {
        blocks.push(Block::Text(Cell::prose(&text)));
        let Some(program) = program else { continue };
        let snippets = LANGUAGES.iter().filter_map(|language| Some((language.name, language.write(&program)?)));
        blocks.extend(snippets.map(|(name, text)| Block::Details(name.to_owned(), text)));
    }
    blocks
}

/// Something that a client does.
struct Way {
    /// In words, in which what is to be set stands between backticks; or why there is no program.
    text: String,
    program: Option<Program>,
}

impl Way {
    fn without_program(reason: &str) -> Self {
        Self { text: reason.to_owned(), program: None }
    }
}

/// A text as one word of a shell, without quotes if it needs none.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.,:/@+-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { shell_quote(text) }
}

/// What the client does, or why there is no program for any of that.
fn ways(issuer: &Issuer, client_id: &str, settings: &ClientSettings) -> Result<Vec<Way>, &'static str> {
    let proof = proof(settings)?;
    let sets = sets(settings);
    let form = |fields: Fields| -> Fields {
        let id = [("client_id", Value::Text(client_id.to_owned()))];
        fields.into_iter().chain(id).chain(proof.clone()).collect()
    };
    let signs = signs(settings);
    let signer = signs.then(|| Signer { client_id: client_id.to_owned(), issuer: issuer.url().to_owned() });
    let may_use = |grant| settings.grant_types.contains(&grant);
    let token = |fields: Fields, api: Value, login| Program {
        url: issuer.endpoint("/auth/token"),
        fields: form(fields),
        api: Some(api),
        login,
        signer: signer.clone(),
    };
    let mut ways = Vec::new();
    let redirect_uri = redirect_uri(settings).filter(|_| may_use(GrantType::AuthorizationCode));
    let asks_for_itself = may_use(GrantType::ClientCredentials) || may_use(GrantType::Password);
    if binds(settings) {
        if redirect_uri.is_some() || asks_for_itself {
            ways.push(Way::without_program(match settings.dpop_bound_access_tokens {
                true => {
                    "Its access tokens are bound to a key, which signs a proof for each request (DPoP). curl cannot do that; \
                     `examples/dpop` has such a client in Node.js."
                }
                false => "Its access tokens are bound to a certificate, which takes a library.",
            }));
        }
    } else {
        ways.extend(redirect_uri.map(|redirect_uri| {
            if settings.require_pushed_authorization_requests || signs {
                return Way::without_program(
                    "Its logins take a library: requests that are pushed, or an assertion for each.",
                );
            }
            let (scope, _) = settings.scope.split_reserved();
            let (api, calls) = match scope.contains("openid") {
                true => (Value::Text(issuer.endpoint("/auth/userinfo")), "asks who it is".to_owned()),
                false => (API_URL, "calls the API at `API_URL`".to_owned()),
            };
            let text = format!("A person logs in, and the program {calls} with the access token.{sets}");
            let login = login(issuer, client_id, settings, &scope, redirect_uri);
            let fields = vec![
                ("grant_type", text_of(GrantType::AuthorizationCode.name())),
                ("code", Value::Variable("code")),
                ("redirect_uri", Value::Variable("redirect_uri")),
                ("code_verifier", Value::Variable("verifier")),
            ];
            Way { text, program: Some(token(fields, api, Some(login))) }
        }));
        if may_use(GrantType::ClientCredentials) {
            let text =
                format!("The program gets an access token of its own, and calls the API at `API_URL` with it.{sets}");
            let grant = ("grant_type", text_of(GrantType::ClientCredentials.name()));
            let fields = std::iter::once(grant).chain(scope_of(settings)).collect();
            ways.push(Way { text, program: Some(token(fields, API_URL, None)) });
        } else if may_use(GrantType::Password) {
            let text = format!(
                "The program gets an access token with the username in `LOGIN_USERNAME` and the password in `LOGIN_PASSWORD`, and \
                 calls the API at `API_URL` with it.{sets}"
            );
            let login = [
                ("grant_type", text_of(GrantType::Password.name())),
                ("username", Value::Environment("LOGIN_USERNAME")),
                ("password", Value::Environment("LOGIN_PASSWORD")),
            ];
            let fields = login.into_iter().chain(scope_of(settings)).collect();
            ways.push(Way { text, program: Some(token(fields, API_URL, None)) });
        }
    }
    if settings.permissions.contains(&Permission::Introspect) {
        let text =
            format!("The program asks whether the access token in `ACCESS_TOKEN` is good (introspection).{sets}");
        let fields = form(vec![("token", Value::Environment("ACCESS_TOKEN"))]);
        let url = issuer.endpoint("/auth/introspect");
        ways.push(Way { text, program: Some(Program { url, fields, api: None, login: None, signer: signer.clone() }) });
    }
    if ways.is_empty() {
        return Err("The client has no grant for which there are snippets.");
    }
    Ok(ways)
}

/// What proves the client, or why that takes a library.
fn proof(settings: &ClientSettings) -> Result<Fields, &'static str> {
    match settings.token_endpoint_auth_method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => {
            Ok(vec![("client_secret", Value::Environment("CLIENT_SECRET"))])
        }
        AuthMethod::PrivateKeyJwt if !settings.issuers.is_empty() => Ok(vec![
            ("client_assertion_type", text_of(ASSERTION_TYPE)),
            ("client_assertion", Value::Environment("PLATFORM_TOKEN")),
        ]),
        AuthMethod::PrivateKeyJwt => Ok(vec![
            ("client_assertion_type", text_of(ASSERTION_TYPE)),
            ("client_assertion", Value::Variable("assertion")),
        ]),
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth => {
            Err("It authenticates by a certificate, for which there are no snippets.")
        }
        AuthMethod::None => Ok(Vec::new()),
    }
}

/// Whether its access tokens are bound, so that none is got or used without a proof.
fn binds(settings: &ClientSettings) -> bool {
    settings.binds_access_tokens() || settings.security_profile.is_some()
}

/// Whether it signs assertions with a key of its own.
fn signs(settings: &ClientSettings) -> bool {
    settings.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt && settings.issuers.is_empty()
}

/// What else is to be set.
fn sets(settings: &ClientSettings) -> &'static str {
    match settings.token_endpoint_auth_method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => " Its secret is in `CLIENT_SECRET`.",
        AuthMethod::PrivateKeyJwt if signs(settings) => {
            " Its private key (PEM, PKCS #8) is in the file that `PRIVATE_KEY_FILE` names."
        }
        AuthMethod::PrivateKeyJwt => {
            " The token of its platform, which must be for this server, is in `PLATFORM_TOKEN`."
        }
        AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth | AuthMethod::None => "",
    }
}

/// The scope that the client asks for, if it may have one. Reserved scopes never go together with others.
fn scope_of(settings: &ClientSettings) -> Option<(&'static str, Value)> {
    let (others, reserved) = settings.scope.split_reserved();
    let scope = if others.is_empty() { reserved } else { others };
    (!scope.is_empty()).then(|| ("scope", Value::Text(scope.to_string())))
}

fn text_of(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The redirect URI of a snippet: one where the program itself can wait, if there is one.
fn redirect_uri(settings: &ClientSettings) -> Option<&String> {
    let uris = &settings.redirect_uris;
    uris.iter().find(|uri| listens(settings, uri).is_some()).or(uris.first())
}

/// What is before and after the port of a redirect URI, if that is of the person's own machine and may have any port.
fn listens(settings: &ClientSettings, uri: &str) -> Option<(String, String)> {
    if settings.application_type == Some(ApplicationType::Web) {
        return None;
    }
    ["http://127.0.0.1", "http://localhost"].into_iter().find_map(|origin| {
        let rest = uri.strip_prefix(origin)?;
        let path = match rest.strip_prefix(':') {
            Some(port) => port.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            None => rest,
        };
        path.starts_with('/').then(|| (origin.to_owned(), path.to_owned()))
    })
}

fn login(issuer: &Issuer, client_id: &str, settings: &ClientSettings, scope: &Scope, redirect_uri: &str) -> Login {
    let scope = (!scope.is_empty()).then(|| ("scope", Value::Text(scope.to_string())));
    let question = [
        ("response_type", text_of("code")),
        ("client_id", text_of(client_id)),
        ("redirect_uri", Value::Variable("redirect_uri")),
        ("code_challenge_method", text_of("S256")),
        ("code_challenge", Value::Variable("challenge")),
        ("state", Value::Variable("state")),
    ];
    Login {
        issuer: issuer.url().to_owned(),
        endpoint: issuer.endpoint("/auth/authorize"),
        question: question.into_iter().chain(scope).collect(),
        redirect_uri: redirect_uri.to_owned(),
        listens: listens(settings, redirect_uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerConfig;
    use crate::tokens::environment::Environment;
    use serde_json::{Value as Json, json};

    fn texts(members: Json) -> Vec<String> {
        let settings: ClientSettings = serde_json::from_value(members).unwrap();
        let environment: Environment = "test".parse().unwrap();
        let (url, siblings) = ("https://auth.example.com".to_owned(), Vec::new());
        let issuer = Issuer::new(IssuerConfig { url, environment, siblings, default_audience: None });
        match ways(&issuer, "app", &settings) {
            Ok(ways) => ways.into_iter().map(|way| way.text).collect(),
            Err(reason) => vec![reason.to_owned()],
        }
    }

    #[test]
    fn each_kind_of_client_has_what_it_can_do_or_the_reason_why_not() {
        let uris = json!(["https://app.example.com/cb"]);
        for (members, expected) in [
            (json!({"grant_types": ["client_credentials"], "scope": "read"}), vec!["CLIENT_SECRET"]),
            (
                json!({"grant_types": ["authorization_code"], "scope": "openid", "redirect_uris": uris}),
                vec!["asks who it is"],
            ),
            (
                json!({"grant_types": ["authorization_code", "client_credentials"], "redirect_uris": uris}),
                vec!["A person logs in", "of its own"],
            ),
            (json!({"grant_types": ["password"], "token_endpoint_auth_method": "none"}), vec!["LOGIN_PASSWORD"]),
            (json!({"permissions": ["introspect"]}), vec!["ACCESS_TOKEN"]),
            (
                json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
                    "issuers": ["https://idp.example"]}),
                vec!["PLATFORM_TOKEN"],
            ),
            (
                json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
                    "jwks_uri": "https://x"}),
                vec!["PRIVATE_KEY_FILE"],
            ),
            (json!({"token_endpoint_auth_method": "tls_client_auth"}), vec!["certificate"]),
            (
                json!({"dpop_bound_access_tokens": true, "grant_types": ["client_credentials"], "permissions": ["introspect"]}),
                vec!["bound to a key", "ACCESS_TOKEN"],
            ),
            (
                json!({"grant_types": ["authorization_code", "client_credentials"], "redirect_uris": uris,
                    "require_pushed_authorization_requests": true}),
                vec!["take a library", "of its own"],
            ),
            (json!({"grant_types": ["authorization_code"]}), vec!["no grant"]),
        ] {
            let found = texts(members.clone());
            assert_eq!(found.len(), expected.len(), "{members}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{members}: {found}");
            }
        }
    }

    #[test]
    fn a_program_waits_only_where_it_may_choose_the_port() {
        let settings =
            |kind: Json| -> ClientSettings { serde_json::from_value(json!({"application_type": kind})).unwrap() };
        let native = settings(json!("native"));
        let parts = |origin: &str, path: &str| Some((origin.to_owned(), path.to_owned()));
        for (uri, expected) in [
            ("http://127.0.0.1/callback", parts("http://127.0.0.1", "/callback")),
            ("http://localhost:3000/a?b", parts("http://localhost", "/a?b")),
            ("http://localhost.example/", None),
            ("http://127.0.0.1", None),
            ("http://[::1]/callback", None),
            ("https://127.0.0.1/callback", None),
            ("com.example.app:/callback", None),
        ] {
            assert_eq!(listens(&native, uri), expected, "{uri}");
        }
        assert_eq!(listens(&settings(json!("web")), "http://127.0.0.1/callback"), None);
    }
}
