//! Client authentication (RFC 6749 §2.3, §3.2.1).
//!
//! 1. Find the credentials in the request. What the bytes of an assertion show is judged at once, the same for every client.
//! 2. Find the client, in memory or in the database.
//! 3. Let its registered method decide.
//! 4. Before refusing because of what memory holds, ask the database: the client may have changed a moment ago.
//! 5. Count the failure.
//!
//! Throttling wraps the methods: a proof that cannot be guessed never waits. What is proved is an `Authenticated` client;
//! nobody judges the credentials again.

mod assertion;
mod authenticated;
mod client_secret;
mod credentials;
mod foreign_assertion;
mod hint;
mod none;
mod private_key_jwt;
mod self_signed_tls_client_auth;
mod tls_client_auth;

use std::borrow::Cow;
use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::certificates::{Certificate, HEADER};
use crate::current_request;
use crate::protocol::assertion::{Fault, Problem};
use crate::protocol::client::{AuthMethod, Client};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::throttle::Attempt;
use authenticated::Proof;

pub use assertion::Assertion;
pub(crate) use authenticated::Authenticated;
pub use credentials::{Credentials, is_basic};
pub use foreign_assertion::ForeignAssertion;

/// Authenticates the client of a request.
pub(crate) async fn authenticate(app: &App, request: &Request<'_>) -> Result<Authenticated> {
    verify(app, &Credentials::of(request)?, request).await
}

/// Authenticates a confidential client: introspection is not for public ones (RFC 7662 §4).
pub(crate) async fn authenticate_confidential(app: &App, request: &Request<'_>) -> Result<Authenticated> {
    let client = authenticate(app, request).await?;
    if client.is_public() {
        return Err(Refusal::invalid_client("a public client at an endpoint for confidential clients").into());
    }
    Ok(client)
}

/// Authenticates a client by the credentials of its request, once per request.
pub(crate) async fn verify(app: &App, credentials: &Credentials, request: &Request<'_>) -> Result<Authenticated> {
    let Some(client_id) = credentials.client_id() else {
        let description = "The request names no client: send client_id, with client_secret if the client has one, or a \
                           client_assertion.";
        return Err(Refusal::new(ErrorCode::InvalidClient, description).into());
    };
    match credentials {
        Credentials::Assertion(assertion) => private_key_jwt::check(app, request.issuer, assertion)?,
        Credentials::Foreign(assertion) => {
            assertion.check(app).map_err(|problem| Refusal::foreign_assertion(ErrorCode::InvalidClient, problem))?
        }
        Credentials::Secret { .. } | Credentials::IdAlone(_) | Credentials::Nothing => {}
    }
    let judge = async |client: &Arc<Client>| judge(app, &AuthRequest { client, credentials, request }).await;
    let remembered = app.state.client_in_memory(client_id).await?;
    let refused = match &remembered {
        Some(client) => match judge(client).await? {
            Ok(proof) => return Ok(Authenticated::new(Arc::clone(client), proof)),
            Err(refusal) => Some(refusal),
        },
        None => None,
    };
    let current = app.state.client_from_database(client_id).await?;
    let refusal = match (&current, remembered, refused) {
        (None, ..) => {
            let hint = hint::about(request.issuer, credentials.secret());
            denied(format!("unknown client{hint}")).refusal(credentials)
        }
        // Memory was right, so nothing is hashed a second time.
        (Some(current), Some(remembered), Some(refusal)) if is_same(&remembered, current) => refusal,
        (Some(current), ..) => match judge(current).await? {
            Ok(proof) => return Ok(Authenticated::new(Arc::clone(current), proof)),
            Err(refusal) => refusal,
        },
    };
    let attempt = app.throttle.client_attempt(client_id, current.is_some(), request.source());
    attempt.check()?;
    attempt.failed();
    Err(refusal.into())
}

/// The request of a client that has to be authenticated.
struct AuthRequest<'a> {
    client: &'a Client,
    credentials: &'a Credentials,
    request: &'a Request<'a>,
}

