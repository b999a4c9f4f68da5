//! What can go wrong on the pages between a request and its answer, and what people say no to.

use crate::protocol::names::names;

names! {
    /// Why a login, or what a person does here, did not come to its end.
    LoginFault {
        /// A form was sent long after it was shown.
        FormExpired "form_expired",
        /// The login, or one step of it, took too long.
        Expired "login_expired",
        /// What the form says of the request is not of this server.
        Changed "login_changed",
        /// The request has its answer already.
        AnsweredBefore "login_answered_before",
        /// The client may not have an answer any more.
        ClientChanged "login_client_changed",
        /// The person said no.
        Denied "consent_denied",
        /// No device waits with the code that was typed in.
        UserCodeUnknown "user_code_unknown",
        /// What is in the address of a link to set a password is no such link.
        PasswordLinkMalformed "password_link_malformed",
        /// A link to set a password was used, has expired or was ended.
        PasswordLinkEnded "password_link_ended",
    }
}
