//! Allowing the workflows of a GitHub repository to get tokens without a secret: a form makes the issuer, the rule and the client, and
//! the next page has what the workflow runs.

use std::collections::BTreeMap;

use crate::admin::body::Patch;
use crate::admin::clients::{ClientPatch, NewClient};
use crate::admin::issuers::{IssuerView, NewIssuer};
use crate::admin::powers::{ADMIN, READ_CLIENTS};
use crate::admin::{AdminError, Result};
use crate::console::confirm::confirm;
use crate::console::page::{Block, Button, Cell, Field, FieldKind, Form, Page};
use crate::console::snippets::shell_quote;
use crate::console::typed::{Answered, Typed, page_of_new, put_beside};
use crate::console::visit::{Content, Outcome, Visit, address};
use crate::console::{clients, issuers};
use crate::protocol::client::{AuthMethod, GrantType};
use crate::protocol::condition::Condition;
use crate::protocol::scope::Scope;
use crate::protocol::trusted_issuer::{IssuerUse, Rule};

const PATH: &str = "console/allow-github";
const WORKFLOW: &str = "console/github-workflow";

/// The `iss` of the tokens of GitHub Actions.
const GITHUB: &str = "https://token.actions.githubusercontent.com";
/// Seconds for which such a token is accepted: a job asks for it when it needs it.
const MAX_AGE: i64 = 600;
/// What begins an expression, wherever it stands in a workflow.
const EXPRESSION: &str = "${{";
/// The most characters of a name at GitHub.
const LONGEST_NAME: usize = 255;

const NAMES: [&str; 8] =
    ["owner", "repository", "owner_id", "repository_id", "kind", "reference", "client_id", "scope"];

const KINDS: [(&str, &str); 2] = [("branch", "runs for this branch"), ("environment", "has this environment")];

pub(super) fn show(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    Ok(page(Answered::GOOD, fields(&Typed::default().with("reference", "main"))).into())
}

pub(super) async fn act(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(ADMIN)?;
    confirm(visit, &NAMES).await?;
    let typed = Typed::read(visit, &NAMES)?;
    match allow(visit, &typed).await {
        Ok(client) => Ok(Content::Elsewhere(address(WORKFLOW, &[("client", &client)]))),
        Err(error) => {
            let mut fields = fields(&typed);
            let answered = put_beside(error, &mut fields, "client_id")?;
            Ok(page(answered, fields).into())
        }
    }
}

/// What a workflow runs to get a token. Nothing of it is secret.
pub(super) async fn workflow(visit: &Visit<'_>) -> Outcome<Content> {
    visit.needs(READ_CLIENTS)?;
    let client = visit.app.client_show(&visit.text("client")?).await?;
    let issuer = visit.app.issuer_show(GITHUB).await?;
    let id = client.client_id.as_str();
    if !issuer.settings.rules.iter().any(|rule| rule.client_id.as_deref() == Some(id)) {
        return Err(AdminError::NotFound("no rule for GitHub is about this client".into()).into());
    }
    let audience = issuer.settings.audience.first().map(String::as_str).unwrap_or_default();
    let token_endpoint = visit.app.issuer.endpoint("/auth/token");
    let test = Cell::link("test a token against the conditions", "console/issuer-test");
    Ok(Page::new("What the workflow runs")
        .with(Block::text(format!(
            "The workflow gets tokens as the client {id}, without a secret. Put this into its job; the access token is then in \
             $ACCESS_TOKEN for the steps that follow."
        )))
        .with(Block::Code(steps(&token_endpoint, audience, id)))
        .with(Block::Text(vec![Cell::text("If it is refused:"), test]))
        .with(Block::Text(vec![Cell::link("The client", clients::one(id)), Cell::link("The issuer", issuers::one(GITHUB))]))
        .into())
}

