//! `/auth/explain`: why a token is refused.

use axum::response::Response;

use crate::endpoints::explain;
use crate::http::request::EndpointRequest;

pub(crate) async fn answer(request: EndpointRequest) -> Response {
    request.answer_json(request.ask(explain::answer).await)
}
