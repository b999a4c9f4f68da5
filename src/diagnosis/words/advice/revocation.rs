//! Advice about revoked tokens, and about disabled or deleted users and clients.

use crate::diagnosis::words::advice::{Advice, REFUSE};
use crate::diagnosis::words::commands::{EXPLAIN_REFRESH_TOKEN, INTROSPECT, REFRESH, SHOW_CLIENT, SHOW_USER};

const ASK: &str = "If it was a mistake, ask the person or client that the explanation names.";

pub(super) const TOKEN_REVOKED: Advice = Advice {
    meaning: "This access token was revoked by its client or by an administrator.",
    see: "The explanation says when, by whom and why. Introspection says only that the token is inactive.",
    client: "Get a new token: refresh, or log in again.",
    resource_server: "Answer 401 `invalid_token`. If you verify tokens only with the published keys, you accept a revoked \
                      token until it expires.",
    administrator: ASK,
    commands: &[REFRESH, INTROSPECT],
};

pub(super) const SESSION_REVOKED: Advice = Advice {
    meaning: "The session was ended, and with it its refresh token and all its access tokens: the user logged out, or an \
              administrator ended it.",
    see: "The explanation says when, by whom and why.",
    client: "Log the user in again.",
    resource_server: REFUSE,
    administrator: ASK,
    commands: &[],
};

pub(super) const REFRESH_REUSE_DETECTED: Advice = Advice {
    meaning: "A refresh token was used again after it had been exchanged. Either the client kept an old one or somebody else \
              has a copy, so the session was ended.",
    see: "The explanation shows both uses: when the refresh token was exchanged and when it was presented again. It does so \
          for access tokens and refresh tokens of the session alike.",
    client: "Log the user in again. Store each new refresh token before you use it, refresh from one place at a time, and \
             repeat a refresh only if you never received its response.",
    resource_server: REFUSE,
    administrator: "If several processes of a client share a session, let only one of them refresh. `retry_window` allows for \
                    lost responses.",
    commands: &[EXPLAIN_REFRESH_TOKEN, "jeton client update CLIENT_ID --retry-window 30s"],
};

pub(super) const SUPERSEDED: Advice = Advice {
    meaning: "The user had more sessions with this client than `max_sessions` allows, and the one unused the longest was \
              ended; or the refresh token was exchanged for a newer one that is in use.",
    see: "The explanation says which of the two it is, and since when.",
    client: "Log in once and keep the session instead of logging in for each request. Keep the newest refresh token.",
    resource_server: REFUSE,
    administrator: "If users really have that many devices, raise `max_sessions`. An exchanged refresh token needs no action.",
    commands: &[EXPLAIN_REFRESH_TOKEN, "jeton client update CLIENT_ID --max-sessions 200"],
};

pub(super) const USER_REVOKED: Advice = Advice {
    meaning: "All tokens of the user were revoked by an administrator or by a change of password. Newer tokens are valid.",
    see: "The explanation says when, by whom and why.",
    client: "Log the user in again.",
    resource_server: REFUSE,
    administrator: ASK,
    commands: &[SHOW_USER],
};

pub(super) const CLIENT_REVOKED: Advice = Advice {
    meaning: "All tokens of the client were revoked by an administrator or together with a secret. Newer tokens are valid.",
    see: "The explanation says when, by whom and why.",
    client: "Get a new token; log users in again.",
    resource_server: REFUSE,
    administrator: ASK,
    commands: &[SHOW_CLIENT],
};

pub(super) const ALL_REVOKED: Advice = Advice {
    meaning: "All tokens were revoked at once by an administrator or by a reset of the keys. Newer tokens are valid.",
    see: "The explanation says when, by whom and why.",
    client: "Get a new token; log users in again.",
    resource_server: REFUSE,
    administrator: ASK,
    commands: &[],
};

pub(super) const USER_DISABLED: Advice = Advice {
    meaning: "The token's user was disabled, which ended all of the user's tokens.",
    see: "The explanation says when, by whom and why. The user's `enabled` shows the current state.",
    client: "Tell the user to contact the administrator. Retrying with this token does not help.",
    resource_server: REFUSE,
    administrator: "Enable the user if appropriate. The user must log in again, because earlier tokens stay invalid.",
    commands: &[SHOW_USER, "jeton user enable USERNAME"],
};

pub(super) const CLIENT_DISABLED: Advice = Advice {
    meaning: "The token's client was disabled, which ended all of the client's tokens.",
    see: "The explanation says when, by whom and why. The client's `enabled` shows the current state.",
    client: "Contact the administrator. Retrying with this token does not help.",
    resource_server: REFUSE,
    administrator: "Enable the client if appropriate, or take back its block: `jeton client unblock`. Earlier tokens stay invalid.",
    commands: &[SHOW_CLIENT, "jeton client enable CLIENT_ID"],
};

pub(super) const USER_DELETED: Advice = Advice {
    meaning: "The token's user no longer exists.",
    see: "The explanation says when and by whom. The user is not in the list of users.",
    client: "Discard the session.",
    resource_server: REFUSE,
    administrator: "If you create the user again, it gets a new id, and earlier tokens stay invalid.",
    commands: &["jeton user list"],
};

pub(super) const CLIENT_DELETED: Advice = Advice {
    meaning: "The token's client no longer exists.",
    see: "The explanation says when and by whom. The client is not in the list of clients.",
    client: "Ask the administrator to register a client.",
    resource_server: REFUSE,
    administrator: "If you create a client with the same id, earlier tokens stay invalid.",
    commands: &["jeton client list"],
};
