//! The answers of the endpoints for people: pages, redirects and cookies.

mod own;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::{self, Failure};
use crate::browser::cookie::SetCookie;
use crate::crypto::from_base64url;
use crate::endpoints::reply::{
    AskConsent, AskDevice, AskLogout, AskUserCode, Demo, LogIn, Reply, Shown, ToClient, WrongRequest,
};
use crate::http::pages::{
    AnswersTo, AuthorizationErrorPage, Brand, ConsentPage, DemoPage, DemoToken, DeviceCodePage, DeviceConfirmPage,
    DeviceDonePage, DeviceProblem, FormPostPage, LoginPage, LoginProblem, LogoutPage, Look, Message, MessagePage,
};
use crate::http::request::EndpointRequest;
use crate::http::{oauth_error, page};
use crate::protocol::authorization::ResponseMode;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::fault::{Fault, LoginFault, RequestFault};
use crate::protocol::redirect;

/// The answer to a browser.
pub(crate) fn answer(request: &EndpointRequest, outcome: app::Result<Reply>) -> Response {
    let look = look(request);
    match outcome {
        Ok(Reply { shown, cookies }) => with_cookies(show(request, &look, shown), &cookies),
        Err(failure) => fail(request, &look, &failure),
    }
}

/// The same answer that also sets cookies.
pub(crate) fn with_cookies<'a>(mut response: Response, cookies: impl IntoIterator<Item = &'a SetCookie>) -> Response {
    for cookie in cookies {
        if let Ok(mut value) = HeaderValue::from_str(&cookie.header()) {
            value.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// How pages look to the person who asks.
pub(crate) fn look(request: &EndpointRequest) -> Look<'_> {
    let brand = &request.app.settings.brand;
    let brand = Brand { name: request.app.service_name(), logo: brand.logo.as_deref(), color: brand.color.as_deref() };
    let languages = request.head.headers.get_all(header::ACCEPT_LANGUAGE);
    let languages: Vec<&[u8]> = languages.iter().map(HeaderValue::as_bytes).collect();
    Look::new(brand, &request.app.issuer.path(), &languages)
}

fn show(request: &EndpointRequest, look: &Look<'_>, shown: Shown) -> Response {
    let message = |status, message| MessagePage { message: &message }.respond(status, look);
    match shown {
        Shown::Elsewhere(path) => redirect(request, &below_issuer(request, &path)),
        Shown::Client(answer) => to_client(request, look, answer),
        Shown::LogIn(form) => log_in(request, look, &form),
        Shown::AskConsent(form) => ask_consent(look, &form),
        Shown::WrongRequest(wrong) => wrong_request(request, look, wrong),
        Shown::AskUserCode(form) => ask_user_code(request, look, &form),
        Shown::AskDevice(form) => ask_device(look, &form),
        Shown::DeviceAnswered { denied, client_name } => {
            let page = DeviceDonePage { allowed: denied.is_none(), client_name: &client_name };
            if let Some(refusal) = denied {
                oauth_error::note(&request.app, &request.context, &Failure::Refused(refusal));
            }
            page.respond(StatusCode::OK, look)
        }
        Shown::Demo(demo) => show_demo(look, &demo),
        Shown::Account(account) => own::account(request, look, &account),
        Shown::SetUpSecondFactor(page) => own::set_up_second_factor(look, &page),
        Shown::RecoveryCodes(codes, next) => own::recovery_codes(look, &codes, &below_issuer(request, &next)),
        Shown::SetPassword(form) => own::set_password(request, look, &form),
        Shown::PasswordSet => message(StatusCode::OK, Message::PasswordSet),
        Shown::AskLogout(question) => ask_logout(look, &question),
        Shown::LoggedOut(Some(to)) => redirect(request, &to),
        Shown::LoggedOut(None) => message(StatusCode::OK, Message::LoggedOut),
    }
}

/// The address of a path of this server.
fn below_issuer(request: &EndpointRequest, path: &str) -> String {
    format!("{}{path}", request.app.issuer.path())
}

/// Sends the browser on. After a form it makes a GET of its own: 307 would pass the password on (RFC 9700 §4.12).
fn redirect(request: &EndpointRequest, location: &str) -> Response {
    let status = if request.head.method == Method::POST { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
    let Ok(mut location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    // It may hold a code.
    location.set_sensitive(true);
    (status, [(header::LOCATION, location), (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"))])
        .into_response()
}

fn to_client(request: &EndpointRequest, look: &Look<'_>, to: ToClient) -> Response {
    let ToClient { answer, refusal, client_name } = to;
    if let Some(refusal) = refusal {
        oauth_error::note(&request.app, &request.context, &Failure::Refused(refusal));
    }
    match answer.response_mode() {
        ResponseMode::Query => redirect(request, &answer.location()),
        ResponseMode::FormPost => {
            let action = answer.form_action();
            FormPostPage {
                action,
                fields: answer.form_fields(),
                client_name: &client_name,
                form_targets: &[redirect::source_expression(action)],
            }
            .respond(StatusCode::OK, look)
        }
    }
}

fn log_in(request: &EndpointRequest, look: &Look<'_>, form: &LogIn) -> Response {
    let (status, problem) = match &form.problem {
        None => (StatusCode::OK, None),
        Some(Failure::Throttled(throttled)) => {
            let seconds = throttled.seconds.unsigned_abs();
            (StatusCode::TOO_MANY_REQUESTS, Some(LoginProblem::Throttled { seconds }))
        }
        Some(Failure::Overloaded | Failure::Unavailable(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(LoginProblem::Busy))
        }
        Some(Failure::Refused(refusal)) => {
            let problem = match refusal.code {
                ErrorCode::InvalidForm => LoginProblem::Expired,
                _ if form.password_proof.is_some() => LoginProblem::SecondFactorWrong,
                _ => LoginProblem::Wrong,
            };
            (StatusCode::BAD_REQUEST, Some(problem))
        }
    };
    // Through all redirects after the form, browsers follow only where the page says that it leads.
    let form_targets: Vec<String> = form.redirect_uri.iter().map(|uri| redirect::source_expression(uri)).collect();
    let answers_to = form.redirect_uri.as_ref().and_then(|uri| AnswersTo::of(form.client_host.as_deref(), uri));
    let page = LoginPage {
        request: form.request.as_deref(),
        proof: &form.proof,
        username: &form.username,
        client_name: form.client_name.as_deref(),
        client_host: form.client_host.as_deref(),
        answers_to: answers_to.as_ref(),
        problem,
        password_proof: form.password_proof.as_deref(),
        form_targets: &form_targets,
    };
    let response = page.respond(status, look);
    match &form.problem {
        Some(problem) => noted(request, problem, response),
        None => response,
    }
}

fn ask_consent(look: &Look<'_>, form: &AskConsent) -> Response {
    ConsentPage {
        request: &form.request,
        proof: &form.proof,
        username: &form.username,
        client_name: &form.client_name,
        client_host: form.client_host.as_deref(),
        answers_to: AnswersTo::of(form.client_host.as_deref(), &form.redirect_uri).as_ref(),
        access: &form.access,
        offline: form.offline,
        form_targets: &[redirect::source_expression(&form.redirect_uri)],
    }
    .respond(StatusCode::OK, look)
}

fn ask_logout(look: &Look<'_>, question: &AskLogout) -> Response {
    // Through all redirects after the form, browsers follow only where the page says that it leads.
    let form_targets: Vec<String> = question.to.iter().map(|uri| redirect::source_expression(uri)).collect();
    LogoutPage {
        proof: &question.proof,
        username: &question.username,
        client_name: question.client_name.as_deref(),
        fields: &question.fields,
        form_targets: &form_targets,
    }
    .respond(StatusCode::OK, look)
}

fn ask_user_code(request: &EndpointRequest, look: &Look<'_>, form: &AskUserCode) -> Response {
    let (status, problem) = match &form.problem {
        None => (StatusCode::OK, None),
        Some(Failure::Throttled(throttled)) => {
            let seconds = throttled.seconds.unsigned_abs();
            (StatusCode::TOO_MANY_REQUESTS, Some(DeviceProblem::Throttled { seconds }))
        }
        Some(_) => (StatusCode::BAD_REQUEST, Some(DeviceProblem::Unknown)),
    };
    let user_code = Some(form.typed.as_str()).filter(|typed| !typed.is_empty());
    let response = DeviceCodePage { proof: &form.proof, user_code, problem }.respond(status, look);
    match &form.problem {
        Some(problem) => noted(request, problem, response),
        None => response,
    }
}

fn ask_device(look: &Look<'_>, form: &AskDevice) -> Response {
    DeviceConfirmPage {
        request: &form.user_code,
        proof: &form.proof,
        username: &form.username,
        client_name: &form.client_name,
        is_unknown: form.is_unknown,
        user_code: &form.user_code,
        requested_at: form.requested_at,
        network: &form.network,
        access: &form.access,
        now: form.now,
    }
    .respond(StatusCode::OK, look)
}

fn wrong_request(request: &EndpointRequest, look: &Look<'_>, wrong: WrongRequest) -> Response {
    let WrongRequest { parameter, refusal, received, registered } = wrong;
    let advice = match parameter {
        _ if refusal.fault == Some(RequestFault::ClientDocumentUnreachable.into()) => {
            "Make sure that anybody can fetch this URL, then begin again: it is fetched anew after 10 seconds."
        }
        "client_id" if matches!(refusal.code, ErrorCode::InvalidClientMetadata | ErrorCode::InvalidRedirectUri) => {
            "Correct the document at this URL, then begin again: it is fetched anew after 10 seconds."
        }
        "client_id" => "Correct the client_id, or register the client: jeton client create.",
        "redirect_uri" => {
            "Send one of the registered URIs, or register this one: jeton client update CLIENT_ID --redirect-uris URI."
        }
        "post_logout_redirect_uri" => {
            "Send an id_token_hint or the client_id with it, and one of the post_logout_redirect_uris of the client."
        }
        _ => "Send each parameter once and correct the one that is named here, then begin again.",
    };
    let response = AuthorizationErrorPage {
        parameter,
        code: page_of(&refusal),
        problem: &refusal.description,
        advice,
        received: received.as_deref(),
        registered,
        request_id: &request.context.request_id.to_string(),
    }
    .respond(StatusCode::BAD_REQUEST, look);
    oauth_error::note(&request.app, &request.context, &Failure::Refused(refusal));
    response
}

/// The page below `/docs/errors` that explains a refusal to anybody. Whether a client is unknown or disabled, nobody is told.
fn page_of(refusal: &Refusal) -> &'static str {
    match refusal.fault {
        Some(fault) if fault != RequestFault::ClientUnknown.into() => fault.name(),
        _ => refusal.code.name(),
    }
}

/// The demonstration of a login, with its tokens taken apart.
fn show_demo(look: &Look<'_>, demo: &Demo) -> Response {
    let tokens: Vec<DemoToken> = demo
        .tokens
        .iter()
        .map(|(name, token)| DemoToken { name, token: token.clone(), content: content_of(token) })
        .collect();
    let problem = demo.problem.as_ref().map(|(error, description)| (error.as_str(), description.as_str()));
    DemoPage { start: &demo.start, tokens: &tokens, problem }.respond(StatusCode::OK, look)
}

/// Header and claims of a JWT.
fn content_of(token: &str) -> Option<String> {
    let part = |part: &str| {
        let value: serde_json::Value = serde_json::from_slice(&from_base64url(part)?).ok()?;
        serde_json::to_string_pretty(&value).ok()
    };
    let mut parts = token.split('.');
    let (header, claims) = (part(parts.next()?)?, part(parts.next()?)?);
    Some(format!("{header}\n{claims}"))
}

/// The page of a failure.
fn fail(request: &EndpointRequest, look: &Look<'_>, failure: &Failure) -> Response {
    let message = match failure {
        Failure::Refused(refusal) => match (refusal.fault, refusal.code) {
            (Some(Fault::Login(LoginFault::AnsweredBefore)), _) => Message::AlreadyAnswered,
            (Some(Fault::Login(LoginFault::PasswordLinkMalformed | LoginFault::PasswordLinkEnded)), _) => {
                Message::LinkExpired
            }
            (_, ErrorCode::InvalidForm) => Message::FormExpired,
            (_, ErrorCode::InvalidRequestUri) => Message::RequestExpired,
            (_, ErrorCode::InvalidScope) => Message::NothingToAllow,
            // Only a program sends such a form.
            (_, code) => {
                let response = page::error(&request.app, oauth_error::status(code), &refusal.description);
                return noted(request, failure, response);
            }
        },
        Failure::Throttled(_) => Message::TooManyAttempts,
        Failure::Unavailable(_) | Failure::Overloaded => Message::Unavailable,
    };
    noted(request, failure, MessagePage { message: &message }.respond(status(failure), look))
}

fn status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Refused(refusal) => oauth_error::status(refusal.code),
        Failure::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        Failure::Unavailable(_) | Failure::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A page whose failure is logged and counted; it says when to try again.
fn noted(request: &EndpointRequest, failure: &Failure, mut response: Response) -> Response {
    oauth_error::note(&request.app, &request.context, failure);
    let retry_after = match failure {
        Failure::Refused(_) => return response,
        Failure::Throttled(throttled) => HeaderValue::from(throttled.seconds),
        Failure::Unavailable(_) | Failure::Overloaded => oauth_error::RETRY_AFTER,
    };
    response.headers_mut().insert(header::RETRY_AFTER, retry_after);
    response
}
