//! The answer of a person who was asked for consent.

use crate::app::{App, Request, Result};
use crate::authorization::sealed_request;
use crate::browser::{form, session};
use crate::endpoints::authorize::{about_consent, proceed, refuse, reopen};
use crate::endpoints::reply::{Reply, Shown};
use crate::protocol::authorization::{AuthorizationRequest, Prompt};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::LoginFault;
use crate::protocol::identity::Identity;

/// Answers a form of the consent page: `allow`, `deny`, or `switch` if somebody else is to log in.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Which request is it about?
    let Some((client, asked)) = reopen(app, request).await? else {
        return Err(Refusal::invalid_request("The form has no request.").into());
    };
    // 2. Is the person still logged in to whom it was shown? A login that has ended begins anew.
    let Some(person) = session::find(app, request).await? else {
        return Ok(Shown::Elsewhere(sealed_request::address(app, request.issuer, &asked)?).into());
    };
    form::check(app, request, &about_consent(&asked, &person)).await?;
    // 3. What did the person say?
    match request.parameters.one("action")? {
        Some("allow") => proceed(app, request, client, asked, true).await,
        Some("deny") => {
            let refusal =
                Refusal::new(ErrorCode::AccessDenied, "The person did not allow it.").with(LoginFault::Denied);
            let about = Identity { subject: Some(person.user.sub), ..Identity::of_client(&client.client_id) };
            Ok(refuse(request, Some(&client), (&asked).into(), refusal.about(about)).into())
        }
        Some("switch") => {
            // As if the request came now, and wanted the person to be chosen.
            let prompt = Prompt { select_account: true, ..asked.prompt };
            let again = AuthorizationRequest { prompt, begun_at: app.clock.now().millis(), ..asked };
            Ok(Shown::Elsewhere(sealed_request::address(app, request.issuer, &again)?).into())
        }
        _ => Err(Refusal::invalid_request("The action of the form is neither allow nor deny nor switch.").into()),
    }
}
