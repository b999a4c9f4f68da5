//! The audit trail.

use utoipa::IntoParams;

use crate::admin::schema::{Moment, QueryText};
use crate::admin::{AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::protocol::time::Timestamp;
use crate::store::{AuditFilter, AuditRecord};

/// The most records that are looked at for one page, if there are several filters.
const MOST_LOOKED_AT: i64 = 10_000;

/// Which audit records to list, as the request writes it.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AuditRequest {
    /// Only what this actor did.
    #[param(value_type = Option<QueryText>, example = "client demo-admin")]
    pub actor: Option<String>,
    /// Only this action.
    #[param(value_type = Option<QueryText>, example = "client.create")]
    pub action: Option<String>,
    /// Only what was done to this target.
    #[param(value_type = Option<QueryText>, example = "client billing")]
    pub target: Option<String>,
    /// Not before this moment.
    #[param(value_type = Option<Moment>, example = "2026-01-31T12:00:00Z")]
    pub from: Option<String>,
    /// Before this moment.
    #[param(value_type = Option<Moment>)]
    pub to: Option<String>,
}

impl App {
    /// Lists audit records, newest first.
    pub async fn audit_list(&self, filter: AuditRequest, request: &ListRequest) -> Result<List<AuditRecord>> {
        let page = request.page("audit")?;
        let filter = AuditFilter {
            actor: filter.actor,
            action: filter.action,
            target: filter.target,
            from: moment("from", filter.from.as_deref())?,
            to: moment("to", filter.to.as_deref())?,
        };
        let records = self.store.audit_list(&filter, &page, MOST_LOOKED_AT).await?;
        Ok(List::of_looked("audit", &page, records, AuditRecord::key, |record| record))
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
