//! The audit trail.

use crate::admin::{AdminError, Administration, List, ListRequest, Result, list};
use crate::protocol::time::Timestamp;
use crate::store::{AuditFilter, AuditRecord};

/// Which audit records are wanted, as whoever asks writes it.
#[derive(Clone, Debug, Default)]
pub struct AuditRequest {
    /// Of this actor.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Not before: RFC 3339 or seconds since the epoch.
    pub from: Option<String>,
    /// Before: RFC 3339 or seconds since the epoch.
    pub to: Option<String>,
}

impl Administration {
    /// Audit records, newest first.
    ///
    /// # Errors
    /// When a filter, the cursor or the limit is not acceptable.
    pub async fn audit_list(&self, wanted: AuditRequest, request: &ListRequest) -> Result<List<AuditRecord>> {
        let page = request.page("audit")?;
        let filter = AuditFilter {
            actor: wanted.actor,
            action: wanted.action,
            from: moment("from", wanted.from.as_deref())?,
            to: moment("to", wanted.to.as_deref())?,
        };
        let records = self.store.audit_list(&filter, &page).await?;
        Ok(list("audit", &page, records, |record| record.id.to_string(), |record| record))
    }
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    text.map(|text| {
        Timestamp::parse(text).ok_or_else(|| {
            AdminError::Invalid(format!("{name} is a date such as 2026-01-31T12:00:00Z or seconds since the epoch"))
        })
    })
    .transpose()
}
