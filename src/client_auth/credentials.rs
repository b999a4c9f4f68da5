//! Finds a client's credentials in a request (RFC 6749 §2.3): in the Authorization header, in the body, or its id
//! alone. A client uses one way at a time.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::app::Request;
use crate::client_auth::assertion::Assertion;
use crate::client_auth::foreign_assertion::ForeignAssertion;
use crate::protocol::assertion::ASSERTION_TYPE;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::form;
use crate::protocol::parameters::Parameters;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a client presented.
#[derive(Debug)]
pub enum Credentials {
    /// An id and a secret, in the header or in the body.
    Secret {
        /// The id.
        client_id: String,
        /// The secret.
        secret: SecretString,
    },
    /// An assertion, which says whose it is.
    Assertion(Box<Assertion>),
    /// A token of another issuer, which a request brings for the client that it names.
    Foreign(Box<ForeignAssertion>),
    /// An id alone.
    IdAlone(String),
    /// Nothing.
    Nothing,
}

impl Credentials {
    /// Finds the credentials of a request.
    pub(crate) fn of(request: &Request<'_>) -> Result<Self, Refusal> {
        Self::read(&request.header("authorization"), request.parameters)
    }

    /// Finds the credentials in the Authorization headers and the parameters of the body.
    ///
    /// # Errors
    /// `invalid_request` if two ways are used at once; `invalid_client` if the header cannot be read or is not Basic, or the
    /// assertion is none.
    pub fn read(authorization: &[&[u8]], parameters: &Parameters) -> Result<Self, Refusal> {
        let client_id = parameters.one("client_id")?;
        let secret = parameters.one("client_secret")?;
        if let Some(text) = assertion_of(parameters)? {
            if secret.is_some() || !authorization.is_empty() {
                return Err(Refusal::invalid_request(
                    "The client authenticates in two ways at once: send a client_assertion or a secret, not both.",
                ));
            }
            if let Some(foreign) = client_id.and_then(|client_id| ForeignAssertion::read(client_id, text)) {
                return Ok(Self::Foreign(Box::new(foreign)));
            }
            let assertion = Assertion::read(text).map_err(Refusal::assertion)?;
            if client_id.is_some_and(|client_id| client_id != assertion.client_id()) {
                return Err(Refusal::invalid_request("The client_id is not the one in the client_assertion."));
            }
            return Ok(Self::Assertion(Box::new(assertion)));
        }
        match (authorization, client_id, secret) {
            ([], Some(client_id), Some(secret)) => {
                Ok(Self::Secret { client_id: client_id.to_owned(), secret: SecretString::from(secret) })
            }
            ([], Some(client_id), None) => Ok(Self::IdAlone(client_id.to_owned())),
            ([], None, Some(_)) => Err(wrong_way("There is a client_secret, but no client_id.")),
            ([], None, None) => Ok(Self::Nothing),
            ([_], _, Some(_)) => Err(Refusal::invalid_request(
                "The client authenticates in two ways at once: use the Authorization header or the body.",
            )),
            ([header], _, None) => {
                let (basic_id, secret) = basic(header)?;
                if client_id.is_some_and(|client_id| client_id != basic_id) {
                    return Err(Refusal::invalid_request(
                        "The client_id in the body is not the one in the Authorization header.",
                    ));
                }
                // Some libraries send Basic with an empty secret for a public client.
                Ok(if secret.is_empty() {
                    Self::IdAlone(basic_id)
                } else {
                    Self::Secret { client_id: basic_id, secret: SecretString::from(secret.as_str()) }
                })
            }
            _ => Err(Refusal::invalid_request("There is more than one Authorization header.")),
        }
    }

    /// The id of the client, not yet authenticated.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match self {
            Self::Secret { client_id, .. } | Self::IdAlone(client_id) => Some(client_id),
            Self::Assertion(assertion) => Some(assertion.client_id()),
            Self::Foreign(assertion) => Some(assertion.client_id()),
            Self::Nothing => None,
        }
    }

    pub(super) const fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Secret { secret, .. } => Some(secret),
            Self::Assertion(_) | Self::Foreign(_) | Self::IdAlone(_) | Self::Nothing => None,
        }
    }
}

/// The assertion in a request, if there is one: it comes with its type, of which there is one (RFC 7521 §4.2).
fn assertion_of(parameters: &Parameters) -> Result<Option<&str>, Refusal> {
    match (parameters.one("client_assertion")?, parameters.one("client_assertion_type")?) {
        (None, None) => Ok(None),
        (Some(assertion), Some(ASSERTION_TYPE)) => Ok(Some(assertion)),
        (Some(_), Some(_)) => Err(wrong_way(
            "This server supports one client_assertion_type: urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
        )),
        (Some(_), None) => Err(Refusal::invalid_request("There is a client_assertion, but no client_assertion_type.")),
        (None, Some(_)) => Err(Refusal::invalid_request("There is a client_assertion_type, but no client_assertion.")),
    }
}

/// `invalid_client` for a request that does not authenticate in a way that there is. It says so: that reveals nothing about
/// any client.
const fn wrong_way(description: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidClient, description)
}

/// Whether a header presents Basic credentials.
pub fn is_basic(header: &[u8]) -> bool {
    header.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
}

