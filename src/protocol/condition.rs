//! Conditions on a claim of a token that another issuer signed.
//!
//! A wildcard never crosses `/` or `:`, which separate the levels of names such as `repo:octo/app:ref:refs/heads/main`: what is
//! meant for one repository must not match one whose name its owner chose to look alike.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::protocol::schema::describe;

/// The longest text of a condition, in bytes.
const LONGEST: usize = 1024;
/// The most texts of a condition.
const MOST_TEXTS: usize = 100;
/// The fewest characters beside the wildcard in a name of one level.
const FEWEST_LITERALS: usize = 3;

/// Claims that say who the subject of a token is, or whose: in each rule, one of them has a condition.
pub const IDENTITY_CLAIMS: [&str; 23] = [
    "sub",
    "azp",
    "client_id",
    "appid",
    "oid",
    "tid",
    "hd",
    "email",
    "org_id",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "job_workflow_ref",
    "workflow_ref",
    "project_id",
    "project_path",
    "namespace_id",
    "namespace_path",
    "/kubernetes.io/serviceaccount/uid",
    "/google/compute_engine/instance_id",
    "/https:~1~1sts.amazonaws.com~1/aws_account",
    "/https:~1~1sts.amazonaws.com~1/principal_id",
];

/// What a claim must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Exactly this.
    Equals(String),
    /// One of these.
    OneOf(Vec<String>),
    /// It begins with this, which ends with `/` or `:`, and goes on.
    Prefix(String),
    /// This, where each `*` stands for any characters but `/` and `:`.
    Glob(String),
}

describe!(Condition {
    "description": "What a claim must be: exactly one text, one of several, a text that begins with a prefix (which ends with `/` or \
        `:`), or one that fits a pattern, in which each `*` stands for any characters but `/` and `:`. Numbers and truth values are \
        compared as JSON writes them; of a list, one entry is enough.",
    "oneOf": [
        {"type": "object", "required": ["equals"], "additionalProperties": false,
         "properties": {"equals": {"type": "string", "minLength": 1, "maxLength": LONGEST}}},
        {"type": "object", "required": ["one_of"], "additionalProperties": false,
         "properties": {"one_of": {
             "type": "array", "minItems": 1, "maxItems": MOST_TEXTS,
             "items": {"type": "string", "minLength": 1, "maxLength": LONGEST},
         }}},
        {"type": "object", "required": ["prefix"], "additionalProperties": false,
         "properties": {"prefix": {"type": "string", "maxLength": LONGEST, "pattern": "[/:]$"}}},
        {"type": "object", "required": ["glob"], "additionalProperties": false,
         "properties": {"glob": {"type": "string", "maxLength": LONGEST, "pattern": "[*]"}}},
    ],
    "examples": [{"equals": "repo:octo/app:ref:refs/heads/main"}, {"prefix": "repo:octo/app:"}],
});

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b':')
}

impl Condition {
    /// Whether a text fits.
    pub fn fits(&self, text: &str) -> bool {
        match self {
            Self::Equals(only) => text == only,
            Self::OneOf(texts) => texts.iter().any(|one| one == text),
            Self::Prefix(prefix) => text.len() > prefix.len() && text.starts_with(prefix.as_str()),
            Self::Glob(pattern) => fits_glob(pattern.as_bytes(), text.as_bytes()),
        }
    }

