//! Resource indicators (RFC 8707): which audience a token is for.

use crate::protocol::error::{ErrorCode, Refusal};

/// Chooses the audiences of a token: those asked for, or all allowed ones by default (RFC 9068 §3 requires a default).
/// They have the spelling in which they are allowed.
///
/// # Errors
/// `invalid_target` if one that was asked for is not allowed.
pub fn choose<'a>(asked: impl Iterator<Item = &'a str>, allowed: &[String]) -> Result<Vec<String>, Refusal> {
    let mut chosen: Vec<String> = Vec::new();
    for resource in asked {
        let audience = find(resource, allowed).ok_or_else(|| {
            Refusal::new(
                ErrorCode::InvalidTarget,
                "The resource is not one of the audiences that this client may request.",
            )
        })?;
        if !chosen.contains(audience) {
            chosen.push(audience.clone());
        }
    }
    Ok(if chosen.is_empty() { allowed.to_vec() } else { chosen })
}

/// The allowed audience that a resource names. They are compared exactly, but for the slash that URL types add to a URI
/// without a path (RFC 3986 §6.2.3).
pub(super) fn find<'a>(resource: &str, allowed: &'a [String]) -> Option<&'a String> {
    let is_same = |audience: &&String| {
        audience.as_str() == resource || is_with_slash(audience, resource) || is_with_slash(resource, audience)
    };
    allowed.iter().find(|audience| audience.as_str() == resource).or_else(|| allowed.iter().find(is_same))
}

/// Whether one of them is the other, a URI without a path, query or fragment, with a slash at its end.
fn is_with_slash(longer: &str, shorter: &str) -> bool {
    let authority = shorter.split_once("://").map_or("", |(_, authority)| authority);
    longer.strip_suffix('/') == Some(shorter) && !authority.is_empty() && !authority.contains(['/', '?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        vec!["https://a.example".into(), "https://b.example".into()]
    }

    #[test]
    fn res_009_comparison_is_exact() {
        for resource in [
            "https://a.example//",
            "https://a.example/?",
            "https://A.example",
            "https://a.example/x",
            "/api",
            "not a uri",
        ] {
            assert_eq!(choose([resource].into_iter(), &allowed()).unwrap_err().code, ErrorCode::InvalidTarget);
        }
    }

    #[test]
    fn a_uri_without_a_path_and_the_same_with_a_slash_are_one_resource() {
        let allowed = ["https://a.example", "https://b.example/", "https://c.example/x", "urn:d", "https://e?f"]
            .map(String::from);
        for (resource, audience) in [
            ("https://a.example/", Some("https://a.example")),
            ("https://b.example", Some("https://b.example/")),
            ("https://b.example//", None),
            ("https://c.example/x/", None),
            ("urn:d/", None),
            ("https://e?f/", None),
        ] {
            let chosen = choose([resource].into_iter(), &allowed).ok();
            assert_eq!(chosen, audience.map(|audience| vec![audience.to_owned()]), "{resource}");
        }
        let chosen = choose(["https://a.example/", "https://a.example"].into_iter(), &allowed).unwrap();
        assert_eq!(chosen, ["https://a.example"], "it counts once");
        let both = ["https://a.example", "https://a.example/"].map(String::from);
        assert_eq!(choose(["https://a.example/"].into_iter(), &both).unwrap(), ["https://a.example/"]);
    }

    #[test]
    fn res_004_a_resource_may_repeat_and_counts_once() {
        let chosen = choose(["https://b.example", "https://b.example"].into_iter(), &allowed()).unwrap();
        assert_eq!(chosen, ["https://b.example"]);
    }

    #[test]
    fn without_a_resource_all_allowed_audiences_are_chosen() {
        assert_eq!(choose(std::iter::empty(), &allowed()).unwrap(), allowed());
    }
}
