//! Finds the client of an authorization request: a registered one, or one that nobody registered, by the metadata document at the
//! URL that is its `client_id`. Only here documents are fetched: whoever asks for tokens finds the client as it is kept.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use crate::app::{App, Failure, Request, Result};
use crate::authorization::request::Rejected;
use crate::calling_out::{Purpose, Refused};
use crate::protocol::cause::Cause;
use crate::protocol::client::{Client, ClientSettings};
use crate::protocol::client_document::{self, STALE_LIFE};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::RequestFault;
use crate::protocol::identity::Identity;
use crate::protocol::resource::Resources;
use crate::protocol::time::Timestamp;
use crate::store::{Audited, ClientDocument, FetchedDocument, StoreError, SubOwner};
use crate::telemetry::metrics::DocumentOutcome;

/// Seconds after which a host that could not be reached is asked again for a document that there is.
const UNTIL_RETRY: i64 = 60;

/// The client that a request names.
///
/// # Errors
/// There is none, and the person at the browser is told why; or it could not be found out.
pub async fn find(app: &App, request: &Request<'_>, client_id: &str) -> std::result::Result<Arc<Client>, Rejected> {
    let known = app.state.client(client_id).await?;
    let has_document =
        known.as_ref().map_or_else(|| client_document::is_url(client_id), |client| client.settings.is_of_document());
    match known {
        known if has_document => by_document(app, request, client_id, known).await.map_err(at_browser),
        Some(client) if client.settings.enabled => Ok(client),
        _ => current(app, client_id).await,
    }
}

/// The client of a request that was good when it came. Its document may have been forgotten meanwhile.
///
/// # Errors
/// As [`find`].
pub async fn find_again(app: &App, request: &Request<'_>, client_id: &str) -> Result<Option<Arc<Client>>> {
    match app.state.client(client_id).await? {
        None if client_document::is_url(client_id) => by_document(app, request, client_id, None).await.map(Some),
        known => Ok(known),
    }
}

/// A client as it is now, before its request is refused because of what memory holds, or because of resources that there were when
/// its document was read.
///
/// # Errors
/// As [`find`].
pub async fn renew(app: &App, request: &Request<'_>, client: &Client) -> std::result::Result<Arc<Client>, Rejected> {
    if client.settings.is_of_document() {
        read_again(app, request, &client.client_id).await.map_err(at_browser)?;
    }
    current(app, &client.client_id).await
}

fn at_browser(failure: Failure) -> Rejected {
    match failure {
        Failure::Refused(refusal) => Rejected::AtBrowser("client_id", refusal),
        failure => Rejected::Failure(failure),
    }
}

/// The client as the database has it.
async fn current(app: &App, client_id: &str) -> std::result::Result<Arc<Client>, Rejected> {
    match app.state.client_from_database(client_id).await? {
        Some(client) if client.settings.enabled => Ok(client),
        found => {
            let refusal = Refusal::new(ErrorCode::InvalidClient, "There is no client with this client_id here.");
            let refusal = match found {
                Some(_) => refusal.because("the client is disabled").by(Cause::ClientDisabled),
                None => refusal.because("unknown client").with(RequestFault::ClientUnknown),
            };
            Err(Rejected::AtBrowser("client_id", refusal))
        }
    }
}

/// The client that a document describes, given what memory has of it.
async fn by_document(
    app: &App,
    request: &Request<'_>,
    client_id: &str,
    known: Option<Arc<Client>>,
) -> Result<Arc<Client>> {
    // 1. Is it the URL of a document, and are there such clients here?
    if !app.settings.cimd {
        let description = "There is no client with this client_id here, and metadata documents of clients are not fetched: \
                           JETON_CIMD is off.";
        let refusal = Refusal::new(ErrorCode::InvalidClient, description);
        return Err(refusal.with(RequestFault::ClientDocumentsOff).into());
    }
    let url = client_document::check_url(client_id).map_err(|problem| {
        let description = format!(
            "There is no client with this client_id here, and it is not the URL of a metadata document: it {problem}."
        );
        Refusal::naming(ErrorCode::InvalidClient, description).with(RequestFault::ClientUrlUnfit)
    })?;
    // 2. Is it known, and not too old?
    if let Some(client) = known
        && app.document_fetches.is_fresh(client_id, app.clock.now())
    {
        return unless_blocked(client);
    }
    // 3. One fetches for all who wait. Boxed, because it is rare and large.
    let turn = app.document_fetches.turn(client_id);
    let _turn = turn.lock().await;
    Box::pin(Fetch { app, request, client_id, host: client_document::host(&url), url }.run()).await
}

