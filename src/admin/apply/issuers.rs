//! The trusted issuers of a set.

use crate::admin::apply::plan::Plan;
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::issuers::NewIssuer;
use crate::admin::{AdminError, Result, body};
use crate::app::App;
use crate::protocol::object::Kind;
use crate::protocol::trusted_issuer::{IssuerSettings, TrustedIssuer, check_issuer};
use crate::store::SetWrite;

/// Reads an issuer and checks it as far as it goes by itself.
pub(super) fn read(object: &Object) -> Result<(String, IssuerSettings)> {
    let new: NewIssuer = body::read_members(object.clone())?;
    let name = new.issuer.clone();
    check_issuer(&name).map_err(|problem| AdminError::Invalid(format!("issuer: {problem}")))?;
    Ok((name, new.settings()?))
}

/// Decides what happens to the issuers of the set, and to those that left it. Whoever applies a set may do all of it.
pub(super) async fn plan(app: &App, plan: &mut Plan<'_>) -> Result<()> {
    let mut found = app.store.issuer_by_name().await?;
    plan.each(Kind::Issuer, read, |plan, (name, settings)| {
        plan.claim(Kind::Issuer, &name, &name)?;
        let mut named = settings.rules.iter().filter_map(|rule| rule.client_id.as_ref());
        if let Some(gone) = named.find(|id| plan.deleted_clients.contains(*id)) {
            return Err(AdminError::Invalid(format!("rules: the client {gone} is no longer in the set")));
        }
        match found.remove(&name) {
            Some(current) => update(plan, current, settings),
            None => create(app, plan, name, settings)?,
        }
        Ok(())
    })?;
    for name in plan.pruned(Kind::Issuer) {
        if found.remove(&name).is_some() {
            plan.change(Change::new(ChangeAction::Delete, Kind::Issuer, &name), SetWrite::DeleteIssuer(name));
        }
    }
    Ok(())
}

fn create(app: &App, plan: &mut Plan<'_>, issuer: String, settings: IssuerSettings) -> Result<()> {
    app.check_issuer_name(&issuer)?;
    let change = Change::new(ChangeAction::Create, Kind::Issuer, &issuer).of(&IssuerSettings::default(), &settings);
    let issuer = TrustedIssuer { issuer, settings, created_at: app.clock.now(), version: 1 };
    plan.change(change, SetWrite::CreateIssuer(issuer));
    Ok(())
}

fn update(plan: &mut Plan<'_>, mut issuer: TrustedIssuer, settings: IssuerSettings) {
    // What files do not say stays.
    let settings = IssuerSettings { unknown: issuer.settings.unknown.clone(), ..settings };
    if settings == issuer.settings {
        plan.is_unchanged(Kind::Issuer, &issuer.issuer);
        return;
    }
    let change = Change::new(ChangeAction::Update, Kind::Issuer, &issuer.issuer).of(&issuer.settings, &settings);
    issuer.settings = settings;
    plan.change(change, SetWrite::UpdateIssuer(issuer));
}
