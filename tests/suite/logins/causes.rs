//! Each way in which a code, an authorization request or a login fails has a name, which one line of the log and one counter have.

use std::collections::BTreeMap;

use jeton::tokens::code::{Code, CodeKind};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use super::{Logins, redeem_at, request, web_client};
use crate::support::browser::{Arrival, Browser, CALLBACK, Form, address, asking};
use crate::support::log::{Log, on_one_thread};
use crate::support::receiver::Authority;
use crate::support::scene::{ALICE, BOB};
use crate::support::{Answer, Backend, Setup, TestClient, TestServer};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const INVALID_CODE: &str = "The authorization code is not valid: begin a new authorization request.";
const INVALID_DEVICE_CODE: &str = "The device code is not valid: begin again at the device.";

/// What was counted and logged of refusals, step by step.
struct Watch {
    log: Log,
    counted: BTreeMap<String, u64>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Watch {
    fn begin() -> Self {
        let (log, guard) = Log::begin("info");
        Self { log, counted: BTreeMap::new(), _guard: guard }
    }

    /// What happened since the last step is one refusal, with this cause at this endpoint. Gives its line.
    #[track_caller]
    fn assert_line(&self, endpoint: &str, cause: &str) -> String {
        let log = self.log.take();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(" cause=\"")).collect();
        let [line] = lines[..] else { panic!("{endpoint}, {cause}: not one refusal in {log}") };
        assert!(line.contains(&format!(" cause=\"{cause}\"")), "{cause}: {line}");
        assert!(line.contains(&format!(" endpoint=\"{endpoint}\"")), "{endpoint}: {line}");
        line.to_owned()
    }

    /// The same, and it was counted so.
    async fn saw(&mut self, app: &TestServer, endpoint: &str, cause: &str) -> String {
        let line = self.assert_line(endpoint, cause);
        let labels = format!("jeton_refusals_total{{endpoint=\"{endpoint}\",cause=\"{cause}\"}}");
        let due = self.counted.entry(labels.clone()).or_default();
        *due += 1;
        let metrics = Answer::of(app.http.get(format!("{}/metrics", app.ops))).await.body;
        assert!(metrics.contains(&format!("{labels} {due}\n")), "{labels} {due} in {metrics}");
        line
    }
}

/// The same text with its last character changed.
fn changed(text: &str) -> String {
    let (rest, last) = text.split_at(text.len() - 1);
    format!("{rest}{}", if last == "A" { "B" } else { "A" })
}

async fn set_enabled(app: &TestServer, username: &str, enabled: bool) {
    let path = format!("/admin/v1/users/{username}");
    app.admin(Method::PATCH, &path, Some(json!({"enabled": enabled}))).await.assert_ok();
}

async fn what_is_wrong_with_a_code_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let logins = Logins::start_with(backend, Setup::default().with_manual_clock()).await;
    let app = logins.app();
    let jeton = &app.server.app;
    let keys = jeton.issuer.keys();
    let key = keys.ring.active_token_key(app.clock.now()).unwrap();
    let other = app.client("another", web_client(json!({}))).await;
    let stranger = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let of_stranger = {
        let keys = stranger.server.app.issuer.keys();
        let key = keys.ring.active_token_key(stranger.clock.now()).unwrap();
        Code::new(CodeKind::Authorization, Uuid::now_v7()).write(jeton.issuer.environment(), key)
    };
    // What is no code of this server, or of none of its sessions.
    let code = logins.code("openid read").await;
    let refresh_token = logins.tokens("openid read").await.text("refresh_token");
    let of_staging = Code::new(CodeKind::Authorization, Uuid::now_v7()).write(&"staging".parse().unwrap(), key);
    let of_no_session = Code::new(CodeKind::Authorization, Uuid::now_v7()).write(jeton.issuer.environment(), key);
    watch.log.take();
    for (text, cause, reason) in [
        ("nonsense-code", "code_malformed", "it does not begin with jac_"),
        (refresh_token.as_str(), "code_malformed", "it begins with jrt_: it is a refresh token"),
        (&code[..code.len() - 1], "code_malformed", "99 characters follow its environment, and should be 100"),
        (&of_staging, "code_wrong_environment", "it is of the environment staging"),
        (&changed(&code), "code_changed", "it was changed or forged"),
        (&of_stranger, "code_unknown", "it names a key that this server never had"),
        (&of_no_session, "code_unknown", "its session is not in this database"),
    ] {
        let answer = logins.redeem_with(text, &[("code", text)]).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(answer.text("error_description"), INVALID_CODE, "{cause}");
        let line = watch.saw(app, "token", cause).await;
        assert!(line.contains(reason) && !line.contains(text), "{cause}: {line}");
    }
    // A foreign client changes nothing.
    let answer = redeem_at(app, &other, &code, &[]).await;
    assert_eq!(answer.text("error_description"), INVALID_CODE);
    let line = watch.saw(app, "token", "code_of_another_client").await;
    assert!(line.contains("client=\"another\"") && line.contains("session="), "{line}");
    // Used, expired, ended: always the same sentence.
    logins.redeem(&code).await.assert_ok();
    let answer = logins.redeem(&code).await;
    assert_eq!(answer.text("error_description"), INVALID_CODE);
    watch.saw(app, "token", "code_used_before").await;
    let late = logins.code("openid read").await;
    app.advance(60);
    assert_eq!(logins.redeem(&late).await.text("error_description"), INVALID_CODE);
    watch.saw(app, "token", "code_expired").await;
    let ended = logins.code("openid read").await;
    set_enabled(app, ALICE.0, false).await;
    assert_eq!(logins.redeem(&ended).await.text("error_description"), INVALID_CODE);
    watch.saw(app, "token", "code_session_ended").await;
    set_enabled(app, ALICE.0, true).await;
}
on_one_thread!(what_is_wrong_with_a_code_is_named);

