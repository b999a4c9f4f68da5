//! What people do at browsers with their secrets: cookies, second factors and links to set a password.

use std::collections::BTreeMap;

use jeton::clock::Clock;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::Value;

use super::Scene;
use crate::secrets::needles::Place;
use crate::support::authenticator::{Authenticator, key_of, recovery_codes_of};

/// What the first hidden field of this name in a page holds.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().unwrap().to_owned()
}

/// A browser and its cookies.
#[derive(Default)]
struct Browser(BTreeMap<String, String>);

impl Scene {
    /// Asks as a browser; without fields, it is a GET. What the answer shows may be the secrets of `told`, and the cookies.
    async fn browse(&mut self, browser: &mut Browser, path: &str, fields: &[(&str, &str)], told: &[String]) -> String {
        let request = match fields {
            [] => self.http.get(self.url(path)),
            fields => self.http.post(self.url(path)).form(fields),
        };
        let cookies: Vec<String> = browser.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = request.header(COOKIE, cookies.join("; ")).send().await.unwrap();
        let mut told = told.to_vec();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            told.extend(self.use_secret("cookie", value));
            browser.0.insert(name.to_owned(), value.to_owned());
        }
        let head = format!("{} {:?}", response.status(), response.headers());
        assert_ne!(response.status(), 500, "{path}");
        let body = response.text().await.unwrap();
        if body.contains("<code class=\"key\">") {
            let key = key_of(&body);
            told.extend(self.use_secret("second factor", &key));
            let bytes = Authenticator::with_key(&key).0;
            self.secrets.add("second factor as bytes", bytes);
        }
        if body.contains("<ul class=\"codes\">") {
            for code in recovery_codes_of(&body) {
                told.extend(self.use_secret("recovery code", &code));
                told.extend(self.use_secret("recovery code", &code.replace('-', "")));
            }
        }
        let name = format!("answer at a browser to {}", path.split('?').next().unwrap());
        let mut place = Place::new(name, format!("{head}\n{body}"));
        place.told = told;
        self.places.push(place);
        body
    }

    pub(super) async fn people(&mut self, round: &str) {
        let (user, password) = (format!("bella-{round}"), self.odd_secret("password at a browser"));
        self.cli(None, &["user", "create", &user], &format!("{password}\n"));
        let mut browser = Browser::default();
        let page = self.browse(&mut browser, "/login", &[], &[]).await;
        let login = [("proof", &*hidden(&page, "proof")), ("username", &user), ("password", &password)];
        self.browse(&mut browser, "/login", &login, &[]).await;
        // A second factor: its secret, a wrong code, the right one, and recovery codes.
        let account = self.browse(&mut browser, "/account", &[], &[]).await;
        let proof = hidden(&account, "proof");
        let path = "/account/second-factor";
        let begin = [("proof", &*proof), ("action", "begin"), ("password", &password)];
        let page = self.browse(&mut browser, path, &begin, &[]).await;
        let (key, setup) = (key_of(&page), hidden(&page, "setup"));
        let authenticator = Authenticator::with_key(&key);
        let code = authenticator.code_at(Clock::system().now().seconds());
        let mut codes = String::new();
        for code in ["000", &key, &code] {
            let fields = [("proof", proof.as_str()), ("action", "confirm"), ("setup", &setup), ("code", code)];
            codes = self.browse(&mut browser, path, &fields, &[]).await;
        }
        let codes = recovery_codes_of(&codes);
        // Logins with wrong codes, with a recovery code, and with one that was used.
        let mut second = Browser::default();
        let page = self.browse(&mut second, "/login", &[], &[]).await;
        let login = [("proof", &*hidden(&page, "proof")), ("username", &user), ("password", &password)];
        let page = self.browse(&mut second, "/login", &login, &[]).await;
        let (proof_of_form, proof) = (hidden(&page, "proof"), hidden(&page, "password_proof"));
        for code in [&key, &codes[0], &codes[0]] {
            let fields = [("proof", proof_of_form.as_str()), ("password_proof", &proof), ("code", code)];
            self.browse(&mut second, "/login", &fields, &[]).await;
        }
        let account = self.browse(&mut second, "/account", &[], &[]).await;
        let proof = hidden(&account, "proof");
        for (action, code) in [("remove", &key), ("new_codes", &codes[1]), ("remove", &codes[1])] {
            let fields = [("proof", proof.as_str()), ("action", action), ("code", code)];
            self.browse(&mut second, path, &fields, &[]).await;
        }
        self.link_at_a_browser(&user).await;
    }

    async fn link_at_a_browser(&mut self, user: &str) {
        let link = ["user", "password-link", user, "--output", "json"];
        let made: Value = serde_json::from_str(&self.cli(None, &link, "")).unwrap();
        let shown = self.use_link(&made);
        assert!(!shown.is_empty(), "{made}");
        let token = made["url"].as_str().unwrap().split_once("?token=").unwrap().1.to_owned();
        let mut browser = Browser::default();
        let path = format!("/account/password?token={token}");
        let page = self.browse(&mut browser, &path, &[], &shown).await;
        let (proof, new) = (hidden(&page, "proof"), self.odd_secret("password by a link"));
        for again in ["another", &new, &new] {
            let fields = [("proof", &*proof), ("token", &token), ("password", &new), ("password_again", again)];
            self.browse(&mut browser, "/account/password", &fields, &shown).await;
        }
    }
}
