//! The parameters of a request to an OAuth endpoint (RFC 6749 §3.2). An empty value counts as absent, a parameter that
//! the endpoint knows must not be repeated, and an unknown one is ignored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::error::Category;
use zeroize::Zeroize;

use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::RequestFault;
use crate::protocol::form::{self, FormError};

/// The most parameters of a request, known or not: each takes time and memory of its own.
const MOST: usize = 1000;

/// The parameters in the order in which they were sent.
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// `invalid_request` if the percent-encoding is broken, the text is not UTF-8, or there are too many.
    pub fn from_form(body: &[u8]) -> Result<Self, Refusal> {
        are_not_too_many(body)?;
        let pairs = form::decode_pairs(body).map_err(|error| {
            Refusal::invalid_request(match error {
                FormError::Percent => "The form body is broken: a % is not followed by two hex digits.",
                FormError::Utf8 => "The form body is not UTF-8.",
            })
        })?;
        Ok(Self(pairs))
    }

    /// Reads the query of an address; as for a body, if it is broken or has too many.
    pub fn from_query(query: &[u8]) -> Result<Self, Refusal> {
        are_not_too_many(query)?;
        let pairs = form::decode_pairs(query).map_err(|error| {
            Refusal::invalid_request(match error {
                FormError::Percent => "The query of the address is broken: a % is not followed by two hex digits.",
                FormError::Utf8 => "The query of the address is not UTF-8.",
            })
        })?;
        Ok(Self(pairs))
    }

    /// Reads any form that has not too many: what is not UTF-8 becomes U+FFFD, and a `%` that encodes nothing is kept.
    pub fn from_any_form(body: &[u8]) -> Result<Self, Refusal> {
        are_not_too_many(body)?;
        let pairs = form_urlencoded::parse(body).into_owned();
        Ok(Self(pairs.collect()))
    }

    /// Reads a flat JSON object of strings; `resource` may be an array of strings, `null` counts as absent.
    ///
    /// # Errors
    /// `invalid_request` for anything else, and for a repeated name.
    pub fn from_json(body: &[u8]) -> Result<Self, Refusal> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let mut problem = None;
        let pairs = deserializer.deserialize_map(FlatObject(&mut problem)).map_err(|error| {
            // Not the error's own text: it quotes what was sent, and that may be a secret.
            let description = problem.unwrap_or_else(|| match error.classify() {
                Category::Data => "The body is not a JSON object.".to_owned(),
                Category::Io | Category::Syntax | Category::Eof => "The body is not valid JSON.".to_owned(),
            });
            let at = format!("{description} At line {}, column {}.", error.line(), error.column());
            Refusal::naming(ErrorCode::InvalidRequest, description).because(at)
        })?;
        deserializer
            .end()
            .map_err(|_| Refusal::invalid_request("There is something after the JSON object in the body."))?;
        Ok(Self(pairs))
    }

    /// Whether a text is, or is part of, a password or a secret that was sent: then no answer repeats it.
    pub(crate) fn is_in_a_secret(&self, text: &str) -> bool {
        self.0.iter().any(|(name, value)| CLEARED.contains(&name.as_str()) && value.contains(text))
    }

    /// The resources that a token is asked for (RFC 8707). Some libraries say `audience` instead.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.all("resource").chain(self.all("audience"))
    }

    /// The value of a parameter, `invalid_request` if it was sent more than once; an empty one counts as absent.
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            let description = format!("The parameter {name} was sent more than once.");
            return Err(Refusal::naming(ErrorCode::InvalidRequest, description).with(RequestFault::ParameterRepeated));
        }
        Ok(first)
    }

    /// The same, but an empty one counts as empty.
    pub fn one_or_empty(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let first = self.one(name)?;
        Ok(first.or_else(|| self.0.iter().any(|(key, _)| key == name).then_some("")))
    }

    /// All values of a parameter that may be repeated, except for empty ones.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// Secrets that people choose, and use elsewhere too. Tokens are not cleared: they are many and long, and they expire.
const CLEARED: [&str; 2] = ["password", "client_secret"];

impl Drop for Parameters {
    /// Clears passwords and secrets from memory. The network buffers below are not ours to clear.
    fn drop(&mut self) {
        for (_, value) in self.0.iter_mut().filter(|(name, _)| CLEARED.contains(&name.as_str())) {
            value.zeroize();
        }
    }
}

impl fmt::Debug for Parameters {
    /// Names only: values may be passwords, secrets and tokens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn are_not_too_many(form: &[u8]) -> Result<(), Refusal> {
    if form.iter().filter(|byte| **byte == b'&').count() < MOST {
        return Ok(());
    }
    Err(Refusal::invalid_request("The request has more than 1000 parameters."))
}

/// Reads the pairs. What is wrong with a member is left here.
struct FlatObject<'a>(&'a mut Option<String>);

