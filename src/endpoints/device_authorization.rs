//! The device authorization endpoint (RFC 8628 §3.1).

use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Request, Result};
use crate::authorization::device;
use crate::client_auth;
use crate::grants;
use crate::protocol::client::GrantType;
use crate::protocol::device::{INTERVAL, LIFE};
use crate::protocol::grant::{self, Audiences};
use crate::protocol::identity::Identity;

/// Where people type in the code of a device.
pub(crate) const PAGE: &str = "/device";

/// What a device shows, and with what it asks (RFC 8628 §3.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceAnswer, examples(json!({
    "device_code": "jdc_dev_AQEC",
    "user_code": "WDJB-MJHT",
    "verification_uri": "http://127.0.0.1:8080/device",
    "verification_uri_complete": "http://127.0.0.1:8080/device?user_code=WDJB-MJHT",
    "expires_in": 600,
    "interval": 5,
})))]
pub struct DeviceAuthorization {
    /// With what the device asks the token endpoint. A secret; it begins with `jdc_`.
    pub device_code: String,
    /// What the device shows.
    #[schema(pattern = "^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$")]
    pub user_code: String,
    /// Where the person types that in.
    #[schema(format = "uri")]
    pub verification_uri: String,
    /// The same with the code, for a QR code. The person is asked to compare it.
    #[schema(format = "uri")]
    pub verification_uri_complete: String,
    /// Seconds until the codes expire.
    #[schema(minimum = 1)]
    pub expires_in: i64,
    /// Seconds to leave between two polls.
    #[schema(minimum = 1)]
    pub interval: i64,
}

/// Begins the request of a device.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<DeviceAuthorization> {
    // 1. Which client is it, and may it use the grant?
    let client = client_auth::authenticate(app, request).await?;
    let client = grants::authorize(app, client, GrantType::DeviceCode).await?;
    let about = Identity::of_client(&client.client_id);
    // 2. What does it ask for?
    let rule = |audiences: Audiences<'_>| grant::to_login(&client, request.parameters, audiences);
    let granted = app.grant(request.issuer, rule).await.map_err(|failure| failure.about(about))?;
    // 3. The codes.
    let (device_code, waiting) = device::ask(app, request, &client, granted).await?;
    let verification_uri = request.issuer.endpoint(PAGE);
    Ok(DeviceAuthorization {
        device_code,
        verification_uri_complete: format!("{verification_uri}?user_code={}", waiting.user_code),
        verification_uri,
        user_code: waiting.user_code.to_string(),
        expires_in: LIFE,
        interval: INTERVAL,
    })
}
