//! The `oauth2` crate, unmodified, as a client.

use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, IntrospectionUrl, RequestTokenError,
    ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl, Scope, StandardRevocableToken,
    TokenIntrospectionResponse, TokenResponse, TokenUrl,
};

use crate::support::{TestClient, TestServer, on_both_stores};

/// Carries the crate's requests by the HTTP client of the tests.
async fn carry(http: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let sent = http.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send().await?;
    let mut response = HttpResponse::new(Vec::new());
    *response.status_mut() = sent.status();
    *response.headers_mut() = sent.headers().clone();
    *response.body_mut() = sent.bytes().await?.to_vec();
    Ok(response)
}

on_both_stores!(the_oauth2_crate_gets_refreshes_introspects_and_revokes_tokens, async |backend| {
    let app = TestServer::start(backend).await;
    let main: TestClient = app.main_client("main").await;
    app.user("alice", "wonderland").await;
    let at = |path: &str| format!("{}{path}", app.base);
    let http = |request: HttpRequest| {
        let http = app.http.clone();
        async move { carry(&http, request).await }
    };
    for auth_type in [AuthType::BasicAuth, AuthType::RequestBody] {
        let client = BasicClient::new(ClientId::new(main.id.clone()))
            .set_client_secret(ClientSecret::new(main.secret.clone().unwrap()))
            .set_auth_type(auth_type)
            .set_token_uri(TokenUrl::new(at("/auth/token")).unwrap())
            .set_introspection_url(IntrospectionUrl::new(at("/auth/introspect")).unwrap())
            // The crate insists on https for this address; the request is carried to the server's own.
            .set_revocation_url(RevocationUrl::new("https://auth.example.com/auth/revoke".into()).unwrap());

        let own = client.exchange_client_credentials().add_scope(Scope::new("read".into())).request_async(&http).await;
        let own = own.unwrap();
        assert_eq!(own.scopes().unwrap(), &[Scope::new("read".into())]);
        assert!(own.refresh_token().is_none());

        let (username, password) =
            (ResourceOwnerUsername::new("alice".into()), ResourceOwnerPassword::new("wonderland".into()));
        let login = client.exchange_password(&username, &password).request_async(&http).await.unwrap();
        let refreshed =
            client.exchange_refresh_token(login.refresh_token().unwrap()).request_async(&http).await.unwrap();
        assert_ne!(refreshed.access_token().secret(), login.access_token().secret());
        let found = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
        assert!(found.active());
        assert_eq!(found.username(), Some("alice"));

        let to_server = |mut request: HttpRequest| {
            *request.uri_mut() = at("/auth/revoke").parse().unwrap();
            http(request)
        };
        let token: StandardRevocableToken = refreshed.refresh_token().unwrap().into();
        client.revoke_token(token).unwrap().request_async(&to_server).await.unwrap();
        let after = client.introspect(refreshed.access_token()).request_async(&http).await.unwrap();
        assert!(!after.active());
    }

    let stranger = BasicClient::new(ClientId::new(main.id.clone()))
        .set_client_secret(ClientSecret::new("wrong".into()))
        .set_token_uri(TokenUrl::new(at("/auth/token")).unwrap());
    match stranger.exchange_client_credentials().request_async(&http).await {
        Err(RequestTokenError::ServerResponse(refusal)) => {
            assert_eq!(refusal.error(), &BasicErrorResponseType::InvalidClient);
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
});
