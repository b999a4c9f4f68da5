//! What to do about a token, as commands to copy: those of the advice about its cause, with what is known of it in place of the examples.

use std::cmp::Reverse;

use crate::admin::AdminError;
use crate::admin::clients::ClientView;
use crate::console::snippets::shell_word;
use crate::console::visit::{Outcome, Visit};
use crate::diagnosis::advice;
use crate::diagnosis::commands::{CLOCK, KEYS, NEW_TOKEN, REFRESH, REFRESH_WITH_SECRET, VERIFY};
use crate::diagnosis::explanation::Explanation;
use crate::diagnosis::judge::Requirements;
use crate::diagnosis::pasted::Problem;
use crate::protocol::cause::Cause;
use crate::protocol::client::GrantType;
use crate::protocol::scope::Scope;

/// Why a resource server that refuses a good token may do so: what it gets, which keys it has, its clock.
const OF_A_GOOD_TOKEN: [&str; 3] = [VERIFY, KEYS, CLOCK];
/// The examples in commands.
const EXAMPLE_AUDIENCE: &str = "https://api.example.com";
const EXAMPLE_SCOPE: &str = "'read write'";
const IN_QUERY: &str = "?audience=https://api.example.com";
/// Where a request for a new token goes on with what it asks for.
const ASKS: &str = "{asks}";

/// What is known of a token, verified. What it merely claims is in no command: whoever made it up would choose what people do.
#[derive(Default)]
struct Known {
    /// Its client, unless that is deleted.
    client: Option<ClientView>,
    username: Option<String>,
    /// Whether the client needs another token of its own.
    needs_token: bool,
    /// What the resource server needs.
    scope: Scope,
    audience: Option<String>,
    /// An audience of the token.
    its_audience: Option<String>,
}

/// The commands for what is wrong with a request, and with its token, if it was explained.
pub(super) async fn of(
    visit: &Visit<'_>,
    problems: &[Problem],
    explained: Option<&Explanation>,
    required: &Requirements,
) -> Outcome<Vec<String>> {
    let known = match explained {
        Some(explained) => know(visit, explained, required).await?,
        None => Known::default(),
    };
    let of_request = problems.iter().filter_map(|problem| problem.cause);
    let causes: Vec<Cause> = of_request.chain(explained.and_then(|explained| explained.cause)).collect();
    let mut templates: Vec<&str> = Vec::new();
    for template in causes.iter().flat_map(|cause| advice::about(*cause).commands) {
        if !templates.contains(template) {
            templates.push(template);
        }
    }
    if known.needs_token && !templates.contains(&NEW_TOKEN) {
        templates.push(NEW_TOKEN);
    }
    if causes.is_empty() {
        templates.extend(OF_A_GOOD_TOKEN);
    }
    let commands = templates.into_iter().filter_map(|template| known.fill(template));
    Ok(commands.map(|command| visit.app.settings.fill(visit.request.issuer, &command)).collect())
}