async fn what_a_code_is_bound_to_is_named_also_to_the_client(backend: Backend) {
    let mut watch = Watch::begin();
    let logins = Logins::start(backend).await;
    let app = logins.app();
    let another = "z".repeat(43);
    for (change, cause, words) in [
        (("redirect_uri", "https://app.example/cb/"), "redirect_uri_differs", "The redirect_uri is not that of"),
        (("redirect_uri", ""), "redirect_uri_not_repeated", "The redirect_uri is missing"),
        (("code_verifier", another.as_str()), "code_verifier_wrong", "The code_verifier does not belong"),
        (("code_verifier", ""), "code_verifier_missing", "The code_verifier is missing"),
    ] {
        let code = logins.code("openid read").await;
        watch.log.take();
        let answer = logins.redeem_with(&code, &[change]).await;
        answer.assert_error(400, "invalid_grant");
        assert!(answer.text("error_description").starts_with(words), "{cause}: {answer:?}");
        let line = watch.saw(app, "token", cause).await;
        assert!(!line.contains(&code) && !line.contains(&another), "{line}");
        // It is spent by that.
        logins.redeem(&code).await.assert_error(400, "invalid_grant");
        watch.saw(app, "token", "code_used_before").await;
    }
    let code = logins.code("openid read").await;
    logins.redeem_with(&code, &[("code_verifier", "short")]).await.assert_error(400, "invalid_request");
    watch.saw(app, "token", "code_verifier_malformed").await;
    logins.redeem(&code).await.assert_ok();
    let mut asked = request(&logins.web, "read");
    asked.code_challenge = None;
    let answer = logins.redeem(&logins.code_of(&asked).await).await;
    assert!(answer.text("error_description").contains("had no code_challenge"), "{answer:?}");
    watch.saw(app, "token", "code_verifier_unexpected").await;
    // Nobody else is told: to a foreign client the code is simply none.
    let other = app.client("another", web_client(json!({}))).await;
    let code = logins.code("read").await;
    let answer = redeem_at(app, &other, &code, &[("redirect_uri", "https://app.example/cb/")]).await;
    assert_eq!(answer.text("error_description"), INVALID_CODE);
    watch.saw(app, "token", "code_of_another_client").await;
}
on_one_thread!(what_a_code_is_bound_to_is_named_also_to_the_client);

async fn tv(app: &TestServer, client_id: &str) -> TestClient {
    let members = json!({
        "token_endpoint_auth_method": "none", "grant_types": [DEVICE_GRANT, "refresh_token"], "scope": "openid read",
    });
    app.client(client_id, members).await
}

async fn begin(app: &TestServer, client: &TestClient) -> Answer {
    let begun = app.form(client, "/auth/device", &[("scope", "openid read")]).await;
    begun.assert_ok();
    begun
}

async fn poll(app: &TestServer, client: &TestClient, code: &str) -> Answer {
    app.token(client, &[("grant_type", DEVICE_GRANT), ("device_code", code)]).await
}

/// Answers the question about a device.
async fn decide(app: &TestServer, browser: &mut Browser, begun: &Answer, action: &str) {
    let page = browser.get(app, &format!("/device?user_code={}", begun.text("user_code"))).await;
    browser.send(app, Form::of(&page).with("action", action)).await.assert_ok();
}

