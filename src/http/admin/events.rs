//! `/admin/v1/events`.

use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::stream;
use serde_json::json;

use crate::admin::events::{EventStream, EventsRequest, Told};
use crate::http::admin::READ;
use crate::http::admin::extract::Call;
use crate::http::event_stream;

/// The header in which browsers say what they heard last.
const LAST_EVENT_ID: &str = "last-event-id";
/// The milliseconds after which a browser connects again.
const RETRY: u32 = 2000;

#[utoipa::path(
    get,
    path = "/admin/v1/events",
    operation_id = "streamEvents",
    params(EventsRequest),
    responses((status = 200, description = "The events, as server-sent events.", body = String, content_type = "text/event-stream"))
)]
pub(crate) async fn stream(call: Call, headers: HeaderMap) -> Response {
    let text = |name: &str| call.query(name).map(str::to_owned);
    let request = EventsRequest { after: text("after"), types: text("types") };
    // One that is not ASCII is no number either.
    let last = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    match call.shared_app().event_stream(&request, last, &call.actor, READ).await {
        Ok(Some(events)) => answer(events),
        Ok(None) => call.unavailable("Too many streams of events are open: end one, or try again later."),
        Err(error) => call.failed(error),
    }
}

fn answer(events: EventStream) -> Response {
    event_stream::answer(stream::unfold(events, |mut events| async move {
        let told = events.next().await?;
        Some((text(&told), events))
    }))
}

/// As it is sent (HTML, §9.2.6). An `id` without data moves the cursor of the reader and says nothing else.
fn text(told: &Told) -> String {
    match told {
        Told::Event(event) => format!("id: {}\ndata: {}\n\n", event.number, event.to_json()),
        Told::Gap(after) => format!("event: gap\ndata: {}\n\n", json!({"after": after})),
        Told::Nothing(number) => format!(": heartbeat\nretry: {RETRY}\nid: {number}\n\n"),
        Told::End(why) => format!("event: end\ndata: {}\n\n", json!({"reason": why})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::Event;
    use crate::protocol::time::Timestamp;
    use uuid::Uuid;

    #[test]
    fn every_word_of_a_stream_is_one_block_whatever_names_hold() {
        let event = Event {
            number: 7,
            previous: 5,
            id: Uuid::nil(),
            event_type: "login".into(),
            at: Timestamp::from_seconds(0),
            actor: "client a\r\n\r\nevent: end".into(),
            target: "user b\ndata: {}".into(),
            request_id: None,
        };
        for told in [Told::Event(event), Told::Gap(3), Told::Nothing(9), Told::End("It ends.")] {
            let text = text(&told);
            assert!(text.ends_with("\n\n") && text.matches("\n\n").count() == 1 && !text.contains('\r'), "{text:?}");
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            assert!(data.clone().count() == usize::from(!matches!(told, Told::Nothing(_))), "{text:?}");
            data.for_each(|data| drop(serde_json::from_str::<serde_json::Value>(data).unwrap()));
        }
    }
}
