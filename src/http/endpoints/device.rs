//! The device grant (RFC 8628): the endpoint for devices, and the page for people.

use axum::response::Response;

use crate::endpoints::device;
use crate::endpoints::device_authorization::{self, DeviceAuthorization};
use crate::http::docs::answers::{AskedPage, PageTooOften, SentOn};
use crate::http::reply;
use crate::http::request::EndpointRequest;
use crate::protocol::schema::describe;

pub(crate) struct DeviceRequest;

describe!(DeviceRequest {
    "description": "The parameters of a device.",
    "properties": {
        "scope": {
            "description": "Names separated by single spaces; what the client may have, without the scopes of OpenID Connect, \
                unless named.",
            "type": "string",
        },
        "resource": {
            "description":
                "For whom the tokens are (RFC 8707), one of the client's audiences; all of them unless named. May repeat.",
            "type": "array",
            "items": {"type": "string"},
        },
    },
});

#[utoipa::path(
    post,
    path = "/auth/device",
    operation_id = "deviceAuthorization",
    security(("clientBasic" = []), ()),
    request_body(content(
        (DeviceRequest = "application/x-www-form-urlencoded", example = json!({"client_id": "tv", "scope": "openid"})),
        (DeviceRequest = "application/json", example = json!({"client_id": "tv", "scope": "openid"}))
    )),
    responses((status = 200, description = "The codes.", body = DeviceAuthorization))
)]
pub(crate) async fn authorize(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(device_authorization::answer).await)
}

#[utoipa::path(
    get,
    path = "/device",
    operation_id = "devicePage",
    params(("user_code" = Option<String>, Query, description = "The code that the device shows.", example = "WDJB-MJHT")),
    responses((status = 200, response = AskedPage), (status = 429, response = PageTooOften))
)]
pub(crate) async fn show(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(device::show).await)
}

#[utoipa::path(
    post,
    path = "/device",
    operation_id = "device",
    responses((status = 200, response = AskedPage), (status = 303, response = SentOn))
)]
pub(crate) async fn answer(request: EndpointRequest) -> Response {
    reply::answer(&request, request.ask(device::answer).await)
}
