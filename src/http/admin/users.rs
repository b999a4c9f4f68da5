//! `/admin/v1/users`.

use axum::http::StatusCode;
use axum::response::Response;
use utoipa::IntoParams;

use crate::admin::schema::QueryText;
use crate::admin::users::{NewPassword, NewPasswordLink, NewUser, PasswordLinkView, UserPatch, UserView};
use crate::admin::{List, ListRequest};
use crate::http::admin::extract::{Body, Call};
use crate::http::docs::answers::{Conflict, Done, NotFound};
use crate::store::UserFilter;

type Users = List<UserView>;

/// The user in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct UserPath {
    /// The id of the user, its `sub`, or its username.
    #[param(min_length = 1)]
    user: String,
}

/// Which users to list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what is read by its name")]
pub(crate) struct UsersQuery {
    /// Whether only those with a role are listed.
    #[param(default = false)]
    with_role: Option<bool>,
}

#[utoipa::path(
    post,
    path = "/admin/v1/users",
    operation_id = "createUser",
    request_body(content = NewUser, example = json!({
        "username": "alice@example.com",
        "password": "correct horse battery staple",
        "scope": "read:conversations",
    })),
    responses(
        (status = 201, description = "The user.", body = UserView, links(
            ("show" = (operation_id = "showUser", parameters(("user" = "$response.body#/id")))),
            ("update" = (operation_id = "updateUser", parameters(("user" = "$response.body#/id")))),
            ("password" = (operation_id = "setPassword", parameters(("user" = "$response.body#/id")))),
            ("sessions" = (operation_id = "listSessions", parameters(("user" = "$response.body#/id")))),
            ("delete" = (operation_id = "deleteUser", parameters(("user" = "$response.body#/id"))))
        )),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create(call: Call, Body(new): Body<NewUser>) -> Response {
    call.answer(StatusCode::CREATED, async { call.app().user_create(new?, &call.actor).await }).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/users",
    operation_id = "listUsers",
    params(
        ("username" = Option<QueryText>, Query, example = "demo",
            description = "Only this one. Names are compared after Unicode NFKC and case folding."),
        ("sub" = Option<QueryText>, Query, description = "Only the one with this `sub`."),
        UsersQuery,
        ListRequest
    ),
    responses((status = 200, description = "A page of the list.", body = Users))
)]
pub(crate) async fn list(call: Call) -> Response {
    let outcome = async {
        let request = call.list_request()?;
        let (username, sub, with_role) = (call.query("username"), call.query("sub"), call.query_bool("with_role")?);
        call.app().user_list(&UserFilter { username, sub, with_role }, &request).await
    };
    call.answer(StatusCode::OK, outcome).await
}

#[utoipa::path(
    get,
    path = "/admin/v1/users/{user}",
    operation_id = "showUser",
    params(UserPath),
    responses((status = 200, description = "The user.", body = UserView), (status = 404, response = NotFound))
)]
pub(crate) async fn show(call: Call) -> Response {
    call.answer(StatusCode::OK, call.app().user_show(call.path("user"))).await
}

#[utoipa::path(
    patch,
    path = "/admin/v1/users/{user}",
    operation_id = "updateUser",
    params(UserPath),
    request_body(content(
        (UserPatch = "application/merge-patch+json", example = json!({"enabled": false})),
        (UserPatch = "application/json", example = json!({"scope": "read:conversations", "claims": {"tenant": "blue"}}))
    )),
    responses(
        (status = 200, description = "The user as it is now.", body = UserView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn update(call: Call, Body(patch): Body<UserPatch>) -> Response {
    call.answer(StatusCode::OK, async { call.app().user_update(call.path("user"), patch?, &call.actor).await }).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/users/{user}",
    operation_id = "deleteUser",
    params(UserPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound), (status = 409, response = Conflict))
)]
pub(crate) async fn delete(call: Call) -> Response {
    call.answer(StatusCode::NO_CONTENT, call.app().user_delete(call.path("user"), &call.actor)).await
}

#[utoipa::path(
    put,
    path = "/admin/v1/users/{user}/password",
    operation_id = "setPassword",
    params(UserPath),
    request_body(content = NewPassword, example = json!({"password": "correct horse battery staple"})),
    responses((status = 204, response = Done), (status = 404, response = NotFound), (status = 409, response = Conflict))
)]
pub(crate) async fn set_password(call: Call, Body(new): Body<NewPassword>) -> Response {
    call.answer(StatusCode::NO_CONTENT, async {
        call.app().user_set_password(call.path("user"), new?.password, &call.actor).await
    })
    .await
}

#[utoipa::path(
    post,
    path = "/admin/v1/users/{user}/password-link",
    operation_id = "createPasswordLink",
    params(UserPath),
    request_body(content = Option<NewPasswordLink>, example = json!({"ttl": 3600})),
    responses(
        (status = 201, description = "The link, shown only here.", body = PasswordLinkView),
        (status = 404, response = NotFound),
        (status = 409, response = Conflict)
    )
)]
pub(crate) async fn create_password_link(call: Call, new: Option<Body<NewPasswordLink>>) -> Response {
    let outcome = async {
        let new = new.map_or(Ok(NewPasswordLink::default()), |Body(new)| new)?;
        call.app().user_password_link(call.path("user"), &new, &call.actor).await
    };
    call.answer(StatusCode::CREATED, outcome).await
}

#[utoipa::path(
    delete,
    path = "/admin/v1/users/{user}/second-factor",
    operation_id = "removeSecondFactor",
    params(UserPath),
    responses((status = 204, response = Done), (status = 404, response = NotFound))
)]
pub(crate) async fn remove_second_factor(call: Call) -> Response {
    let outcome = call.app().user_second_factor_remove(call.path("user"), &call.actor);
    call.answer(StatusCode::NO_CONTENT, outcome).await
}
