//! The answer to an authorization request (RFC 6749 §4.1.2, RFC 9207, OAuth 2.0 Form Post Response Mode).

use std::fmt;

use crate::issuer::Issuer;
use crate::protocol::authorization::{AuthorizationRequest, ResponseMode};
use crate::protocol::error::Refusal;
use crate::protocol::redirect;

/// Where a client wants the answer to its request, and what it wants back with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerTo {
    /// The redirect URI, which is one that the client registered.
    pub redirect_uri: String,
    /// How the answer gets there.
    pub response_mode: ResponseMode,
    /// Returned unchanged.
    pub state: Option<String>,
}

impl From<&AuthorizationRequest> for AnswerTo {
    fn from(request: &AuthorizationRequest) -> Self {
        Self {
            redirect_uri: request.redirect_uri.clone(),
            response_mode: request.response_mode,
            state: request.state.clone(),
        }
    }
}

/// An answer on its way to the client through the browser. It may hold a code, which is a secret.
pub struct Answer {
    to: AnswerTo,
    parameters: Vec<(&'static str, String)>,
}

impl fmt::Debug for Answer {
    /// Not the code, and not the state.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Answer")
    }
}

impl Answer {
    /// The answer that carries a code.
    pub fn code(to: AnswerTo, issuer: &Issuer, code: String) -> Self {
        Self::new(to, issuer, vec![("code", code)])
    }

    /// The answer to a request that is refused.
    pub fn refusal(to: AnswerTo, issuer: &Issuer, refusal: &Refusal) -> Self {
        let description = refusal.description.to_string();
        Self::new(to, issuer, vec![("error", refusal.code.name().into()), ("error_description", description)])
    }

    fn new(to: AnswerTo, issuer: &Issuer, mut parameters: Vec<(&'static str, String)>) -> Self {
        parameters.extend(to.state.clone().map(|state| ("state", state)));
        // Against mix-up (RFC 9207): in every answer, and never from the request.
        parameters.push(("iss", issuer.url().to_owned()));
        Self { to, parameters }
    }

    /// How it gets there.
    pub const fn response_mode(&self) -> ResponseMode {
        self.to.response_mode
    }

    /// Where a form is to be posted.
    pub fn form_action(&self) -> &str {
        &self.to.redirect_uri
    }

    /// The fields of that form.
    pub fn form_fields(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// The address to which the browser is redirected.
    pub fn location(&self) -> String {
        let parameters = self.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        redirect::with_parameters(&self.to.redirect_uri, parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuer::IssuerConfig;
    use crate::protocol::error::ErrorCode;

    fn issuer() -> Issuer {
        Issuer::new(IssuerConfig {
            url: "https://auth.example".into(),
            environment: "live".parse().unwrap(),
            siblings: vec![],
            default_audience: None,
        })
    }

    fn to(redirect_uri: &str, state: Option<&str>) -> AnswerTo {
        AnswerTo {
            redirect_uri: redirect_uri.into(),
            response_mode: ResponseMode::Query,
            state: state.map(str::to_owned),
        }
    }

    #[test]
    fn what_the_redirect_uri_has_in_its_query_stays() {
        for (uri, location) in [
            ("https://app.example/cb", "https://app.example/cb?code=c&iss="),
            ("https://app.example/cb?", "https://app.example/cb?code=c&iss="),
            ("https://app.example/cb?x=%20", "https://app.example/cb?x=%20&code=c&iss="),
            ("https://app.example/cb?x=1&", "https://app.example/cb?x=1&code=c&iss="),
            ("com.example.app:/cb", "com.example.app:/cb?code=c&iss="),
        ] {
            let answer = Answer::code(to(uri, None), &issuer(), "c".into());
            assert!(answer.location().starts_with(location), "{}", answer.location());
        }
    }

    #[test]
    fn aut_010_state_comes_back_exactly() {
        let state = "a b&c=é%2F+#\u{0}\r\n'\"<>";
        let refusal = Refusal::new(ErrorCode::AccessDenied, "No.");
        let answer = Answer::refusal(to("https://app.example/cb", Some(state)), &issuer(), &refusal);
        let location = answer.location();
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
        let url = url::Url::parse(&location).unwrap();
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let expected = [
            ("error", "access_denied"),
            ("error_description", "No."),
            ("state", state),
            ("iss", "https://auth.example"),
        ];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
