//! How a login ended without an answer, and what to do about it: texts of `/docs/errors/{code}`.

use crate::diagnosis::advice::{Advice as Text, NOTHING, beside_resource_servers as text};
use crate::diagnosis::commands::{DOCTOR, METADATA, SHOW_CLIENT, SHOW_USER};
use crate::protocol::fault::LoginFault;

/// The title and the text of a fault.
pub(super) const fn about(fault: LoginFault) -> (&'static str, Text) {
    match fault {
        LoginFault::FormExpired => (
            "The form was shown too long ago.",
            text(
                "A form of the pages of this server can be sent for 12 hours. It changed nothing.",
                "The page says that it is out of date.",
                "Go back, load the page again and repeat.",
                NOTHING,
                &[DOCTOR],
            ),
        ),
        LoginFault::Expired => (
            "The login took too long.",
            text(
                "A request waits an hour for its login and its consent, and the code of the second factor has to follow the password \
                 within 5 minutes.",
                "The page says that the login took too long. The client gets no answer.",
                "Begin again at the application; do not keep the address of a login page.",
                "If people take that long, look at why: perhaps they have no password yet, or bookmarked the page.",
                &[SHOW_USER, DOCTOR],
            ),
        ),
        LoginFault::Changed => (
            "What the form says of the request is not of this server.",
            text(
                "The hidden field `request` was changed, is of another installation, or its key was deleted.",
                "The page says that the login took too long.",
                "Begin again at the application.",
                "If it happens to many, check that all nodes behind the proxy share one database and one `JETON_ENVIRONMENT`.",
                &["jeton key list", DOCTOR],
            ),
        ),
        LoginFault::AnsweredBefore => (
            "The login is already done.",
            text(
                "An authorization request, also one that was pushed, is answered with one code. Here it came again, such as by the \
                 button back of the browser.",
                "The page says that this login is already done. The log has the client, the user and the session of the answer.",
                "Use a `request_uri` once, and each address of the authorization endpoint too.",
                "If it happens to many who use the same client, its redirect probably leads back to an old address.",
                &[SHOW_CLIENT],
            ),
        ),
        LoginFault::ClientChanged => (
            "The client may not have an answer any more.",
            text(
                "Between the request and its answer the client was disabled, lost the grant `authorization_code`, or lost the redirect \
                 URI.",
                "The page says that the login took too long.",
                "Begin again with the settings that it has now.",
                "Compare the client with what it sends.",
                &[SHOW_CLIENT],
            ),
        ),
        LoginFault::Denied => (
            "The person said no.",
            text(
                "The person was asked whether the client may have what it asks for, or whether a device may come in, and pressed the \
                 button for no.",
                "The client gets `access_denied` by the redirect; a device gets it at its next poll. The log has the client and the user.",
                "Say so, and offer to go on without, or with fewer scopes.",
                "If many say no, the scopes may be too many, or their descriptions unclear.",
                &[SHOW_CLIENT, "jeton resource list"],
            ),
        ),
        LoginFault::UserCodeUnknown => (
            "No device waits with this code.",
            text(
                "The code that was typed in is wrong or expired, or was answered already; or the client of the device may not use the \
                 grant any more.",
                "The page of the code says so. The log has which of these it is.",
                "Show the code large, and begin again after 10 minutes.",
                "Wrong codes are counted: after a few no code is right for a while.",
                &[SHOW_CLIENT, METADATA],
            ),
        ),
        LoginFault::PasswordLinkMalformed => (
            "The address is no link to set a password.",
            text(
                "The parameter `token` is missing or not whole: the link was probably cut when it was copied.",
                "The page says that the link no longer works.",
                "Copy the whole link, or ask for a new one.",
                "Make a new one. Some mail programs break long lines.",
                &["jeton user password-link USERNAME"],
            ),
        ),
        LoginFault::PasswordLinkEnded => (
            "The link to set a password does not count any more.",
            text(
                "It was used, has expired (after a day unless it says otherwise), or was ended by a newer one or by a new password.",
                "The page says that the link no longer works.",
                "Ask whoever sent the link for a new one.",
                "Make a new one. Programs that open each link of a mail do not use it up: only its form does.",
                &["jeton user password-link USERNAME", SHOW_USER],
            ),
        ),
    }
}