/// What proved the client, or why nothing did.
type Proved = std::result::Result<Proof, Denied>;

/// Why nothing proved the client.
struct Denied {
    /// What is wrong with the assertion, if it is that.
    fault: Option<Fault>,
    /// The exact reason, for the log.
    reason: Cow<'static, str>,
}

/// What has nothing to do with an assertion.
fn denied(reason: impl Into<Cow<'static, str>>) -> Denied {
    Denied { fault: None, reason: reason.into() }
}

impl Denied {
    /// The refusal of these credentials. It does not tell whether there is such a client.
    fn refusal(self, credentials: &Credentials) -> Refusal {
        match (self.fault, credentials) {
            (Some(fault), Credentials::Foreign(_)) => {
                Refusal::foreign_assertion(ErrorCode::InvalidClient, Problem::new(fault, self.reason))
            }
            (Some(fault), _) => Refusal::assertion(Problem::new(fault, self.reason)),
            (None, Credentials::Foreign(_)) => {
                let problem = Problem::new(Fault::UntrustedIssuer, self.reason);
                Refusal { fault: None, ..Refusal::foreign_assertion(ErrorCode::InvalidClient, problem) }
            }
            (None, Credentials::Assertion(_)) => Refusal::unproved_assertion(self.reason),
            (None, _) => Refusal::invalid_client(self.reason),
        }
    }
}

/// The verdict of a method.
enum Verdict<'a> {
    Decided(Proved),
    /// Only a slow hash can decide, because the secret could be guessed.
    Guessable(client_secret::Chosen<'a>),
}

/// The methods, by the client's registered `token_endpoint_auth_method`. No method replaces another, except that a
/// secret may come in the header or in the body.
///
/// A method consumes what it accepts (a `jti`, for instance) and leaves alone what it refuses: credentials that do not fit
/// the client in memory are judged once more with the client from the database, and nothing is judged after it was accepted.
async fn prove<'a>(app: &App, asked: &AuthRequest<'a>) -> Result<Verdict<'a>> {
    match asked.client.settings.token_endpoint_auth_method {
        AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost => client_secret::prove(app, asked).await,
        // Boxed, because it may call out.
        AuthMethod::PrivateKeyJwt => Box::pin(private_key_jwt::prove(app, asked)).await,
        AuthMethod::TlsClientAuth => tls_client_auth::prove(app, asked).await,
        AuthMethod::SelfSignedTlsClientAuth => Box::pin(self_signed_tls_client_auth::prove(app, asked)).await,
        AuthMethod::None => none::prove(asked).await,
    }
}

async fn judge(app: &App, asked: &AuthRequest<'_>) -> Result<std::result::Result<Proof, Refusal>> {
    let AuthRequest { client, credentials, request } = asked;
    let proved = if client.settings.enabled {
        match prove(app, asked).await? {
            Verdict::Decided(proved) => proved,
            // Boxed, because it is rare and large.
            Verdict::Guessable(chosen) => {
                let attempt = app.throttle.client_attempt(&client.client_id, true, request.source());
                Box::pin(attempt.judge(chosen.verify(app, attempt.requester()))).await??
            }
        }
    } else {
        Err(denied("the client is disabled"))
    };
    if proved.is_ok() {
        current_request::authenticated(&client.client_id);
    }
    Ok(proved.map_err(|denied| denied.refusal(credentials).about(Identity::of_client(&client.client_id))))
}

