//! Advice about the way a token was sent.

use crate::diagnosis::words::advice::Advice;
use crate::diagnosis::words::commands::{REVOKE, VERIFY};

pub(super) const MISSING: Advice = Advice {
    meaning: "The request has no `Authorization: Bearer` header, or the header has no token.",
    see: "The answer is 401 with a `WWW-Authenticate` header that names no error. Put the request, exactly as the client sent \
          it, between the two lines with `END`: a `curl` command or the request headers.",
    client: "Send `Authorization: Bearer TOKEN` with each request. Many libraries drop the header when they follow a redirect \
             to another host.",
    resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code (RFC 6750 §3.1).",
    administrator: "Check whether a proxy removes the header.",
    commands: &[VERIFY],
};

pub(super) const SENT_TWICE: Advice = Advice {
    meaning: "The request has two `Authorization` headers, or one token in the header and another in the URL or the body.",
    see: "Put the request, exactly as the client sent it, between the two lines with `END`: a `curl` command or the request \
          headers.",
    client: "Send the token once, in the header.",
    resource_server: "Answer 400 `invalid_request` (RFC 6750 §2).",
    administrator: "Check whether a proxy adds a header of its own.",
    commands: &[VERIFY],
};

pub(super) const IN_QUERY_STRING: Advice = Advice {
    meaning: "The token was sent as `access_token` in the URL. URLs end up in logs and in browser histories.",
    see: "The URL contains `access_token=`. Put the request, exactly as the client sent it, between the two lines with `END`: \
          a `curl` command or the request headers.",
    client: "Send it as `Authorization: Bearer TOKEN`. Revoke this token, since others may have seen it.",
    resource_server: "Answer 400 `invalid_request`; never accept a token in the URL (RFC 9700 §4.3.2).",
    administrator: "Remove such URLs from the logs of your proxies and revoke the token.",
    commands: &[VERIFY, REVOKE],
};

pub(super) const WRONG_SCHEME: Advice = Advice {
    meaning: "The `Authorization` header begins with a word other than `Bearer`, such as `Basic`, `Token` or `JWT`, or with \
              the token itself.",
    see: "The header must consist of `Bearer`, one space and the token. Put the request, exactly as the client sent it, \
          between the two lines with `END`: a `curl` command or the request headers.",
    client: "Write `Authorization: Bearer TOKEN`.",
    resource_server: "Answer 401 with `WWW-Authenticate: Bearer` and no error code.",
    administrator: "Check whether a proxy replaces the header with credentials of its own.",
    commands: &[VERIFY],
};
