//! How a user gets in: links to set a password, second factors.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::users::check_role;
use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::browser::password_link::{DEFAULT_TTL, LONGEST_TTL, LinkToken};
use crate::protocol::time::Timestamp;

/// A link to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasswordLink {
    /// Seconds for which it lives, at most 7 days; one day if absent.
    #[schema(minimum = 1, maximum = 604_800, default = 86_400)]
    pub ttl: Option<i64>,
}

/// A link to set a password, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = PasswordLink)]
pub struct PasswordLinkView {
    /// The address to send to the user, who can set a password there once. Whoever has it can do that, so it is as secret
    /// as a password.
    #[schema(format = "uri")]
    pub url: String,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
}

impl App {
    /// Makes a one-time link by which a user sets a password, in place of an earlier one.
    pub async fn user_password_link(
        &self,
        text: &str,
        new: &NewPasswordLink,
        actor: &Actor,
    ) -> Result<PasswordLinkView> {
        let ttl = new.ttl.unwrap_or(DEFAULT_TTL);
        if !(1..=LONGEST_TTL).contains(&ttl) {
            return Err(AdminError::Invalid(format!("ttl is 1 to {LONGEST_TTL} seconds (7 days)")));
        }
        let user = self.find_user(text).await?;
        check_role(user.role, actor)?;
        let (token, audited) = (LinkToken::generate(), self.dated(actor));
        let expires_at = audited.at.plus_seconds(ttl);
        let link = self.store.password_link_create(token.hash(), user.id, expires_at, actor.is_admin, &audited);
        if link.await? {
            Ok(PasswordLinkView { url: token.url(&self.issuer), expires_at })
        } else {
            Err(AdminError::Conflict(format!("the user {} is disabled or was deleted", user.username)))
        }
    }

    /// Removes a user's second factor and recovery codes, for one who has lost both.
    pub async fn user_second_factor_remove(&self, text: &str, actor: &Actor) -> Result<()> {
        let user = self.find_user(text).await?;
        check_role(user.role, actor)?;
        if self.store.second_factor_delete(user.id, actor.is_admin, &self.dated(actor)).await? {
            Ok(())
        } else {
            Err(AdminError::NotFound(format!("the user {} has no second factor", user.username)))
        }
    }
}