/// The certificate of a client that authenticates by it, sent with its id and nothing else (RFC 8705 §2), or why there is none.
fn certificate_of<'a>(app: &App, asked: &AuthRequest<'a>) -> std::result::Result<&'a Certificate, Denied> {
    match (asked.credentials, asked.request.certificate) {
        (Credentials::IdAlone(_), Some(certificate)) => Ok(certificate),
        (Credentials::IdAlone(_), None) => {
            let is_ignored = !asked.request.header(HEADER).is_empty();
            Err(match (is_ignored, app.settings.has_client_certificates()) {
                (true, _) => denied(format!(
                    "a client that has a certificate showed none: the Client-Cert header of {} is ignored, because \
                     JETON_CLIENT_CERT_PROXIES does not name it",
                    asked.request.peer.address.ip()
                )),
                (false, false) => denied(
                    "a client that has a certificate cannot show it: there is neither JETON_TLS_CERTIFICATE nor \
                     JETON_CLIENT_CERT_PROXIES",
                ),
                (false, true) => denied("a client that has a certificate showed none"),
            })
        }
        (
            Credentials::Secret { .. } | Credentials::Assertion(_) | Credentials::Foreign(_) | Credentials::Nothing,
            _,
        ) => Err(denied("a client that has a certificate presented something else")),
    }
}

