//! What can be wrong with the codes that are exchanged for tokens (RFC 6749 §4.1.3, RFC 7636 §4.6, RFC 8628 §3.4).

use crate::protocol::names::names;

names! {
    /// Why an authorization code is refused, or what belongs to it.
    CodeFault {
        /// It is something else, or a part of it is missing.
        Malformed "code_malformed",
        /// Its prefix is that of another environment.
        WrongEnvironment "code_wrong_environment",
        /// No key of this server made it as it is.
        Changed "code_changed",
        /// A key that this server does not have made it, or its session is not in the database.
        Unknown "code_unknown",
        /// It was issued to another client.
        OfAnotherClient "code_of_another_client",
        /// It was not redeemed in time.
        Expired "code_expired",
        /// It was redeemed before.
        UsedBefore "code_used_before",
        /// Its session was ended, or its user may not log in any more.
        SessionEnded "code_session_ended",
        /// It is bound to a key, and the request has no proof of that (RFC 9449 §10).
        KeyNotProved "code_key_not_proved",
        /// The `redirect_uri` is not that of the authorization request.
        RedirectUriDiffers "redirect_uri_differs",
        /// The authorization request had a `redirect_uri`, and the token request has none.
        RedirectUriNotRepeated "redirect_uri_not_repeated",
        /// The `code_verifier` has another form than RFC 7636 §4.1 says.
        VerifierMalformed "code_verifier_malformed",
        /// There is no `code_verifier`.
        VerifierMissing "code_verifier_missing",
        /// The `code_verifier` does not belong to the `code_challenge`.
        VerifierWrong "code_verifier_wrong",
        /// There was no `code_challenge` to which the `code_verifier` could belong.
        VerifierUnexpected "code_verifier_unexpected",
    }
}

impl CodeFault {
    /// What the client is told. Of the code itself always the same: how it stands with a code is no matter of others who try it. What
    /// it was bound to is named, because that is judged only for who holds the code.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::WrongEnvironment
            | Self::Changed
            | Self::Unknown
            | Self::OfAnotherClient
            | Self::Expired
            | Self::UsedBefore
            | Self::SessionEnded => "The authorization code is not valid: begin a new authorization request.",
            Self::KeyNotProved => "The authorization code is bound to a key: send a DPoP proof made with that key.",
            Self::RedirectUriDiffers => {
                "The redirect_uri is not that of the authorization request: begin a new one, and send the same in both."
            }
            Self::RedirectUriNotRepeated => {
                "The redirect_uri is missing, which the authorization request had: begin a new one, and send it in both."
            }
            Self::VerifierMalformed => {
                "The code_verifier must be 43 to 128 letters, digits, and characters of -._~ (RFC 7636 section 4.1)."
            }
            Self::VerifierMissing => {
                "The code_verifier is missing, and the authorization request had a code_challenge: begin a new one."
            }
            Self::VerifierWrong => {
                "The code_verifier does not belong to the code_challenge of the authorization request: begin a new one."
            }
            Self::VerifierUnexpected => {
                "There is a code_verifier, but the authorization request had no code_challenge: begin a new one."
            }
        }
    }
}

names! {
    /// Why a device code is refused.
    DeviceCodeFault {
        /// It is something else, or a part of it is missing.
        Malformed "device_code_malformed",
        /// Its prefix is that of another environment.
        WrongEnvironment "device_code_wrong_environment",
        /// No key of this server made it as it is.
        Changed "device_code_changed",
        /// A key that this server does not have made it.
        Unknown "device_code_unknown",
        /// It was issued to another client.
        OfAnotherClient "device_code_of_another_client",
        /// Nobody let the device in, or it did not ask, in time.
        Expired "device_code_expired",
        /// It was redeemed before.
        UsedBefore "device_code_used_before",
        /// Its session was ended, or its user may not log in any more.
        SessionEnded "device_code_session_ended",
        /// It is bound to a key, and the request has no proof of that.
        KeyNotProved "device_code_key_not_proved",
        /// The person did not let the device in.
        Denied "device_denied",
    }
}

impl DeviceCodeFault {
    /// What the device is told.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed
            | Self::WrongEnvironment
            | Self::Changed
            | Self::Unknown
            | Self::OfAnotherClient
            | Self::UsedBefore
            | Self::SessionEnded => "The device code is not valid: begin again at the device.",
            Self::KeyNotProved => "The device code is bound to a key: send a proof made with that key.",
            Self::Expired => "The device code has expired: begin again at the device.",
            Self::Denied => "The person did not let the device in.",
        }
    }
}
