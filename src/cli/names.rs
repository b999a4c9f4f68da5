//! Arguments that name a client, a user, a resource, a scope, claims or a time.

use crate::cli::Failed;
use crate::protocol::claims::ExtraClaims;
use crate::protocol::role::Role;
use crate::protocol::scope::Scope;
use crate::settings::parse_duration;

/// The client to work on, as an argument or a flag.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct ClientName {
    /// The client's id [required]
    #[arg(value_name = "CLIENT_ID")]
    name: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "CLIENT_ID")]
    client_id: Option<String>,
}

/// The client to create, as an argument or a flag.
#[derive(Debug, clap::Args)]
pub(super) struct NewClientName {
    /// The client's id; generated if left out
    #[arg(value_name = "CLIENT_ID")]
    name: Option<String>,
    /// The same as a flag
    #[arg(long, conflicts_with = "name", value_name = "CLIENT_ID")]
    client_id: Option<String>,
}

/// The user to create, as an argument or a flag.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct NewUserName {
    /// The user's name [required]
    #[arg(value_name = "USER")]
    name: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "USER")]
    username: Option<String>,
}

/// The user to work on, as an argument or a flag.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct UserName {
    /// The user's name, id or `sub` [required]
    #[arg(value_name = "USER")]
    name: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "USER")]
    username: Option<String>,
}

/// The resource to work on, as an argument or a flag.
#[derive(Debug, clap::Args)]
pub(super) struct ResourceName {
    /// The resource's URI
    #[arg(value_name = "RESOURCE", required_unless_present = "resource")]
    uri: Option<String>,
    /// The same as a flag
    #[arg(long, conflicts_with = "uri", value_name = "RESOURCE")]
    resource: Option<String>,
}

/// The issuer to work on, as an argument or a flag.
#[derive(Debug, clap::Args)]
pub(super) struct IssuerArgument {
    /// The issuer: the iss of its tokens
    #[arg(value_name = "ISSUER", required_unless_present = "issuer")]
    iss: Option<String>,
    /// The same as a flag
    #[arg(long, conflicts_with = "iss", value_name = "ISSUER")]
    issuer: Option<String>,
}

impl IssuerArgument {
    pub(super) fn get(&self) -> &str {
        self.iss.as_deref().or(self.issuer.as_deref()).unwrap_or_default()
    }
}

impl ClientName {
    pub(super) fn get(&self) -> &str {
        self.name.as_deref().or(self.client_id.as_deref()).unwrap_or_default()
    }
}

impl NewClientName {
    pub(super) fn into_id(self) -> Option<String> {
        self.name.or(self.client_id)
    }
}

impl NewUserName {
    pub(super) fn get(&self) -> &str {
        self.name.as_deref().or(self.username.as_deref()).unwrap_or_default()
    }
}

impl UserName {
    pub(super) fn get(&self) -> &str {
        self.name.as_deref().or(self.username.as_deref()).unwrap_or_default()
    }
}

impl ResourceName {
    pub(super) fn get(&self) -> &str {
        self.uri.as_deref().or(self.resource.as_deref()).unwrap_or_default()
    }
}

/// Splits the values of a flag that may be repeated or comma-separated.
pub(super) fn entries(values: &[String]) -> Vec<&str> {
    values.iter().flat_map(|value| value.split(',')).map(str::trim).filter(|entry| !entry.is_empty()).collect()
}

/// `--scope`, if given: names separated by spaces or commas.
pub(super) fn scope(values: &[String]) -> Result<Option<Scope>, Failed> {
    if values.is_empty() {
        return Ok(None);
    }
    let text = entries(values).into_iter().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    Scope::parse(&text).map(Some).map_err(|error| Failed(format!("scope: {error}")))
}

/// `--role`.
pub(super) fn role(name: &str) -> Result<Role, Failed> {
    name.parse().map_err(|()| {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        Failed(format!("--role: {name:?} is none of {}", names.join(", ")))
    })
}

/// A whole number of seconds, such as 15m or 900, if given.
pub(super) fn seconds(flag: &str, text: Option<&str>) -> Result<Option<u64>, Failed> {
    let read = |text: &str| match parse_duration(text) {
        Ok(length) if length.subsec_nanos() == 0 => Ok(length.as_secs()),
        Ok(_) => Err(Failed(format!("{flag}: {text:?} is not a whole number of seconds"))),
        Err(problem) => Err(Failed(format!("{flag}: {problem}"))),
    };
    text.map(read).transpose()
}

/// `--claims` or `--profile`, if given: a JSON object.
pub(super) fn claims(flag: &str, text: Option<&str>) -> Result<Option<ExtraClaims>, Failed> {
    let wrong = |_| Failed(format!("--{flag} must be a JSON object, such as '{{\"name\":\"value\"}}'"));
    text.map(|text| serde_json::from_str(text).map_err(wrong)).transpose()
}
