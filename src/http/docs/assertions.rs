//! What is wrong with a client assertion, and what to do about it: texts of `/docs/errors/{code}`.

use crate::diagnosis::advice::Advice as Text;
use crate::diagnosis::commands::{DOCTOR, METADATA, SHOW_CLIENT};
use crate::protocol::assertion::Fault;

/// The part that is the same for all of them.
const fn text(
    meaning: &'static str,
    client: &'static str,
    administrator: &'static str,
    commands: &'static [&'static str],
) -> Text {
    Text {
        meaning,
        see: "The answer is 401 `invalid_client` for a client assertion, and 400 `invalid_grant` for the JWT bearer grant. The log has \
              the exact reason, such as by how much a clock is off.",
        client,
        resource_server: "The same, if it is the one that authenticates by a key.",
        administrator,
        commands,
    }
}

/// The part that is the same for those that only tokens of other issuers have.
const fn foreign(meaning: &'static str, client: &'static str, administrator: &'static str) -> Text {
    Text {
        meaning,
        see: "The answer is 401 `invalid_client` for a client assertion, and 400 `invalid_grant` for the JWT bearer grant. The log has \
              the exact reason, such as which condition fails with which value.",
        client,
        resource_server: "Nothing: this is about a request for a token.",
        administrator,
        commands: &[TEST_ISSUER],
    }
}

const TEST_ISSUER: &str = "printf '%s\\n' \"$TOKEN\" | jeton issuer test";

