//! Administration of resources.

mod bodies;

use serde::Serialize;
use utoipa::ToSchema;

pub use bodies::{NewResource, ResourcePatch};

use crate::admin::error::no_such;
use crate::admin::{Actor, AdminError, List, ListRequest, Result};
use crate::app::App;
use crate::protocol::resource::{OpenTo, Resource, ResourceSettings, check_uri, other_spelling};
use crate::protocol::time::Timestamp;
use crate::store::StoreError;

/// A resource as it is shown.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Resource)]
pub struct ResourceView {
    /// Its URI.
    pub resource: String,
    /// The settings.
    #[serde(flatten)]
    pub settings: ResourceSettings,
    /// When it was created.
    pub created_at: Timestamp,
}

impl From<Resource> for ResourceView {
    fn from(resource: Resource) -> Self {
        let Resource { resource, settings, created_at, .. } = resource;
        Self { resource, settings, created_at }
    }
}

impl App {
    /// Creates a resource.
    pub async fn resource_create(&self, new: NewResource, actor: &Actor) -> Result<ResourceView> {
        let uri = new.resource.clone();
        self.check_resource_uri(&uri)?;
        let settings = new.settings()?;
        check_power(&settings, actor)?;
        let resource = Resource { resource: uri, settings, created_at: self.clock.now(), version: 1 };
        match self.state.honour(self.store.resource_create(&resource, &self.dated(actor))).await {
            Err(error) => Err(refused(error, &resource.resource)),
            Ok(()) => Ok(resource.into()),
        }
    }

    /// Shows a resource.
    pub async fn resource_show(&self, uri: &str) -> Result<ResourceView> {
        self.find_resource(uri).await.map(ResourceView::from)
    }

    /// Lists resources by URI.
    pub async fn resource_list(&self, uri: Option<&str>, request: &ListRequest) -> Result<List<ResourceView>> {
        let page = request.page("resources")?;
        let resources = self.store.resource_list(uri, &page).await?;
        Ok(List::new("resources", &page, resources, |resource| resource.resource.clone(), ResourceView::from))
    }

    /// Changes a resource by a merge patch (RFC 7396).
    pub async fn resource_update(&self, uri: &str, patch: ResourcePatch, actor: &Actor) -> Result<ResourceView> {
        self.resource_change(uri, |_| Ok(patch), actor).await
    }

    /// Changes a resource by a merge patch that is made of the very settings that it changes: whatever it looks at there still holds
    /// when it is written, or nothing is.
    pub async fn resource_change(
        &self,
        uri: &str,
        patch: impl FnOnce(&ResourceSettings) -> Result<ResourcePatch>,
        actor: &Actor,
    ) -> Result<ResourceView> {
        let mut resource = self.find_resource(uri).await?;
        check_power(&resource.settings, actor)?;
        resource.settings = patch(&resource.settings)?.apply(resource.settings)?;
        check_power(&resource.settings, actor)?;
        match self.state.honour(self.store.resource_update(&resource, &self.dated(actor))).await {
            Ok(true) => Ok(resource.into()),
            Ok(false) => {
                Err(AdminError::Conflict(format!("the resource {uri} was changed at the same time; try again")))
            }
            Err(error) => Err(refused(error, uri)),
        }
    }

    /// Deletes a resource. Tokens for it are good until they expire, and no new ones are issued to clients that do not list
    /// it among their audiences.
    pub async fn resource_delete(&self, uri: &str, actor: &Actor) -> Result<()> {
        let resource = self.find_resource(uri).await?;
        check_power(&resource.settings, actor)?;
        if self.state.honour(self.store.resource_delete(uri, &self.dated(actor))).await? {
            Ok(())
        } else {
            Err(no_such("resource", uri))
        }
    }

    /// Checks the URI of a new resource.
    pub(super) fn check_resource_uri(&self, uri: &str) -> Result<()> {
        check_uri(uri).map_err(|problem| AdminError::Invalid(format!("resource: {problem}")))?;
        let admin = self.issuer.admin_audience();
        if uri == admin || other_spelling(uri).is_some_and(|other| other == admin) {
            return Err(AdminError::Invalid("resource: the admin API is not administered as a resource".into()));
        }
        Ok(())
    }

    async fn find_resource(&self, uri: &str) -> Result<Resource> {
        check_uri(uri).map_err(|_| no_such("resource", uri))?;
        self.store.resource_find(uri).await?.ok_or_else(|| no_such("resource", uri))
    }
}

/// A resource that clients whom nobody registered may name outranks those who hold only `jeton:clients`.
pub(super) fn check_power(settings: &ResourceSettings, actor: &Actor) -> Result<()> {
    if settings.open_to == OpenTo::Anybody && !actor.is_admin {
        return Err(AdminError::NeedsAdmin(
            "a resource that is open to anybody is administered with the scope jeton:admin".into(),
        ));
    }
    Ok(())
}

pub(super) fn refused(error: StoreError, uri: &str) -> AdminError {
    match error {
        StoreError::Exists => {
            AdminError::Conflict(format!("there is a resource {uri} already, perhaps without or with the slash"))
        }
        StoreError::NoSuchClient(_) => AdminError::Invalid(format!("serves: {error}")),
        error => error.into(),
    }
}