    /// What it requires, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Equals(only) => format!("must be {only:?}"),
            Self::OneOf(texts) => format!("must be one of {texts:?}"),
            Self::Prefix(prefix) => format!("must begin with {prefix:?}"),
            Self::Glob(pattern) => format!("must fit {pattern:?}"),
        }
    }

    /// Checks the condition on a claim.
    ///
    /// # Errors
    /// What is wrong with it, or that it would let almost everybody in.
    pub fn check(&self, claim: &str) -> Result<(), String> {
        let texts = match self {
            Self::Equals(text) | Self::Prefix(text) | Self::Glob(text) => std::slice::from_ref(text),
            Self::OneOf(texts) => texts,
        };
        if texts.is_empty() || texts.len() > MOST_TEXTS {
            return Err(format!("one_of has {} entries, and must have 1 to {MOST_TEXTS}", texts.len()));
        }
        let is_unfit = |text: &String| text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control);
        if texts.iter().any(is_unfit) {
            return Err(format!("each text has 1 to {LONGEST} bytes and no control characters"));
        }
        match self {
            Self::Equals(_) | Self::OneOf(_) => Ok(()),
            Self::Prefix(_) if is_email(claim) => {
                Err("prefix says nothing of the domain of an email address: use a glob such as *@corp.example".into())
            }
            Self::Prefix(prefix) if !prefix.ends_with(['/', ':']) => {
                Err("prefix must end with / or :, so that no longer name fits as well".into())
            }
            Self::Prefix(prefix) if prefix.contains('*') => Err("prefix must not have *: use glob".into()),
            Self::Glob(pattern) if !pattern.contains('*') => Err("glob has no *: use equals".into()),
            Self::Glob(pattern) if pattern.contains("**") => {
                Err("glob must not have **: * never crosses / or :".into())
            }
            Self::Prefix(text) | Self::Glob(text) => check_breadth(claim, text),
        }
    }
}

/// The name of a claim, which a JSON pointer of one level is as well.
fn name_of(claim: &str) -> Cow<'_, str> {
    match claim.strip_prefix('/') {
        Some(name) if !name.contains('/') => Cow::Owned(name.replace("~1", "/").replace("~0", "~")),
        _ => Cow::Borrowed(claim),
    }
}

/// Whether a claim is the email address, or a part of it, however it is named.
pub fn is_email(claim: &str) -> bool {
    let first = claim.strip_prefix('/').and_then(|pointer| pointer.split('/').next());
    first.map_or(claim == "email", |first| name_of(&format!("/{first}")) == "email")
}

/// Refuses a wildcard that stands so early that strangers fit. Of the levels of a `sub`, the first often says only of what kind it is
/// (`repo:`, `spiffe://`, `arn:`), so the second must be there in full as well. Of a name of one level, a stranger can choose one that
/// begins or ends in the same way. Who has an email address is said by its domain.
fn check_breadth(claim: &str, text: &str) -> Result<(), String> {
    if is_email(claim) {
        return match text.rsplit_once('@') {
            Some((_, domain)) if !domain.is_empty() && !domain.contains('*') => Ok(()),
            _ => Err(
                "what follows the last @ of an email address must be there in full, without *: others have the rest"
                    .into(),
            ),
        };
    }
    let claim = name_of(claim);
    if !text.bytes().any(is_separator) {
        if IDENTITY_CLAIMS.contains(&claim.as_ref()) {
            return Err("a glob without / and : lets in those whose name looks alike: use equals or one_of".into());
        }
        let literals = text.chars().filter(|c| *c != '*').count();
        return if literals >= FEWEST_LITERALS {
            Ok(())
        } else {
            Err(format!("glob has less than {FEWEST_LITERALS} characters beside *, so almost everything fits"))
        };
    }
    let fixed = &text[..text.find('*').unwrap_or(text.len())];
    // A scheme is no level: it says only of what kind the rest is.
    let (has_scheme, rest) = match fixed.split_once("://") {
        Some((scheme, rest)) if !scheme.is_empty() && !scheme.bytes().any(is_separator) => (true, rest),
        _ => (false, fixed),
    };
    // What follows the last separator before the wildcard is only a part of a level.
    let end = rest.bytes().rposition(is_separator).unwrap_or(0);
    let levels = rest[..end].split(['/', ':']).filter(|level| !level.is_empty()).count();
    let needed = if claim == "sub" && !has_scheme { 2 } else { 1 };
    if levels >= needed {
        return Ok(());
    }
    Err(if claim == "sub" {
        "the first two levels of a sub, which / and : separate, must be there in full: as it is, subjects of others fit"
            .into()
    } else {
        "the first level, up to / or :, must be there in full: as it is, those of others fit".into()
    })
}