/// Whether two versions of a client lead to the same verdict.
fn is_same(one: &Client, other: &Client) -> bool {
    let ids = |client: &Client| client.secrets.iter().map(|secret| secret.id).collect::<Vec<_>>();
    (one.version, one.created_at, ids(one)) == (other.version, other.created_at, ids(other))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use secrecy::SecretString;
    use uuid::Uuid;

    use serde_json::{Map, json};

    use super::*;
    use crate::app::{Failure, Peer};
    use crate::crypto::{base64url, random, sha256};
    use crate::jose::algorithm::SigningAlgorithm;
    use crate::jose::jws;
    use crate::jose::signing::SigningKey;
    use crate::protocol::client::{ClientSecret, ClientSettings, Jwks, SecretDigest};
    use crate::protocol::confirmation::Sender;
    use crate::protocol::error::ErrorCode;
    use crate::protocol::parameters::Parameters;
    use crate::protocol::time::Timestamp;
    use crate::store::Audited;

    fn new_key() -> SigningKey {
        SigningKey::parse(SigningAlgorithm::Es256, &SigningKey::generate(SigningAlgorithm::Es256)).unwrap()
    }

    /// Registers a client with the secret `right` and a key, whatever its method.
    async fn register(app: &App, method: AuthMethod, key: &SigningKey) -> String {
        let at = Timestamp::from_seconds(1_000_000);
        let digest = SecretDigest::Generated(sha256(b"right"));
        let jwks = Jwks(Map::from_iter([("keys".to_owned(), json!([key.public_jwk("a")]))]));
        let settings =
            ClientSettings { token_endpoint_auth_method: method, jwks: Some(jwks), ..ClientSettings::default() };
        let client = Client {
            client_id: format!("{method:?}"),
            settings,
            secrets: vec![ClientSecret { id: Uuid::now_v7(), digest, created_at: at, last_used_at: None }],
            created_at: at,
            version: 1,
        };
        app.state.honour(app.store.client_create(&client, &audited())).await.unwrap();
        client.client_id
    }

    /// An assertion of this client.
    fn assertion(app: &App, client_id: &str, jti: &str, key: &SigningKey) -> Credentials {
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": app.issuer.url(), "jti": jti,
            "exp": app.clock.now().plus_seconds(60).seconds(),
        });
        let text = jws::sign(&base64url(r#"{"alg":"ES256","kid":"a"}"#), &claims, key);
        Credentials::Assertion(Box::new(Assertion::read(&text).unwrap()))
    }

    fn audited() -> Audited {
        Audited { actor: "test".into(), request_id: None, address: None, at: Timestamp::from_seconds(1_000_000) }
    }

    async fn authenticate_with(app: &App, credentials: &Credentials) -> Result<Authenticated> {
        let parameters = Parameters::from_form(b"").unwrap();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let request = Request {
            issuer: &app.issuer,
            endpoint: "token",
            method: "POST",
            target: "/auth/token",
            headers: &[],
            parameters: &parameters,
            peer: &Peer::from(SocketAddr::from((address, 1))),
            certificate: None,
            sender: Sender::default(),
            address,
            request_id: Uuid::now_v7(),
        };
        verify(app, credentials, &request).await
    }

    #[tokio::test]
    async fn only_the_registered_method_decides() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        let (key, other) = (new_key(), new_key());
        for (method, accepted) in [
            (AuthMethod::ClientSecretBasic, "secret"),
            (AuthMethod::ClientSecretPost, "secret"),
            (AuthMethod::PrivateKeyJwt, "assertion"),
            // A certificate, which none of these requests has.
            (AuthMethod::TlsClientAuth, "nothing"),
            (AuthMethod::SelfSignedTlsClientAuth, "nothing"),
            (AuthMethod::None, "id"),
        ] {
            let client_id = register(&app, method, &key).await;
            let with =
                |secret: &str| Credentials::Secret { client_id: client_id.clone(), secret: SecretString::from(secret) };
            let signed = |key: &SigningKey| assertion(&app, &client_id, &base64url(random::<16>()), key);
            for (what, credentials) in [
                ("secret", with("right")),
                ("assertion", signed(&key)),
                ("id", Credentials::IdAlone(client_id.clone())),
                ("wrong secret", with("wrong")),
                ("wrong assertion", signed(&other)),
            ] {
                let is_in = authenticate_with(&app, &credentials).await.is_ok();
                assert_eq!(is_in, what == accepted, "{method:?}: {what}");
            }
        }
    }

    #[tokio::test]
    async fn pkj_005_an_assertion_counts_once_and_only_if_it_is_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        let key = new_key();
        let client_id = register(&app, AuthMethod::PrivateKeyJwt, &key).await;
        let fault =
            async |jti: &str, key: &SigningKey| match authenticate_with(&app, &assertion(&app, &client_id, jti, key))
                .await
            {
                Ok(_) => None,
                Err(Failure::Refused(refusal)) => Some(refusal.fault),
                Err(other) => panic!("{other}"),
            };
        assert_eq!(fault("1", &new_key()).await, Some(Some(Fault::BadSignature.into())));
        assert_eq!(fault("1", &key).await, None, "the one before did not count");
        assert_eq!(fault("1", &key).await, Some(Some(Fault::UsedBefore.into())));
        assert_eq!(fault("2", &key).await, None);
        let client = app.store.client_find(&client_id).await.unwrap().unwrap().0;
        let disabled = |enabled: bool, version: i64| {
            let settings = ClientSettings { enabled, ..client.settings.clone() };
            Client { settings, version, ..client.clone() }
        };
        let update = async |client: Client| {
            let audited = audited();
            let updated = app.store.client_update(&client, "client.update", None, &audited);
            assert!(app.state.honour(updated).await.unwrap());
        };
        update(disabled(false, 1)).await;
        assert_eq!(fault("3", &key).await, Some(None), "the client is disabled");
        update(disabled(true, 2)).await;
        assert_eq!(fault("3", &key).await, None);
    }

    #[tokio::test]
    async fn an_authentication_is_renewed_without_the_credentials_and_ends_with_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        let client_id = register(&app, AuthMethod::ClientSecretBasic, &new_key()).await;
        let credentials = Credentials::Secret { client_id, secret: SecretString::from("right") };
        let client = authenticate_with(&app, &credentials).await.unwrap();
        assert!(client.renewed(&app).await.is_ok());
        let (id, audited) = (client.secrets[0].id, audited());
        let retired = app.store.client_secret_retire(&client.client_id, id, None, &audited);
        assert!(app.state.honour(retired).await.unwrap());
        let Err(Failure::Refused(refusal)) = client.renewed(&app).await else { panic!("it is not refused") };
        assert_eq!(refusal.code, ErrorCode::InvalidClient);
    }

    #[test]
    fn an_unknown_method_is_not_taken_for_a_known_one() {
        for method in ["TLS_client_auth", "client_secret_jwt", "", "NONE", "Private_Key_JWT"] {
            assert!(serde_json::from_value::<AuthMethod>(method.into()).is_err(), "{method}");
        }
    }
}