/// Reads `Basic` credentials: base64, split at the first colon, then each half form-decoded (RFC 6749 §2.3.1).
fn basic(header: &[u8]) -> Result<(String, Zeroizing<String>), Refusal> {
    let refuse = |reason: &'static str| Refusal::invalid_client(reason);
    let header = std::str::from_utf8(header).map_err(|_| refuse("the Authorization header is not UTF-8"))?;
    let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Err(wrong_way(
            "A Bearer token does not authenticate a client here: send client_id and client_secret, by Basic or in the body.",
        ));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong_way("The scheme of the Authorization header is not Basic."));
    }
    let decoded = BASE64.decode(encoded.trim()).map(Zeroizing::new);
    let decoded = decoded.map_err(|_| refuse("the Basic credentials are not base64"))?;
    let decoded = std::str::from_utf8(&decoded).map_err(|_| refuse("the Basic credentials are not UTF-8"))?;
    let (id, secret) = decoded.split_once(':').ok_or_else(|| refuse("the Basic credentials have no colon"))?;
    match (form::decode(id), form::decode(secret).map(Zeroizing::new)) {
        (Ok(id), Ok(secret)) if !id.is_empty() => Ok((id, secret)),
        _ => Err(refuse("the Basic credentials are not form-encoded")),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(header: &[&str], body: &str) -> Result<Credentials, ErrorCode> {
        let header: Vec<&[u8]> = header.iter().map(|text| text.as_bytes()).collect();
        Credentials::read(&header, &Parameters::from_form(body.as_bytes()).unwrap()).map_err(|refusal| refusal.code)
    }

    fn basic_header(id: &str, secret: &str) -> String {
        format!("Basic {}", BASE64.encode(format!("{id}:{secret}")))
    }

    #[test]
    fn cau_012_both_halves_are_form_decoded_and_split_before_that() {
        let header = basic_header("a%3Ab+c", "%2b%25:x%c3%A9");
        let Ok(Credentials::Secret { client_id, secret }) = read(&[&header], "") else { panic!("refused") };
        assert_eq!((client_id.as_str(), secret.expose_secret()), ("a:b c", "+%:xé"));
    }

    #[test]
    fn cau_009_and_cau_011_two_ways_or_two_names_are_refused() {
        let header = basic_header("a", "s");
        assert_eq!(read(&[&header], "client_secret=s").unwrap_err(), ErrorCode::InvalidRequest);
        assert_eq!(read(&[&header], "client_id=b").unwrap_err(), ErrorCode::InvalidRequest);
        assert_eq!(read(&[&header, &header], "").unwrap_err(), ErrorCode::InvalidRequest);
        assert!(read(&[&header], "client_id=a&client_secret=").is_ok());
    }

    #[test]
    fn pkj_003_pkj_004_pkj_006_an_assertion_comes_alone_and_with_its_type() {
        let part = |json: &str| crate::crypto::base64url(json);
        let assertion = format!("{}.{}.c2ln", part(r#"{"alg":"ES256"}"#), part(r#"{"iss":"a","sub":"a"}"#));
        let typed = |more: &str| format!("client_assertion={assertion}&client_assertion_type={ASSERTION_TYPE}{more}");
        for more in ["", "&client_id=a", "&client_id=", "&client_secret="] {
            let Ok(Credentials::Assertion(read)) = read(&[], &typed(more)) else { panic!("{more}: refused") };
            assert_eq!(read.client_id(), "a");
        }
        let basic = basic_header("a", "s");
        for (header, body, expected) in [
            (None, typed("&client_id=b"), ErrorCode::InvalidRequest),
            (None, typed("&client_id=a&client_secret=s"), ErrorCode::InvalidRequest),
            (Some(basic.as_str()), typed(""), ErrorCode::InvalidRequest),
            (Some("Bearer x"), typed(""), ErrorCode::InvalidRequest),
            (None, typed("&client_assertion=x"), ErrorCode::InvalidRequest),
            (None, format!("client_id=a&client_assertion={assertion}"), ErrorCode::InvalidRequest),
            (None, format!("client_id=a&client_assertion_type={ASSERTION_TYPE}"), ErrorCode::InvalidRequest),
            (
                None,
                format!("client_id=a&client_assertion={assertion}&client_assertion_type=urn:x"),
                ErrorCode::InvalidClient,
            ),
            (
                None,
                format!("client_assertion={assertion}&client_assertion_type={}", ASSERTION_TYPE.to_uppercase()),
                ErrorCode::InvalidClient,
            ),
            (None, format!("client_assertion=x&client_assertion_type={ASSERTION_TYPE}"), ErrorCode::InvalidClient),
        ] {
            let header: Vec<&str> = header.into_iter().collect();
            assert_eq!(read(&header, &body).unwrap_err(), expected, "{header:?} {body}");
        }
    }

    #[test]
    fn cau_016_and_cau_018_what_cannot_be_read_is_invalid_client() {
        for header in
            ["Basic !!!", "Basic bWFpbg==", "Basic //79", "Basic", "Digest x", "Bearer x", "", "Basic JXp6Ong="]
        {
            assert_eq!(read(&[header], "").unwrap_err(), ErrorCode::InvalidClient, "{header}");
        }
    }
}