fn unless_blocked(client: Arc<Client>) -> Result<Arc<Client>> {
    if client.settings.enabled { Ok(client) } else { Err(blocked().into()) }
}

fn blocked() -> Refusal {
    Refusal::new(ErrorCode::InvalidClient, "An administrator of this server has blocked this client.")
        .because("its URL or its host is blocked")
        .by(Cause::ClientDisabled)
}

/// A document that may have to be fetched.
struct Fetch<'a> {
    app: &'a App,
    request: &'a Request<'a>,
    client_id: &'a str,
    url: Url,
    host: String,
}

impl Fetch<'_> {
    async fn run(&self) -> Result<Arc<Client>> {
        let Self { app, client_id, .. } = *self;
        let now = app.clock.now();
        // 1. What came of it on another node, or while this request waited?
        let kept = app.store.client_document_find(client_id).await?;
        if let Some(kept) = &kept {
            if kept.fresh_until > now {
                app.document_fetches.fresh_until(client_id, kept.fresh_until);
            }
            if !kept.client.settings.enabled || app.document_fetches.is_fresh(client_id, now) {
                return unless_blocked(Arc::new(kept.client.clone()));
            }
        }
        if let Some(refusal) = app.document_fetches.refusal(client_id, now) {
            return Err(refusal.into());
        }
        // 2. May it be fetched?
        if app.store.client_block_find(client_id, &self.host).await?.is_some() {
            return Err(blocked().into());
        }
        // What is kept is fetched again no more than once a minute, whoever asks. Others could use up a limit of that, and so keep it old.
        if kept.is_none()
            && let Err(throttled) = app.throttle.client_document(self.request.source().network(), &self.host)
        {
            app.metrics.client_document(DocumentOutcome::Throttled);
            return Err(throttled.into());
        }
        // 3. Fetch it.
        let etag = kept.as_ref().and_then(|kept| kept.etag.clone());
        let answer = match app.caller.get(Purpose::ClientDocument, &self.url, etag.as_deref()).await {
            Ok(answer) => answer,
            Err(refused) => return self.did_not_come(kept, &refused),
        };
        let is_unchanged = answer.is_unchanged;
        let (document, etag) = match kept {
            // What a 304 does not repeat stays as it was (RFC 9111 §4.3.4).
            Some(kept) if is_unchanged => (kept.document.into_bytes(), answer.etag.or(kept.etag)),
            _ => (answer.body, answer.etag),
        };
        // 4. Is it good?
        let resources = resources(app).await?;
        let settings = match client_document::read(client_id, &document, &resources) {
            Ok(settings) => settings,
            Err(refusal) => {
                let refusal = refusal.with(RequestFault::ClientDocumentUnfit);
                return Err(self.refuse(DocumentOutcome::Refused, refusal));
            }
        };
        // 5. Keep it, so that the client is found by whoever asks for tokens, on every node.
        let fetched_at = app.clock.now();
        let fresh_until = client_document::fresh_until(fetched_at, answer.max_age);
        let fetched = FetchedDocument {
            client_id: client_id.to_owned(),
            host: self.host.clone(),
            document: String::from_utf8_lossy(&document).into_owned(),
            settings,
            etag,
            fetched_at,
            fresh_until,
        };
        if let Some(refusal) = keep(app, self.request, &fetched).await? {
            return Err(self.refuse(DocumentOutcome::Refused, refusal));
        }
        app.document_fetches.fresh_until(client_id, fresh_until);
        app.metrics.client_document(if is_unchanged { DocumentOutcome::Unchanged } else { DocumentOutcome::Fetched });
        tracing::debug!(client_id, is_unchanged, "the metadata document of a client was fetched");
        match app.state.client_from_database(client_id).await? {
            Some(client) => unless_blocked(client),
            None => Err(Failure::Unavailable("the metadata document of the client was forgotten at once".into())),
        }
    }

    /// The last good document does while its host is in trouble; a host that answers is believed.
    fn did_not_come(&self, kept: Option<ClientDocument>, refused: &Refused) -> Result<Arc<Client>> {
        if *refused == Refused::Busy {
            // It was not called, so nothing is to be said or remembered of it.
            self.app.metrics.client_document(DocumentOutcome::Failed);
            return Err(Failure::Unavailable(format!("the metadata document of a client: {refused}")));
        }
        let is_trouble = refused.is_about_the_host();
        let stale = kept.filter(|_| is_trouble).and_then(|kept| self.make_do(kept, self.app.clock.now()));
        if let Some(client) = stale {
            self.app.metrics.client_document(DocumentOutcome::Failed);
            tracing::warn!(
                client_id = self.client_id,
                reason = %refused,
                "the metadata document of a client could not be fetched: the last good one is used"
            );
            return Ok(client);
        }
        let description =
            format!("The metadata document at the client_id could not be fetched: {}.", in_public(refused));
        let refusal = Refusal::naming(ErrorCode::InvalidClientMetadata, description);
        let refusal = refusal.with(RequestFault::ClientDocumentUnreachable);
        Err(self.refuse(DocumentOutcome::Failed, refusal.because(format!("the metadata document: {refused}"))))
    }

    /// The client by the last good document, if that is not too old, until its host is asked again.
    fn make_do(&self, kept: ClientDocument, now: Timestamp) -> Option<Arc<Client>> {
        if now >= kept.fetched_at.plus_seconds(STALE_LIFE) {
            return None;
        }
        self.app.document_fetches.fresh_until(self.client_id, now.plus_seconds(UNTIL_RETRY));
        Some(Arc::new(kept.client))
    }

    fn refuse(&self, outcome: DocumentOutcome, refusal: Refusal) -> Failure {
        self.app.metrics.client_document(outcome);
        // The log names the client: what was checked to be such a URL is no secret in the wrong field.
        let refusal = refusal.about(Identity::of_client(self.client_id));
        self.app.document_fetches.refused(self.client_id, self.app.clock.now(), &refusal);
        refusal.into()
    }
}