/// Makes client, issuer and rule, as far as they are not there yet, and gives the client. A form that is sent again, because not all of
/// that was done, does the rest.
async fn allow(visit: &Visit<'_>, typed: &Typed) -> Result<String> {
    // 1. What is wrong with the form, or with what is there, is found before anything is written.
    let rule = rule(typed)?;
    let scope = Scope::parse(typed.get("scope").trim())
        .map_err(|error| AdminError::Invalid(format!("scope: this is no scope: {error}")))?;
    let client_id = rule.client_id.clone().unwrap_or_default();
    let issuer = match visit.app.issuer_show(GITHUB).await {
        Ok(issuer) => Some(issuer),
        Err(AdminError::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let (app, actor) = (visit.app, visit.actor());
    let has_rule = match &issuer {
        Some(issuer) => check(issuer, &rule)?,
        None => false,
    };
    if issuer.is_some() && !has_rule {
        app.issuer_rule_check(GITHUB, rule.clone(), &actor).await?;
    }
    // 2. A rule needs its client.
    make_client(visit, &client_id, scope).await?;
    // 3. Then the issuer, with the rule.
    match issuer {
        Some(_) if has_rule => {}
        Some(_) => drop(app.issuer_rule_add(GITHUB, rule, &actor).await?),
        None => {
            let new = NewIssuer {
                issuer: GITHUB.to_owned(),
                name: Some("GitHub Actions".to_owned()),
                jwks: None,
                jwks_uri: None,
                audience: vec![app.issuer.url().to_owned()],
                uses: vec![IssuerUse::ClientAssertion],
                max_age: Some(MAX_AGE),
                single_use: None,
                local_users: None,
                rules: Some(vec![rule]),
                enabled: None,
            };
            app.issuer_create(new, &actor).await?;
        }
    }
    Ok(client_id)
}

/// Whether the issuer has the rule already.
///
/// # Errors
/// The rule would be of no use, or be in the way of another one.
fn check(issuer: &IssuerView, rule: &Rule) -> Result<bool> {
    let settings = &issuer.settings;
    let conflict = |text: &str| Err(AdminError::Conflict(text.to_owned()));
    if !settings.enabled {
        return conflict("GitHub is a trusted issuer that is disabled: enable it first");
    }
    if !settings.uses.contains(&IssuerUse::ClientAssertion) {
        return conflict(
            "GitHub is a trusted issuer, but its tokens may not prove clients: change what it is trusted for first",
        );
    }
    match settings.rules.iter().find(|other| other.claims == rule.claims) {
        Some(same) if same.client_id == rule.client_id => Ok(true),
        Some(other) => {
            let client = other.client_id.as_deref().unwrap_or("no client");
            conflict(&format!("there is a rule for this workflow already, by which it is {client}; only one may match"))
        }
        None => Ok(false),
    }
}

/// Makes the client, or has it name the issuer.
async fn make_client(visit: &Visit<'_>, id: &str, scope: Scope) -> Result<()> {
    let (app, actor) = (visit.app, visit.actor());
    match app.client_show(id).await {
        Ok(client) => {
            let settings = client.settings;
            let method = settings.token_endpoint_auth_method;
            if method != AuthMethod::PrivateKeyJwt {
                let name = method.name();
                let text = format!(
                    "client_id: the client {id} authenticates by {name}, and needs private_key_jwt; name a new one"
                );
                return Err(AdminError::Conflict(text));
            }
            if !settings.grant_types.contains(&GrantType::ClientCredentials) {
                let text = format!("client_id: the client {id} may not use client_credentials; name a new one");
                return Err(AdminError::Conflict(text));
            }
            if settings.issuers.iter().any(|issuer| issuer == GITHUB) {
                return Ok(());
            }
            let mut names = settings.issuers;
            names.push(GITHUB.to_owned());
            let patch = ClientPatch { issuers: Patch::Set(names), ..ClientPatch::default() };
            app.client_update(id, patch, &actor).await.map(drop)
        }
        Err(AdminError::NotFound(_)) => {
            let settings = ClientPatch {
                token_endpoint_auth_method: Patch::Set(AuthMethod::PrivateKeyJwt),
                issuers: Patch::Set(vec![GITHUB.to_owned()]),
                grant_types: Patch::Set(vec![GrantType::ClientCredentials]),
                scope: Patch::Set(scope),
                ..ClientPatch::default()
            };
            let new = NewClient { client_id: Some(id.to_owned()), client_secret: None, settings };
            app.client_create(new, &actor).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

/// The rule by which a workflow is the client. Names of repositories can be given up and taken by others, their numbers cannot; so both
/// are conditions, and `sub` may be of the older form, without the numbers, or of the newer one.
fn rule(typed: &Typed) -> Result<Rule> {
    let invalid = |text: String| AdminError::Invalid(text);
    let name = |field: &str, is_other: fn(char) -> bool| match typed.text(field) {
        Some(name) if name.len() <= LONGEST_NAME && name.chars().all(|c| c.is_ascii_alphanumeric() || is_other(c)) => {
            Ok(name)
        }
        _ => Err(invalid(format!("{field}: type in the name as GitHub writes it"))),
    };
    let number = |field: &str| match typed.text(field) {
        Some(number) if number.len() <= 20 && number.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
        _ => Err(invalid(format!("{field}: type in the number that GitHub gives"))),
    };
    let owner = name("owner", |c: char| c == '-' || c == '_')?;
    let repository = name("repository", |c: char| ".-_".contains(c))?;
    let (owner_id, repository_id) = (number("owner_id")?, number("repository_id")?);
    let reference = typed.text("reference").unwrap_or_default();
    let is_unfit = |c: char| c.is_control() || c == '*';
    if reference.is_empty() || reference.len() > LONGEST_NAME || reference.chars().any(is_unfit) {
        return Err(invalid("reference: type in a name, without *".to_owned()));
    }
    let (what, context) = match typed.get("kind") {
        "branch" => {
            let branch = reference.strip_prefix("refs/heads/").unwrap_or(&reference);
            (format!("branch {branch}"), format!("ref:refs/heads/{branch}"))
        }
        // GitHub writes a colon within a name in this way.
        "environment" => (format!("environment {reference}"), format!("environment:{}", reference.replace(':', "%3A"))),
        _ => return Err(invalid("kind: choose a branch or an environment".to_owned())),
    };
    let subjects = vec![
        format!("repo:{owner}@{owner_id}/{repository}@{repository_id}:{context}"),
        format!("repo:{owner}/{repository}:{context}"),
    ];
    let client_id = typed.text("client_id").ok_or_else(|| invalid("client_id: name a client".to_owned()))?;
    if client_id.contains(EXPRESSION) {
        return Err(invalid(format!("client_id: a workflow would not take {EXPRESSION} as a part of a name")));
    }
    let claims = BTreeMap::from([
        ("repository_owner_id".to_owned(), Condition::Equals(owner_id)),
        ("repository_id".to_owned(), Condition::Equals(repository_id)),
        ("sub".to_owned(), Condition::OneOf(subjects)),
    ]);
    let name = format!("{owner}/{repository}, {what}").chars().take(63).collect();
    Ok(Rule { name: Some(name), client_id: Some(client_id), claims })
}

fn fields(typed: &Typed) -> Vec<Field> {
    let of = |name: &'static str, label: &'static str| Field::new(name, label, typed.get(name));
    let needed = |name, label, help| Field { is_required: true, help, ..of(name, label) };
    vec![
        needed("owner", "Organisation or user", "Such as octo-org, as GitHub writes it."),
        needed("repository", "Repository", "Such as app, without the organisation."),
        needed(
            "owner_id",
            "Number of the organisation or user",
            "gh api repos/ORGANISATION/REPOSITORY --jq '.owner.id, .id' prints this number and the next one. Names can be taken over by \
             others; numbers cannot.",
        ),
        needed("repository_id", "Number of the repository", ""),
        Field {
            kind: FieldKind::Choice(KINDS.to_vec()),
            help: "A job with an environment is told by that, not by its branch.",
            ..of("kind", "The workflow is allowed if it")
        },
        needed("reference", "Name of the branch or the environment", "Such as main."),
        needed(
            "client_id",
            "Client that the workflow is",
            "A new name, such as deployer: the client is made. Or a client that authenticates by private_key_jwt.",
        ),
        Field { help: "Of a new client; names with spaces between them.", ..of("scope", "Scope") },
    ]
}

fn page(answered: Answered, fields: Vec<Field>) -> Page {
    let form = Form::post("github", PATH, fields, vec![Button::new("allow", "Allow the workflow")]);
    let text = "GitHub gives each job a signed token that says which repository and branch it runs for. Here it stands in for a client \
                secret, so there is none to store. This trusts GitHub as an issuer and makes the client, if they are not there yet, and \
                adds the rule.";
    page_of_new(answered, ("Allow a GitHub workflow", text), form)
}

/// The part of a workflow that gets a token. What is secret is piped, so that the list of processes does not show it.
fn steps(token_endpoint: &str, audience: &str, client_id: &str) -> String {
    let audience: String = form_urlencoded::byte_serialize(audience.as_bytes()).collect();
    let client = shell_quote(&format!("client_id={client_id}"));
    format!(
        r#"permissions:
  id-token: write
steps:
  - name: Get an access token
    shell: bash
    run: |
      set -o pipefail
      ASSERTION=$(printf 'Authorization: Bearer %s' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" | curl -sSf -H @- \
        "$ACTIONS_ID_TOKEN_REQUEST_URL&audience={audience}" | jq -er .value)
      ACCESS_TOKEN=$(printf %s "$ASSERTION" | curl -sSf {token_endpoint} -d grant_type=client_credentials \
        -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer \
        --data-urlencode client_assertion@- --data-urlencode {client} | jq -er .access_token)
      echo "::add-mask::$ACCESS_TOKEN"
      echo "ACCESS_TOKEN=$ACCESS_TOKEN" >> "$GITHUB_ENV"
"#
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn typed() -> Typed {
        Typed::default()
            .with("owner", "octo-org")
            .with("repository", "app")
            .with("owner_id", "123456")
            .with("repository_id", "456789")
            .with("kind", "branch")
            .with("reference", "main")
            .with("client_id", "deployer")
    }

    #[test]
    fn the_rule_is_that_of_the_guide() {
        let expected = json!({
            "repository_owner_id": {"equals": "123456"}, "repository_id": {"equals": "456789"},
            "sub": {"one_of": ["repo:octo-org@123456/app@456789:ref:refs/heads/main", "repo:octo-org/app:ref:refs/heads/main"]},
        });
        for reference in ["main", "refs/heads/main", " main "] {
            let rule = rule(&typed().with("reference", reference)).unwrap();
            assert_eq!((json!(rule.claims), rule.client_id.as_deref()), (expected.clone(), Some("deployer")));
        }
        let rule = rule(&typed().with("kind", "environment").with("reference", "eu:live")).unwrap();
        let expected =
            ["repo:octo-org@123456/app@456789:environment:eu%3Alive", "repo:octo-org/app:environment:eu%3Alive"];
        assert_eq!(json!(rule.claims)["sub"]["one_of"], json!(expected));
    }

    #[test]
    fn what_is_wrong_is_said_of_the_field() {
        for (field, value) in [
            ("owner", ""),
            ("owner", "octo-org/app"),
            ("owner", "octo:org"),
            ("repository", "octo-org/app"),
            ("repository", "a b"),
            ("owner_id", "octo-org"),
            ("repository_id", ""),
            ("repository_id", "-1"),
            ("kind", "tag"),
            ("reference", ""),
            ("reference", "release/*"),
            ("client_id", " "),
            ("client_id", "a ${{ secrets.KEY }}"),
        ] {
            let error = rule(&typed().with(field, value)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{field} {value}: {error}");
        }
    }

    #[test]
    fn what_the_workflow_runs_holds_any_name_as_one_word() {
        let steps = steps("https://auth.example.com/auth/token", "https://auth.example.com", "it's $(id)");
        assert!(steps.contains(r"--data-urlencode 'client_id=it'\''s $(id)' "), "{steps}");
        for part in [" set -o pipefail\n", " --data-urlencode client_assertion@- "] {
            assert!(steps.contains(part), "{part}: {steps}");
        }
        assert!(steps.contains("&audience=https%3A%2F%2Fauth.example.com\""), "{steps}");
        assert!(steps.contains("curl -sSf https://auth.example.com/auth/token "), "{steps}");
    }
}