async fn what_is_wrong_with_a_device_code_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let (client, other) = (tv(&app, "tv").await, tv(&app, "other").await);
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let begun = begin(&app, &client).await;
    let code = begun.text("device_code");
    let stranger = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let of_stranger = {
        let keys = stranger.server.app.issuer.keys();
        let key = keys.ring.active_token_key(stranger.clock.now()).unwrap();
        Code::new(CodeKind::Device, Uuid::now_v7()).write(app.server.app.issuer.environment(), key)
    };
    watch.log.take();
    for (text, cause) in [
        (begun.text("user_code"), "device_code_malformed"),
        (code.replacen("jdc_", "jac_", 1), "device_code_malformed"),
        (code.replacen("_live_", "_staging_", 1), "device_code_wrong_environment"),
        (changed(&code), "device_code_changed"),
        (of_stranger, "device_code_unknown"),
    ] {
        let answer = poll(&app, &client, &text).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(answer.text("error_description"), INVALID_DEVICE_CODE, "{cause}");
        let line = watch.saw(&app, "token", cause).await;
        assert!(!line.contains(&text), "{line}");
    }
    assert_eq!(poll(&app, &other, &code).await.text("error_description"), INVALID_DEVICE_CODE);
    watch.saw(&app, "token", "device_code_of_another_client").await;
    decide(&app, &mut browser, &begun, "allow").await;
    poll(&app, &client, &code).await.assert_ok();
    poll(&app, &client, &code).await.assert_error(400, "invalid_grant");
    watch.saw(&app, "token", "device_code_used_before").await;
    // The person says no: the page tells the log at once, the device learns it when it asks.
    let begun = begin(&app, &client).await;
    decide(&app, &mut browser, &begun, "deny").await;
    let line = watch.saw(&app, "device", "consent_denied").await;
    assert!(line.contains("client=\"tv\"") && line.contains("subject="), "{line}");
    poll(&app, &client, &begun.text("device_code")).await.assert_error(400, "access_denied");
    watch.saw(&app, "token", "device_denied").await;
    let begun = begin(&app, &client).await;
    decide(&app, &mut browser, &begun, "allow").await;
    set_enabled(&app, ALICE.0, false).await;
    poll(&app, &client, &begun.text("device_code")).await.assert_error(400, "invalid_grant");
    watch.saw(&app, "token", "device_code_session_ended").await;
    let begun = begin(&app, &client).await;
    app.advance(600);
    poll(&app, &client, &begun.text("device_code")).await.assert_error(400, "expired_token");
    watch.saw(&app, "token", "device_code_expired").await;
    let page = Browser::default().get(&app, "/device?user_code=nothing").await;
    assert_eq!(page.status.as_u16(), 400, "{page:?}");
    watch.saw(&app, "device", "user_code_unknown").await;
}
on_one_thread!(what_is_wrong_with_a_device_code_is_named);

