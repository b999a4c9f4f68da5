//! Arguments that name a client, a user, a scope or claims.

use crate::cli::Failed;
use crate::protocol::claims::ExtraClaims;
use crate::protocol::scope::Scope;

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

/// `--claims`, if given: a JSON object.
pub(super) fn claims(text: Option<&str>) -> Result<Option<ExtraClaims>, Failed> {
    let example = "--claims must be a JSON object, such as '{\"tenant\":\"blue\"}'";
    text.map(|text| serde_json::from_str(text).map_err(|_| Failed(example.into()))).transpose()
}
