//! §25 MTL: clients that show certificates (RFC 8705).

use std::sync::Arc;

use jeton::crypto::{base64url, sha256};
use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType, date_time_ymd};
use reqwest::Method;
use rustls::HandshakeKind;
use serde_json::{Value, json};

use super::answers::assert_alike;
use super::jose::changed;
use crate::support::certificates::{ClientAuthority, ClientCertificate, named};
use crate::support::receiver::Authority;
use crate::support::scene::{ALICE, CLIENT_CREDENTIALS, every_grant};
use crate::support::{Answer, Backend, Setup, TestServer, jwt_part, on_both_stores};

/// A client for this subject.
fn by_subject(more: Value) -> Value {
    let own =
        json!({"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=worker,O=Example"});
    every_grant(changed(&own, more))
}

/// A POST to an endpoint with a client's id and, over TLS, its certificate.
async fn send(http: &reqwest::Client, app: &TestServer, path: &str, parameters: &[(&str, &str)]) -> Answer {
    let all = [&[("client_id", "worker")], parameters].concat();
    Answer::of(http.post(format!("{}{path}", app.base)).form(&all)).await
}

async fn ask(http: &reqwest::Client, app: &TestServer) -> Answer {
    send(http, app, "/auth/token", &[CLIENT_CREDENTIALS]).await
}

/// A client_credentials request to a server without TLS, with these headers.
async fn ask_with(app: &TestServer, headers: &[(&str, &str)]) -> Answer {
    let headers = [headers, &[("Content-Type", "application/x-www-form-urlencoded")]].concat();
    app.raw("/auth/token", &headers, "grant_type=client_credentials&client_id=worker").await
}

on_both_stores!(mtl_001_a_right_certificate_and_the_client_id_authenticate, async |backend| {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(backend, authority.setup()).await;
    app.client("worker", by_subject(json!({}))).await;
    let mut params = named("worker");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let certificate = authority.issue(&params);
    let shows = || authority.builder(Some(&certificate));
    for (what, http) in [
        ("usual", shows()),
        ("HTTP/1.1", shows().http1_only()),
        ("HTTP/2", shows().http2_prior_knowledge()),
        ("TLS 1.2", shows().tls_version_max(reqwest::tls::Version::TLS_1_2)),
    ] {
        let http = http.build().unwrap();
        // The second request is on the connection of the first.
        for _ in 0..2 {
            let answer = ask(&http, &app).await;
            assert_eq!(answer.status.as_u16(), 200, "{what}: {answer:?}");
        }
        let token = ask(&http, &app).await.text("access_token");
        assert_eq!(send(&http, &app, "/auth/introspect", &[("token", &token)]).await.assert_ok().json["active"], true);
        send(&http, &app, "/auth/revoke", &[("token", &token)]).await.assert_ok();
    }
});

