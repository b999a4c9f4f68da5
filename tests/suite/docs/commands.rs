//! Every command on every error page is run as shown, against a development server. Only words in capitals are
//! replaced: ids and names. If a page is about a cause, the token has that cause.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jeton::protocol::cause::Cause;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::program::{Place, Running};
use crate::support::{Answer, jwt_part};

const SCOPE: &str = "read:conversations write:conversations";
const PASSWORD: &str = "demo-password";

/// Causes that a test cannot provoke on a development server, and why. The commands of their pages run with a valid
/// token.
const NOT_MADE: [(Cause, &str); 8] = [
    (Cause::ProofMissing, "it is a fault of a request, not of its token"),
    (Cause::ProofInvalid, "it is a fault of a request, not of its token"),
    (Cause::ProofKeyMismatch, "it is a fault of a request, not of its token"),
    (Cause::WrongIssuer, "the issuer of a server follows the address that it listens on"),
    (Cause::Expired, "time would have to pass"),
    (Cause::NotYetValid, "another node would have to be ahead"),
    (Cause::NeverIssued, "the database would have to be restored"),
    (Cause::CouldNotCheck, "the database would have to be away"),
];

/// A development server.
struct Bench {
    place: Place,
    server: Running,
    http: reqwest::Client,
}

/// The values of the words in capitals on a page.
struct Cast {
    /// A client with a secret, every grant and the permissions of a resource server.
    service: String,
    secret: String,
    secret_id: String,
    /// A public client, to which the tokens were issued.
    app: String,
    user: String,
    access: String,
    refresh: String,
}

impl Cast {
    /// The client with a secret that a command is about, and the secret.
    fn credentials(&self, command: &str) -> (&str, &str) {
        match command.contains("scope=jeton:admin") {
            true => ("demo-admin", "demo-admin-secret"),
            false => (&self.service, &self.secret),
        }
    }
}

impl Bench {
    fn start() -> Self {
        let mut place = Place::bare();
        place.set("JETON_KNOWN_ISSUERS", "staging=https://staging.example.com");
        let server = place.serve(&["--dev"]);
        Self { place, server, http: reqwest::Client::new() }
    }

    async fn admin(&self, method: Method, path: &str, body: Value) -> Answer {
        // A new token for each request, since some pages revoke all tokens.
        let grant = [("grant_type", "client_credentials"), ("scope", "jeton:admin")];
        let token = self.token("demo-admin", Some("demo-admin-secret"), &grant).await.text("access_token");
        let request = self.http.request(method, format!("{}/admin/v1{path}", self.server.base));
        let request = request.bearer_auth(token);
        let answer = Answer::of(if body.is_null() { request } else { request.json(&body) }).await;
        assert!(answer.status.is_success(), "{path}: {answer:?}");
        answer
    }

    async fn token(&self, client: &str, secret: Option<&str>, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        form.push(("client_id", client));
        form.extend(secret.map(|secret| ("client_secret", secret)));
        Answer::of(self.http.post(format!("{}/auth/token", self.server.base)).form(&form)).await
    }

    async fn login(&self, cast: &Cast) -> (String, String) {
        let form = [("grant_type", "password"), ("username", cast.user.as_str()), ("password", PASSWORD)];
        let answer = self.token(&cast.app, None, &form).await;
        answer.assert_ok();
        (answer.text("access_token"), answer.text("refresh_token"))
    }

    async fn refresh(&self, cast: &Cast, refresh_token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.token(&cast.app, None, &form).await
    }

