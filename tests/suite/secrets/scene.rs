//! What happens before everything is searched: every endpoint and every command that takes or makes a secret is used, as it
//! is meant to be and otherwise, while the database is there and while it is away.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jeton::token::master::MasterKey;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::needles::{Place, Secrets};
use crate::support::Backend;
use crate::support::cluster::Cluster;
use crate::support::program::{Place as Bench, Running};

/// Bytes of a refresh token before its nonce, and the length of that.
const BEFORE_NONCE: usize = 1 + 6 + 16 + 4;
const NONCE_LENGTH: usize = 16;

pub(super) struct Scene {
    bench: Bench,
    server: Option<Running>,
    /// Whether it serves TLS, and the files with the certificate and its key.
    is_encrypted: bool,
    tls: [(&'static str, String); 2],
    http: reqwest::Client,
    pub(super) secrets: Secrets,
    pub(super) places: Vec<Place>,
    /// The names of the secrets that are known, by their text.
    names: BTreeMap<String, Vec<String>>,
}

/// Who acts in one round.
struct Cast {
    /// Every grant, a generated secret; and one whose secret was chosen, one with opaque tokens, and an administrator.
    app: (String, String),
    chosen: (String, String),
    opaque: (String, String),
    ops: (String, String),
    user: String,
    password: String,
}

/// Adds what is secret of a P-256 key in PKCS #8: the 32 bytes of it, and how the lines of PEM have them. What stands
/// before is the same in all, what follows is the public key.
fn add_private_key(secrets: &mut Secrets, key: &[u8], pem: &str) {
    secrets.add("private key of TLS", &key[36..68]);
    let lines: Vec<&str> = pem.lines().skip(1).collect();
    secrets.add("private key of TLS", &lines[0][48..64]);
    secrets.add("private key of TLS", &lines[1][..26]);
    let found = secrets.look_for_all_in(&[Place::new("the file of the key", pem)]);
    assert!(found.iter().any(|found| found.name == "private key of TLS"), "it would be found");
}

fn parts(client: &(String, String)) -> Option<(&str, &str)> {
    Some((&client.0, &client.1))
}

impl Scene {
    pub(super) async fn new(backend: Backend, cluster: Option<&Cluster>) -> Self {
        let mut bench = Bench::new(backend).await;
        let (mut secrets, password) = (Secrets::default(), Uuid::new_v4().simple().to_string());
        if let Some(cluster) = cluster {
            // Nobody asks for the password there; it is in the address all the same.
            let url = cluster.url().replace("postgres@", &format!("postgres:{password}@"));
            bench.set("JETON_DATABASE_URL", &url);
            secrets.add("password of the database", password);
            bench.run(&["migrate"]).ok();
        }
        bench.set("JETON_THROTTLING", "on");
        secrets.add("master key", bench.environment["JETON_MASTER_KEY"].as_str());
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        add_private_key(&mut secrets, &pair.signing_key.serialize_der(), &key);
        let tls = [("JETON_TLS_CERTIFICATE", &certificate), ("JETON_TLS_KEY", &key)].map(|(name, text)| {
            let file = bench.path(name);
            std::fs::write(&file, text).unwrap();
            (name, file.display().to_string())
        });
        // The server closes a connection after a body that is too large.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
        let http = http.tls_certs_only([certificate]).build().unwrap();
        let (places, names) = (Vec::new(), BTreeMap::new());
        Self { bench, server: None, is_encrypted: false, tls, http, secrets, places, names }
    }

    pub(super) fn database(&self) -> String {
        self.bench.environment["JETON_DATABASE_URL"].clone()
    }

    pub(super) fn master_key(&self) -> String {
        self.bench.environment["JETON_MASTER_KEY"].clone()
    }

    /// The folder of the database, for SQLite.
    pub(super) fn folder(&self) -> PathBuf {
        PathBuf::from(self.database().strip_prefix("sqlite://").unwrap()).parent().unwrap().to_owned()
    }

    /// A line with one of the secrets.
    pub(super) fn planted(&self) -> String {
        format!("\nmaster_key={}\n", self.master_key())
    }

    /// A secret that is used from now on, and its name.
    fn use_secret(&mut self, name: &str, text: &str) -> Vec<String> {
        if let Some(names) = self.names.get(text) {
            return names.clone();
        }
        let name = format!("{name} {}", self.names.len());
        self.secrets.add(&name, text);
        let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        if encoded != text {
            // As a Basic header has it before its base64.
            self.secrets.add(&name, encoded);
        }
        self.names.insert(text.to_owned(), vec![name.clone()]);
        vec![name]
    }

    /// A new text that nobody would guess, with everything that is written differently somewhere; client secrets are in
    /// ASCII (RFC 6749 appendix A.2).
    fn odd_secret(&mut self, name: &str) -> String {
        let letter = if name.contains("client secret") { "" } else { "ä" };
        let random = || Uuid::new_v4().simple().to_string();
        let text = format!("{}\"{letter} &%\\+</{}", &random()[..20], &random()[..20]);
        self.use_secret(name, &text);
        text
    }

    /// Notes what is secret of a token: not its prefix, the id of its key or its session, which others may know.
    fn use_token(&mut self, token: &str) -> Vec<String> {
        if let Some(names) = self.names.get(token) {
            return names.clone();
        }
        let body = token.rsplit('_').next().unwrap_or_default();
        let names = if token.starts_with("eyJ") {
            self.use_secret("access token", token.rsplit('.').next().unwrap())
        } else if token.starts_with("jat_") {
            let body = &token["jat_live_".len()..];
            self.use_secret("opaque access token", &body[10..])
        } else {
            assert!(token.starts_with("jrt_"), "{body}");
            let bytes = URL_SAFE_NO_PAD.decode(&token["jrt_live_".len()..]).unwrap();
            let (before, after) = bytes.split_at(BEFORE_NONCE);
            let (nonce, mac) = after.split_at(NONCE_LENGTH);
            let nonce_name = format!("nonce of session {}", Uuid::from_slice(&before[7..23]).unwrap());
            self.secrets.add(&nonce_name, nonce);
            let name = format!("refresh token {}", self.names.len());
            self.secrets.add(&name, mac);
            vec![name, nonce_name]
        };
        self.names.insert(token.to_owned(), names.clone());
        names
    }

    /// Runs a command; what it prints is searched, but for the secret that it makes.
    fn cli(&mut self, bench: Option<&Bench>, arguments: &[&str], input: &str) -> String {
        let ran = bench.unwrap_or(&self.bench).run_with(arguments, input);
        let mut place =
            Place::new(format!("output of jeton {}", arguments.join(" ")), format!("{}\n{}", ran.out, ran.err));
        let made: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        if let Some(secret) = made["client_secret"].as_str() {
            place.told = self.use_secret("generated client secret", &secret["jcs_live_".len()..]);
        }
        if arguments.contains(&"generate-master") {
            place.told = self.use_secret("printed master key", ran.out.trim());
        }
        self.places.push(place);
        ran.out
    }

    fn make_client(&mut self, id: &str, members: &[&str]) -> (String, String) {
        let fixed = ["client", "create", "--client-id", id, "--output", "json"];
        let made: Value = serde_json::from_str(&self.cli(None, &[&fixed, members].concat(), "")).unwrap();
        (id.to_owned(), made["client_secret"].as_str().unwrap().to_owned())
    }

    fn server(&self) -> &Running {
        self.server.as_ref().unwrap()
    }

    fn url(&self, path: &str) -> String {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.server().address)
    }

    /// Sends a request; its answer is searched, but for the tokens that it gives out.
    async fn ask(&mut self, what: &str, request: RequestBuilder) -> Value {
        let response = match request.send().await {
            Ok(response) => response,
            // It may be closed before the answer is read.
            Err(_) if what.starts_with("a body") => return Value::Null,
            Err(error) => panic!("{what}: {error}"),
        };
        let head = format!("{} {:?}", response.status(), response.headers());
        assert_ne!(response.status(), 500, "{what}");
        let body = response.text().await.unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        let mut place = Place::new(format!("answer to {what}"), format!("{head}\n{body}"));
        for name in ["access_token", "refresh_token"] {
            if let Some(token) = answer[name].as_str() {
                place.told.extend(self.use_token(token));
            }
        }
        if let Some(secret) = answer["client_secret"].as_str().and_then(|secret| secret.strip_prefix("jcs_live_")) {
            place.told.extend(self.use_secret("generated client secret", secret));
        }
        self.places.push(place);
        answer
    }

    async fn form(&mut self, path: &str, client: Option<(&str, &str)>, form: &[(&str, &str)]) -> Value {
        let mut request = self.http.post(self.url(path)).form(form);
        if let Some((id, secret)) = client {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encode(id), Some(encode(secret)));
        }
        self.ask(&format!("a form at {path}"), request).await
    }

