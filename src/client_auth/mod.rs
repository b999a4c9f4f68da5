//! Client authentication (RFC 6749 §2.3, §3.2.1).
//!
//! 1. Find the credentials in the request.
//! 2. Find the client, in memory or in the database.
//! 3. Let its registered method decide.
//! 4. Before refusing because of what memory holds, ask the database: the client may have changed a moment ago.
//! 5. Count the failure.
//!
//! Throttling wraps the methods: a proof that cannot be guessed never waits. What is proved is an `Authenticated` client;
//! nobody judges the credentials again.

mod authenticated;
mod client_secret;
mod credentials;
mod hint;
mod none;

use std::borrow::Cow;
use std::sync::Arc;

use crate::app::{App, Request, Result};
use crate::current_request;
use crate::protocol::client::{AuthMethod, Client};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::identity::Identity;
use crate::throttle::Attempt;
use authenticated::Proof;

pub(crate) use authenticated::Authenticated;
pub use credentials::{Credentials, is_basic};

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
        let description = "The request names no client: send client_id, and client_secret if the client has one.";
        return Err(Refusal::new(ErrorCode::InvalidClient, description).into());
    };
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
            Refusal::invalid_client(format!("unknown client{}", hint::about(request.issuer, credentials.secret())))
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

/// What proved the client, or why nothing did, for the log.
type Proved = std::result::Result<Proof, Cow<'static, str>>;

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
        AuthMethod::None => none::prove(asked).await,
    }
}

async fn judge(app: &App, asked: &AuthRequest<'_>) -> Result<std::result::Result<Proof, Refusal>> {
    let AuthRequest { client, request, .. } = asked;
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
        Err("the client is disabled".into())
    };
    if proved.is_ok() {
        current_request::authenticated(&client.client_id);
    }
    Ok(proved.map_err(|reason| Refusal::invalid_client(reason).about(Identity::of_client(&client.client_id))))
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

    use super::*;
    use crate::app::{Failure, Peer};
    use crate::crypto::sha256;
    use crate::protocol::client::{ClientSecret, ClientSettings, SecretDigest};
    use crate::protocol::error::ErrorCode;
    use crate::protocol::parameters::Parameters;
    use crate::protocol::time::Timestamp;
    use crate::store::Audited;

    /// Registers a client with the secret `right`, whatever its method.
    async fn register(app: &App, method: AuthMethod) -> String {
        let at = Timestamp::from_seconds(1_000_000);
        let digest = SecretDigest::Generated(sha256(b"right"));
        let client = Client {
            client_id: format!("{method:?}"),
            settings: ClientSettings { token_endpoint_auth_method: method, ..ClientSettings::default() },
            secrets: vec![ClientSecret { id: Uuid::now_v7(), digest, created_at: at, last_used_at: None }],
            created_at: at,
            version: 1,
        };
        app.state.honour(app.store.client_create(&client, &audited())).await.unwrap();
        client.client_id
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
            address,
            request_id: Uuid::now_v7(),
        };
        verify(app, credentials, &request).await
    }

    #[tokio::test]
    async fn only_the_registered_method_decides() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        for (method, by_secret) in
            [(AuthMethod::ClientSecretBasic, true), (AuthMethod::ClientSecretPost, true), (AuthMethod::None, false)]
        {
            let client_id = register(&app, method).await;
            let with =
                |secret: &str| Credentials::Secret { client_id: client_id.clone(), secret: SecretString::from(secret) };
            let lets_in = async |credentials| authenticate_with(&app, &credentials).await.is_ok();
            assert_eq!(lets_in(with("right")).await, by_secret, "{method:?}");
            assert!(!lets_in(with("wrong")).await, "{method:?}");
            assert_eq!(lets_in(Credentials::IdAlone(client_id.clone())).await, !by_secret, "{method:?}");
        }
    }

    #[tokio::test]
    async fn an_authentication_is_renewed_without_the_credentials_and_ends_with_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let app = App::for_a_test(folder.path()).await;
        let client_id = register(&app, AuthMethod::ClientSecretBasic).await;
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
        for method in ["private_key_jwt", "tls_client_auth", "client_secret_jwt", "", "NONE"] {
            assert!(serde_json::from_value::<AuthMethod>(method.into()).is_err(), "{method}");
        }
    }
}
