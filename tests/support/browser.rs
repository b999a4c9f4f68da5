//! A small browser: it keeps cookies, goes where it is sent within a server, and fills in forms.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Answer, TestClient, TestServer};

/// The verifier and the challenge of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The redirect URI of every client that [`web_client`] makes.
pub(crate) const CALLBACK: &str = "https://app.example.test/cb";

/// A browser. Each request may go to another node.
#[derive(Clone, Default)]
pub(crate) struct Browser {
    /// Names and values.
    pub(crate) cookies: BTreeMap<String, String>,
}

/// A form of a page.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The only form of a page, without its buttons.
    #[track_caller]
    pub(crate) fn of(page: &Answer) -> Self {
        Self::that_has(page, "")
    }

    /// The first form of a page with a button for this action, which is pressed.
    #[track_caller]
    pub(crate) fn to(page: &Answer, action: &str) -> Self {
        Self::that_has(page, &format!("name=\"action\" value=\"{action}\"")).with("action", action)
    }

    #[track_caller]
    fn that_has(page: &Answer, text: &str) -> Self {
        let forms =
            page.body.match_indices("<form").map(|(start, _)| page.body[start..].split("</form>").next().unwrap());
        let form = forms.into_iter().find(|form| form.contains(text)).unwrap_or_else(|| panic!("no form in {page:?}"));
        assert!(form.starts_with("<form method=\"post\""), "{form}");
        let inputs = form.split("<input").skip(1).map(|input| &input[..input.find('>').unwrap()]);
        let fields = inputs
            .map(|input| (attribute(input, "name").unwrap_or_default(), attribute(input, "value").unwrap_or_default()));
        Self { action: attribute(form, "action").unwrap(), fields: fields.collect() }
    }

    /// The same with a field filled in, or a button pressed.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The login form filled in.
    pub(crate) fn filled_in_by(self, (username, password): (&str, &str)) -> Self {
        self.with("username", username).with("password", password)
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let value = rest.split('"').next().unwrap();
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("&#") {
        let (number, after) = after.split_once(';').unwrap();
        text.push_str(before);
        text.push(char::from_u32(number.parse().unwrap()).unwrap());
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

impl Browser {
    /// A browser in which a user is logged in.
    pub(crate) async fn logged_in(app: &TestServer, user: (&str, &str)) -> Self {
        let mut browser = Self::default();
        let page = browser.get(app, "/login").await;
        let answer = browser.send(app, Form::of(&page).filled_in_by(user)).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/account")), "{answer:?}");
        browser
    }

    fn request(&self, app: &TestServer, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = app.http.request(method.parse().unwrap(), format!("{}{path}", app.base));
        if self.cookies.is_empty() {
            return request;
        }
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("Cookie", pairs.join("; "))
    }

    async fn ask(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let answer = Answer::of(request).await;
        assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{answer:?}");
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match attributes.contains("Max-Age=0;") {
                true => self.cookies.remove(name),
                false => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
        answer
    }

    pub(crate) async fn get(&mut self, app: &TestServer, path: &str) -> Answer {
        self.ask(self.request(app, "GET", path)).await
    }

    pub(crate) async fn head(&mut self, app: &TestServer, path: &str) -> Answer {
        self.ask(self.request(app, "HEAD", path)).await
    }

    pub(crate) async fn post(&mut self, app: &TestServer, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.ask(self.request(app, "POST", path).form(fields)).await
    }

    /// Sends a form.
    pub(crate) async fn send(&mut self, app: &TestServer, form: Form) -> Answer {
        self.ask(self.request(app, "POST", &form.action).form(&form.fields)).await
    }

    /// Asks for a code.
    pub(crate) async fn authorize(&mut self, app: &TestServer, parameters: &[(&str, &str)]) -> Answer {
        self.get(app, &address(parameters)).await
    }

    /// Goes where an answer sends it, as long as that is this server.
    pub(crate) async fn follow(&mut self, app: &TestServer, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            match answer.header("location") {
                Some(path) if path.starts_with('/') => answer = self.get(app, path).await,
                _ => return answer,
            }
        }
        panic!("redirected without end: {answer:?}")
    }

    /// Logs in and allows what is asked, as far as the pages ask for it, and gives the answer to the client.
    pub(crate) async fn agree(&mut self, app: &TestServer, user: (&str, &str), parameters: &[(&str, &str)]) -> Arrival {
        let mut page = self.authorize(app, parameters).await;
        page = self.follow(app, page).await;
        if page.body.contains("name=\"password\"") {
            page = self.send(app, Form::of(&page).filled_in_by(user)).await;
            page = self.follow(app, page).await;
        }
        if page.body.contains("value=\"allow\"") {
            page = self.send(app, Form::of(&page).with("action", "allow")).await;
        }
        Arrival::of(&page)
    }
}

/// The address that asks for a code.
pub(crate) fn address(parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/auth/authorize?{query}")
}

/// A usual authorization request of a client, with these parameters besides or in place of the usual ones; an empty one is left out.
pub(crate) fn asking<'a>(client_id: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("client_id", client_id),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid read"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let usual = usual.into_iter().filter(|(name, _)| !more.iter().any(|(own, _)| own == name));
    usual.chain(more.iter().copied()).filter(|(_, value)| !value.is_empty()).collect()
}

/// The answer that reached the client through the browser.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where, without its query.
    pub(crate) uri: String,
    /// The parameters.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Arrival {
    /// Reads it from the address to which the browser is redirected.
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert!([302, 303].contains(&answer.status.as_u16()), "{answer:?}");
        let location = answer.header("location").unwrap();
        let (uri, query) = location.split_once('?').unwrap_or((location, ""));
        let parameters = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { uri: uri.to_owned(), parameters }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.get("code").unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }

    /// An error that came to the client as it must: with `state` and `iss`, and without a code.
    #[track_caller]
    pub(crate) fn assert_error(&self, app: &TestServer, error: &str) {
        assert_eq!((self.get("error"), self.get("code")), (Some(error), None), "{self:?}");
        assert_eq!((self.get("state"), self.get("iss")), (Some("xyz"), Some(app.issuer())), "{self:?}");
    }
}

impl TestServer {
    /// A client of the code flow: public, and asking for consent each time, unless the members say otherwise.
    pub(crate) async fn web_client(&self, client_id: &str, more: Value) -> TestClient {
        let mut members = json!({
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access read write", "redirect_uris": [CALLBACK],
        });
        members.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        self.client(client_id, members).await
    }

    /// Redeems a code with the usual verifier.
    pub(crate) async fn redeem(&self, client: &TestClient, code: &str) -> Answer {
        let parameters = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.token(client, &parameters).await
    }
}

/// A random challenge.
pub(crate) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(jeton::crypto::sha256(verifier.as_bytes()))
}
