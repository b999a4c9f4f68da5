//! What is wrong with a code that is exchanged for tokens, and what to do about it: texts of `/docs/errors/{code}`.

use crate::diagnosis::advice::{Advice as Text, NOTHING};
use crate::diagnosis::commands::{DOCTOR, EXPLAIN_ON_SERVER, METADATA, SHOW_CLIENT, SHOW_USER};
use crate::protocol::fault::{CodeFault, DeviceCodeFault};

/// The part that is the same for all codes.
const fn text(
    meaning: &'static str,
    client: &'static str,
    administrator: &'static str,
    commands: &'static [&'static str],
) -> Text {
    Text {
        meaning,
        see: "The token endpoint answers 400 `invalid_grant`; of the code itself its description says no more than that it is not \
              valid. The log has the client, the session and the exact reason.",
        client,
        resource_server: NOTHING,
        administrator,
        commands,
    }
}

/// The same for what a code is bound to.
const fn bound(meaning: &'static str, client: &'static str) -> Text {
    Text {
        see: "The token endpoint answers 400 and says so in `error_description`. The code is spent, and its session is over.",
        ..text(
            meaning,
            client,
            "If the client is sure that it sent the right one, somebody may have put a foreign code into its redirect: look for the \
             session in the log.",
            &[SHOW_CLIENT, METADATA],
        )
    }
}

/// The title and the text of a fault.
pub(super) const fn about(fault: CodeFault) -> (&'static str, Text) {
    match fault {
        CodeFault::Malformed => (
            "The authorization code is none, or not whole.",
            text(
                "It does not begin with `jac_` and an environment, or it is shorter or longer than a code. It may be a token, which \
                 the log names.",
                "Send the parameter `code` of the redirect as it came, decoded once. No code has a space or a `%`.",
                "Check whether something in between shortens long addresses.",
                &[METADATA, EXPLAIN_ON_SERVER],
            ),
        ),
        CodeFault::WrongEnvironment => (
            "The authorization code is of another environment.",
            text(
                "Its prefix names another environment than that of this server, such as staging.",
                "Send it to the token endpoint of the server that issued it: the one that `iss` beside the code names.",
                "Compare the issuer for which the client is configured at both endpoints.",
                &[METADATA, "jeton config"],
            ),
        ),
        CodeFault::Changed => (
            "The authorization code is not as this server made it.",
            text(
                "It has the form of a code and names a key of this server, but that key did not make it as it is; or the key was \
                 deleted.",
                "Send the parameter `code` of the redirect unchanged. Some libraries change the case of addresses.",
                "If it happens often without a change of keys, somebody guesses codes: the log has the address.",
                &["jeton key list", DOCTOR],
            ),
        ),
        CodeFault::Unknown => (
            "Nothing is known of the authorization code.",
            text(
                "This server never had the key that it names, or its session is not in the database. It is of another \
                 installation or of a database that was restored, or so old that it was removed.",
                "Begin a new authorization request.",
                "Check whether two servers with different databases share the issuer.",
                &["jeton key list", DOCTOR],
            ),
        ),
        CodeFault::OfAnotherClient => (
            "The authorization code was issued to another client.",
            text(
                "It is good, and stays so for the client that it was issued to.",
                "Send the `client_id` of the authorization request to the token endpoint as well.",
                "If the client did not mix up its own settings, somebody tried to put a code into the wrong client.",
                &[SHOW_CLIENT],
            ),
        ),
        CodeFault::Expired => (
            "The authorization code has expired.",
            text(
                "It was not redeemed within 60 seconds.",
                "Redeem a code at once, and begin a new authorization request if that was not possible.",
                "If it happens to many, the way from the client to the token endpoint is slow, or its requests wait in a queue.",
                &[METADATA, DOCTOR],
            ),
        ),
        CodeFault::UsedBefore => (
            "The authorization code was used before.",
            text(
                "A code counts once. Within 10 minutes its second use also ends the session that the first one began, since one of \
                 the two was not the client.",
                "Redeem a code once; do not repeat the request, and do not handle the redirect twice when a page is reloaded.",
                "If the client is sure that it sent the code once, somebody else has it: look at both requests in the log.",
                &[SHOW_CLIENT, METADATA],
            ),
        ),
        CodeFault::SessionEnded => (
            "The login of the authorization code has ended.",
            text(
                "Between the code and its redemption its session was revoked, the person logged out, or the user was disabled or \
                 deleted.",
                "Begin a new authorization request.",
                "If nobody did that on purpose, look at the audit trail and at the user.",
                &[SHOW_USER, SHOW_CLIENT],
            ),
        ),
        CodeFault::KeyNotProved => (
            "The authorization code is bound to a key that the request does not prove.",
            Text {
                see: "The token endpoint answers 400 `invalid_grant` and says so in `error_description`. The code is not spent.",
                ..text(
                    "The authorization request named a key (`dpop_jkt`, or a DPoP proof when it was pushed), and the token request \
                     has no proof of that key.",
                    "Send a DPoP proof made with the key that the authorization request named.",
                    "If the client uses no DPoP, somebody else may have sent its authorization request.",
                    &[SHOW_CLIENT, METADATA],
                )
            },
        ),
        CodeFault::RedirectUriDiffers => (
            "The redirect URI is not that of the authorization request.",
            bound(
                "The `redirect_uri` of the token request differs from that of the authorization request; even a slash at the end \
                 does.",
                "Send the same text in both requests, with the same port.",
            ),
        ),
        CodeFault::RedirectUriNotRepeated => (
            "The redirect URI was not repeated.",
            bound(
                "The authorization request had a `redirect_uri`, and the token request has none.",
                "Send the `redirect_uri` of the authorization request to the token endpoint as well.",
            ),
        ),
        CodeFault::VerifierMalformed => (
            "The code verifier has the wrong form.",
            Text {
                see: "The token endpoint answers 400 `invalid_request`. The code is as good as before.",
                ..bound(
                    "A `code_verifier` has 43 to 128 characters: letters, digits and `-._~` (RFC 7636 §4.1).",
                    "Make it of 32 random bytes in base64url, without `=`.",
                )
            },
        ),
        CodeFault::VerifierMissing => (
            "The code verifier is missing.",
            bound(
                "The authorization request had a `code_challenge`, and the token request has no `code_verifier`.",
                "Send the verifier of which the challenge was made. Keep it where the redirect finds it, in the session of this \
                 browser.",
            ),
        ),
        CodeFault::VerifierWrong => (
            "The code verifier is wrong.",
            bound(
                "The SHA-256 hash of the `code_verifier` in base64url is not the `code_challenge` of the authorization request.",
                "Send the verifier of this very request: a second login in another tab must not overwrite it. Hash its ASCII \
                 characters, not the bytes of which it was made.",
            ),
        ),
        CodeFault::VerifierUnexpected => (
            "There is a code verifier, but there was no challenge.",
            bound(
                "The token request has a `code_verifier`, but the authorization request had no `code_challenge`. It may be that \
                 somebody removed it there (RFC 9700 §4.8.2).",
                "Send the `code_challenge` and `code_challenge_method=S256` with the authorization request.",
            ),
        ),
    }
}