/// The title and the text of a fault.
pub(super) const fn about(fault: Fault) -> (&'static str, Text) {
    match fault {
        Fault::Malformed => (
            "The client assertion is no signed JWT.",
            text(
                "It does not have three parts in base64url, a claim is there twice or has the wrong type, or its header requires \
                 an extension (`crit`).",
                "Send a JWT in compact form, whose `exp`, `iat` and `nbf` are numbers. Encode it like every parameter of a form.",
                "Nothing. Check whether a proxy cuts long bodies.",
                &[METADATA],
            ),
        ),
        Fault::WrongType => (
            "The client assertion is a JWT of another type.",
            text(
                "Its `typ` is that of something else, such as an access token (`at+jwt`).",
                "Sign an assertion with the `typ` `client-authentication+jwt` or `JWT`, or without one.",
                "Nothing.",
                &[METADATA],
            ),
        ),
        Fault::AlgorithmNotAllowed => (
            "The algorithm of the client assertion is not allowed.",
            text(
                "Its `alg` is none of those by which clients sign here: `ES256`, `EdDSA`, `RS256`, `PS256`.",
                "Sign with a key for one of these. `HS256` is for shared secrets, which are no keys here.",
                "Nothing. The metadata list the algorithms.",
                &[METADATA],
            ),
        ),
        Fault::WrongSubject => (
            "The client assertion does not say which client it is about.",
            text(
                "`iss` and `sub` are missing, empty or different.",
                "Set both `iss` and `sub` to the `client_id`. With a token of a trusted issuer, such as that of a platform, send the \
                 `client_id` as well.",
                "If the assertion is a token of another issuer: trust that issuer, and name it in the `issuers` of the client.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::WrongAudience => (
            "The client assertion is for another server.",
            text(
                "`aud` is missing, or names somebody who is not this server; also if it names this server as well.",
                "Set `aud` to the issuer, {issuer}, as a string. Even a slash at the end makes it another one.",
                "Compare `JETON_ISSUER` with what the client is configured for.",
                &[METADATA, "jeton config"],
            ),
        ),
        Fault::NoExpiry => (
            "The client assertion has no expiry.",
            text("It has no `exp`.", "Set `exp` to about a minute from now.", "Nothing.", &[METADATA]),
        ),
        Fault::Expired => (
            "The client assertion has expired.",
            text(
                "Its `exp` has passed by the clock of this server. There is no leeway.",
                "Make a new assertion for each request. If it was just made, the clock of the client is behind.",
                "Compare the clocks; the header `Date` of each answer has that of this server.",
                &[DOCTOR],
            ),
        ),
        Fault::NotYetValid => (
            "The client assertion is not valid yet.",
            text(
                "Its `iat` or `nbf` is more than 60 seconds in the future.",
                "Correct the clock of the client, which is ahead.",
                "Compare the clocks; the header `Date` of each answer has that of this server.",
                &[DOCTOR],
            ),
        ),
        Fault::LivesTooLong => (
            "The client assertion is valid for too long.",
            text(
                "More than 5 minutes lie between its `iat` and its `exp`, or between now and its `exp`.",
                "Set `exp` to about a minute from now. Some libraries make it an hour unless told otherwise.",
                "Nothing.",
                &[METADATA],
            ),
        ),
        Fault::NoId => (
            "The client assertion has no id.",
            text(
                "It has no `jti`, by which it is known once it was used, or one of more than 1024 bytes.",
                "Set `jti` to a random text, a new one for each assertion.",
                "Nothing.",
                &[METADATA],
            ),
        ),
        Fault::UnknownKey => (
            "The client has no key that fits the assertion.",
            text(
                "None of its keys has the `kid` of the assertion and is for its `alg`. The answer does not say so, since it is the \
                 same where there is no such client.",
                "Sign with a registered key, or leave `kid` out. At `jwks_uri`, publish a key before it is used.",
                "Compare `jwks` of the client, or what is at its `jwks_uri`, with the key. A new one there counts within ten seconds.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::BadSignature => (
            "No key of the client made the signature of the assertion.",
            text(
                "The client has keys that fit, and the signature is by none of them; or the assertion was changed. The answer does \
                 not say so, since it is the same where there is no such client.",
                "Sign with a registered key, and send what was signed, unchanged.",
                "Compare `jwks` of the client, or what is at its `jwks_uri`, with the key.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::ProfileAlgorithm => (
            "The security profile of the client does not allow the algorithm of the assertion.",
            text(
                "The client has `security_profile` `fapi2`, for which `RS256` is not good enough.",
                "Sign with `PS256`, by the same RSA key if you like, or with a key for `ES256` or `EdDSA`.",
                "Nothing, unless the client should not have the profile.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::ProfileAudience => (
            "The security profile of the client does not allow the audience of the assertion.",
            text(
                "The client has `security_profile` `fapi2`, for which `aud` is the issuer alone: no list, and no URL of an endpoint.",
                "Set `aud` to the issuer, {issuer}, as a string.",
                "Nothing, unless the client should not have the profile.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::UsedBefore => (
            "The client assertion was used before.",
            text(
                "Its `jti` is that of an assertion of the same client that counted already, on whichever node.",
                "Make a new assertion, with a new `jti`, for each request; also to repeat one.",
                "If the client makes a new one each time, somebody else may have used it first: the log has when, and the requests \
                 of that moment.",
                &[SHOW_CLIENT],
            ),
        ),
        Fault::UntrustedIssuer => (
            "The issuer of the assertion is not trusted here.",
            foreign(
                "Its `iss` is that of no trusted issuer, the client does not name that issuer in `issuers`, or the issuer is disabled or \
                 not trusted for this use. Names of issuers are compared exactly: a slash at the end counts.",
                "Send the `client_id`, and a token of the issuer that the client names.",
                "Compare `iss` of the token with `jeton issuer list`, and `issuers` of the client with both.",
            ),
        ),
        Fault::TooOld => (
            "The assertion was issued too long ago.",
            foreign(
                "More time than the `max_age` of its issuer has passed since its `iat`.",
                "Get a new token of the platform just before the request.",
                "Set `max_age` to how long such tokens are used, if that is longer.",
            ),
        ),
        Fault::ConditionFailed => (
            "The assertion meets the conditions of no rule.",
            foreign(
                "No rule of its issuer matches: of each, at least one condition does not hold. Or the rule that matches is for another \
                 client than the `client_id` of the request.",
                "Check that the token is of the workload, branch or account that is meant.",
                "`jeton issuer test` shows each condition of each rule beside the value that the token has.",
            ),
        ),
        Fault::SeveralRules => (
            "The assertion meets the conditions of several rules.",
            foreign(
                "More than one rule of its issuer matches, so it is not certain who the token is. None of them counts.",
                "Nothing.",
                "Make the rules exclude each other. `jeton issuer test` shows which match.",
            ),
        ),
        Fault::WrongClient => (
            "The identity assertion is for another client.",
            foreign(
                "The `client_id` that it names is not that of the client that presents it.",
                "Present only identity assertions that were issued for this client.",
                "At the identity provider, register the client under the `client_id` that it has here.",
            ),
        ),
        Fault::NoSuchSubject => (
            "The subject of the assertion may not be granted tokens here.",
            foreign(
                "The subjects of the issuer are users of this server, and there is no such user, it is disabled, or its address is not \
                 verified; or they are not, and a user or a client of this server has the same `sub`.",
                "Nothing: another subject may be granted tokens.",
                "Compare `local_users` of the issuer with the users that there are.",
            ),
        ),
        Fault::NotHeld => (
            "The assertion is bound to a key or a certificate that the sender did not prove to hold.",
            foreign(
                "It has `cnf`, so it is no bearer token. To authenticate a client, only the certificate of the connection counts; the JWT \
                 bearer grant takes a DPoP proof, too. A `cnf` with anything but one `jkt` or one `x5t#S256` cannot be proved here.",
                "Show the certificate, or send a DPoP proof made with the key, that the token is bound to. Or get a token without `cnf`.",
                "Nothing. Check who else may have come by the token.",
            ),
        ),
    }
}