    async fn raw(&mut self, path: &str, content_type: &str, body: String) {
        let request = self.http.post(self.url(path)).header("Content-Type", content_type).body(body);
        self.ask(&format!("a body of {content_type} at {path}"), request).await;
    }

    /// Sends what no client library would.
    async fn bytes(&mut self, text: &str) {
        let mut stream = TcpStream::connect(&self.server().address).await.unwrap();
        // A server that expects TLS may have closed it by then.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        self.places.push(Place::new("answer to what is no HTTP", answer));
    }

    async fn login(&mut self, client: &(String, String), user: &str, password: &str) -> (String, String) {
        let form = [("grant_type", "password"), ("username", user), ("password", password)];
        let answer = self.form("/auth/token", parts(client), &form).await;
        let text = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// One round, over TLS or in the clear. `outage` takes the database away (`true`) and brings it back, where that can
    /// be done.
    pub(super) async fn play(&mut self, log_format: &str, is_encrypted: bool, outage: impl AsyncFn(bool)) {
        self.is_encrypted = is_encrypted;
        for (name, file) in self.tls.clone() {
            if is_encrypted {
                self.bench.set(name, &file);
            } else {
                self.bench.environment.remove(name);
            }
        }
        self.bench.set("JETON_LOG_FORMAT", log_format);
        self.bench.set("JETON_LOG_LEVEL", "trace");
        let cast = self.enter(log_format);
        self.commands_that_fail(&cast);
        self.server = Some(self.bench.serve(&[]));
        let (access, refresh) = self.tokens(&cast).await;
        self.tokens_shown_around(&cast, &access, &refresh).await;
        self.requests_that_fail(&cast, &access, &refresh).await;
        self.administration(&cast, &access).await;
        outage(true).await;
        self.during_an_outage(&cast, &access, &refresh).await;
        outage(false).await;
        self.pages().await;
        self.commands_beside_the_server(&access, &refresh);
        self.change_of_the_master_key();
        self.pages().await;
    }

    /// Ends the server; its log is searched.
    pub(super) fn end(&mut self) {
        let server = self.server.take().unwrap();
        let log = std::sync::Arc::clone(&server.log);
        server.stop();
        let log = log.lock().unwrap().clone();
        // What is compiled in decides who writes at these levels; the driver of the database always does.
        assert!(log.contains("DEBUG") && log.contains("db.statement"), "the log has everything: {log}");
        assert!(log.contains("refused") && log.contains("token explained"), "{log}");
        assert!(log.contains("guessing is slowed down") && log.contains("asked too often"), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        self.places.push(Place::new("log of the server", log));
    }

    fn enter(&mut self, round: &str) -> Cast {
        let grants = ["--grant-types", "password,client_credentials,refresh_token", "--scope", "read"];
        let permissions = ["--permissions", "introspect,explain"];
        let app = self.make_client(&format!("app-{round}"), &[&grants[..], &permissions].concat());
        let format = ["--access-token-format", "opaque"];
        let opaque = self.make_client(&format!("opaque-{round}"), &[&grants[..], &format].concat());
        let admin = ["--grant-types", "client_credentials", "--scope", "jeton:admin"];
        let ops = self.make_client(&format!("ops-{round}"), &admin);
        self.cli(None, &["client", "secret", "add", &app.0, "--output", "json"], "");
        let chosen = (format!("chosen-{round}"), self.odd_secret("chosen client secret"));
        let import = ["client", "create", "--client-id", &chosen.0, "--import-secret"];
        let made = self.cli(None, &[&import, &grants[..]].concat(), &format!("{}\n", chosen.1));
        assert!(made.contains(&chosen.0), "{made}");
        let (user, first) = (format!("alice-{round}"), self.odd_secret("old password"));
        self.cli(None, &["user", "create", &user], &format!("{first}\n"));
        let password = self.odd_secret("password");
        self.cli(None, &["user", "password", &user], &format!("{password}\n"));
        self.cli(None, &["key", "generate-master"], "");
        Cast { app, chosen, opaque, ops, user, password }
    }

    fn commands_that_fail(&mut self, cast: &Cast) {
        let another = self.odd_secret("password of nobody");
        self.cli(None, &["user", "create", &cast.user], &format!("{another}\n"));
        self.cli(None, &["user", "password", "nobody"], &format!("{another}\n"));
        let again = ["client", "create", "--client-id", &cast.app.0, "--import-secret"];
        self.cli(None, &again, &format!("{another}\n"));
        let key = MasterKey::generate().to_string();
        self.use_secret("another master key", &key);
        let text = self.odd_secret("broken master key");
        let hidden = Uuid::new_v4().simple().to_string();
        self.use_secret("password of another database", &hidden);
        let environments = [
            ("JETON_MASTER_KEY", key.clone()),
            ("JETON_MASTER_KEY", text.clone()),
            ("JETON_MASTER_KEY_OLD", key),
            ("JETON_MASTER_KEY_OLD", text),
            ("JETON_DATABASE_URL", format!("postgres://jeton:{hidden}@127.0.0.1:1/jeton")),
            ("JETON_DATABASE_URL", format!("postgres://jeton:{hidden}@127.0.0.1:one/jeton?sslmode=perhaps")),
            ("JETON_DATABASE_URL", format!("mysql://jeton:{hidden}@127.0.0.1/jeton")),
        ];
        for (name, value) in environments {
            let bench = self.bench.with(name, &value);
            self.cli(Some(&bench), &["config"], "");
            self.cli(Some(&bench), &["doctor", "--output", "json"], "");
            self.cli(Some(&bench), &["key", "rotate"], "");
            self.cli(Some(&bench), &["user", "list", "--output", "json"], "");
            if name != "JETON_DATABASE_URL" {
                self.cli(Some(&bench), &["key", "rewrap"], &format!("{value}x\n"));
            }
        }
        let folder = self.bench.path("jeton.toml");
        let toml = format!("database_url = 'postgres://jeton:{hidden}@127.0.0.1/x'\nmaster_key = {hidden}\n");
        std::fs::write(&folder, toml).unwrap();
        self.cli(None, &["config"], "");
        std::fs::write(&folder, format!("master_key = '{hidden}'\nmaster_kee = '{hidden}'\n")).unwrap();
        self.cli(None, &["config", "--output", "json"], "");
        self.cli(None, &["doctor"], "");
        std::fs::remove_file(folder).unwrap();
    }

    /// Tokens of every kind and several generations; the last access token and refresh token of a login.
    async fn tokens(&mut self, cast: &Cast) -> (String, String) {
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

    async fn tokens_shown_around(&mut self, cast: &Cast, access: &str, refresh: &str) {
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

    async fn requests_that_fail(&mut self, cast: &Cast, access: &str, refresh: &str) {
        let (guess, secret) = (self.odd_secret("wrong password"), self.odd_secret("wrong client secret"));
        let token = "/auth/token";
        for (user, password) in [(cast.user.as_str(), &guess), ("nobody", &guess), ("nobody", &cast.password)] {
            let form = [("grant_type", "password"), ("username", user), ("password", password)];
            self.form(token, parts(&cast.app), &form).await;
            self.form(token, Some((&cast.chosen.0, &secret)), &form).await;
            self.form(token, Some(("nobody", &secret)), &form).await;
            self.form(token, None, &form).await;
            // The password where the name belongs.
            let swapped = [("grant_type", "password"), ("username", password), ("password", user)];
            self.form(token, parts(&cast.app), &swapped).await;
            self.form(token, Some((password, &secret)), &form).await;
            let twice = [form.as_slice(), &[("password", password), ("client_secret", &secret)]].concat();
            self.form(token, parts(&cast.app), &twice).await;
            self.form(token, None, &twice).await;
            let odd = [("grant_type", password.as_str()), ("scope", password), ("resource", password)];
            self.form(token, parts(&cast.app), &odd).await;
        }
        // Until whoever guesses has to wait.
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

    async fn administration(&mut self, cast: &Cast, access: &str) {
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
                // Whoever sent a name that there is not is told which.
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

    async fn during_an_outage(&mut self, cast: &Cast, access: &str, refresh: &str) {
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

    async fn pages(&mut self) {
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

    fn commands_beside_the_server(&mut self, access: &str, refresh: &str) {
        let curl = format!("curl https://api.example.com -H 'Authorization: Bearer {access}' -u 'x:{refresh}'");
        for json in [&[][..], &["--output", "json"]] {
            let mut run = |arguments: &[&str], input: &str| self.cli(None, &[arguments, json].concat(), input);
            run(&["token", "explain", "-"], access);
            run(&["token", "explain", "-", "--refresh-token"], refresh);
            run(&["token", "explain", "-", "--curl"], &curl);
            run(&["token", "explain", "-"], &format!("{access}{refresh}"));
            run(&["revoke", "--token", "-"], access);
            run(&["revoke", "--token", "-"], refresh);
            run(&["revoke", "--token", "-"], &refresh[..30]);
            for list in [["client", "list"], ["user", "list"], ["key", "list"]] {
                run(&list, "");
            }
            run(&["config"], "");
            run(&["doctor"], "");
            run(&["health"], "");
        }
        self.cli(None, &["key", "rotate"], "");
    }

    /// The running server keeps the old one, and says so in its log.
    fn change_of_the_master_key(&mut self) {
        let new = MasterKey::generate().to_string();
        self.use_secret("new master key", &new);
        self.cli(None, &["key", "rewrap"], &format!("{new}\n"));
        self.bench.set("JETON_MASTER_KEY", &new);
        let next = MasterKey::generate().to_string();
        self.use_secret("next master key", &next);
        let mut moving = self.bench.with("JETON_MASTER_KEY", &next);
        moving.set("JETON_MASTER_KEY_OLD", &new);
        for arguments in
            [&["config"][..], &["doctor"], &["key", "rewrap"], &["config", "--output", "json"], &["doctor"]]
        {
            self.cli(Some(&moving), arguments, "");
        }
        self.bench.set("JETON_MASTER_KEY", &next);
        self.cli(None, &["key", "list"], "");
    }
}
