//! Advice about the kind of a token, and about its issuer and signature.

use crate::diagnosis::words::advice::{Advice, NOTHING};
use crate::diagnosis::words::commands::{CLAIMS, KEYS, METADATA, NEW_TOKEN, REFRESH};

pub(super) const REFRESH_TOKEN_AS_ACCESS_TOKEN: Advice = Advice {
    meaning: "A refresh token was sent to a resource server. Refresh tokens are for the token endpoint only.",
    see: "The token begins with `jrt_`. The explanation also describes the state of its session.",
    client: "Send the `access_token` to resource servers and the `refresh_token` only to `/auth/token`.",
    resource_server: "Accept a token only if its introspection has the `token_type` `Bearer`.",
    administrator: "End the session if others may have seen the refresh token.",
    commands: &[REFRESH, "printf %s \"$TOKEN\" | jeton revoke --token -"],
};

pub(super) const ID_TOKEN_AS_ACCESS_TOKEN: Advice = Advice {
    meaning: "An ID token was sent. It tells a client who logged in; it grants no access.",
    see: "Its header has the `typ` `JWT`, not `at+jwt` as in an access token, and its audience is a client.",
    client: "Send the access token.",
    resource_server: "Accept only JWTs whose header has the `typ` `at+jwt` (RFC 9068 §4).",
    administrator: NOTHING,
    commands: &[CLAIMS],
};

pub(super) const CLIENT_SECRET_AS_TOKEN: Advice = Advice {
    meaning: "A client secret was sent instead of a token, and so revealed to a server that must not see it.",
    see: "It begins with `jcs_`. Jeton does not log it.",
    client: "Exchange the secret for a token at `/auth/token` and send the token. Ask for a new secret.",
    resource_server: "Do not log what was sent.",
    administrator: "Replace the secret: add a new one, then retire this one.",
    commands: &[
        NEW_TOKEN,
        "jeton client secret add CLIENT_ID",
        "jeton client secret retire CLIENT_ID --secret-id SECRET_ID",
    ],
};

pub(super) const CODE_AS_TOKEN: Advice = Advice {
    meaning: "An authorization code or a device code was sent. It grants no access: the client exchanges it for tokens.",
    see: "It begins with `jac_` (authorization code) or `jdc_` (device code).",
    client: "Send the code to `/auth/token`, once, and the `access_token` of the answer to resource servers. A code that somebody \
             else saw is to be thrown away: begin again.",
    resource_server: "Do not log what was sent.",
    administrator: "If others may have seen the code, end its session: the explanation has it.",
    commands: &[METADATA],
};

pub(super) const REGISTRATION_TOKEN_AS_TOKEN: Advice = Advice {
    meaning: "A registration access token was sent. With it a client that registered itself reads and changes its registration \
              (RFC 7592); it grants no other access.",
    see: "It begins with `jrg_`.",
    client: "Send the access token to resource servers, and the registration access token to the `registration_client_uri` only.",
    resource_server: "Do not log what was sent.",
    administrator: "If others may have seen it, delete the client: it registers again.",
    commands: &["jeton client show CLIENT_ID", METADATA],
};

pub(super) const WRONG_ENVIRONMENT: Advice = Advice {
    meaning: "The token belongs to a sibling environment, such as staging, that `JETON_KNOWN_ISSUERS` lists.",
    see: "The explanation names the sibling. It appears in the `iss` of a JWT, or after the `jat_` or `jrt_` prefix.",
    client: "Get the token from this environment's token endpoint; compare the settings of the two environments.",
    resource_server: "Check that you ask the server of your own environment.",
    administrator: "Give both sides the issuer of this environment.",
    commands: &[METADATA, "jeton config"],
};

pub(super) const FOREIGN_TOKEN: Advice = Advice {
    meaning: "The token names an issuer or an environment that this server does not know.",
    see: "The explanation shows the issuer or environment that the token names, and this server's.",
    client: "Get the token from this server; the `issuer` in its metadata must equal the token's `iss` exactly.",
    resource_server: "Choose the server to ask by `iss`, from a fixed list.",
    administrator: "After `JETON_ISSUER` changes, older tokens count as foreign until they expire.",
    commands: &[METADATA, "jeton config"],
};

pub(super) const ALGORITHM_NOT_ALLOWED: Advice = Advice {
    meaning: "The header of the JWT names an algorithm that this server never uses, such as `none` or `HS256`. The token is \
              forged, or comes from another system.",
    see: "The explanation shows the header's `alg`; the published keys show the algorithms that are allowed.",
    client: "Get a token from this server and do not change it.",
    resource_server: "Accept only the algorithms of the published keys, never what the token names (RFC 8725 §3.1).",
    administrator: "If it keeps happening, look for the client's address in the log.",
    commands: &[KEYS],
};

pub(super) const UNKNOWN_KEY: Advice = Advice {
    meaning: "The token names a key (`kid`) that this server never had. It comes from another server with the same issuer, or \
              from a database that has been replaced.",
    see: "The explanation shows the header's `kid`; compare it with the existing keys.",
    client: "Get a new token.",
    resource_server: "Fetch the published keys again when they do not contain a `kid`, but at most once a minute.",
    administrator: "Check whether two servers with different databases share the issuer.",
    commands: &[KEYS, "jeton key list"],
};

pub(super) const RETIRED_KEY: Advice = Advice {
    meaning: "The key that made the token was deleted by an administrator or by a reset of the keys.",
    see: "The explanation says when the key was deleted.",
    client: "Get a new token; log in again if the refresh token is refused too.",
    resource_server: "Fetch the published keys again.",
    administrator: "If the key was deleted on purpose, this is expected. Rotating keys alone invalidates nothing.",
    commands: &[KEYS, "jeton key list"],
};

pub(super) const BAD_SIGNATURE: Advice = Advice {
    meaning: "The key is known but the signature does not match: the token was changed after it was issued, damaged or forged.",
    see: "Compare the token with the one that was issued, character by character. Its claims are not verified.",
    client: "Get a new token and pass it on unchanged.",
    resource_server: "Check that you verify with the key that `kid` names, over the bytes exactly as you received them.",
    administrator: "If it keeps happening, look for the client's address in the log.",
    commands: &[CLAIMS, KEYS],
};

pub(super) const WRONG_ISSUER: Advice = Advice {
    meaning: "Our key signed the token, but `iss` names another issuer: `JETON_ISSUER` was changed, or two servers share a key.",
    see: "The explanation shows the token's `iss` and this server's issuer.",
    client: "Get a new token.",
    resource_server: "Expect `iss` to equal the `issuer` in the metadata exactly.",
    administrator: "Give each environment a database of its own. After a change of the issuer, wait until the older tokens \
                    have expired.",
    commands: &[METADATA, "jeton config"],
};
