//! Events: records of the audit trail in the order in which they can be followed, as others are told of them.

use serde_json::json;
use uuid::Uuid;

use crate::protocol::schema::describe;
use crate::protocol::time::Timestamp;

/// Every type of event, which is the action of its audit record.
pub const TYPES: [&str; 55] = [
    "client.block",
    "client.create",
    "client.delete",
    "client.disable",
    "client.document",
    "client.enable",
    "client.register",
    "client.secret.add",
    "client.secret.retire",
    "client.throttled",
    "client.unblock",
    "client.update",
    "consent.give",
    "consent.withdraw",
    "device.allow",
    "device.deny",
    "issuer.create",
    "issuer.delete",
    "issuer.update",
    "key.create",
    "key.delete",
    "key.reset",
    "key.rewrap",
    "key.rotate",
    "login",
    "login.throttled",
    "logout",
    "resource.create",
    "resource.delete",
    "resource.update",
    "revocation.create",
    "second_factor.create",
    "second_factor.delete",
    "second_factor.new_codes",
    "second_factor.recovery",
    "session.refresh.repeat",
    "session.reuse",
    "set.apply",
    "token.explain",
    "token.impersonate",
    "token.share",
    "token.unshare",
    "user.create",
    "user.delete",
    "user.disable",
    "user.enable",
    "user.password",
    "user.password_link",
    "user.role",
    "user.update",
    "user_code.throttled",
    "webhook.create",
    "webhook.delete",
    "webhook.secret",
    "webhook.update",
];

/// Seconds for which events can be read and sent. The audit trail is kept for longer.
pub const EVENT_LIFE: i64 = 7 * 24 * 3600;

/// The most types that can be chosen.
pub const MOST_TYPES: usize = 50;

/// An event. It has no details: these are for those who may read the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its place in the order; never smaller than the time in milliseconds.
    pub number: i64,
    /// The place of the event before it.
    pub previous: i64,
    /// The id of the audit record.
    pub id: Uuid,
    /// What happened.
    pub event_type: String,
    /// When.
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// To what.
    pub target: String,
    /// The id of the request, if any.
    pub request_id: Option<String>,
}

impl Event {
    /// What others are told, the same in a stream and in a webhook.
    pub fn to_json(&self) -> String {
        json!({
            "type": self.event_type,
            "timestamp": self.at,
            "data": {
                "id": self.id,
                "number": self.number,
                "actor": self.actor,
                "target": self.target,
                "request_id": self.request_id,
            },
        })
        .to_string()
    }
}

/// The types of events that somebody wants to hear of: all if there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct EventTypes(Vec<String>);

describe!(EventTypes {
    "description": "Types of events, such as `client.update`, or whole groups, such as `client.*`; all if there are none.",
    "type": "array",
    "maxItems": MOST_TYPES,
    "uniqueItems": true,
    "items": {"type": "string"},
    "examples": [["client.*", "session.reuse"]],
});

impl EventTypes {
    /// Checks that each exists and is named once: a misspelt type would never be heard of.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(self) -> Result<Self, String> {
        if self.0.len() > MOST_TYPES {
            return Err(format!("at most {MOST_TYPES} can be named"));
        }
        for (index, name) in self.0.iter().enumerate() {
            let is_known = match name.strip_suffix(".*") {
                Some(group) => TYPES.iter().any(|known| group_of(known) == group),
                None => TYPES.contains(&name.as_str()),
            };
            if !is_known {
                return Err(format!("the entry at {index} is no type of event, such as client.update or client.*"));
            }
            if self.0[..index].contains(name) {
                return Err(format!("the entry at {index} stands there twice"));
            }
        }
        Ok(self)
    }

    /// Reads names that are separated by commas.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Self(names.map(str::to_owned).collect()).check()
    }

    /// Whether an event of this type is meant.
    pub fn include(&self, event_type: &str) -> bool {
        let is_meant = |name: &String| match name.strip_suffix(".*") {
            Some(group) => group_of(event_type) == group,
            None => name == event_type,
        };
        self.0.is_empty() || self.0.iter().any(is_meant)
    }

    /// For the database: a space before and after each.
    pub(crate) fn to_column(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!(" {} ", self.0.join(" ")) }
    }

    /// Reads what [`to_column`](Self::to_column) wrote.
    pub(crate) fn from_column(text: &str) -> Self {
        Self(text.split_whitespace().map(str::to_owned).collect())
    }
}

/// The group of a type: its first word.
fn group_of(event_type: &str) -> &str {
    event_type.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_chosen_by_name_and_by_group() {
        let chosen = EventTypes::parse("client.*, login").unwrap();
        for (event_type, is_chosen) in [
            ("client.update", true),
            ("client.secret.add", true),
            ("login", true),
            ("login.throttled", false),
            ("logout", false),
            ("user.update", false),
        ] {
            assert_eq!(chosen.include(event_type), is_chosen, "{event_type}");
        }
        assert!(EventTypes::default().include("anything"));
        assert_eq!(EventTypes::from_column(&chosen.to_column()), chosen);
        assert_eq!(chosen.to_column(), " client.* login ");
        assert_eq!(EventTypes::from_column(&EventTypes::default().to_column()), EventTypes::default());
    }

    #[test]
    fn a_type_that_does_not_exist_is_refused_and_not_repeated() {
        for text in ["client.updated", "clients.*", "*", "client.", "login,login", "jat_live_x"] {
            let problem = EventTypes::parse(text).unwrap_err();
            assert!(!problem.contains("jat_") && !problem.contains("updated"), "{problem}");
        }
        assert_eq!(EventTypes::parse(" , "), Ok(EventTypes::default()));
    }

    #[test]
    fn what_others_are_told_has_no_details_and_no_address() {
        let event = Event {
            number: 7,
            previous: 5,
            id: Uuid::nil(),
            event_type: "client.update".into(),
            at: Timestamp::from_seconds(0),
            actor: "client ops".into(),
            target: "client \"billing\"".into(),
            request_id: None,
        };
        assert_eq!(
            event.to_json(),
            "{\"type\":\"client.update\",\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"data\":{\"id\":\
             \"00000000-0000-0000-0000-000000000000\",\"number\":7,\"actor\":\"client ops\",\
             \"target\":\"client \\\"billing\\\"\",\"request_id\":null}}"
        );
    }

    #[test]
    fn types_are_sorted_and_distinct() {
        assert!(TYPES.is_sorted_by(|one, next| one < next));
    }
}
