//! What happens before the search: every endpoint and every command that takes or creates a secret is used, correctly
//! and incorrectly, with the database up and down.

mod commands;
mod people;
mod play;
mod requests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::RequestBuilder;
use serde_json::Value;
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

/// Adds the secret part of a P-256 key in PKCS #8: its 32 bytes, raw and as the lines of PEM encode them. What precedes
/// them is the same in all keys, and what follows is the public key.
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
            // No password is required there, but the URL has one.
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

    /// A new unguessable text, with every character that some encoding changes; client secrets are ASCII (RFC 6749
    /// appendix A.2).
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

    /// Notes the token of a link to set a password.
    fn use_link(&mut self, made: &Value) -> Vec<String> {
        let token = made["url"].as_str().and_then(|url| url.split_once("?token="));
        token.map(|(_, token)| self.use_secret("link to set a password", token)).unwrap_or_default()
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
        place.told.extend(self.use_link(&made));
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
        place.told.extend(self.use_link(&answer));
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
}
