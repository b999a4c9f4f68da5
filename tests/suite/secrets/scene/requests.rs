//! The requests that take or create a secret, correct and incorrect.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jeton::clock::Clock;
use jeton::jose::algorithm::SigningAlgorithm;
use jeton::jose::signing::SigningKey;
use reqwest::Method;
use serde_json::json;

use super::play::Cast;
use super::{Scene, parts};
use crate::conformance::jose::sign;

impl Scene {
    async fn login(&mut self, client: &(String, String), user: &str, password: &str) -> (String, String) {
        let form = [("grant_type", "password"), ("username", user), ("password", password)];
        let answer = self.form("/auth/token", parts(client), &form).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// Tokens of every kind and several generations; the last access token and refresh token of a login.
    pub(super) async fn tokens(&mut self, cast: &Cast) -> (String, String) {
        for client in [&cast.app, &cast.chosen, &cast.opaque] {
            for _ in 0..2 {
                self.form("/auth/token", parts(client), &[("grant_type", "client_credentials")]).await;
            }
        }
        self.login(&cast.opaque, &cast.user, &cast.password).await;
        self.login(&cast.chosen, &cast.user, &cast.password).await;
        let (mut access, mut refresh) = self.login(&cast.app, &cast.user, &cast.password).await;
        for _ in 0..3 {
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
            let answer = self.form("/auth/token", parts(&cast.app), &form).await;
            // A client that repeats it gets the same once more.
            self.form("/auth/token", parts(&cast.app), &form).await;
            access = answer["access_token"].as_str().unwrap().to_owned();
            refresh = answer["refresh_token"].as_str().unwrap().to_owned();
        }
        let json = json!({
            "grant_type": "password", "username": cast.user, "password": cast.password,
            "client_id": cast.chosen.0, "client_secret": cast.chosen.1,
        });
        let request = self.http.post(self.url("/auth/token")).json(&json);
        self.ask("a login in JSON", request).await;
        (access, refresh)
    }

    /// Assertions of a client that has a key: good, of another key, expired; each used twice.
    pub(super) async fn assertions(&mut self, round: &str) {
        let new_key = || {
            let pkcs8 = SigningKey::generate(SigningAlgorithm::Es256);
            SigningKey::parse(SigningAlgorithm::Es256, &pkcs8).unwrap()
        };
        let (key, other, id) = (new_key(), new_key(), format!("keyed-{round}"));
        let file = self.bench.path("keys.json");
        std::fs::write(&file, json!({"keys": [key.public_jwk("own")]}).to_string()).unwrap();
        let file = file.display().to_string();
        let create = ["client", "create", &id, "--token-endpoint-auth-method", "private_key_jwt", "--jwks", &file];
        self.cli(None, &[&create[..], &["--grant-types", "client_credentials"]].concat(), "");
        let (now, issuer) = (Clock::system().now().seconds(), self.bench.environment["JETON_ISSUER"].clone());
        let mut granted = 0;
        for (number, (key, life)) in [(&key, 60), (&other, 60), (&key, -60)].into_iter().enumerate() {
            let jti = format!("{round}-{number}");
            let claims = json!({"iss": id, "sub": id, "aud": issuer, "jti": jti, "exp": now + life});
            let assertion = sign(key, &json!({"alg": "ES256"}), &claims);
            self.use_secret("signature of an assertion", assertion.rsplit('.').next().unwrap());
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let credentials = [("client_assertion", assertion.as_str()), ("client_assertion_type", kind)];
            for _ in 0..2 {
                let form = [&credentials[..], &[("grant_type", "client_credentials")]].concat();
                granted += usize::from(self.form("/auth/token", None, &form).await["access_token"].is_string());
            }
            // As a token, and in the wrong place.
            self.form("/auth/introspect", None, &[&credentials[..], &[("token", assertion.as_str())]].concat()).await;
            self.form("/auth/token", Some((&id, &assertion)), &[("grant_type", "client_credentials")]).await;
        }
        assert_eq!(granted, 1, "each counts once");
    }

    pub(super) async fn tokens_shown_around(&mut self, cast: &Cast, access: &str, refresh: &str) {
        let damaged = [
            access.to_owned(),
            refresh.to_owned(),
            format!("Bearer {access}"),
            format!("{access} {refresh}"),
            access[..access.len() - 20].to_owned(),
            format!("\"{access}\""),
            access.replace('.', "%2E"),
            cast.app.1.clone(),
            cast.password.clone(),
        ];
        for text in &damaged {
            for path in ["/auth/introspect", "/auth/explain"] {
                self.form(path, parts(&cast.app), &[("token", text)]).await;
            }
            self.form("/auth/revoke", parts(&cast.opaque), &[("token", text)]).await;
            let verify = self.url("/auth/verify?audience=https://auth.example.com/api");
            let mut request = self.http.get(&verify);
            for scheme in ["Bearer", "Token"] {
                if let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("{scheme} {text}")) {
                    request = request.header("Authorization", value);
                }
                let request = request.try_clone().unwrap();
                self.ask("a token at /auth/verify", request).await;
            }
            let admin = self.http.get(self.url("/admin/v1/users")).header("Cookie", format!("token={access}"));
            self.ask("a token at the admin API", admin.bearer_auth(access)).await;
        }
        for path in ["/auth/verify", "/auth/token", "/admin/v1/users", "/auth/introspect", "/nowhere"] {
            for name in ["access_token", "token", "password", "client_secret"] {
                let mut url = url::Url::parse(&self.url(path)).unwrap();
                let value = if name.ends_with("token") { access } else { cast.password.as_str() };
                url.query_pairs_mut().append_pair(name, value);
                self.ask("a secret in a query", self.http.get(url)).await;
            }
            self.ask("a token in a path", self.http.get(self.url(&format!("{path}/{access}")))).await;
        }
        let original = format!("/data?access_token={access}");
        let request = self.http.get(self.url("/auth/verify")).header("X-Original-URI", original);
        self.ask("a token in the address that a proxy forwards", request).await;
    }