/// Why a document did not come, as far as everybody may know: not what this server can reach, nor what its network says of names.
fn in_public(refused: &Refused) -> Cow<'static, str> {
    match refused {
        Refused::Inside | Refused::Unresolved(_) => "its host has no address that this server may call".into(),
        Refused::Unreachable(_) => "its host cannot be reached".into(),
        Refused::NotJson => "it is not JSON by its Content-Type, which is application/json".into(),
        Refused::TooLarge => "it is larger than 5 KiB".into(),
        Refused::Status(status) if (300..400).contains(status) => {
            format!("its host answered {status}, and redirects are not followed").into()
        }
        Refused::Url(_) | Refused::Busy | Refused::TooSlow | Refused::Status(_) | Refused::Compressed => {
            refused.to_string().into()
        }
    }
}

/// The resources, with those that another node made a moment ago: a scope that is left out now would be missing for long.
async fn resources(app: &App) -> Result<Arc<Resources>> {
    app.state.ensure_current().await?;
    Ok(app.state.resources().await?)
}

/// Keeps a good document. Returns the refusal if its URL cannot be a `client_id` here.
async fn keep(app: &App, request: &Request<'_>, fetched: &FetchedDocument) -> Result<Option<Refusal>> {
    let by = Audited {
        actor: format!("client {}", fetched.client_id),
        request_id: Some(request.request_id.to_string()),
        address: Some(request.address.to_string()),
        at: app.clock.now(),
    };
    match app.state.honour(app.store.client_document_put(fetched, &by)).await {
        // Another node was faster, or an administrator registered the client at this moment.
        Ok(()) | Err(StoreError::SubTaken(SubOwner::Client)) => Ok(None),
        Err(error @ (StoreError::SubTaken(SubOwner::User) | StoreError::IsAudience(_))) => {
            let description = "The client_id is the name of something else here.";
            let refusal = Refusal::new(ErrorCode::InvalidClient, description).with(RequestFault::ClientNameTaken);
            Ok(Some(refusal.because(error.to_string())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads the kept document of a client anew, by the resources that there are now, and keeps what has changed.
async fn read_again(app: &App, request: &Request<'_>, client_id: &str) -> Result<()> {
    let kept = app.store.client_document_find(client_id).await?;
    let Some(kept) = kept.filter(|kept| kept.client.settings.enabled) else { return Ok(()) };
    let resources = resources(app).await?;
    let settings = client_document::read(client_id, kept.document.as_bytes(), &resources);
    let has_changed = |settings: &ClientSettings| *settings != kept.client.settings;
    let (Some(settings), Ok(url)) = (settings.ok().filter(has_changed), client_document::check_url(client_id)) else {
        return Ok(());
    };
    let fetched = FetchedDocument {
        client_id: client_id.to_owned(),
        host: client_document::host(&url),
        document: kept.document,
        settings,
        etag: kept.etag,
        fetched_at: kept.fetched_at,
        fresh_until: kept.fresh_until,
    };
    keep(app, request, &fetched).await.map(drop)
}
