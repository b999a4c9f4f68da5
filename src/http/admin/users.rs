//! `/admin/v1/users`.

use axum::http::StatusCode;
use axum::response::Response;

use crate::admin::users::{NewPassword, NewUser, UserPatch};
use crate::http::admin::extract::{Body, Call};

pub(crate) async fn create(call: Call, Body(new): Body<NewUser>) -> Response {
    let outcome = async { call.app().user_create(new?, &call.actor).await }.await;
    call.answer(StatusCode::CREATED, outcome)
}

pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request(&["username"])?;
        call.app().user_list(call.query("username"), &request).await
    };
    let outcome = outcome.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn show(call: Call) -> Response {
    let outcome = call.app().user_show(call.path("user")).await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn update(call: Call, Body(patch): Body<UserPatch>) -> Response {
    let outcome = async { call.app().user_update(call.path("user"), patch?, &call.actor).await }.await;
    call.answer(StatusCode::OK, outcome)
}

pub(crate) async fn delete(call: Call) -> Response {
    let outcome = call.app().user_delete(call.path("user"), &call.actor).await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}

pub(crate) async fn set_password(call: Call, Body(new): Body<NewPassword>) -> Response {
    let outcome = async { call.app().user_set_password(call.path("user"), new?.password, &call.actor).await }.await;
    call.answer(StatusCode::NO_CONTENT, outcome)
}
