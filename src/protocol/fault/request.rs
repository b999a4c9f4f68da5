//! What can be wrong with authorization requests (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 9126, OpenID Connect Core §3.1.2).

use crate::protocol::names::names;

names! {
    /// Why an authorization request is refused, where the error alone does not say it.
    RequestFault {
        /// A parameter came twice.
        ParameterRepeated "parameter_repeated",
        /// A parameter is longer than any that is kept.
        ParameterTooLong "parameter_too_long",
        /// There is no `client_id`.
        ClientMissing "client_id_missing",
        /// There is no such client.
        ClientUnknown "client_unknown",
        /// The `client_id` is a URL, and metadata documents are not fetched here.
        ClientDocumentsOff "client_documents_off",
        /// The `client_id` is a URL that cannot be one of a metadata document.
        ClientUrlUnfit "client_url_unfit",
        /// The metadata document of the client could not be fetched.
        ClientDocumentUnreachable "client_document_unreachable",
        /// The metadata document of the client is not good.
        ClientDocumentUnfit "client_document_unfit",
        /// The URL of the metadata document is the name of something else here.
        ClientNameTaken "client_id_taken",
        /// There is no `redirect_uri`, and there has to be one.
        RedirectUriMissing "redirect_uri_missing",
        /// The `redirect_uri` is none of the client's.
        RedirectUriUnregistered "redirect_uri_unregistered",
        /// There is no `response_type`.
        ResponseTypeMissing "response_type_missing",
        /// The `response_mode` is none that this server knows.
        ResponseModeUnsupported "response_mode_unsupported",
        /// There is no `code_challenge`, and there has to be one.
        CodeChallengeMissing "code_challenge_missing",
        /// The `code_challenge` is not the hash of a verifier.
        CodeChallengeMalformed "code_challenge_malformed",
        /// The `code_challenge_method` is not `S256`.
        CodeChallengeMethodUnsupported "code_challenge_method_unsupported",
        /// The `prompt` says `none` and something else.
        PromptContradictory "prompt_contradictory",
        /// The `max_age` is no number.
        MaxAgeMalformed "max_age_malformed",
        /// The `claims` have another form than OpenID Connect says.
        ClaimsMalformed "claims_malformed",
        /// The `id_token_hint` is no ID token of this client.
        HintUnfit "id_token_hint_unfit",
        /// The client has to push its requests, and did not.
        PushRequired "pushed_request_required",
        /// A request that is pushed has a `request_uri`.
        PushedUri "request_uri_in_push",
        /// The `request_uri` is none that this server gave out, or was changed.
        UriUnknown "request_uri_unknown",
        /// The `request_uri` was not used in time.
        UriExpired "request_uri_expired",
        /// The `request_uri` was given to another client.
        UriOfAnotherClient "request_uri_of_another_client",
        /// The person who logged in is not the one whom the client means.
        AnotherPerson "another_person_logged_in",
        /// The person may not be granted anything of what the client asks for.
        ScopeNotOfPerson "scope_not_of_person",
    }
}