on_both_stores!(mtl_002_no_wrong_or_expired_certificate_is_invalid_client, async |backend| {
    let (authority, foreign) = (ClientAuthority::new("authority"), ClientAuthority::new("authority"));
    let app = authority.server(backend, authority.setup()).await;
    let client = app.client("worker", by_subject(json!({}))).await;
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = named("worker");
        change(&mut params);
        params
    };
    let right = authority.issue(&named("worker"));
    let without = ask(&authority.http(None), &app).await;
    without.assert_error(401, "invalid_client");
    for (what, certificate) in [
        ("another subject", authority.issue(&named("other"))),
        ("another spelling", authority.issue(&named("wоrker"))),
        ("expired", authority.issue(&with(|params| params.not_after = date_time_ymd(2021, 1, 1)))),
        ("not yet valid", authority.issue(&with(|params| params.not_before = date_time_ymd(2099, 1, 1)))),
        (
            "of a server",
            authority.issue(&with(|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            })),
        ),
        (
            "not for signatures",
            authority.issue(&with(|params| {
                params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
            })),
        ),
        ("of another authority of this name", foreign.issue(&named("worker"))),
        ("self-signed", ClientCertificate::self_signed(&named("worker"))),
        ("with the right key, and another subject", right.renewed(&named("other"))),
        ("with the right key, and self-signed", right.renewed(&named("worker"))),
    ] {
        let answer = ask(&authority.http(Some(&certificate)), &app).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {answer:?}");
        // Strangers do not learn what is registered.
        assert_alike(&without, &answer);
    }
    let http = authority.http(Some(&right));
    ask(&http, &app).await.assert_ok();
    // A certificate proves nothing of other clients, and nothing else takes its place.
    let other = app.main_client("other").await;
    let parameters = [CLIENT_CREDENTIALS, ("client_id", &other.id)];
    Answer::of(http.post(format!("{}/auth/token", app.base)).form(&parameters))
        .await
        .assert_error(401, "invalid_client");
    app.token(&client.with_secret("anything"), &[CLIENT_CREDENTIALS]).await.assert_error(401, "invalid_client");
    send(&http, &app, "/auth/token", &[CLIENT_CREDENTIALS, ("client_secret", "x")])
        .await
        .assert_error(401, "invalid_client");
});

