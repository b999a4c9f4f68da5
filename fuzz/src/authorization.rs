//! How a client says who it is: the `Basic` header and the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jeton::client_auth::Credentials;
use jeton::protocol::parameters::Parameters;
use secrecy::ExposeSecret;

/// What to begin with: a header, and behind a line break a body.
pub const SEEDS: &[&str] = &[
    "Basic ZGVtby1hcHA6ZGVtby1hcHAtc2VjcmV0",
    "basic JTNBYStiOiUyYiUyNTp4\nclient_id=%3Aa+b",
    "Basic ZGVtby1sb2dpbjo=\nclient_id=demo-login&client_secret=",
    "Bearer eyJ\nclient_id=a&client_secret=b",
    "\nclient_id=a&client_secret=b",
    "Basic  Zg==\nclient_assertion=x",
    "\nclient_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=eyJhbGciOiJFUzI1NiJ9.\
     eyJpc3MiOiJhIiwic3ViIjoiYSJ9.c2ln",
];

fn read(headers: &[&[u8]], parameters: &Parameters) -> Option<(String, Option<String>)> {
    match Credentials::read(headers, parameters).ok()? {
        Credentials::Secret { client_id, secret } => Some((client_id, Some(secret.expose_secret().to_owned()))),
        Credentials::IdAlone(client_id) => Some((client_id, None)),
        // It cannot be written: only the key signs it.
        Credentials::Assertion(_) | Credentials::Foreign(_) | Credentials::Nothing => None,
    }
}

fn header(client_id: &str, secret: &str) -> String {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(client_id), encode(secret))))
}

/// Whatever is read can be written and read again; two ways at once never pass; a secret is never shown.
pub fn basic(bytes: &[u8]) {
    let (value, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len()));
    let Ok(parameters) = Parameters::from_form(body.get(1..).unwrap_or_default()) else { return };
    let nothing = Parameters::from_form(b"").expect("nothing is a form");
    let headers: &[&[u8]] = if value.is_empty() { &[] } else { &[value] };
    let presented = Credentials::read(headers, &parameters);
    let shown = format!("{presented:?}");
    if let Ok(Credentials::Assertion(assertion)) = &presented {
        assert!(!assertion.client_id().is_empty());
        assert!(value.is_empty() && parameters.one("client_secret") == Ok(None), "one way only");
        let text = parameters.one("client_assertion").ok().flatten().expect("it was sent");
        assert!(!shown.contains(text), "{shown}");
    }
    if let Some((client_id, secret)) = read(headers, &parameters) {
        assert!(!client_id.is_empty());
        let text = header(&client_id, secret.as_deref().unwrap_or_default());
        let again = read(&[text.as_bytes()], &nothing);
        assert_eq!(again, Some((client_id.clone(), secret.clone())), "what was read is written and read");
        if let Some(secret) = secret {
            assert!(!secret.is_empty(), "no secret is no secret");
            assert!(secret.len() < 12 || client_id.contains(&secret) || !shown.contains(&secret), "{shown}");
        }
        if !value.is_empty() {
            assert!(parameters.one("client_secret") == Ok(None), "one way only");
            assert!(value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic ")), "Basic only");
            let mut upper = value.to_vec();
            upper[..5].make_ascii_uppercase();
            assert!(read(&[&upper], &parameters).is_some(), "the case of the scheme does not matter");
        }
    }
    assert!(Credentials::read(&[value, value], &parameters).is_err(), "two headers are never read");
    // As a secret and an id of its own: any text can be sent.
    let (Ok(client_id), Ok(secret)) = (std::str::from_utf8(value), std::str::from_utf8(body)) else { return };
    if !client_id.is_empty() && !secret.is_empty() {
        let text = header(client_id, secret);
        assert_eq!(read(&[text.as_bytes()], &nothing), Some((client_id.to_owned(), Some(secret.to_owned()))));
    }
}
