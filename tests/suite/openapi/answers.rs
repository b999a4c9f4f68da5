//! The answers that several operations give, by name, and their headers.

use serde_json::{Map, Value, json};

/// The answers of the components.
pub(super) fn answers() -> Map<String, Value> {
    let answers = [
        ("OAuthRefused", oauth(
            "The request is refused. `error` is `invalid_request`, `invalid_grant`, `unauthorized_client`, \
             `unsupported_grant_type`, `invalid_scope` or `invalid_target`; for the code of a device also `authorization_pending`, \
             `slow_down`, `access_denied` or `expired_token`; for a pushed request also `unsupported_response_type` or \
             `request_not_supported`.",
        )
        .with_error("invalid_grant", "The username or the password is wrong.")),
        ("InvalidClient", oauth(
            "The client did not authenticate: it is unknown or disabled, its secret is wrong or missing, or it is public and \
             the endpoint requires a secret. The answer is always the same; the log has the cause.",
        )
        .with_header("WWW-Authenticate", "BasicChallenge")
        .with_error(
            "invalid_client",
            "Client authentication failed: check client_id and client_secret and send them in one way only.",
        )),
        ("NoCaller", oauth(
            "The caller did not authenticate: the client is unknown, disabled or public, its secret is wrong or missing, or the \
             administrator's access token is invalid.",
        )
        .with_header("WWW-Authenticate", "CallerChallenge")),
        ("NoPower", oauth("The administrator's access token lacks the scope.")
            .with_header("WWW-Authenticate", "BearerInsufficientScope")),
        ("TooOften", oauth(
            "Too many logins or client authentications failed, or the caller asked for too many explanations, pushed too many \
             requests, or has too many devices that wait. Credentials were not checked: even the right password gets this answer.",
        )
        .with_header("Retry-After", "Retry-After")),
        ("NoRegistration", Answer::new("Clients cannot register themselves here (`JETON_REGISTRATION` is `off`).")
            .with_body("application/json", "PlainError")),
        ("RegistrationRefused", oauth(
            "The metadata are refused: `invalid_redirect_uri`, `invalid_client_metadata` or `unapproved_software_statement`; or the \
             token was sent twice or in the URL (`invalid_request`).",
        )
        .with_error("invalid_redirect_uri", "redirect_uris[0]: it must not have a fragment.")),
        ("RegistrationUnauthorized", oauth(
            "The initial access token or the registration access token is missing or wrong.",
        )
        .with_header("WWW-Authenticate", "BearerChallenge")
        .with_error("invalid_token", "The registration access token is not valid for this client.")),
        ("TooManyRegistrations", oauth("Too many clients were registered or changed, from this network or in all.")
            .with_header("Retry-After", "Retry-After")),
        ("BodyTooSlow", oauth("The body did not arrive within 10 seconds.")),
        ("BodyTooLarge", oauth("The body is larger than 64 KiB; for `/auth/explain` with an `Authorization` header, 256 KiB.")),
        ("BodyCompressed", oauth("The body is compressed.")),
        ("MayPass", Answer::new(
            "The request may pass. The body is empty. All four headers are always present, so that they replace forged ones.",
        )
        .with_header("X-Auth-Subject", "X-Auth-Subject")
        .with_header("X-Auth-Client", "X-Auth-Client")
        .with_header("X-Auth-Scope", "X-Auth-Scope")
        .with_header("X-Auth-Session", "X-Auth-Session")),
        ("VerifyInvalidRequest", bearer(
            "The token was sent twice or in the URL, or the proxy named no audience (`invalid_request`).",
        )
        .with_header("WWW-Authenticate", "BearerInvalidRequest")
        .with_example(bearer_error(
            Some("invalid_request"),
            "The token stands in the address, where it is not looked for: send it in the Authorization header.",
            "in_query_string",
        ))),
        ("VerifyRefused", bearer(
            "There is no Bearer token (no `error`), or the token is not valid here (`invalid_token`). The description says what \
             the bytes show; for an authentic token, the cause and the time.",
        )
        .with_header("WWW-Authenticate", "BearerChallenge")
        .with_examples([
            ("expired", bearer_error(Some("invalid_token"), "The token expired at 2026-01-31T12:15:00.000Z.", "expired")),
            ("missing", bearer_error(None, "There is no Authorization header.", "missing")),
        ])),
        ("VerifyForbidden", bearer("The token is valid but lacks a scope that the proxy requires (`insufficient_scope`).")
            .with_header("WWW-Authenticate", "BearerInsufficientScope")
            .with_example(bearer_error(
                Some("insufficient_scope"),
                "The token lacks a required scope.",
                "insufficient_scope",
            ))),
        ("Unavailable", oauth(
            "The server could not decide, or there are too many logins: try again. Nothing was refused.",
        )
        .with_header("Retry-After", "Retry-After")
        .with_error("temporarily_unavailable", "The request could not be decided just now: try again.")),
        ("ForeignHost", Answer::new("With `--dev` only, when the `Host` header does not name this machine.")
            .with_body("application/json", "PlainError")),
        ("ForeignHostPage", html("With `--dev` only, when the `Host` header does not name this machine.")),
        ("FaultPage", html("The server failed; its log has the details.")),
        ("Fault", Answer::new("The server failed; its log has the details. `error` is `server_error`.")
            .with_body("application/json", "PlainError")),
        ("MetadataDocument", Answer::new("The metadata.")
        .with_header("Cache-Control", "FiveMinutes")
        .with_header("ETag", "ETag")
        .with_header("Access-Control-Allow-Origin", "AnyOrigin")
        .with_body("application/json", "Metadata")),
        ("PublishedKeys", Answer::new("The key set.")
        .with_header("Cache-Control", "FiveMinutes")
        .with_header("ETag", "ETag")
        .with_header("Access-Control-Allow-Origin", "AnyOrigin")
        .with_body("application/json", "KeySet")),
        ("Description", Answer::new("OpenAPI 3.1. Browsers on other sites may read it.")
            .with_header("Cache-Control", "FiveMinutes")
            .with_header("Access-Control-Allow-Origin", "AnyOrigin")
            .with_content("application/yaml", json!({"type": "object"}))),
        ("HtmlPage", page("A page without scripts, which loads nothing.")),
        ("NoSuchPage", page("No error or cause has this name.")),
        ("UserInfoInvalidRequest", bearer("The token was sent twice or in the URL (`invalid_request`), or the form is broken.")
        .with_header("WWW-Authenticate", "BearerChallengeSometimes")
        .with_example(bearer_error(
            Some("invalid_request"),
            "There is a token in the body and one in the Authorization header.",
            "sent_twice",
        ))),
        ("UserInfoRefused", bearer("There is no token (no `error`), or it is not valid (`invalid_token`).")
        .with_header("WWW-Authenticate", "BearerChallenge")
        .with_example(bearer_error(Some("invalid_token"), "The token expired at 2026-01-31T12:15:00.000Z.", "expired"))),
        ("UserInfoForbidden", bearer("The token lacks the scope `openid`, or is not of a person (`insufficient_scope`).")
        .with_header("WWW-Authenticate", "BearerInsufficientScope")
        .with_example(bearer_error(
            Some("insufficient_scope"),
            "The token lacks a required scope.",
            "insufficient_scope",
        ))),
        ("NotModified", Answer::new("It is the version that `If-None-Match` names.")
        .with_header("Cache-Control", "FiveMinutes")
        .with_header("ETag", "ETag")
        .with_header("Access-Control-Allow-Origin", "AnyOrigin")),
        ("ResourceDocument", Answer::new("The metadata.")
        .with_header("Cache-Control", "FiveMinutes")
        .with_header("ETag", "ETag")
        .with_header("Access-Control-Allow-Origin", "AnyOrigin")
        .with_body("application/json", "ResourceMetadata")),
        ("MalformedQuery", problem("The query lacks a parameter, has it twice or is malformed (`invalid_input`; `detail` says which).")),
        ("AskedPage", html("A page that asks the person, or that posts the answer to the client (`response_mode=form_post`).")
        .with_header("Set-Cookie", "Set-Cookie")),
        ("SentOn", Answer::new("The browser is sent on: to the client with the answer, or to another page of this server.")
        .with_header("Location", "Location")
        .with_header("Set-Cookie", "Set-Cookie")),
        ("NoDemo", html("The server does not run with `--dev`.")),
        ("PageRefused", html("The request is refused. The page says what is wrong, and the client is not told.")),
        ("PageForeignForm", html("The form was not shown to this browser, or too long ago (`invalid_form`). Nothing was changed.")),
        ("PageBodyTooSlow", html("The body did not arrive within 10 seconds.")),
        ("PageBodyTooLarge", html("The body is larger than 64 KiB.")),
        ("PageBodyCompressed", html("The body is compressed.")),
        ("PageTooOften", html("Too many logins failed, too many codes of devices were wrong, or too many documents of clients were fetched. What was sent was not checked.").with_header("Retry-After", "Retry-After")),
        ("PageUnavailable", html("The server could not decide, or there are too many logins: try again.")
        .with_header("Retry-After", "Retry-After")),
        ("Done", Answer::new("Done. The body is empty.")),
        ("Invalid", problem(
            "The request breaks a rule (`invalid_input`; `detail` says which), or the token was sent twice, in the URL or beside a \
             form (`invalid_request`).",
        )
        .with_header("WWW-Authenticate", "BearerChallengeSometimes")
        .with_problem(400, "Bad Request", "invalid_input", "limit is a number from 1 to 200")),
        ("Unauthorized", problem(
            "No token was sent (`missing`; the challenge has no error), or it is not valid here (`invalid_token`; `detail` says \
             why).",
        )
        .with_header("WWW-Authenticate", "BearerChallenge")
        .with_problem(401, "Unauthorized", "invalid_token", "The token has expired.")),
        ("Forbidden", problem("The token lacks the required scope (`insufficient_scope`).")
            .with_header("WWW-Authenticate", "BearerChallenge")
            .with_problem(
                403,
                "Forbidden",
                "insufficient_scope",
                "this needs the scope jeton:users: the token lacks it, or its client has lost it",
            )),
        ("NotFound", problem("It does not exist (`not_found`).")),
        ("Conflict", problem("It conflicts with the current state (`conflict`; `detail` says how).")),
        ("AdminForeignHost", problem("With `--dev` only, when the `Host` header does not name this machine.")),
        ("AdminFault", problem("The server failed; its log has the details.")),
        ("AdminBodyTooSlow", problem("The body did not arrive within 10 seconds (`invalid_input`).")),
        ("AdminBodyTooLarge", problem("The body is larger than 64 KiB; for `/admin/v1/apply`, 16 MiB (`invalid_input`).")),
        ("AdminBodyCompressed", problem("The body is compressed (`invalid_input`).")),
        ("AdminUnavailable", problem(
            "The server could not decide, or there are too many passwords to hash: try again.",
        )
        .with_header("Retry-After", "Retry-After")),
    ];
    answers.into_iter().map(|(name, Answer(answer))| (name.to_owned(), answer)).collect()
}

