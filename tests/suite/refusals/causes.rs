//! The causes in their order, and how a resource server answers each: the promise, restated independently.

/// Every cause, the first that counts at the top.
pub(super) const ORDER: [&str; 45] = [
    "missing",
    "sent_twice",
    "in_query_string",
    "wrong_scheme",
    "surrounding_whitespace",
    "line_break",
    "invisible_character",
    "bearer_prefix_left_in",
    "quoted",
    "percent_encoded",
    "truncated",
    "two_tokens_joined",
    "wrong_base64_alphabet",
    "changed_case",
    "not_a_token",
    "refresh_token_as_access_token",
    "id_token_as_access_token",
    "client_secret_as_token",
    "wrong_environment",
    "foreign_token",
    "algorithm_not_allowed",
    "unknown_key",
    "retired_key",
    "bad_signature",
    "proof_missing",
    "proof_invalid",
    "proof_key_mismatch",
    "wrong_issuer",
    "token_revoked",
    "session_revoked",
    "refresh_reuse_detected",
    "superseded",
    "user_revoked",
    "client_revoked",
    "all_revoked",
    "user_disabled",
    "client_disabled",
    "user_deleted",
    "client_deleted",
    "expired",
    "not_yet_valid",
    "wrong_audience",
    "insufficient_scope",
    "never_issued",
    "could_not_check",
];

/// The position of a cause in the order.
#[track_caller]
pub(super) fn place(cause: &str) -> usize {
    ORDER.iter().position(|name| *name == cause).unwrap_or_else(|| panic!("{cause} is no cause"))
}

fn between(cause: &str, first: &str, last: &str) -> bool {
    (place(first)..=place(last)).contains(&place(cause))
}

/// Whether it is damage in transit.
pub(super) fn is_damage(cause: &str) -> bool {
    between(cause, "surrounding_whitespace", "not_a_token")
}

/// Whether only the token's own client, or one with the permission, may learn of it, because it takes a key or the
/// state. What a JWT itself says about expiry, audience and scope does not.
pub(super) fn needs_key_or_state(cause: &str) -> bool {
    between(cause, "unknown_key", "client_deleted") || cause == "never_issued"
}

/// The status that a resource server answers with, and the error code of its challenge.
pub(super) fn answer_of(cause: &str) -> (u16, Option<&'static str>) {
    match cause {
        "missing" | "wrong_scheme" => (401, None),
        "sent_twice" | "in_query_string" => (400, Some("invalid_request")),
        "insufficient_scope" => (403, Some("insufficient_scope")),
        "proof_invalid" => (401, Some("invalid_dpop_proof")),
        "could_not_check" => (503, None),
        _ => (401, Some("invalid_token")),
    }
}
