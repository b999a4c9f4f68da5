//! `/admin/v1/users`.

use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use serde_json::Value;

use crate::admin::users::NewUser;
use crate::admin::{AdminError, Result};
use crate::http::admin::extract::{Body, Call};
use crate::protocol::claims::ExtraClaims;
use crate::protocol::scope::Scope;

pub(crate) async fn create(call: Call, body: Body) -> Response {
    let outcome = async {
        let new = new_user(body)?;
        call.administration.user_create(new, &call.actor).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::CREATED, outcome)
}

fn new_user(mut body: Body) -> Result<NewUser> {
    let invalid = |text: String| AdminError::Invalid(text);
    let username = body.take_text("username")?.ok_or_else(|| invalid("username is missing".into()))?;
    let password = body.take_text("password")?.map(SecretString::from);
    let scope = body.take_text("scope")?.map(|text| Scope::parse(&text));
    let scope = scope.transpose().map_err(|error| invalid(format!("scope: {error}")))?;
    let claims = match body.0.remove("claims") {
        None | Some(Value::Null) => ExtraClaims::new(),
        Some(Value::Object(claims)) => claims,
        Some(_) => return Err(invalid("claims is an object".into())),
    };
    let enabled = body.take_bool("enabled")?.unwrap_or(true);
    body.expect_nothing_else()?;
    Ok(NewUser { username, password, scope, claims, enabled })
}

pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request(&["username"])?;
        call.administration.user_list(call.query("username"), &request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn show(call: Call) -> Response {
    let outcome = call.administration.user_show(call.path("user")).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn update(call: Call, body: Body) -> Response {
    let outcome = call.administration.user_update(call.path("user"), body.0, &call.actor).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn delete(call: Call) -> Response {
    let outcome = call.administration.user_delete(call.path("user"), &call.actor).await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}

pub(crate) async fn set_password(call: Call, mut body: Body) -> Response {
    let outcome = async {
        let missing = || AdminError::Invalid("password is missing".into());
        let password = body.take_text("password")?.map(SecretString::from).ok_or_else(missing)?;
        body.expect_nothing_else()?;
        call.administration.user_set_password(call.path("user"), password, &call.actor).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}