    /// Separate clients, user and login for each page, since some of its commands change or revoke things.
    async fn cast(&self, code: &str) -> Cast {
        let audience = if code == "wrong_audience" { "https://other.example.com" } else { "https://api.example.com" };
        let mut members = json!({
            "client_id": format!("service-{code}"), "scope": SCOPE, "audiences": [audience],
            "grant_types": ["client_credentials", "password", "refresh_token"],
            "permissions": ["introspect", "explain"],
        });
        let made = self.admin(Method::POST, "/clients", members.clone()).await;
        let shown = self.admin(Method::GET, &format!("/clients/service-{code}"), Value::Null).await;
        members["client_id"] = json!(format!("app-{code}"));
        members["token_endpoint_auth_method"] = json!("none");
        members["grant_types"] = json!(["password", "refresh_token"]);
        members.as_object_mut().unwrap().remove("permissions");
        self.admin(Method::POST, "/clients", members).await;
        let mut user = "demo".to_owned();
        if code.starts_with("user_") || code == "invalid_grant" {
            user = format!("user-{code}");
            let members = json!({"username": user, "password": PASSWORD, "scope": SCOPE});
            self.admin(Method::POST, "/users", members).await;
        }
        let mut cast = Cast {
            service: format!("service-{code}"),
            secret: made.text("client_secret"),
            secret_id: shown.json["secrets"][0]["id"].as_str().unwrap().to_owned(),
            app: format!("app-{code}"),
            user,
            access: String::new(),
            refresh: String::new(),
        };
        (cast.access, cast.refresh) = self.login(&cast).await;
        cast
    }

    /// A text that is refused for a cause, or a valid token if the cause cannot be provoked.
    async fn specimen(&self, cause: Cause, cast: &Cast) -> String {
        let good = cast.access.clone();
        let revoke = async |what: Value| self.admin(Method::POST, "/revocations", what).await;
        let forged = |change: fn(&mut Value, &mut Value)| {
            let (mut header, mut claims) = (jwt_part(&good, 0), jwt_part(&good, 1));
            change(&mut header, &mut claims);
            let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
            format!("{}.{}.{}", part(&header), part(&claims), good.rsplit('.').next().unwrap())
        };
        match cause {
            Cause::SurroundingWhitespace => return format!(" {good}"),
            Cause::LineBreak => return format!("{}\n{}", &good[..76], &good[76..]),
            Cause::InvisibleCharacter => return format!("{}\u{200b}{}", &good[..76], &good[76..]),
            Cause::BearerPrefixLeftIn => return format!("Bearer {good}"),
            Cause::Quoted => return format!("\"{good}\""),
            Cause::PercentEncoded => return good.replace('.', "%2E"),
            Cause::Truncated => return good[..good.len() - 10].to_owned(),
            Cause::TwoTokensJoined => return format!("{good},{}", self.login(cast).await.0),
            Cause::WrongBase64Alphabet => return good.replace('-', "+").replace('_', "/") + "==",
            Cause::ChangedCase => return good.to_lowercase(),
            Cause::NotAToken => return "undefined".to_owned(),
            Cause::RefreshTokenAsAccessToken => return cast.refresh.clone(),
            Cause::IdTokenAsAccessToken => {
                return forged(|header, claims| {
                    header["typ"] = json!("JWT");
                    *claims = json!({"iss": claims["iss"], "sub": "u", "aud": "app", "exp": 1, "iat": 0, "nonce": "n"});
                });
            }
            Cause::ClientSecretAsToken => return cast.secret.clone(),
            Cause::CodeAsToken => {
                let grant = "urn:ietf:params:oauth:grant-type:device_code";
                let members = json!({
                    "client_id": "a-device", "token_endpoint_auth_method": "none", "grant_types": [grant], "scope": SCOPE,
                });
                self.admin(Method::POST, "/clients", members).await;
                let begin = self.http.post(format!("{}/auth/device", self.server.base));
                return Answer::of(begin.form(&[("client_id", "a-device")])).await.text("device_code");
            }
            Cause::RegistrationTokenAsToken => {
                let body = json!({"redirect_uris": ["https://app.example.com/callback"]});
                let register = self.http.post(format!("{}/auth/register", self.server.base)).json(&body);
                return Answer::of(register).await.text("registration_access_token");
            }
            Cause::WrongEnvironment => return forged(|_, claims| claims["iss"] = json!("https://staging.example.com")),
            Cause::ForeignToken => return forged(|_, claims| claims["iss"] = json!("https://auth.example.org")),
            Cause::AlgorithmNotAllowed => return forged(|header, _| header["alg"] = json!("none")),
            Cause::UnknownKey => return forged(|header, _| header["kid"] = json!("unknown")),
            Cause::BadSignature => return forged(|_, claims| claims["sub"] = json!("somebody else")),
            Cause::RetiredKey => {
                let kid = jwt_part(&good, 0)["kid"].as_str().unwrap().to_owned();
                self.admin(Method::POST, "/keys/rotate", Value::Null).await;
                self.admin(Method::DELETE, &format!("/keys/{kid}"), Value::Null).await;
            }
            Cause::TokenRevoked => drop(revoke(json!({"token": good, "reason": "a leak"})).await),
            Cause::SessionRevoked => drop(revoke(json!({"session": jwt_part(&good, 1)["sid"]})).await),
            Cause::RefreshReuseDetected => {
                let second = self.refresh(cast, &cast.refresh).await.text("refresh_token");
                self.refresh(cast, &second).await.assert_ok();
                self.refresh(cast, &cast.refresh).await.assert_error(400, "invalid_grant");
            }
            Cause::Superseded => {
                let one = json!({"max_sessions": 1});
                self.admin(Method::PATCH, &format!("/clients/{}", cast.app), one).await;
                self.login(cast).await;
            }
            Cause::UserRevoked => drop(revoke(json!({"user": cast.user})).await),
            Cause::ClientRevoked => drop(revoke(json!({"client": cast.app})).await),
            Cause::AllRevoked => drop(revoke(json!({"all": true})).await),
            Cause::UserDisabled => {
                let off = json!({"enabled": false});
                self.admin(Method::PATCH, &format!("/users/{}", cast.user), off).await;
            }
            Cause::ClientDisabled => {
                let off = json!({"enabled": false});
                self.admin(Method::PATCH, &format!("/clients/{}", cast.app), off).await;
            }
            Cause::UserDeleted => {
                self.admin(Method::DELETE, &format!("/users/{}", cast.user), Value::Null).await;
            }
            Cause::ClientDeleted => {
                self.admin(Method::DELETE, &format!("/clients/{}", cast.app), Value::Null).await;
            }
            // The page's own command has the fault, or requires what the token lacks.
            Cause::Missing
            | Cause::SentTwice
            | Cause::InQueryString
            | Cause::WrongScheme
            | Cause::WrongAudience
            | Cause::InsufficientScope => {}
            Cause::ProofMissing | Cause::ProofInvalid | Cause::ProofKeyMismatch => {}
            Cause::WrongIssuer | Cause::Expired | Cause::NotYetValid | Cause::NeverIssued | Cause::CouldNotCheck => {
                assert!(NOT_MADE.iter().any(|(other, _)| *other == cause));
            }
        }
        good
    }

