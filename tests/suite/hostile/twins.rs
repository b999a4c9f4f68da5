//! Each ECDSA signature has a twin: a token that is revoked in one spelling is revoked in the other.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use num_bigint::BigUint;

use super::numbers::{P256_ORDER, big_endian, hex};
use crate::support::{TestServer, on_both_stores};

/// The same token with the other signature that fits.
fn twin(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let s = hex(P256_ORDER) - BigUint::from_bytes_be(&signature[32..]);
    signature.splice(32.., big_endian(&s, 32));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

on_both_stores!(a_revocation_covers_the_other_signature_of_the_same_token, async |backend| {
    let app = TestServer::start(backend).await;
    let main = app.main_client("main").await;
    let resource_server = app.resource_server("rs").await;
    app.user("alice", "wonderland").await;
    for revoke_the_twin in [false, true] {
        let token = app.login(&main, "alice", "wonderland").await.text("access_token");
        let other = twin(&token);
        assert_eq!(twin(&other), token);
        // It is the same token: the same claims, signed by the same key.
        let [one, two] =
            [app.introspect(&resource_server, &token).await, app.introspect(&resource_server, &other).await];
        assert_eq!(one.assert_active().json, two.assert_active().json);
        let revoked = app.revoke(&main, if revoke_the_twin { &other } else { &token }).await;
        revoked.assert_ok();
        for text in [&token, &other] {
            app.introspect(&resource_server, text).await.assert_inactive();
            let path = format!("{}/auth/verify?audience=https://api.example.test/", app.base);
            let answer = crate::support::Answer::of(app.http.get(path).bearer_auth(text)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
            let explained = app.form(&resource_server, "/auth/explain", &[("token", text)]).await;
            assert_eq!(explained.json["cause"], "token_revoked", "{explained:?}");
        }
    }
});