impl<'de> Visitor<'de> for FlatObject<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a flat object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut pairs = Vec::new();
        let mut names = std::collections::HashSet::new();
        let mut wrong = |name: &str, what: &str| {
            *self.0 = Some(format!("{} {what}.", member(name)));
            A::Error::custom("a member is wrong")
        };
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(wrong(&name, "is there twice"));
            }
            if names.len() > MOST {
                return Err(A::Error::custom("there are too many members"));
            }
            match map.next_value::<serde_json::Value>()? {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => pairs.push((name, text)),
                serde_json::Value::Array(items) if name == "resource" && items.len() <= MOST => {
                    for item in items {
                        let serde_json::Value::String(text) = item else {
                            return Err(wrong(&name, "is neither a string nor an array of strings"));
                        };
                        pairs.push((name.clone(), text));
                    }
                }
                _ if name == "scope" => return Err(wrong(&name, "is not a string: separate scopes by spaces")),
                _ => return Err(wrong(&name, "is not a string")),
            }
        }
        Ok(pairs)
    }
}

/// A member by its name, unless that looks like no name: it may be a value that slipped.
fn member(name: &str) -> Cow<'static, str> {
    let is_plain = name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_plain && !name.is_empty() {
        format!("The member {name} of the body").into()
    } else {
        "A member of the body".into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn gen_010_a_repeated_parameter_is_refused_unless_it_is_unknown() {
        let parameters = Parameters::from_form(b"scope=a&scope=a&foo=1&foo=2").unwrap();
        assert!(parameters.one("scope").is_err());
        assert_eq!(parameters.one("grant_type"), Ok(None));
        assert_eq!(parameters.all("foo").count(), 2);
    }

    #[test]
    fn gen_014_a_parameter_without_a_value_is_absent() {
        let parameters = Parameters::from_form(b"scope=&scope=read").unwrap();
        assert_eq!(parameters.one("scope"), Ok(Some("read")));
    }

    #[test]
    fn gen_020_and_gen_021_broken_encoding_is_refused() {
        for body in [&b"scope=%zz"[..], b"a=%", b"a=%e", b"username=%FF%FE", b"a=\xff"] {
            assert!(Parameters::from_form(body).is_err(), "{body:?}");
        }
    }

    #[test]
    fn gen_007_json_is_a_flat_object_of_strings() {
        let good = Parameters::from_json(br#"{"grant_type":"password","resource":["a","b"],"scope":null}"#).unwrap();
        assert_eq!(good.one("grant_type"), Ok(Some("password")));
        assert_eq!(good.one("scope"), Ok(None));
        assert_eq!(good.all("resource").count(), 2);
        for body in [
            r#"{"a":1}"#,
            r#"{"a":{}}"#,
            r#"{"a":["x"]}"#,
            r#"{"resource":[1]}"#,
            r#"{"a":"1","a":"2"}"#,
            "[]",
            "null",
            "\"x\"",
            "",
            "{",
            r#"{"a":"b"}x"#,
            r#"{"a":true}"#,
        ] {
            assert!(Parameters::from_json(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn a_refusal_of_json_says_which_member_is_wrong_and_repeats_no_value() {
        for (body, description) in [
            (r#"{"scope":["read"]}"#, "The member scope of the body is not a string: separate scopes by spaces."),
            (r#"{"client_id":"a","password":12345}"#, "The member password of the body is not a string."),
            (r#"{"resource":[1]}"#, "The member resource of the body is neither a string nor an array of strings."),
            (r#"{"scope":"a","scope":"b"}"#, "The member scope of the body is there twice."),
            (r#"{"Hunter2!":1}"#, "A member of the body is not a string."),
            (r#"{"":{}}"#, "A member of the body is not a string."),
            ("[]", "The body is not a JSON object."),
            ("grant_type=password", "The body is not valid JSON."),
            ("{", "The body is not valid JSON."),
        ] {
            assert_eq!(Parameters::from_json(body.as_bytes()).unwrap_err().description, description, "{body}");
        }
    }

    #[test]
    fn a_thousand_parameters_are_read_and_more_are_refused() {
        let form = |count: usize| (0..count).map(|number| format!("n{number}=1")).collect::<Vec<_>>().join("&");
        let object = |count: usize| {
            let members: Vec<String> = (0..count).map(|number| format!("\"n{number}\":\"1\"")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(Parameters::from_form(form(MOST).as_bytes()).is_ok());
        assert!(Parameters::from_any_form(form(MOST).as_bytes()).is_ok());
        assert!(Parameters::from_json(object(MOST).as_bytes()).is_ok());
        assert!(Parameters::from_form(form(MOST + 1).as_bytes()).is_err());
        assert!(Parameters::from_any_form(form(MOST + 1).as_bytes()).is_err());
        assert!(Parameters::from_json(object(MOST + 1).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_body_is_judged_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Parameters::from_form(&body);
            let _ = Parameters::from_json(&body);
        }
    }
}
