//! What a reverse proxy expects of a token (`/auth/verify`): the audience and the scopes that its query names.

use crate::diagnosis::judge::Requirements;
use crate::protocol::scope::Scope;

/// The query of a request, by who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// The operator of the proxy.
    OfProxy(&'a [u8]),
    /// Perhaps the client, because the proxy appends the original URL (Envoy). Such a query can require more scopes but
    /// cannot change the configured audience. Without a configured audience every honest request would be refused, so
    /// nobody runs a proxy like that.
    PerhapsOfClient(&'a [u8]),
}

impl Query<'_> {
    /// Reads `audience` and `scope`, each at most once; empty values and everything else are ignored.
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
        let audience =
            if audience_is_fixed { None } else { one("audience").map_err(|()| "audience is given twice.")? };
        let audience = audience.as_deref().or(configured_audience).ok_or(
            "There is no audience to expect: add ?audience= to the URL that the proxy calls, or set JETON_VERIFY_AUDIENCE.",
        )?;
        let scope = one("scope").map_err(|()| "scope is given twice: separate several by spaces.")?.unwrap_or_default();
        let scope = Scope::parse(&scope).map_err(|_| "scope is not a list of names separated by single spaces.")?;
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
    fn an_audience_is_required_and_no_parameter_may_be_repeated() {
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
    fn a_client_cannot_change_the_audience_but_may_require_more_scopes() {
        let query = Query::PerhapsOfClient(b"q=%zz&audience=theirs&scope=x");
        assert_eq!(read(query, Some("ours")), Ok(("ours".into(), "x".into())));
        assert_eq!(read(query, None), Ok(("theirs".into(), "x".into())));
    }
}