async fn know(visit: &Visit<'_>, explained: &Explanation, required: &Requirements) -> Outcome<Known> {
    let fact = |name: &str| {
        let fact = explained.evidence.iter().find(|fact| fact.fact == name && fact.verified)?;
        let first = fact.value.as_array().and_then(|values| values.first());
        first.unwrap_or(&fact.value).as_str().map(str::to_owned)
    };
    let (client_id, subject) = (fact("client_id"), fact("subject"));
    let client = match &client_id {
        Some(id) => match visit.app.client_show(id).await {
            Ok(client) => Some(client),
            Err(AdminError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let needs_token = explained.cause.is_some() && client.is_some() && client_id == subject;
    // Other causes may be about somebody else's user of the same name.
    let names_user = matches!(explained.cause, Some(Cause::UserRevoked | Cause::UserDisabled));
    let username = match subject.filter(|_| names_user) {
        Some(sub) => visit.app.store.user_with_sub(&sub).await?.map(|user| user.username),
        None => None,
    };
    let lacks_scope = explained.all_causes.contains(&Cause::InsufficientScope);
    let lacks_audience = explained.all_causes.contains(&Cause::WrongAudience);
    // That of the admin API no client is given: a reserved scope leads there.
    let admin_api = visit.request.issuer.endpoint("/admin/v1");
    Ok(Known {
        client,
        username,
        needs_token,
        scope: if lacks_scope { required.scope.clone() } else { Scope::default() },
        audience: required.audience.clone().filter(|audience| lacks_audience && *audience != admin_api),
        its_audience: fact("audience"),
    })
}

impl Known {
    /// A command about this token; none if it is not for this client.
    fn fill(&self, template: &str) -> Option<String> {
        let settings = self.client.as_ref().map(|client| &client.settings);
        let command = match (template, settings) {
            (NEW_TOKEN, Some(settings)) if !settings.grant_types.contains(&GrantType::ClientCredentials) => {
                return None;
            }
            (NEW_TOKEN, _) => format!("{NEW_TOKEN}{ASKS}"),
            (REFRESH, Some(settings)) if !settings.token_endpoint_auth_method.is_public() => {
                REFRESH_WITH_SECRET.to_owned()
            }
            _ => template.to_owned(),
        };
        let mut values = vec![(ASKS, self.asks())];
        let asks_for_token = [NEW_TOKEN, REFRESH].contains(&template);
        if settings.is_some_and(|settings| {
            (command.contains("$CLIENT_SECRET") && !settings.token_endpoint_auth_method.uses_secret())
                || (asks_for_token && settings.binds_access_tokens())
        }) {
            return None;
        }
        if let (true, Some(settings)) = (command.contains(" --scope "), settings) {
            let lacking = self.scope.without(&settings.scope);
            // The client has it already: it has only to ask for it.
            if !self.scope.is_empty() && lacking.is_empty() {
                return None;
            }
            let whole: Vec<&str> = settings.scope.tokens().chain(lacking.tokens()).collect();
            values.push((EXAMPLE_SCOPE, shell_word(&whole.join(" "))));
        }
        if let (true, Some(settings), Some(audience)) = (command.contains(" --audiences "), settings, &self.audience) {
            if settings.audiences.contains(audience) {
                return None;
            }
            let whole: Vec<&str> = settings.audiences.iter().chain([audience]).map(String::as_str).collect();
            values.push((EXAMPLE_AUDIENCE, shell_word(&whole.join(","))));
        } else if let Some(audience) = self.audience.as_ref().or(self.its_audience.as_ref()) {
            let encoded: String = form_urlencoded::byte_serialize(audience.as_bytes()).collect();
            values.push((IN_QUERY, format!("?audience={encoded}")));
        }
        if let Some(ClientView { client_id: id, .. }) = &self.client {
            let word = shell_word(id);
            // Within the lines that curl reads, there are no quotes; and a program would take it for an option.
            if (command.contains("CLIENT_ID:") && word != *id) || id.starts_with('-') {
                return None;
            }
            values.push(("CLIENT_ID", word));
        }
        if let Some(username) = &self.username {
            if username.starts_with('-') {
                return None;
            }
            values.push(("USERNAME", shell_word(username)));
        }
        Some(put(&command, &values))
    }

    /// What a request for a new token has to ask for, so that the token is good.
    fn asks(&self) -> String {
        let scope = match self.scope.is_empty() {
            true => String::new(),
            false => format!(" --data-urlencode scope={}", shell_word(&self.scope.to_string())),
        };
        let resource =
            self.audience.as_ref().map(|audience| format!(" --data-urlencode resource={}", shell_word(audience)));
        scope + &resource.unwrap_or_default()
    }
}

/// Puts values in place of the examples, in one pass: what a value contains is never taken for an example, or a name from the database
/// could leave its quotes.
fn put(template: &str, values: &[(&str, String)]) -> String {
    let (mut command, mut rest) = (String::new(), template);
    loop {
        let found = values.iter().filter_map(|(example, value)| Some((rest.find(example)?, *example, value)));
        let Some((at, example, value)) = found.min_by_key(|(at, example, _)| (*at, Reverse(example.len()))) else {
            return command + rest;
        };
        command.push_str(&rest[..at]);
        command.push_str(value);
        rest = &rest[at + example.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_never_taken_for_an_example() {
        let values = [
            ("CLIENT_ID", shell_word("$(x)")),
            (EXAMPLE_SCOPE, shell_word("aCLIENT_ID USERNAME")),
            ("USERNAME", shell_word("'")),
        ];
        assert_eq!(
            put("jeton client update CLIENT_ID --scope 'read write'", &values),
            r"jeton client update '$(x)' --scope 'aCLIENT_ID USERNAME'"
        );
        let values = [(EXAMPLE_AUDIENCE, "a".to_owned()), (IN_QUERY, "?audience=b".to_owned())];
        assert_eq!(
            put("x '/v?audience=https://api.example.com' https://api.example.com", &values),
            "x '/v?audience=b' a"
        );
    }
}
