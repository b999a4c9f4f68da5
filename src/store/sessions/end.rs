//! Ending several sessions at once.

use crate::protocol::cause::Cause;
use crate::protocol::revocation::{NewRevocation, Target};
use crate::protocol::time::Timestamp;
use crate::store::changes::LogTransaction;
use crate::store::row::Row;
use crate::store::{Audited, Result};

impl LogTransaction {
    /// Revokes sessions, by the rows with their ids, that this transaction has marked as ended.
    pub(in crate::store) async fn revoke_sessions(
        &mut self,
        ended: &[Row],
        reason: &str,
        covers_until: Timestamp,
        audited: &Audited,
    ) -> Result<()> {
        for row in ended {
            let target = Target::Session(row.get("id")?);
            let reason = Some(reason.to_owned());
            let revocation = NewRevocation { target, cause: Cause::SessionRevoked, reason, covers_until };
            self.revoke(&revocation, audited).await?;
        }
        Ok(())
    }
}
