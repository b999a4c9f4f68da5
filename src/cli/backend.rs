//! Where a command administers: on the database itself, or through a running server.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::apply::{Applied, ApplyRequest, Object};
use crate::admin::{AdminError, List, ListRequest};
use crate::app::App;
use crate::cli::admin_api::{AdminApi, ApiError};
use crate::cli::context::{actor, open};
use crate::cli::{Failed, Global};
use crate::protocol::object::Kind;
use crate::settings::Needs;
use crate::store::UserFilter;

/// The most objects in a page.
const PAGE: i64 = 200;

/// The running server to work through, if any.
#[derive(Debug, clap::Args)]
pub(super) struct ServerOptions {
    /// Work through the admin API of this server instead of on the database
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// File with an access token for its admin API; JETON_ADMIN_TOKEN if left out
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// PEM file of certificate authorities that are trusted besides the public ones
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,
}

/// Where a command administers.
pub(super) enum Backend {
    /// On the database.
    Database(Box<App>),
    /// Through a server.
    Server(Box<AdminApi>),
}

/// A page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Object>,
    pub(super) next: Option<String>,
}

/// Why a set was not applied.
pub(super) struct NotApplied {
    pub(super) text: String,
    /// Whether it may have been applied nevertheless.
    pub(super) is_uncertain: bool,
}

impl Backend {
    pub(super) async fn open(global: &Global, options: ServerOptions) -> Result<Self, Failed> {
        let ServerOptions { server, token_file, server_ca } = options;
        match server {
            None => open(global, Needs::NOTHING).await.map(|app| Self::Database(Box::new(app))),
            Some(url) => {
                AdminApi::new(&url, token_file.as_deref(), server_ca.as_deref()).map(|api| Self::Server(Box::new(api)))
            }
        }
    }

    /// Applies a set, or asks what that would change.
    pub(super) async fn apply(&self, request: &ApplyRequest) -> Result<Applied, NotApplied> {
        match self {
            Self::Database(app) => app.apply(request, &actor()).await.map_err(|error| NotApplied {
                is_uncertain: matches!(error, AdminError::Unavailable(_)),
                text: error.to_string(),
            }),
            Self::Server(api) => {
                let answer = async {
                    let body = serde_json::to_value(request).map_err(|error| ApiError::before(error.to_string()))?;
                    let answer = api.call("POST", "/admin/v1/apply", Some(&body)).await?;
                    serde_json::from_value(answer).map_err(|error| {
                        ApiError::after(format!(
                            "the server's answer cannot be read; is it of another version? {error}"
                        ))
                    })
                };
                answer.await.map_err(|error| NotApplied { text: error.text, is_uncertain: error.is_uncertain })
            }
        }
    }

    /// Objects as the admin API shows them.
    pub(super) async fn list(&self, kind: Kind, cursor: Option<&str>) -> Result<Page, Failed> {
        let page = match self {
            Self::Database(app) => {
                let request = ListRequest { limit: Some(PAGE), cursor: cursor.map(str::to_owned) };
                match kind {
                    Kind::Client => to_value(&app.client_list(None, &request).await?)?,
                    Kind::Resource => to_value(&app.resource_list(None, &request).await?)?,
                    Kind::Issuer => to_value(&app.issuer_list(None, &request).await?)?,
                    Kind::Role => {
                        let filter = UserFilter { with_role: true, ..UserFilter::default() };
                        to_value(&app.user_list(&filter, &request).await?)?
                    }
                    Kind::Block => to_value(&app.client_block_list(&request).await?)?,
                }
            }
            Self::Server(api) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("limit", &PAGE.to_string());
                if let Some(cursor) = cursor {
                    query.append_pair("cursor", cursor);
                }
                let list = match kind {
                    Kind::Client | Kind::Resource | Kind::Issuer => kind.list(),
                    Kind::Role => {
                        query.append_pair("with_role", "true");
                        "users"
                    }
                    Kind::Block => "client-blocks",
                };
                let path = format!("/admin/v1/{list}?{}", query.finish());
                api.call("GET", &path, None).await.map_err(|error| Failed(error.text))?
            }
        };
        serde_json::from_value(page).map_err(|error| Failed(error.to_string()))
    }
}

fn to_value<T: Serialize>(list: &List<T>) -> Result<Value, Failed> {
    serde_json::to_value(list).map_err(|error| Failed(error.to_string()))
}
