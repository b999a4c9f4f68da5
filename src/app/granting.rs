//! Granting by the resources that this node knows.

use crate::app::{App, Result};
use crate::issuer::Issuer;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::grant::Audiences;

impl App {
    /// Grants by the resources that there are, with a rule of [`grant`](crate::protocol::grant). Before `invalid_target` is
    /// said, this node catches up with the log: another one may have made the resource a moment ago.
    ///
    /// # Errors
    /// The refusal of the rule, or the database did not answer.
    pub(crate) async fn grant<T>(
        &self,
        issuer: &Issuer,
        rule: impl Fn(Audiences<'_>) -> std::result::Result<T, Refusal>,
    ) -> Result<T> {
        let resources = self.state.resources().await?;
        match rule(issuer.audiences(&resources)) {
            Err(refusal) if refusal.code == ErrorCode::InvalidTarget => {
                self.state.ensure_current().await?;
                let resources = self.state.resources().await?;
                Ok(rule(issuer.audiences(&resources))?)
            }
            granted => Ok(granted?),
        }
    }
}