on_both_stores!(mtl_003_there_is_exactly_one_name_and_it_is_compared_as_what_it_is, async |backend| {
    let authority = ClientAuthority::new("authority");
    let setup = authority.setup().set("JETON_REGISTRATION", "open");
    let app = authority.server(backend, setup).await;
    let mut params = named("worker");
    params.distinguished_name.push(DnType::CountryName, DnValue::PrintableString("FR".try_into().unwrap()));
    params.subject_alt_names = vec![
        SanType::DnsName("worker.example".try_into().unwrap()),
        SanType::DnsName("*.wild.example".try_into().unwrap()),
        SanType::URI("spiffe://example/worker".try_into().unwrap()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
        SanType::Rfc822Name("worker@example.com".try_into().unwrap()),
    ];
    let http = authority.http(Some(&authority.issue(&params)));
    app.client("worker", by_subject(json!({}))).await;
    let names =
        ["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"].map(|name| format!("tls_client_auth_{name}"));
    for (name, text, status) in [
        ("subject_dn", "C=FR,CN=worker,O=Example", 200),
        ("subject_dn", "c=fr, 2.5.4.3=#0c06776f726b6572, o=example", 200),
        ("subject_dn", "O=Example,CN=worker,C=FR", 401),
        ("subject_dn", "C=FR,CN=work\\,er,O=Example", 401),
        ("san_dns", "Worker.example", 200),
        ("san_dns", "a.wild.example", 401),
        ("san_dns", "other.example", 401),
        ("san_uri", "spiffe://example/worker", 200),
        ("san_uri", "spiffe://example/worker2", 401),
        ("san_ip", "2001:db8:0::7", 200),
        ("san_ip", "2001:db8::8", 401),
        ("san_email", "worker@example.com", 200),
        ("san_email", "Worker@example.com", 401),
    ] {
        let mut patch = serde_json::Map::from_iter(names.iter().map(|name| (name.clone(), Value::Null)));
        patch.insert(format!("tls_client_auth_{name}"), text.into());
        app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch.into())).await.assert_ok();
        let answer = ask(&http, &app).await;
        assert_eq!(answer.status.as_u16(), status, "{name} {text}: {answer:?}");
    }
    // Two, none, and what is no name.
    for (members, expected) in [
        (json!({"tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "::1"}), "exactly one"),
        (json!({}), "needs one of"),
        (json!({"tls_client_auth_subject_dn": "worker"}), "RFC 4514"),
        (json!({"tls_client_auth_san_dns": "*.example"}), "wildcards"),
        (json!({"tls_client_auth_san_ip": "example"}), "an address"),
    ] {
        let members = changed(&json!({"token_endpoint_auth_method": "tls_client_auth"}), members);
        let created = app.admin(Method::POST, "/admin/v1/clients", Some(members.clone())).await;
        assert_eq!(created.status.as_u16(), 400, "{created:?}");
        assert!(created.text("detail").contains(expected), "{created:?}");
        let members = changed(&members, json!({"redirect_uris": ["https://app.example/callback"]}));
        let body = members.to_string();
        let registered = app.raw("/auth/register", &[("Content-Type", "application/json")], body).await;
        registered.assert_error(400, "invalid_client_metadata");
        assert!(registered.text("error_description").contains(expected), "{registered:?}");
    }
    let one = json!({
        "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "worker.example",
        "redirect_uris": ["https://app.example/callback"],
    });
    let registered = app.raw("/auth/register", &[("Content-Type", "application/json")], one.to_string()).await;
    assert_eq!(registered.status.as_u16(), 201, "{registered:?}");
    assert_eq!(registered.text("tls_client_auth_san_dns"), "worker.example");
});

on_both_stores!(mtl_004_a_self_signed_certificate_has_a_key_of_the_client, async |backend| {
    let authority = ClientAuthority::new("authority");
    let keys = Authority::new();
    let receiver = keys.receiver(200).await;
    let mut setup = authority.setup();
    setup.environment.extend(keys.setup(&[&receiver]).environment);
    let app = authority.server(backend, setup).await;
    let (own, other) = (ClientCertificate::self_signed(&named("any")), ClientCertificate::self_signed(&named("any")));
    let method = "self_signed_tls_client_auth";
    let members = json!({"token_endpoint_auth_method": method, "jwks": {"keys": [own.jwk()]}});
    app.client("worker", every_grant(members)).await;
    let status =
        async |certificate: &ClientCertificate| ask(&authority.http(Some(certificate)), &app).await.status.as_u16();
    assert_eq!(status(&own).await, 200);
    assert_eq!(status(&own.renewed(&named("renewed"))).await, 200, "what else it says does not count");
    assert_eq!(status(&other).await, 401);
    assert_eq!(status(&authority.issue(&named("any"))).await, 401, "an authority is no reason");
    let mut expired = named("any");
    expired.not_after = date_time_ymd(2021, 1, 1);
    assert_eq!(status(&own.renewed(&expired)).await, 401);
    ask(&authority.http(None), &app).await.assert_error(401, "invalid_client");
    // At an address, where a new key counts without a change of the client.
    receiver.serves("/keys", "", &json!({"keys": [other.jwk()]}).to_string());
    let patch = json!({"jwks": null, "jwks_uri": receiver.url("/keys")});
    app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
    assert_eq!(status(&other).await, 200);
    assert_eq!(status(&own).await, 401);
    // A key without its certificate, or with that of another, is refused.
    use base64::Engine as _;
    let mut jwk = own.jwk();
    jwk["x5c"] = json!([base64::engine::general_purpose::STANDARD.encode(&other.der)]);
    let members = json!({"token_endpoint_auth_method": method, "jwks": {"keys": [jwk]}});
    let answer = app.admin(Method::POST, "/admin/v1/clients", Some(members)).await;
    assert!(answer.status.as_u16() == 400 && answer.text("detail").contains("another key"), "{answer:?}");
    let answer =
        app.admin(Method::POST, "/admin/v1/clients", Some(json!({"token_endpoint_auth_method": method}))).await;
    assert!(answer.status.as_u16() == 400 && answer.text("detail").contains("jwks"), "{answer:?}");
});

on_both_stores!(mtl_008_each_alias_is_an_endpoint_that_takes_certificates, async |backend| {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(backend, authority.setup()).await;
    app.client("worker", by_subject(json!({"redirect_uris": ["https://app.example/callback"]}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let http = authority.http(Some(&authority.issue(&named("worker"))));
    let metadata = app.get("/.well-known/oauth-authorization-server").await;
    let aliases = metadata.assert_ok().json["mtls_endpoint_aliases"].as_object().unwrap();
    let path = |name: &str| {
        // Without a setting, they are the endpoints themselves.
        assert_eq!(aliases[name], metadata.json[name], "{name}");
        aliases[name].as_str().unwrap().strip_prefix(app.issuer()).unwrap().to_owned()
    };
    let grant = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let answer = send(&http, &app, &path("token_endpoint"), &grant).await;
    let token = answer.assert_ok().text("access_token");
    let introspected = send(&http, &app, &path("introspection_endpoint"), &[("token", &token)]).await;
    assert_eq!(introspected.assert_ok().json["active"], true);
    let challenge = ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let parameters = [
        ("response_type", "code"),
        ("redirect_uri", "https://app.example/callback"),
        challenge,
        ("code_challenge_method", "S256"),
    ];
    let pushed = path("pushed_authorization_request_endpoint");
    let patch = json!({"grant_types": ["authorization_code", "password", "client_credentials"]});
    app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
    assert_eq!(send(&http, &app, &pushed, &parameters).await.status.as_u16(), 201);
    send(&authority.http(None), &app, &pushed, &parameters).await.assert_error(401, "invalid_client");
    send(&http, &app, &path("revocation_endpoint"), &[("token", &token)]).await.assert_ok();
    let introspected = send(&http, &app, &path("introspection_endpoint"), &[("token", &token)]).await;
    introspected.assert_inactive();
    for name in ["device_authorization_endpoint", "userinfo_endpoint"] {
        let answer = send(&http, &app, &path(name), &[]).await;
        assert!([400, 401].contains(&answer.status.as_u16()), "{name}: {answer:?}");
    }
    // At another address, and all endpoints have it.
    let mut elsewhere = app.restart(authority.setup().set("JETON_MTLS_URL", "https://mtls.example.com/")).await;
    elsewhere.http = authority.http(None);
    let metadata = elsewhere.get("/.well-known/oauth-authorization-server").await;
    let aliases = metadata.json["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(aliases["token_endpoint"], "https://mtls.example.com/auth/token");
    for (name, alias) in aliases {
        let path = alias.as_str().unwrap().strip_prefix("https://mtls.example.com").unwrap();
        assert_eq!(metadata.json[name], format!("{}{path}", elsewhere.issuer()), "{name}");
    }
});

on_both_stores!(mtl_008_the_metadata_list_what_is_on, async |backend| {
    let authority = ClientAuthority::new("authority");
    let methods = async |app: &TestServer| {
        let metadata = app.get("/.well-known/oauth-authorization-server").await;
        let has = |name: &str| {
            metadata.json["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!(name))
        };
        let bound = &metadata.json["tls_client_certificate_bound_access_tokens"];
        let aliases = metadata.json.get("mtls_endpoint_aliases").is_some();
        (has("tls_client_auth"), has("self_signed_tls_client_auth"), *bound == true, aliases)
    };
    let app = authority.server(backend, authority.setup()).await;
    assert_eq!(methods(&app).await, (true, true, true, true));
    let plain = TestServer::start(backend).await;
    assert_eq!(methods(&plain).await, (false, false, false, false));
    let behind = Setup::default().set("JETON_CLIENT_CERT_PROXIES", "127.0.0.1");
    assert_eq!(methods(&TestServer::start_with(backend, behind).await).await, (false, true, true, true));
});

on_both_stores!(mtl_009_a_header_is_believed_from_the_proxies_that_are_named_for_it_only, async |backend| {
    let authority = ClientAuthority::new("authority");
    let certificate = authority.issue(&named("worker"));
    let (header, ca) = (certificate.header(), authority.file().display().to_string());
    let trusting = |name: &str, networks: &str| Setup::default().set("JETON_TLS_CLIENT_CA", &ca).set(name, networks);
    // Neither from everybody, nor from a proxy that is trusted with addresses.
    for setup in [
        trusting("JETON_TRUSTED_PROXIES", "127.0.0.0/8"),
        trusting("JETON_CLIENT_CERT_PROXIES", "192.0.2.0/24").set("JETON_TRUSTED_PROXIES", "127.0.0.0/8"),
    ] {
        let app = TestServer::start_with(backend, setup).await;
        app.client("worker", by_subject(json!({}))).await;
        let without = ask_with(&app, &[]).await;
        without.assert_error(401, "invalid_client");
        for name in ["Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "SSL-Client-Cert", "X-Forwarded-Client-Cert"]
        {
            assert_alike(&without, &ask_with(&app, &[(name, &header)]).await);
            let from_there = [("X-Forwarded-For", "192.0.2.1"), (name, &*header)];
            assert_alike(&without, &ask_with(&app, &from_there).await);
        }
        assert_alike(&without, &ask_with(&app, &[("Client-Cert", "nonsense")]).await);
    }
    let app = TestServer::start_with(backend, trusting("JETON_CLIENT_CERT_PROXIES", "192.0.2.0/24, 127.0.0.1")).await;
    app.client("worker", by_subject(json!({}))).await;
    ask_with(&app, &[("Client-Cert", &header)]).await.assert_ok();
    ask_with(&app, &[]).await.assert_error(401, "invalid_client");
    let other = ClientAuthority::new("authority").issue(&named("worker")).header();
    ask_with(&app, &[("Client-Cert", &other)]).await.assert_error(401, "invalid_client");
    for name in ["X-Client-Cert", "X-SSL-Client-Cert", "Client_Cert"] {
        ask_with(&app, &[(name, &header)]).await.assert_error(401, "invalid_client");
    }
    // What cannot be read is no reason to go on without.
    for wrong in
        [&header[1..], &header.replace(':', ""), "::", "-----BEGIN%20CERTIFICATE-----", &format!("{header}, {header}")]
    {
        ask_with(&app, &[("Client-Cert", wrong)]).await.assert_error(400, "invalid_request");
    }
    let twice = [("Client-Cert", &*header), ("Client-Cert", &*other)];
    ask_with(&app, &twice).await.assert_error(400, "invalid_request");
});

on_both_stores!(mtl_009_the_certificate_of_a_proxy_is_not_that_of_its_clients, async |backend| {
    let authority = ClientAuthority::new("authority");
    let setup = authority.setup().set("JETON_CLIENT_CERT_PROXIES", "127.0.0.1");
    let app = authority.server(backend, setup).await;
    app.client("worker", by_subject(json!({}))).await;
    let proxy = authority.http(Some(&authority.issue(&named("worker"))));
    ask(&proxy, &app).await.assert_error(401, "invalid_client");
    let from_client = authority.issue(&named("worker")).header();
    let form = [CLIENT_CREDENTIALS, ("client_id", "worker")];
    let request = proxy.post(format!("{}/auth/token", app.base)).header("Client-Cert", from_client).form(&form);
    Answer::of(request).await.assert_ok();
});

/// The status of a client_credentials request on a connection of its own, and whether its TLS session is one resumed.
async fn on_new_connection(app: &TestServer, config: &Arc<rustls::ClientConfig>) -> (u16, HandshakeKind) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stream = tokio::net::TcpStream::connect(app.server.address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let body = "grant_type=client_credentials&client_id=worker";
    let head = format!(
        "POST /auth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Its end may come without a notice.
    let _ = stream.read_to_end(&mut answer).await;
    let status = crate::support::status_of(&String::from_utf8_lossy(&answer));
    (status, stream.get_ref().1.handshake_kind().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mtl_001_a_resumed_session_has_the_certificate_of_its_client() {
    let authority = ClientAuthority::new("authority");
    let setup = authority.setup().with_manual_clock();
    let app = authority.server(Backend::Sqlite, setup).await;
    app.client("worker", by_subject(json!({}))).await;
    let mut params = named("worker");
    params.not_after = date_time_ymd(2028, 1, 1);
    let certificate = authority.issue(&params);
    let config = |certificate: Option<&ClientCertificate>, version: &'static rustls::SupportedProtocolVersion| {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject as _;
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let builder = builder.with_root_certificates(roots);
        Arc::new(match certificate.map(ClientCertificate::for_rustls) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        })
    };
    let resumed = HandshakeKind::Resumed;
    let mut opened = Vec::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (own, without) = (config(Some(&certificate), version), config(None, version));
        assert_eq!(on_new_connection(&app, &own).await, (200, HandshakeKind::Full));
        assert_eq!(on_new_connection(&app, &own).await, (200, resumed), "the session keeps it");
        assert_eq!(on_new_connection(&app, &without).await, (401, HandshakeKind::Full));
        assert_eq!(on_new_connection(&app, &without).await, (401, resumed), "and gets none from another");
        opened.push(own);
    }
    // The session lives on, and the certificate is over.
    app.advance(365 * 24 * 3600);
    for own in opened {
        let (status, kind) = on_new_connection(&app, &own).await;
        assert_eq!(status, 401, "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_too_large_ends_the_handshake() {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(Backend::Sqlite, authority.setup()).await;
    app.client("worker", by_subject(json!({}))).await;
    let mut params = named("worker");
    params.subject_alt_names = vec![SanType::URI(format!("https://{}", "x".repeat(20_000)).try_into().unwrap())];
    let large = authority.http(Some(&authority.issue(&params)));
    assert!(Answer::if_any(large.get(format!("{}/auth/token", app.base))).await.is_err());
    ask(&authority.http(Some(&authority.issue(&named("worker")))), &app).await.assert_ok();
}

/// A request with a bearer token and, over TLS, a certificate.
async fn use_token(http: &reqwest::Client, app: &TestServer, path: &str, token: &str) -> Answer {
    Answer::of(http.get(format!("{}{path}", app.base)).bearer_auth(token)).await
}

fn bound(more: Value) -> Value {
    by_subject(changed(&json!({"tls_client_certificate_bound_access_tokens": true}), more))
}

on_both_stores!(mtl_005_a_token_names_the_certificate_that_it_is_bound_to, async |backend| {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(backend, authority.setup()).await;
    let rs = app.resource_server("rs").await;
    app.client("worker", bound(json!({}))).await;
    let certificate = authority.issue(&named("worker"));
    let http = authority.http(Some(&certificate));
    let thumbprint = base64url(sha256(&certificate.der));
    assert_eq!(thumbprint.len(), 43);
    for format in ["jwt", "opaque"] {
        let patch = json!({"access_token_format": format});
        app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
        let answer = ask(&http, &app).await;
        assert_eq!(answer.assert_ok().text("token_type"), "Bearer");
        let token = answer.text("access_token");
        if format == "jwt" {
            assert_eq!(jwt_part(&token, 1)["cnf"], json!({"x5t#S256": thumbprint}));
        }
        let introspected = app.introspect(&rs, &token).await;
        assert_eq!(introspected.assert_active().json["cnf"], json!({"x5t#S256": thumbprint}));
        assert_eq!(introspected.text("token_type"), "Bearer");
    }
    // Any other client that shows a certificate gets tokens that are bound to nothing.
    app.client("free", every_grant(json!({"token_endpoint_auth_method": "none", "grant_types": ["password"]}))).await;
    app.user(ALICE.0, ALICE.1).await;
    let login = [("client_id", "free"), ("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let answer = Answer::of(http.post(format!("{}/auth/token", app.base)).form(&login)).await;
    assert!(jwt_part(&answer.assert_ok().text("access_token"), 1).get("cnf").is_none());
    // A client that authenticates otherwise has its tokens bound all the same, or gets none.
    let members = every_grant(json!({"tls_client_certificate_bound_access_tokens": true}));
    let secret = app.client("secret", members).await;
    app.token(&secret, &[CLIENT_CREDENTIALS]).await.assert_error(400, "invalid_request");
    let request = http.post(format!("{}/auth/token", app.base)).header("Authorization", secret.basic());
    let token = Answer::of(request.form(&[CLIENT_CREDENTIALS])).await.assert_ok().text("access_token");
    assert_eq!(jwt_part(&token, 1)["cnf"]["x5t#S256"], json!(thumbprint));
    // Nobody sets it otherwise, nor binds a token to two things.
    for members in [
        json!({"claims": {"cnf": {"x5t#S256": thumbprint}}}),
        json!({"tls_client_certificate_bound_access_tokens": true, "dpop_bound_access_tokens": true}),
    ] {
        let answer = app.admin(Method::POST, "/admin/v1/clients", Some(every_grant(members))).await;
        assert_eq!(answer.status.as_u16(), 400, "{answer:?}");
    }
});

on_both_stores!(mtl_006_a_resource_takes_a_bound_token_with_its_certificate_only, async |backend| {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(backend, authority.setup()).await;
    let members = bound(json!({"scope": "jeton:read", "grant_types": ["client_credentials"], "audiences": []}));
    app.client("worker", members).await;
    app.user(ALICE.0, ALICE.1).await;
    let certificate = authority.issue(&named("worker"));
    let renewed = certificate.renewed(&named("worker"));
    let [own, other, same_key] = [&certificate, &authority.issue(&named("worker")), &renewed]
        .map(|certificate| authority.http(Some(certificate)));
    let without = authority.http(None);
    let mut tokens = vec![("/admin/v1/users", ask(&own, &app).await.assert_ok().text("access_token"))];
    for format in ["jwt", "opaque"] {
        let grants = ["client_credentials", "password"];
        let patch = json!({
            "scope": "jeton:read openid read", "grant_types": grants, "access_token_format": format,
            "audiences": ["https://api.example.test/"],
        });
        app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
        let login =
            [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1), ("scope", "openid read")];
        let token = send(&own, &app, "/auth/token", &login).await.assert_ok().text("access_token");
        tokens.push(("/auth/userinfo", token.clone()));
        tokens.push((VERIFY, token));
    }
    for (path, token) in tokens {
        use_token(&own, &app, path, &token).await.assert_ok();
        for (what, http, cause) in [
            ("another", &other, "proof_key_mismatch"),
            ("another with the same key", &same_key, "proof_key_mismatch"),
            ("none", &without, "proof_missing"),
        ] {
            let before = refusals(&app, cause).await;
            let answer = use_token(http, &app, path, &token).await;
            assert_eq!(answer.status.as_u16(), 401, "{path}, {what}: {answer:?}");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
            assert!(challenge.contains(cause), "{path}, {what}: {challenge}");
            assert_eq!(refusals(&app, cause).await, before + 1, "{path}, {what}");
            // Not in a header either, which nobody is believed to set.
            let request = http.get(format!("{}{path}", app.base)).bearer_auth(&token);
            let forged = Answer::of(request.header("Client-Cert", certificate.header())).await;
            assert_eq!(forged.status.as_u16(), 401, "{path}, {what}: {forged:?}");
        }
        // Over one connection, each request has its certificate.
        use_token(&own, &app, path, &token).await.assert_ok();
    }
});

const VERIFY: &str = "/auth/verify?audience=https://api.example.test/";

/// How often tokens were refused for this cause.
async fn refusals(app: &TestServer, cause: &str) -> u64 {
    let text = Answer::of(reqwest::Client::new().get(format!("{}/metrics", app.ops))).await.body;
    let label = format!("cause=\"{cause}\"");
    let of_cause = |line: &&str| line.starts_with("jeton_refusals_total{") && line.contains(&label);
    text.lines().filter(of_cause).filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

on_both_stores!(mtl_007_the_refresh_token_of_a_public_client_is_bound_to_its_certificate, async |backend| {
    let authority = ClientAuthority::new("authority");
    let app = authority.server(backend, authority.setup()).await;
    app.user(ALICE.0, ALICE.1).await;
    let grants =
        json!({"grant_types": ["password", "refresh_token"], "tls_client_certificate_bound_access_tokens": true});
    let own = ClientCertificate::self_signed(&named("any"));
    let other = authority.http(Some(&ClientCertificate::self_signed(&named("any"))));
    let (http, without) = (authority.http(Some(&own)), authority.http(None));
    let login = [("grant_type", "password"), ("username", ALICE.0), ("password", ALICE.1)];
    let public = changed(&grants, json!({"token_endpoint_auth_method": "none"}));
    app.client("worker", every_grant(public)).await;
    send(&without, &app, "/auth/token", &login).await.assert_error(400, "invalid_request");
    let refresh = async |http: &reqwest::Client, token: &str| {
        send(http, &app, "/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    };
    let mut token = send(&http, &app, "/auth/token", &login).await.assert_ok().text("refresh_token");
    for _ in 0..3 {
        refresh(&other, &token).await.assert_error(400, "invalid_grant");
        refresh(&without, &token).await.assert_error(400, "invalid_request");
        let answer = refresh(&http, &token).await;
        let cnf = &jwt_part(&answer.assert_ok().text("access_token"), 1)["cnf"]["x5t#S256"];
        assert_eq!(*cnf, json!(base64url(sha256(&own.der))));
        // A retry needs the certificate as well.
        refresh(&other, &token).await.assert_error(400, "invalid_grant");
        refresh(&http, &token).await.assert_ok();
        token = answer.text("refresh_token");
    }
    // The binding stays when the setting goes.
    let patch = json!({"tls_client_certificate_bound_access_tokens": false});
    app.admin(Method::PATCH, "/admin/v1/clients/worker", Some(patch)).await.assert_ok();
    refresh(&without, &token).await.assert_error(400, "invalid_grant");
    refresh(&other, &token).await.assert_error(400, "invalid_grant");
    refresh(&http, &token).await.assert_ok();
    // That of a confidential client is bound to the client, which may renew its certificate.
    let [first, second] = [(), ()].map(|()| authority.http(Some(&authority.issue(&named("confidential")))));
    let members = json!({"tls_client_auth_subject_dn": "CN=confidential,O=Example"});
    app.client("confidential", bound(changed(&grants, members))).await;
    let with = async |http: &reqwest::Client, parameters: &[(&str, &str)]| {
        let all = [&[("client_id", "confidential")], parameters].concat();
        Answer::of(http.post(format!("{}/auth/token", app.base)).form(&all)).await
    };
    let token = with(&first, &login).await.assert_ok().text("refresh_token");
    with(&second, &[("grant_type", "refresh_token"), ("refresh_token", &token)]).await.assert_ok();
});

on_both_stores!(mtl_006_behind_a_proxy_the_certificate_of_each_request_counts, async |backend| {
    let authority = ClientAuthority::new("authority");
    let setup = Setup::default()
        .set("JETON_TLS_CLIENT_CA", &authority.file().display().to_string())
        .set("JETON_CLIENT_CERT_PROXIES", "127.0.0.1");
    let app = TestServer::start_with(backend, setup).await;
    app.client("worker", bound(json!({}))).await;
    let (own, other) = (authority.issue(&named("worker")).header(), authority.issue(&named("worker")).header());
    let token = ask_with(&app, &[("Client-Cert", &own)]).await.assert_ok().text("access_token");
    let bearer = format!("Bearer {token}");
    // On one connection, as proxies send them.
    for _ in 0..2 {
        for (headers, status) in [
            (vec![("Client-Cert", &*own)], 200),
            (vec![("Client-Cert", &*other)], 401),
            (vec![], 401),
            (vec![("X-Client-Cert", &*own)], 401),
            (vec![("Client-Cert", &own[..own.len() - 1])], 400),
        ] {
            let headers = [&headers[..], &[("Authorization", &*bearer)]].concat();
            let answer = app.get_with(VERIFY, &headers).await;
            assert_eq!(answer.status.as_u16(), status, "{headers:?}: {answer:?}");
        }
    }
});