/// Whether a text fits a pattern. The last `*` takes one more byte whenever what follows does not fit, until that is a separator.
/// To let an earlier one take more would not help: it would have to cross the same separator.
fn fits_glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, read));
            at += 1;
        } else if pattern.get(at) == Some(&text[read]) {
            at += 1;
            read += 1;
        } else if let Some((place, taken)) = star.filter(|(_, taken)| !is_separator(text[*taken])) {
            star = Some((place, taken + 1));
            at = place + 1;
            read = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// The texts of a claim: one, or those of a list. A claim that is an object, or not there, has none.
pub fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(entries)) => entries.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => vec![],
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn condition(value: Value) -> Condition {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_kind_of_condition_fits_what_it_says_and_nothing_that_looks_alike() {
        for (members, fitting, others) in [
            (json!({"equals": "a/b"}), &["a/b"][..], &["a/b/", "A/b", "a", "", " a/b"][..]),
            (json!({"one_of": ["a", "b"]}), &["a", "b"], &["c", "ab", "a,b", ""]),
            (
                json!({"prefix": "repo:octo/app:"}),
                &["repo:octo/app:ref:refs/heads/main", "repo:octo/app:x"],
                &["repo:octo/app:", "repo:octo/app-evil:ref", "repo:octo/app", "xrepo:octo/app:y", "Repo:octo/app:x"],
            ),
            (
                json!({"glob": "repo:octo/app:ref:refs/heads/*"}),
                &["repo:octo/app:ref:refs/heads/main", "repo:octo/app:ref:refs/heads/"],
                &[
                    "repo:octo/app:ref:refs/heads/a/b",
                    "repo:octo/app:ref:refs/tags/v1",
                    "repo:octo/app:ref:refs/heads/a:b",
                ],
            ),
            (json!({"glob": "repo:octo/*:ref"}), &["repo:octo/app:ref"], &["repo:octo/a/b:ref", "repo:octo/a:b:ref"]),
            (json!({"glob": "*@corp.example"}), &["anna@corp.example"], &["a/b@corp.example", "a@corp.example.evil"]),
        ] {
            let condition = condition(members.clone());
            for text in fitting {
                assert!(condition.fits(text), "{members}: {text}");
            }
            for text in others {
                assert!(!condition.fits(text), "{members}: {text}");
            }
        }
    }

    #[test]
    fn what_lets_almost_everybody_in_is_refused() {
        for (claim, members) in [
            ("sub", json!({"equals": "a"})),
            ("sub", json!({"prefix": "repo:octo/"})),
            ("sub", json!({"prefix": "system:serviceaccount:apps:"})),
            ("sub", json!({"prefix": "spiffe://example.org/"})),
            ("sub", json!({"glob": "repo:octo/*"})),
            ("sub", json!({"glob": "repo:octo/app:ref:*"})),
            ("sub", json!({"prefix": "https://idp.example/"})),
            ("email", json!({"glob": "*@corp.example"})),
            ("email", json!({"glob": "ci-*@corp.example"})),
            ("/email", json!({"glob": "*@corp.example"})),
            ("repository_owner", json!({"one_of": ["octo"]})),
            ("job_workflow_ref", json!({"prefix": "octo/"})),
            ("job_workflow_ref", json!({"prefix": "https://git.example/"})),
            ("ref", json!({"glob": "refs/heads/*"})),
            ("environment", json!({"glob": "prod-*"})),
        ] {
            assert_eq!(condition(members.clone()).check(claim), Ok(()), "{claim}: {members}");
        }
        for (claim, members, expected) in [
            ("sub", json!({"equals": ""}), "1 to 1024 bytes"),
            ("sub", json!({"equals": "a\nb"}), "1 to 1024 bytes"),
            ("sub", json!({"equals": "x".repeat(1025)}), "1 to 1024 bytes"),
            ("sub", json!({"one_of": []}), "0 entries"),
            ("sub", json!({"one_of": [""]}), "1 to 1024 bytes"),
            ("sub", json!({"prefix": "repo:octo/app"}), "must end with / or :"),
            ("sub", json!({"prefix": "repo:octo"}), "must end with / or :"),
            ("sub", json!({"prefix": "repo:"}), "first two levels"),
            ("sub", json!({"prefix": "spiffe://"}), "first two levels"),
            ("sub", json!({"prefix": "/"}), "first two levels"),
            ("sub", json!({"prefix": "repo:*/"}), "must not have *"),
            ("sub", json!({"glob": "repo:octo/app"}), "has no *"),
            ("sub", json!({"glob": "repo:octo/**"}), "must not have **"),
            ("environment", json!({"glob": "*"}), "less than 3"),
            ("environment", json!({"glob": "a*b"}), "less than 3"),
            ("sub", json!({"glob": "*"}), "use equals or one_of"),
            ("sub", json!({"glob": "00u*"}), "use equals or one_of"),
            ("/sub", json!({"glob": "00u*"}), "use equals or one_of"),
            ("/sub", json!({"prefix": "repo:"}), "first two levels"),
            ("repository_owner", json!({"glob": "octo*"}), "use equals or one_of"),
            ("repository_owner_id", json!({"glob": "1234*"}), "use equals or one_of"),
            ("email", json!({"glob": "*"}), "last @"),
            ("sub", json!({"glob": "repo:*"}), "first two levels"),
            ("sub", json!({"glob": "repo:*/app:ref"}), "first two levels"),
            ("sub", json!({"glob": "repo:octo*/app"}), "first two levels"),
            ("sub", json!({"glob": "*:octo/app"}), "first two levels"),
            ("job_workflow_ref", json!({"glob": "*/app"}), "first level"),
            ("job_workflow_ref", json!({"glob": "octo*/app"}), "first level"),
            ("job_workflow_ref", json!({"prefix": "https://"}), "first level"),
            ("job_workflow_ref", json!({"glob": "https://git*"}), "first level"),
            ("sub", json!({"glob": "https://idp*"}), "first two levels"),
            ("email", json!({"glob": "*corp.example"}), "last @"),
            ("email", json!({"glob": "*@*.corp.example"}), "last @"),
            ("email", json!({"glob": "*@corp.example*"}), "last @"),
            ("email", json!({"glob": "anna*@"}), "last @"),
            ("/email", json!({"glob": "anna@*"}), "last @"),
            ("/email/0", json!({"glob": "anna@*"}), "last @"),
            ("email", json!({"prefix": "anna:"}), "domain of an email"),
        ] {
            let problem = condition(members.clone()).check(claim).unwrap_err();
            assert!(problem.contains(expected), "{claim}: {members}: {problem}");
        }
    }

    #[test]
    fn a_claim_has_the_texts_that_json_writes() {
        assert_eq!(texts(Some(&json!("a"))), ["a"]);
        assert_eq!(texts(Some(&json!(123_456))), ["123456"]);
        assert_eq!(texts(Some(&json!(true))), ["true"]);
        assert_eq!(texts(Some(&json!(["a", 1, {}, ["b"], null]))), ["a", "1"]);
        assert!(texts(Some(&json!({"a": 1}))).is_empty() && texts(Some(&json!(null))).is_empty());
        assert!(texts(None).is_empty());
    }

    /// The same by trying everything.
    fn fits_slowly(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) if fits_slowly(rest, text) => true,
            (Some((b'*', _)), Some((byte, left))) => !is_separator(*byte) && fits_slowly(pattern, left),
            (Some((one, rest)), Some((byte, left))) => one == byte && fits_slowly(rest, left),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_fits_when_everything_is_tried(pattern in "[ab:/*]{0,8}", text in "[ab:/]{0,10}") {
            prop_assert_eq!(
                fits_glob(pattern.as_bytes(), text.as_bytes()), fits_slowly(pattern.as_bytes(), text.as_bytes())
            );
        }
    }
}
