//! UserInfo (OpenID Connect Core §5.3): a resource, whose tokens come as RFC 6750 says, in the header or in a form.

use axum::http::StatusCode;
use axum::response::Response;

use crate::app::Failure;
use crate::diagnosis::investigate;
use crate::endpoints::userinfo::{self, UserInfo};
use crate::http::challenge::{self, BearerChallenge};
use crate::http::docs::answers::{
    BodyCompressed, BodyTooLarge, BodyTooSlow, Unavailable, UserInfoForbidden, UserInfoInvalidRequest, UserInfoRefused,
};
use crate::http::request::EndpointRequest;
use crate::protocol::cause::Cause;
use crate::protocol::profile::OPENID;
use crate::protocol::schema::describe;
use crate::validation::proof;

pub(crate) struct UserInfoClaims;

describe!(UserInfoClaims {
    "description": "The claims about a person that the scopes of the token ask for (OpenID Connect Core §5.4), and those that the \
        authorization request named. What the user's `profile` lacks is left out.",
    "type": "object",
    "required": ["sub"],
    "properties": {
        "sub": {"type": "string", "description": "The `sub` of the user, as in the ID token."},
    },
    "additionalProperties": true,
    "examples": [{"sub": "019c1d3e-5a4b-7c6d-8e9f-0a1b2c3d4e5f", "preferred_username": "demo", "name": "Demo User"}],
});

pub(crate) struct UserInfoForm;

describe!(UserInfoForm {
    "description": "The token, if it is not in the header.",
    "type": "object",
    "properties": {"access_token": {"type": "string", "description": "An access token of this server."}},
    "additionalProperties": true,
});

#[utoipa::path(
    get,
    path = "/auth/userinfo",
    operation_id = "userinfo",
    security(("accessToken" = [])),
    responses(
        (status = 200, description = "The claims.", body = UserInfoClaims),
        (status = 400, response = UserInfoInvalidRequest),
        (status = 401, response = UserInfoRefused),
        (status = 403, response = UserInfoForbidden),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    let EndpointRequest { app, context, head, .. } = &request;
    let query = request.head.uri.query().unwrap_or_default().as_bytes();
    let in_body: Vec<&str> = request.parameters().all("access_token").collect();
    let token = match challenge::token_with_body(&head.headers, &[query], &in_body) {
        Ok(token) => token,
        Err(fault) => {
            challenge::note(app, context, fault.cause.name(), fault.detail, None);
            return BearerChallenge::misplaced(app, fault).answer_misplaced();
        }
    };
    let target = proof::target_at(app, &app.issuer, head.method.as_str(), "/auth/userinfo");
    let presented = challenge::presented(&token, &head.headers, context, Some(target));
    match userinfo::answer(app, &app.issuer, &presented).await {
        Ok(Ok(UserInfo::Claims(claims))) => request.answer_json(Ok(claims)),
        Ok(Ok(UserInfo::Nobody(claims))) => {
            let detail = "UserInfo tells who a person is, but the token is of a client on its own behalf.";
            challenge::note(app, context, Cause::InsufficientScope.name(), detail, Some(&claims));
            BearerChallenge::insufficient_scope(app, presented.scheme, detail.into(), OPENID.to_owned())
                .answer(StatusCode::FORBIDDEN)
        }
        Ok(Err(diagnosis)) => {
            investigate::note_refusal(app, context.endpoint.name, &diagnosis);
            BearerChallenge::answer_of(app, &diagnosis, presented.scheme, None)
        }
        Err(failure) => request.answer(Err::<Response, Failure>(failure)),
    }
}

#[utoipa::path(
    post,
    path = "/auth/userinfo",
    operation_id = "userinfo",
    security(("accessToken" = []), ()),
    request_body(content((Option<UserInfoForm> = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The claims.", body = UserInfoClaims),
        (status = 400, response = UserInfoInvalidRequest),
        (status = 401, response = UserInfoRefused),
        (status = 403, response = UserInfoForbidden),
        (status = 408, response = BodyTooSlow),
        (status = 413, response = BodyTooLarge),
        (status = 415, response = BodyCompressed),
        (status = 503, response = Unavailable)
    )
)]
pub(crate) async fn answer_post(request: EndpointRequest) -> Response {
    answer(request).await
}
