//! Prints what a set changes, for people.

use serde_json::Value;

use crate::admin::apply::{Applied, Change, ChangeAction, MemberChange};
use crate::cli::Outcome;
use crate::cli::output::{line, plain_text};

/// The longest value that is shown whole, in characters.
const LONGEST_VALUE: usize = 160;

/// Prints the changes and, at the end, how many there are.
pub(super) fn print(applied: &Applied) -> Outcome {
    for change in &applied.changes {
        lines_of(change).iter().try_for_each(|text| line(text))?;
    }
    if !applied.changes.is_empty() {
        line("")?;
    }
    line(&summary(applied))
}

fn summary(applied: &Applied) -> String {
    let count = |action| {
        let of_action = applied.changes.iter().filter(|change| change.action == action);
        of_action.map(|change| 1 + usize::from(change.creates_user)).sum::<usize>()
    };
    let verbs = if applied.dry_run {
        ["to create", "to change", "to delete", "kept"]
    } else {
        ["created", "changed", "deleted", "kept"]
    };
    let actions = [ChangeAction::Create, ChangeAction::Update, ChangeAction::Delete, ChangeAction::Keep];
    let counts = actions.into_iter().zip(verbs).map(|(action, verb)| (count(action), verb));
    let mut parts: Vec<String> =
        counts.filter(|(count, _)| *count > 0).map(|(count, verb)| format!("{count} {verb}")).collect();
    parts.push(format!("{} unchanged", applied.unchanged));
    if applied.joined > 0 {
        let verb = if applied.dry_run { "would join" } else { "joined" };
        parts.push(format!("{} of them {verb} the set", applied.joined));
    }
    format!("set {}: {}", applied.set, parts.join(", "))
}

fn lines_of(change: &Change) -> Vec<String> {
    let sign = match change.action {
        ChangeAction::Create => '+',
        ChangeAction::Update => '~',
        ChangeAction::Delete => '-',
        ChangeAction::Keep => '!',
    };
    let mut lines = Vec::new();
    if change.creates_user {
        lines.push(format!("{sign} user {} (without a password)", plain_text(&change.id)));
    }
    lines.push(format!("{sign} {} {}", change.kind.name(), plain_text(&change.id)));
    let width = change.members.iter().map(|member| member.name.len()).max().unwrap_or(0);
    lines.extend(change.members.iter().map(|member| {
        let text = match change.action {
            ChangeAction::Create => shown(&member.after),
            _ => difference(member),
        };
        format!("    {:width$}  {text}", plain_text(&member.name))
    }));
    if change.needs_secret {
        lines.push("    (needs a secret)".into());
    }
    lines.extend(change.notes.iter().map(|note| format!("    note: {}", plain_text(note))));
    lines
}

/// What a member becomes: for a list, what comes and what goes.
fn difference(member: &MemberChange) -> String {
    match (items(member, &member.before), items(member, &member.after)) {
        (Some(before), Some(after)) if !before.is_empty() && !after.is_empty() => {
            let gone = before.iter().filter(|item| !after.contains(item)).map(|item| format!("-{item}"));
            let new = after.iter().filter(|item| !before.contains(item)).map(|item| format!("+{item}"));
            let parts: Vec<String> = gone.chain(new).collect();
            if parts.is_empty() { "in another order".into() } else { cut(&parts.join(" ")) }
        }
        _ => format!("{} -> {}", shown(&member.before), shown(&member.after)),
    }
}

/// The items of a list, or of a scope.
fn items(member: &MemberChange, value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => Some(items.iter().map(shown).collect()),
        Value::Object(members) => Some(members.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        Value::String(text) if member.name == "scope" => Some(text.split_whitespace().map(str::to_owned).collect()),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => cut(text),
        Value::Null => "(none)".into(),
        other => cut(&other.to_string()),
    }
}

fn cut(text: &str) -> String {
    let text = plain_text(text);
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::object::Kind;

    fn changed(name: &str, before: Value, after: Value) -> String {
        difference(&MemberChange { name: name.into(), before, after })
    }

    #[test]
    fn a_difference_names_what_comes_and_what_goes() {
        assert_eq!(changed("scope", json!("read write"), json!("read delete")), "-write +delete");
        assert_eq!(changed("audiences", json!(["a", "b"]), json!(["b", "a"])), "in another order");
        assert_eq!(changed("scopes", json!({"a": "A"}), json!({"a": "B"})), "-a=\"A\" +a=\"B\"");
        assert_eq!(changed("scope", json!(""), json!("read")), "\"\" -> read");
        assert_eq!(changed("access_token_ttl", json!(null), json!(60)), "(none) -> 60");
        assert_eq!(changed("client_name", json!("a\u{1b}[2J"), json!("b")), "a\\u{1b}[2J -> b");
        assert!(changed("claims", json!(1), json!("x".repeat(500))).ends_with("… (500 characters)"));
    }

    #[test]
    fn the_summary_counts() {
        let change = |action| Change {
            action,
            kind: Kind::Client,
            id: "a".into(),
            members: vec![],
            creates_user: false,
            needs_secret: false,
            notes: vec![],
        };
        let mut applied = Applied {
            set: "main".into(),
            dry_run: true,
            changes: vec![change(ChangeAction::Create), change(ChangeAction::Create), change(ChangeAction::Keep)],
            unchanged: 3,
            joined: 1,
            secret_prefix: String::new(),
        };
        assert_eq!(summary(&applied), "set main: 2 to create, 1 kept, 3 unchanged, 1 of them would join the set");
        applied.dry_run = false;
        assert_eq!(summary(&applied), "set main: 2 created, 1 kept, 3 unchanged, 1 of them joined the set");
        let role = Change { kind: Kind::Role, creates_user: true, ..change(ChangeAction::Create) };
        assert_eq!(lines_of(&role), ["+ user a (without a password)", "+ role a"]);
        applied.changes = vec![role];
        assert_eq!(summary(&applied), "set main: 2 created, 3 unchanged, 1 of them joined the set");
    }
}