    /// The command with everything in capitals replaced.
    fn filled(&self, command: &str, cast: &Cast) -> String {
        let (service, _) = cast.credentials(command);
        // A client without a secret names itself, in its own words.
        let client = if command.contains("$CLIENT_SECRET") { service } else { &cast.app };
        let filled = command
            .replace("client_id=CLIENT_ID", &format!("client_id={client}"))
            .replace("SECRET_ID", &cast.secret_id)
            .replace("CLIENT_ID", service)
            .replace("USERNAME", &cast.user)
            // The configured port 0, which means any.
            .replace("http://127.0.0.1:0", &self.server.ops);
        for word in ["CLIENT_", "USERNAME", "_ID", "{issuer}", "{ops}"] {
            assert!(!filled.replace("$CLIENT_SECRET", "").contains(word), "{word} in {filled}");
        }
        filled
    }

    fn run(&self, script: &str, token: &str, cast: &Cast) -> (i32, String, String) {
        let path = std::env::var("PATH").unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_jeton")).parent().unwrap().display().to_string();
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(self.place.folder()).env_clear().envs(&self.place.environment);
        command.env("PATH", format!("{bin}:{path}")).env("TOKEN", token).env("REFRESH_TOKEN", &cast.refresh);
        command.env("CLIENT_SECRET", cast.credentials(script).1);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // For password prompts. Most commands read nothing, and some have exited by now.
        let _ = child.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

/// What a page shows as commands, in order.
fn commands(page: &str) -> Vec<String> {
    let shown = page.split("<pre>").skip(1).map(|rest| rest.split("</pre>").next().unwrap());
    let plain = |text: &str| {
        [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
            .iter()
            .fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
    };
    shown.map(plain).collect()
}

/// What is wrong with a command's output, given its purpose.
fn fault(command: &str, cause: Option<Cause>, (code, out, err): &(i32, String, String)) -> Option<&'static str> {
    let is = |wrong: bool, what: &'static str| wrong.then_some(what);
    let complaints = ["Usage:", "error:", "jeton:", "curl:", "not found", "panicked"];
    if complaints.iter().any(|complaint| err.contains(complaint)) {
        return Some("it complains");
    }
    let is_good = ["The token is good.", "The refresh token is good."].iter().any(|verdict| out.starts_with(verdict));
    if command.contains("token explain") {
        // It exits with 0 if the token is valid, and with 1 if not.
        return match cause {
            _ if *code != i32::from(!is_good) => Some("its status and its words differ"),
            _ if command.contains("--refresh-token") => None,
            Some(cause) => is(!out.contains(&format!("  ({cause})")), "the cause of the page is not named"),
            None => is(!is_good, "a good token is refused"),
        };
    }
    if command.contains("issuer test") {
        // The token is one of this server's own, which no trusted issuer has issued.
        return is(
            *code != 1 || !out.starts_with("The token is refused as client_assertion.\n"),
            "there is no verdict",
        );
    }
    if *code != 0 {
        return Some("it fails");
    }
    let answer: Value = serde_json::from_str(out).unwrap_or_default();
    if command.contains("/auth/explain") {
        is(answer["cause"] != json!(cause) || answer["limited"] == true, "the cause of the page is not named")
    } else if command.contains("/auth/verify") {
        is(!out.starts_with("HTTP/1.1 200"), "a good token is refused")
    } else if command.contains("/auth/introspect") {
        is(answer["active"].as_bool().is_none(), "it is refused")
    } else if command.contains("| sed ") {
        is(!out.starts_with("eyJ"), "there is no token")
    } else if command.contains("/auth/token") {
        is(answer["access_token"].as_str().is_none(), "there is no token")
    } else {
        // Revocation answers with an empty object.
        is((out.trim() == "{}") != command.contains("/auth/revoke"), "it says nothing, or too much")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_on_every_page_works_as_shown() {
    let bench = Bench::start();
    let get = async |path: &str| Answer::of(bench.http.get(format!("{}{path}", bench.server.base))).await.body;
    let index = get("/docs/errors").await;
    let codes: BTreeSet<&str> =
        index.split("docs/errors/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(codes.len() > Cause::ALL.len(), "{codes:?}");
    let (mut made, mut faults) = (Vec::new(), Vec::new());
    let mut count = 0;
    for code in codes {
        let cast = bench.cast(code).await;
        let mut cause = code.parse::<Cause>().ok();
        let token = match cause {
            Some(cause) => bench.specimen(cause, &cast).await,
            None => cast.access.clone(),
        };
        cause = cause.filter(|cause| NOT_MADE.iter().all(|(other, _)| other != cause));
        for command in commands(&get(&format!("/docs/errors/{code}")).await) {
            let command = bench.filled(&command, &cast);
            let answer = bench.run(&command, &token, &cast);
            if let Some(fault) = fault(&command, cause, &answer) {
                let (status, out, err) = answer;
                faults.push(format!("{code}: {fault}: {command}\nended with {status}\n{out}{err}"));
            }
            count += 1;
            if command.contains("/auth/explain") {
                made.extend(cause);
            }
        }
    }
    assert!(faults.is_empty(), "{} of {count} commands:\n{}", faults.len(), faults.join("\n\n"));
    assert!(count > 100, "{count} commands");
    // The explanation is logged and counted under the same name.
    let metrics = Answer::of(bench.http.get(format!("{}/metrics", bench.server.ops))).await.body;
    let log = bench.server.log.lock().unwrap().clone();
    assert!(made.len() > 30, "{made:?}");
    for cause in made {
        let label = format!("jeton_refusals_total{{endpoint=\"explain\",cause=\"{cause}\"}}");
        assert!(metrics.contains(&label), "{label} in {metrics}");
        assert!(log.contains(&format!(" cause=\"{cause}\"")), "{cause} in {log}");
    }
}