/// An answer as it is described.
struct Answer(Value);

impl Answer {
    fn new(description: &str) -> Self {
        Self(json!({"description": description}))
    }

    fn with_header(mut self, name: &str, component: &str) -> Self {
        self.0["headers"][name] = header(component);
        self
    }

    fn with_content(mut self, media_type: &str, schema: Value) -> Self {
        self.0["content"][media_type]["schema"] = schema;
        self
    }

    fn with_body(self, media_type: &str, schema: &str) -> Self {
        self.with_content(media_type, json!({"$ref": format!("#/components/schemas/{schema}")}))
    }

    /// Adds an example to each form of the body.
    fn with_example(mut self, example: Value) -> Self {
        for (_, body) in self.0["content"].as_object_mut().into_iter().flatten() {
            body["example"] = example.clone();
        }
        self
    }

    fn with_examples<const N: usize>(mut self, examples: [(&str, Value); N]) -> Self {
        for (_, body) in self.0["content"].as_object_mut().into_iter().flatten() {
            for (name, value) in &examples {
                body["examples"][name]["value"] = value.clone();
            }
        }
        self
    }

    fn with_error(self, error: &str, description: &str) -> Self {
        self.with_example(json!({"error": error, "error_description": description, "error_uri": error_page(error)}))
    }

