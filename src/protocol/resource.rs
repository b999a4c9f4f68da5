//! Resource indicators (RFC 8707): which audience a token is for.

use crate::protocol::error::{ErrorCode, Refusal};

/// Chooses the audiences of a token: those asked for, or all allowed ones by default (RFC 9068 §3 requires a default).
/// They are compared exactly.
///
/// # Errors
/// `invalid_target` if one that was asked for is not allowed.
pub fn choose<'a>(asked: impl Iterator<Item = &'a str>, allowed: &[String]) -> Result<Vec<String>, Refusal> {
    let mut chosen: Vec<String> = Vec::new();
    for resource in asked {
        if !allowed.iter().any(|audience| audience == resource) {
            return Err(Refusal::new(
                ErrorCode::InvalidTarget,
                "The resource is not one of the audiences that this client may request.",
            ));
        }
        if !chosen.iter().any(|audience| audience == resource) {
            chosen.push(resource.to_owned());
        }
    }
    Ok(if chosen.is_empty() { allowed.to_vec() } else { chosen })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> Vec<String> {
        vec!["https://a.example".into(), "https://b.example".into()]
    }

    #[test]
    fn res_009_comparison_is_exact() {
        for resource in ["https://a.example/", "https://A.example", "https://a.example/x", "/api", "not a uri"] {
            assert_eq!(choose([resource].into_iter(), &allowed()).unwrap_err().code, ErrorCode::InvalidTarget);
        }
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