    pub(super) async fn requests_that_fail(&mut self, cast: &Cast, access: &str, refresh: &str) {
        let (guess, secret) = (self.odd_secret("wrong password"), self.odd_secret("wrong client secret"));
        let token = "/auth/token";
        for (user, password) in [(cast.user.as_str(), &guess), ("nobody", &guess), ("nobody", &cast.password)] {
            let form = [("grant_type", "password"), ("username", user), ("password", password)];
            self.form(token, parts(&cast.app), &form).await;
            self.form(token, Some((&cast.chosen.0, &secret)), &form).await;
            self.form(token, Some(("nobody", &secret)), &form).await;
            self.form(token, None, &form).await;
            // The password in the field of the username.
            let swapped = [("grant_type", "password"), ("username", password), ("password", user)];
            self.form(token, parts(&cast.app), &swapped).await;
            self.form(token, Some((password, &secret)), &form).await;
            let twice = [form.as_slice(), &[("password", password), ("client_secret", &secret)]].concat();
            self.form(token, parts(&cast.app), &twice).await;
            self.form(token, None, &twice).await;
            let odd = [("grant_type", password.as_str()), ("scope", password), ("resource", password)];
            self.form(token, parts(&cast.app), &odd).await;
        }
        // Until guessing is throttled.
        let form = [("grant_type", "password"), ("username", "nobody"), ("password", &guess)];
        for _ in 0..12 {
            self.form(token, parts(&cast.app), &form).await;
        }
        for _ in 0..22 {
            self.form(token, Some(("nobody", &secret)), &form).await;
        }
        let form_type = "application/x-www-form-urlencoded";
        let encoded: String = form_urlencoded::byte_serialize(cast.password.as_bytes()).collect();
        let bodies = [
            (form_type, format!("grant_type=password&username=%zz&password={encoded}")),
            (form_type, format!("{encoded}={encoded}&{encoded}")),
            ("application/json", format!("{{\"grant_type\":\"password\",\"password\":{:?}", cast.password)),
            ("application/json", format!("{{\"password\":[{:?}]}}", cast.password)),
            ("application/json", format!("{{\"password\":{}}}x", json!(cast.password))),
            ("application/json", json!({"grant_type": {"password": cast.password}}).to_string()),
            ("application/json", json!({cast.password.as_str(): cast.password}).to_string()),
            ("text/plain", cast.password.clone()),
            (form_type, format!("password={}", encoded.repeat(3000))),
        ];
        for (content_type, body) in &bodies {
            for path in [token, "/auth/introspect", "/auth/revoke", "/auth/explain", "/admin/v1/users"] {
                self.raw(path, content_type, body.clone()).await;
            }
        }
        let headers = [
            format!("Basic {}", STANDARD.encode(&cast.password)),
            format!("Basic {}", STANDARD.encode(format!("%zz:{}", cast.app.1))),
            format!("Basic {}", cast.app.1),
            format!("basic  {}", STANDARD.encode(format!("{}:{}", cast.app.0, cast.app.1))),
            format!("Digest username=\"x\", response=\"{}\"", cast.app.1),
            format!("{} {access}", cast.app.1),
        ];
        for header in headers {
            let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
            let request = self.http.post(self.url(token)).header("Authorization", header).form(&form);
            self.ask("an odd Authorization header", request).await;
        }
        let secret = &cast.app.1;
        self.bytes(&format!("GET /auth/verify?access_token={access} HTTP/9.9\r\n\r\n")).await;
        self.bytes(&format!("POST /auth/token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic \u{1}{secret}\r\n\r\n"))
            .await;
        self.bytes(&format!("{secret}\r\n\r\n")).await;
        self.bytes(&format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{access}")).await;
        self.bytes(&format!("POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n{}", bodies[0].1))
            .await;
        // Reuse of an old generation ends the session; so does this login of another client.
        let (_, mut old) = self.login(&cast.app, &cast.user, &cast.password).await;
        let first = old.clone();
        for _ in 0..2 {
            let form = [("grant_type", "refresh_token"), ("refresh_token", old.as_str())];
            let answer = self.form(token, parts(&cast.app), &form).await;
            old = answer["refresh_token"].as_str().unwrap().to_owned();
        }
        for (client, text) in [(&cast.opaque, &first), (&cast.app, &first), (&cast.app, &old)] {
            let form = [("grant_type", "refresh_token"), ("refresh_token", text.as_str())];
            self.form(token, parts(client), &form).await;
        }
    }

    pub(super) async fn administration(&mut self, cast: &Cast, access: &str) {
        let grant = [("grant_type", "client_credentials")];
        let answer = self.form("/auth/token", parts(&cast.ops), &grant).await;
        let admin = answer["access_token"].as_str().unwrap().to_owned();
        let (imported, password) = (self.odd_secret("imported client secret"), self.odd_secret("password by the API"));
        let (new, wrong) = (self.odd_secret("new password"), self.odd_secret("password of a bad request"));
        let name = format!("made-by-the-api-{}", cast.app.0);
        let made = json!({"client_id": name, "client_secret": imported, "grant_types": ["client_credentials"]});
        let user = json!({"username": name, "password": password});
        let requests = [
            (Method::POST, "/clients".to_owned(), made.clone()),
            (Method::POST, "/clients".into(), made),
            (Method::POST, "/clients".into(), json!({"client_id": format!("{name}-2")})),
            (Method::POST, "/clients".into(), json!({"client_id": wrong, "client_secret": 7})),
            (Method::POST, "/clients".into(), json!({"client_id": "x y", "client_secret": wrong, "password": wrong})),
            (Method::POST, format!("/clients/{name}-2/secrets"), json!({})),
            (Method::PATCH, format!("/clients/{name}"), json!({"client_secret": wrong})),
            (Method::POST, "/users".into(), user.clone()),
            (Method::POST, "/users".into(), user),
            (Method::POST, "/users".into(), json!({"username": "", "password": wrong, "claims": {"iss": wrong}})),
            (Method::PATCH, format!("/users/{name}"), json!({"password": wrong})),
            (Method::PUT, format!("/users/{name}/password"), json!({"password": new})),
            (Method::PUT, format!("/users/{name}/password"), json!({"password": {"is": wrong}})),
            (Method::POST, format!("/users/{name}/password-link"), json!({"ttl": 60})),
            (Method::POST, format!("/users/{name}/password-link"), json!({"ttl": wrong})),
            (Method::PUT, "/users/nobody/password".into(), json!({"password": wrong})),
            (Method::POST, "/revocations".into(), json!({"token": access, "reason": "it was leaked"})),
            (Method::POST, "/revocations".into(), json!({"token": wrong})),
            (Method::POST, "/revocations".into(), json!({"user": wrong})),
            (Method::POST, "/keys/rotate".into(), json!({})),
            (Method::DELETE, format!("/keys/{access}"), json!({})),
        ];
        for (method, path, body) in requests {
            let request = self.http.request(method, self.url(&format!("/admin/v1{path}"))).bearer_auth(&admin);
            let answer = self.ask(&format!("a request to /admin/v1{path}"), request.json(&body)).await;
            if answer["status"] == 404 {
                // The answer about an unknown name repeats the name.
                let told = self.names[&wrong].clone();
                self.places.last_mut().unwrap().told.extend(told);
            }
        }
        let lists = ["clients", "users", "sessions", "revocations", "keys", "audit"];
        for list in lists {
            let request = self.http.get(self.url(&format!("/admin/v1/{list}?limit=100"))).bearer_auth(&admin);
            let answer = self.ask(&format!("the list of {list}"), request).await;
            assert!(!answer["items"].as_array().unwrap().is_empty(), "{list}: {answer}");
        }
        let request = self.http.post(self.url("/auth/explain")).bearer_auth(&admin).form(&[("token", access)]);
        self.ask("an explanation for an administrator", request).await;
    }

    pub(super) async fn during_an_outage(&mut self, cast: &Cast, access: &str, refresh: &str) {
        let login = [("grant_type", "password"), ("username", cast.user.as_str()), ("password", &cast.password)];
        self.form("/auth/token", parts(&cast.app), &login).await;
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        self.form("/auth/token", parts(&cast.app), &form).await;
        let stranger = self.odd_secret("client secret during an outage");
        self.form("/auth/token", Some(("nobody", &stranger)), &login).await;
        for path in ["/auth/introspect", "/auth/explain", "/auth/revoke"] {
            self.form(path, parts(&cast.app), &[("token", access)]).await;
        }
        let request = self.http.put(self.url("/admin/v1/users/nobody/password")).bearer_auth(access);
        self.ask("a new password during an outage", request.json(&json!({"password": stranger}))).await;
        for arguments in [&["doctor"][..], &["user", "list"], &["token", "explain", "-"]] {
            self.cli(None, arguments, access);
        }
    }

    pub(super) async fn pages(&mut self) {
        let public = [
            "/docs",
            "/docs/errors",
            "/docs/errors/invalid_grant",
            "/openapi.yaml",
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
        ];
        let ops = ["/metrics", "/healthz", "/readyz"];
        let public = public.map(|path| self.url(path)).into_iter();
        let all: Vec<String> = public.chain(ops.map(|path| format!("{}{path}", self.server().ops))).collect();
        for url in all {
            self.ask(&url, self.http.get(&url)).await;
        }
    }
}
