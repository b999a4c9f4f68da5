//! The use cases, called without HTTP.

use uuid::Uuid;

use crate::support::{Backend, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_future_of_a_request_without_database_access_is_small() {
    // Futures are copied when they are moved: large ones once took a fifth of the time of an introspection.
    let app = TestServer::start(Backend::Sqlite).await;
    let parameters = jeton::protocol::parameters::Parameters::from_form(b"token=x").unwrap();
    let address = std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST);
    let request = jeton::app::Request {
        issuer: &app.server.app.issuer,
        endpoint: "introspect",
        method: "POST",
        target: "/auth/introspect",
        headers: &[],
        parameters: &parameters,
        peer: &jeton::app::Peer::from(std::net::SocketAddr::from((address, 0))),
        sender: Default::default(),
        address,
        request_id: Uuid::nil(),
    };
    let introspection = jeton::endpoints::introspect::answer(&app.server.app, &request);
    let issuing = jeton::endpoints::token::answer(&app.server.app, &request);
    let sizes = (size_of_val(&introspection), size_of_val(&issuing));
    assert!(sizes.0 < 2048 && sizes.1 < 2048, "{sizes:?} bytes");
}
