//! The resources of a set.

use crate::admin::apply::plan::Plan;
use crate::admin::apply::{Change, ChangeAction, Object};
use crate::admin::body;
use crate::admin::resources::{NewResource, check_power};
use crate::admin::{Actor, AdminError, Result};
use crate::app::App;
use crate::protocol::object::Kind;
use crate::protocol::resource::{Resource, ResourceSettings, check_uri};
use crate::store::SetWrite;

/// Reads a resource and checks it as far as it goes by itself.
pub(super) fn read(object: &Object) -> Result<(String, ResourceSettings)> {
    let new: NewResource = body::read_members(object.clone())?;
    let uri = new.resource.clone();
    check_uri(&uri).map_err(|problem| AdminError::Invalid(format!("resource: {problem}")))?;
    Ok((uri, new.settings()?))
}

/// Decides what happens to the resources of the set, and to those that left it.
pub(super) async fn plan(app: &App, plan: &mut Plan<'_>, actor: &Actor) -> Result<()> {
    let mut found = app.store.resource_all().await?;
    plan.each(Kind::Resource, read, |plan, (uri, settings)| {
        plan.claim(Kind::Resource, &uri, &uri)?;
        check_power(&settings, actor)?;
        if let Some(gone) = settings.serves.iter().find(|id| plan.deleted_clients.contains(*id)) {
            return Err(AdminError::Invalid(format!("serves: the client {gone} is no longer in the set")));
        }
        match found.remove(&uri) {
            Some(current) => update(plan, current, settings, actor),
            None => create(app, plan, uri, settings),
        }
    })?;
    for uri in plan.pruned(Kind::Resource) {
        if let Some(resource) = found.remove(&uri) {
            check_power(&resource.settings, actor)?;
            plan.change(Change::new(ChangeAction::Delete, Kind::Resource, &uri), SetWrite::DeleteResource(uri));
        }
    }
    Ok(())
}

fn create(app: &App, plan: &mut Plan<'_>, resource: String, settings: ResourceSettings) -> Result<()> {
    app.check_resource_uri(&resource)?;
    let change =
        Change::new(ChangeAction::Create, Kind::Resource, &resource).of(&ResourceSettings::default(), &settings);
    let resource = Resource { resource, settings, created_at: app.clock.now(), version: 1 };
    plan.change(change, SetWrite::CreateResource(resource));
    Ok(())
}

fn update(plan: &mut Plan<'_>, mut resource: Resource, settings: ResourceSettings, actor: &Actor) -> Result<()> {
    check_power(&resource.settings, actor)?;
    // What files do not say stays.
    let settings = ResourceSettings { unknown: resource.settings.unknown.clone(), ..settings };
    if settings == resource.settings {
        plan.is_unchanged(Kind::Resource, &resource.resource);
        return Ok(());
    }
    let change =
        Change::new(ChangeAction::Update, Kind::Resource, &resource.resource).of(&resource.settings, &settings);
    resource.settings = settings;
    plan.change(change, SetWrite::UpdateResource(resource));
    Ok(())
}
