//! Is a token good for an audience, and for a scope? For reverse proxies (`/auth/verify`) and for the admin API.
//!
//! 1. What is asked for. 2. The token itself, as everywhere. 3. Its audience. 4. Its scope. How it was presented is
//!    judged before, by `oauth::presentation`.

use crate::diagnosis::judge::Requirements;
use crate::protocol::scope::Scope;

/// Whose words the query of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// The proxy's, as whoever configured it wrote them.
    OfProxy(&'a [u8]),
    /// Perhaps the client's, because the proxy appends the address that is asked for (Envoy): such a query can ask for
    /// more, but does not change the audience that is configured. Where none is configured and the proxy names none, every
    /// request of an honest client is refused, so nobody runs a proxy like that.
    PerhapsOfClient(&'a [u8]),
}

impl Query<'_> {
    /// Reads `audience` and `scope`, each at most once and empty ones left out; everything else is ignored.
    ///
    /// # Errors
    /// What is wrong with the question, in a fixed sentence.
    pub fn expected(self, configured_audience: Option<&str>) -> std::result::Result<Requirements, &'static str> {
        let (text, audience_is_fixed) = match self {
            Self::OfProxy(text) => (text, false),
            Self::PerhapsOfClient(text) => (text, configured_audience.is_some()),
        };
        let one = |name: &str| {
            let mut values = form_urlencoded::parse(text).filter(|(key, value)| key == name && !value.is_empty());
            let first = values.next().map(|(_, value)| value);
            if values.next().is_some() { Err(()) } else { Ok(first) }
        };
        let audience = if audience_is_fixed { None } else { one("audience").map_err(|()| "audience stands twice.")? };
        let audience = audience.as_deref().or(configured_audience).ok_or(
            "No audience to expect: name it by ?audience= in the address that the proxy asks, or set \
             JETON_VERIFY_AUDIENCE.",
        )?;
        let scope = one("scope").map_err(|()| "scope stands twice: separate several by spaces.")?.unwrap_or_default();
        let scope = Scope::parse(&scope).map_err(|_| "scope is not a list of names with single spaces between.")?;
        Ok(Requirements { audience: Some(audience.to_owned()), scope })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: Query<'_>, configured: Option<&str>) -> std::result::Result<(String, String), &'static str> {
        let expected = query.expected(configured)?;
        Ok((expected.audience.unwrap_or_default(), expected.scope.to_string()))
    }

    #[test]
    fn an_audience_is_needed_and_each_parameter_stands_once() {
        let own = |text: &'static str| read(Query::OfProxy(text.as_bytes()), None);
        assert_eq!(own("audience=a&scope=x+y&more=1&more=2"), Ok(("a".into(), "x y".into())));
        assert_eq!(own("audience=a&scope=&audience="), Ok(("a".into(), String::new())));
        for query in ["", "scope=x", "audience=", "audience=a&audience=b", "audience=a&audience=a"] {
            assert!(own(query).is_err(), "{query}");
        }
        for query in ["scope=x&scope=y", "scope=x++y", "scope=%22", "scope=%C3%A9", "scope=%FF"] {
            assert!(read(Query::OfProxy(query.as_bytes()), Some("a")).is_err(), "{query}");
        }
        assert_eq!(read(Query::OfProxy(b""), Some("a")), Ok(("a".into(), String::new())));
        assert_eq!(read(Query::OfProxy(b"audience=b"), Some("a")), Ok(("b".into(), String::new())));
    }

    #[test]
    fn a_client_cannot_choose_another_audience_but_may_be_asked_for_more() {
        let query = Query::PerhapsOfClient(b"q=%zz&audience=theirs&scope=x");
        assert_eq!(read(query, Some("ours")), Ok(("ours".into(), "x".into())));
        assert_eq!(read(query, None), Ok(("theirs".into(), "x".into())));
    }
}