    fn with_problem(self, status: u16, title: &str, code: &str, detail: &str) -> Self {
        self.with_example(json!({
            "type": error_page(code),
            "title": title,
            "status": status,
            "detail": detail,
            "request_id": "019c1d3e-5a4b-7c6d-8e9f-0a1b2c3d4e5f",
        }))
    }
}

fn oauth(description: &str) -> Answer {
    Answer::new(description).with_header("Pragma", "Pragma").with_body("application/json", "OAuthError")
}

fn bearer(description: &str) -> Answer {
    Answer::new(description).with_header("Pragma", "Pragma").with_body("application/json", "BearerError")
}

fn problem(description: &str) -> Answer {
    Answer::new(description).with_body("application/problem+json", "Problem")
}

fn page(description: &str) -> Answer {
    html(description).with_header("Cache-Control", "FiveMinutes")
}

fn html(description: &str) -> Answer {
    Answer::new(description)
        .with_header("Content-Security-Policy", "Content-Security-Policy")
        .with_content("text/html; charset=utf-8", json!({"type": "string"}))
}

fn bearer_error(error: Option<&str>, description: &str, page: &str) -> Value {
    let rest = json!({"error_description": description, "error_uri": error_page(page)});
    let Some(error) = error else { return rest };
    json!({"error": error, "error_description": rest["error_description"], "error_uri": rest["error_uri"]})
}