async fn what_is_wrong_with_an_authorization_request_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let app = TestServer::start(backend).await;
    app.web_client("web", json!({})).await;
    app.web_client("pushing", json!({"require_pushed_authorization_requests": true})).await;
    app.web_client("disabled", json!({"enabled": false})).await;
    let document = "https://agent.example/client.json";
    let long = "x".repeat(4097);
    let mut browser = Browser::default();
    for (client, change, cause, at_page) in [
        ("", ("state", "xyz"), "client_id_missing", true),
        ("nobody", ("state", "xyz"), "client_unknown", true),
        ("disabled", ("state", "xyz"), "client_disabled", true),
        (document, ("state", "xyz"), "client_documents_off", true),
        ("web", ("redirect_uri", ""), "redirect_uri_missing", true),
        ("web", ("redirect_uri", "https://evil.example/"), "redirect_uri_unregistered", true),
        ("web", ("response_type", ""), "response_type_missing", false),
        ("web", ("response_type", "token"), "unsupported_response_type", false),
        ("web", ("response_mode", "fragment"), "response_mode_unsupported", false),
        ("web", ("state", long.as_str()), "parameter_too_long", false),
        ("web", ("code_challenge", ""), "code_challenge_missing", false),
        ("web", ("code_challenge", "short"), "code_challenge_malformed", false),
        ("web", ("code_challenge_method", "plain"), "code_challenge_method_unsupported", false),
        ("web", ("code_challenge_method", ""), "code_challenge_method_unsupported", false),
        ("web", ("prompt", "none login"), "prompt_contradictory", false),
        ("web", ("prompt", "none"), "login_required", false),
        ("web", ("max_age", "soon"), "max_age_malformed", false),
        ("web", ("claims", "[]"), "claims_malformed", false),
        ("web", ("id_token_hint", "x"), "id_token_hint_unfit", false),
        ("web", ("request", "x"), "request_not_supported", false),
        ("web", ("request_uri", "https://app.example/r"), "request_uri_not_supported", false),
        ("pushing", ("state", "xyz"), "pushed_request_required", false),
    ] {
        watch.log.take();
        let answer = browser.authorize(&app, &asking(client, &[change])).await;
        assert_eq!(answer.status.as_u16(), if at_page { 400 } else { 302 }, "{cause}: {answer:?}");
        if at_page {
            // Nobody is told whether such a client is disabled or was never there.
            let page =
                if cause.ends_with("_unknown") || cause.ends_with("_disabled") { "invalid_client" } else { cause };
            assert!(answer.body.contains(&format!("docs/errors/{page}\"")), "{page}: {answer:?}");
        }
        watch.saw(&app, "authorize", cause).await;
    }
    let twice = format!("{}&state=again", address(&asking("web", &[])));
    Arrival::of(&browser.get(&app, &twice).await);
    watch.saw(&app, "authorize", "parameter_repeated").await;
    // The person is not the one, or has nothing of what is asked for.
    app.user(ALICE.0, ALICE.1).await;
    let bob = json!({"username": BOB.0, "password": BOB.1, "scope": ""});
    app.admin(Method::POST, "/admin/v1/users", Some(bob)).await;
    let claims = r#"{"id_token":{"sub":{"value":"somebody"}}}"#;
    let page = browser.authorize(&app, &asking("web", &[("claims", claims)])).await;
    watch.log.take();
    let answer = browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    Arrival::of(&browser.follow(&app, answer).await).assert_error(&app, "login_required");
    watch.saw(&app, "authorize", "another_person_logged_in").await;
    let mut bobs = Browser::logged_in(&app, BOB).await;
    watch.log.take();
    let answer = bobs.authorize(&app, &asking("web", &[("scope", "read")])).await;
    Arrival::of(&answer).assert_error(&app, "invalid_scope");
    watch.saw(&app, "authorize", "scope_not_of_person").await;
}
on_one_thread!(what_is_wrong_with_an_authorization_request_is_named);

async fn what_is_wrong_with_the_document_of_a_client_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let authority = Authority::new();
    let host = authority.receiver(404).await;
    let app = TestServer::start_with(backend, authority.setup(&[&host]).set("JETON_CIMD", "on")).await;
    let (wrong, taken) = (host.url("/wrong.json"), host.url("/taken.json"));
    host.serves("/wrong.json", "", &json!({"client_id": "https://other.example/c"}).to_string());
    let document = json!({
        "client_id": taken, "client_name": "Agent", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"], "response_types": ["code"],
    });
    host.serves("/taken.json", "", &document.to_string());
    app.resource(json!({"resource": taken, "scopes": {"read": "Read"}})).await;
    for (client_id, cause) in [
        ("https://agent.example", "client_url_unfit"),
        (&host.url("/missing.json"), "client_document_unreachable"),
        (&wrong, "client_document_unfit"),
        (&taken, "client_id_taken"),
    ] {
        watch.log.take();
        let page = Browser::default().authorize(&app, &asking(client_id, &[("scope", "openid")])).await;
        assert_eq!(page.status.as_u16(), 400, "{cause}: {page:?}");
        watch.saw(&app, "authorize", cause).await;
    }
}
on_one_thread!(what_is_wrong_with_the_document_of_a_client_is_named);