/// The same for what is wrong with a device code.
pub(super) const fn about_device_code(fault: DeviceCodeFault) -> (&'static str, Text) {
    match fault {
        DeviceCodeFault::Malformed => (
            "The device code is none, or not whole.",
            text(
                "It does not begin with `jdc_` and an environment, or it is shorter or longer than a code. The code that the person \
                 types in is another one.",
                "Send the `device_code` of the answer of `/auth/device` unchanged.",
                NOTHING,
                &[METADATA, EXPLAIN_ON_SERVER],
            ),
        ),
        DeviceCodeFault::WrongEnvironment => (
            "The device code is of another environment.",
            text(
                "Its prefix names another environment than that of this server, such as staging.",
                "Ask the token endpoint of the server that issued it.",
                "Compare the issuer for which the device is configured at both endpoints.",
                &[METADATA, "jeton config"],
            ),
        ),
        DeviceCodeFault::Changed => (
            "The device code is not as this server made it.",
            text(
                "It has the form of a device code and names a key of this server, but that key did not make it as it is; or the key \
                 was deleted.",
                "Send the `device_code` unchanged, or begin again.",
                "If it happens often without a change of keys, somebody guesses codes: the log has the address.",
                &["jeton key list", DOCTOR],
            ),
        ),
        DeviceCodeFault::Unknown => (
            "Nothing is known of the device code.",
            text(
                "This server never had the key that it names: it is of another installation, or of a database that was replaced.",
                "Begin again at the device.",
                "Check whether two servers with different databases share the issuer.",
                &["jeton key list", DOCTOR],
            ),
        ),
        DeviceCodeFault::OfAnotherClient => (
            "The device code was issued to another client.",
            text(
                "It is good, and stays so for the client that it was issued to.",
                "Ask with the `client_id` that began.",
                NOTHING,
                &[SHOW_CLIENT],
            ),
        ),
        DeviceCodeFault::Expired => (
            "The device code has expired.",
            Text {
                see: "The token endpoint answers 400 `expired_token`.",
                ..text(
                    "Nobody let the device in within 10 minutes, or it did not ask within that time.",
                    "Begin again, and show the new code.",
                    NOTHING,
                    &[SHOW_CLIENT],
                )
            },
        ),
        DeviceCodeFault::UsedBefore => (
            "The device code was used before.",
            text(
                "A device code gives tokens once. Within 10 minutes its second use also ends the session that the first one began.",
                "Stop asking when the tokens have come. If they got lost, begin again.",
                "If the device is sure that it asked once, somebody else has its code: look at both requests in the log.",
                &[SHOW_CLIENT],
            ),
        ),
        DeviceCodeFault::SessionEnded => (
            "The login of the device code has ended.",
            text(
                "After the person let the device in, its session was revoked, or the user was disabled or deleted.",
                "Begin again at the device.",
                "If nobody did that on purpose, look at the audit trail and at the user.",
                &[SHOW_USER, SHOW_CLIENT],
            ),
        ),
        DeviceCodeFault::KeyNotProved => (
            "The device code is bound to a key that the request does not prove.",
            Text {
                see: "The token endpoint answers 400 `invalid_grant` and says so in `error_description`. The code is not spent.",
                ..text(
                    "The session of the device is bound to a key (DPoP, or the certificate of the client), and the token request \
                     has no proof of that key.",
                    "Send a DPoP proof made with the key that was used before, or the same certificate.",
                    "If the device is sure that it has one key only, somebody else has its code: look at both requests in the log.",
                    &[SHOW_CLIENT, METADATA],
                )
            },
        ),
        DeviceCodeFault::Denied => (
            "The person did not let the device in.",
            Text {
                see: "The token endpoint answers 400 `access_denied`. The page at which the person said no has logged `consent_denied`.",
                ..text(
                    "Somebody typed in the code of the device, and said no.",
                    "Say so, and let the person begin again.",
                    "If many say no, somebody may send codes around that people did not ask for.",
                    &[SHOW_CLIENT],
                )
            },
        ),
    }
}