fn error_page(code: &str) -> String {
    format!("http://127.0.0.1:8080/docs/errors/{code}")
}

/// A reference to a header of the components.
pub(super) fn header(component: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{component}")})
}

/// The headers of the components.
pub(super) fn headers() -> Value {
    let fixed = |text: &str| json!({"type": "string", "const": text});
    let pattern = |text: &str| json!({"type": "string", "pattern": text});
    let text = || json!({"type": "string"});
    let invalid_request = r#"^Bearer realm="jeton", error="invalid_request""#;
    let headers = [
        (
            "X-Request-Id",
            "The id of the request in the log and in the audit trail.",
            json!({"type": "string", "format": "uuid"}),
        ),
        ("NoStore", "Caches do not keep the answer.", fixed("no-store")),
        ("FiveMinutes", "Caches may keep the answer for five minutes.", fixed("public, max-age=300")),
        ("ETag", "Names the version of the document (RFC 9110 §8.8.3).", pattern("^\"[A-Za-z0-9_-]+\"$")),
        ("Pragma", "Required by RFC 6749 §5.1.", fixed("no-cache")),
        ("Retry-After", "Seconds to wait before the next attempt.", json!({"type": "integer", "minimum": 1})),
        ("BasicChallenge", "How a client authenticates.", fixed(r#"Basic realm="jeton""#)),
        ("CallerChallenge", "How a caller authenticates.", pattern(r#"^(Basic|Bearer) realm="jeton""#)),
        ("BearerChallenge", "What is wrong with the token (RFC 6750 §3).", pattern(r#"^Bearer realm="jeton""#)),
        ("BearerInvalidRequest", "What is wrong with the request (RFC 6750 §3).", pattern(invalid_request)),
        (
            "BearerInsufficientScope",
            "Which scope is needed (RFC 6750 §3).",
            pattern(r#"^Bearer realm="jeton", error="insufficient_scope".* scope=""#),
        ),
        (
            "BearerChallengeSometimes",
            "What is wrong with how the token was sent, if that is the problem (RFC 6750 §3).",
            pattern(invalid_request),
        ),
        ("X-Auth-Subject", "The `sub` of the user, or the `client_id` for `client_credentials`.", text()),
        ("X-Auth-Client", "The client that the token was issued to.", text()),
        ("X-Auth-Scope", "What the token allows; empty if nothing.", text()),
        ("X-Auth-Session", "The session of the token; empty if it has none.", text()),
        ("AnyOrigin", "Browsers on other sites may read the answer.", fixed("*")),
        ("Location", "Where the browser is sent.", text()),
        ("Set-Cookie", "A cookie of the login or of its forms, if the browser needs a new one.", text()),
        ("Content-Security-Policy", "The page loads nothing and runs nothing.", pattern("^default-src 'none';")),
    ];
    let headers = headers.map(|(name, description, schema)| {
        let is_required = !["BearerChallengeSometimes", "Set-Cookie"].contains(&name);
        (name.to_owned(), json!({"description": description, "required": is_required, "schema": schema}))
    });
    Value::Object(headers.into_iter().collect())
}