async fn what_is_wrong_with_a_pushed_request_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = app.web_client("web", json!({"consent": "skip"})).await;
    app.web_client("other", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::logged_in(&app, ALICE).await;
    let push = async |more: &[(&str, &str)]| {
        let mut parameters = asking(&client.id, more);
        parameters.retain(|(name, _)| *name != "client_id");
        app.form(&client, "/auth/par", &parameters).await
    };
    let (first, second) = (push(&[]).await.text("request_uri"), push(&[]).await.text("request_uri"));
    watch.log.take();
    push(&[("request_uri", &first)]).await.assert_error(400, "invalid_request");
    let line = watch.saw(&app, "pushed_authorization", "request_uri_in_push").await;
    assert!(line.contains("client=\"web\""), "{line}");
    push(&[("response_type", "")]).await.assert_error(400, "invalid_request");
    watch.saw(&app, "pushed_authorization", "response_type_missing").await;
    let used = [("client_id", "web"), ("request_uri", first.as_str())];
    Arrival::of(&browser.authorize(&app, &used).await).code();
    for (client, uri, cause, words) in [
        ("web", first.as_str(), "login_answered_before", "already done"),
        ("other", &second, "request_uri_of_another_client", "took too long"),
        ("web", &changed(&second), "request_uri_unknown", "took too long"),
    ] {
        let page = browser.authorize(&app, &[("client_id", client), ("request_uri", uri)]).await;
        assert!(page.status.as_u16() == 400 && page.body.contains(words), "{cause}: {page:?}");
        let line = watch.saw(&app, "authorize", cause).await;
        assert!(!line.contains(uri), "{line}");
        let is_known = cause == "login_answered_before";
        assert_eq!(line.contains("session=") && line.contains("subject="), is_known, "{line}");
    }
    app.advance(90);
    let page = browser.authorize(&app, &[("client_id", "web"), ("request_uri", &second)]).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("took too long"), "{page:?}");
    watch.saw(&app, "authorize", "request_uri_expired").await;
}
on_one_thread!(what_is_wrong_with_a_pushed_request_is_named);

async fn how_a_login_ends_without_an_answer_is_named(backend: Backend) {
    let mut watch = Watch::begin();
    let app = TestServer::start_with(backend, Setup::default().with_manual_clock()).await;
    let client = app.web_client("web", json!({})).await;
    app.user(ALICE.0, ALICE.1).await;
    let mut browser = Browser::default();
    // The person says no.
    let page = browser.authorize(&app, &asking("web", &[])).await;
    let answer = browser.send(&app, Form::of(&page).filled_in_by(ALICE)).await;
    let question = browser.follow(&app, answer).await;
    watch.log.take();
    Arrival::of(&browser.send(&app, Form::of(&question).with("action", "deny")).await)
        .assert_error(&app, "access_denied");
    let line = watch.saw(&app, "consent", "consent_denied").await;
    assert!(line.contains("client=\"web\"") && line.contains("subject="), "{line}");
    // The form comes twice, changed, late, and after the client has changed.
    let question = browser.authorize(&app, &asking("web", &[])).await;
    let form = Form::of(&question).with("action", "allow");
    Arrival::of(&browser.send(&app, form.clone()).await).code();
    watch.log.take();
    let page = browser.send(&app, form.clone()).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("already done"), "{page:?}");
    watch.saw(&app, "consent", "login_answered_before").await;
    let text = form.field("request").unwrap().to_owned();
    let page = browser.send(&app, form.clone().with("request", &changed(&text))).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("took too long"), "{page:?}");
    watch.saw(&app, "consent", "login_changed").await;
    let path = format!("/admin/v1/clients/{}", client.id);
    let redirect_uris = |uri: &str| Some(json!({"redirect_uris": [uri]}));
    app.admin(Method::PATCH, &path, redirect_uris("https://app.example.test/other")).await.assert_ok();
    watch.log.take();
    let page = browser.send(&app, form.clone()).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("took too long"), "{page:?}");
    watch.saw(&app, "consent", "login_client_changed").await;
    app.admin(Method::PATCH, &path, redirect_uris(CALLBACK)).await.assert_ok();
    let mut slow = Browser::default();
    let login = slow.authorize(&app, &asking("web", &[])).await;
    app.advance(3600);
    watch.log.take();
    let page = slow.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    assert!(page.status.as_u16() == 400 && page.body.contains("took too long"), "{page:?}");
    watch.saw(&app, "login", "login_expired").await;
    app.advance(12 * 3600);
    let page = slow.send(&app, Form::of(&login).filled_in_by(ALICE)).await;
    assert!(page.status.as_u16() == 403 && page.body.contains("out of date"), "{page:?}");
    watch.saw(&app, "login", "form_expired").await;
    // Links to set a password.
    app.forget_admin_token().await;
    let made = app.admin(Method::POST, &format!("/admin/v1/users/{}/password-link", ALICE.0), None).await;
    let link = made.text("url").strip_prefix(app.issuer()).unwrap().to_owned();
    app.advance(25 * 3600);
    watch.log.take();
    for (path, cause) in [
        (link.as_str(), "password_link_ended"),
        (&link[..link.len() - 4], "password_link_malformed"),
        ("/account/password", "password_link_malformed"),
    ] {
        let page = browser.get(&app, path).await;
        assert!(page.status.as_u16() == 400 && page.body.contains("no longer works"), "{cause}: {page:?}");
        let line = watch.saw(&app, "account", cause).await;
        assert!(!line.contains("token="), "{line}");
    }
}
on_one_thread!(how_a_login_ends_without_an_answer_is_named);
