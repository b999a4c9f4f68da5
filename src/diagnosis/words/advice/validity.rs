//! Advice about expiry, audience and scope, and about tokens whose records are missing.

use crate::diagnosis::words::advice::{Advice, REFUSE};
use crate::diagnosis::words::commands::{CLOCK, DOCTOR, READY, REFRESH, SHOW_CLIENT};

pub(super) const EXPIRED: Advice = Advice {
    meaning: "The token's lifetime is over. There is no leeway.",
    see: "The explanation says how long ago it expired and how long its lifetime was.",
    client: "Refresh, or get a new token, a little before `expires_in` runs out, and once more after a 401.",
    resource_server: "Answer 401 `invalid_token`, and check your clock.",
    administrator: "If tokens expire too soon, change the lifetime of the client's tokens.",
    commands: &[REFRESH, CLOCK, "jeton client update CLIENT_ID --access-token-ttl 30m"],
};

pub(super) const NOT_YET_VALID: Advice = Advice {
    meaning: "The token was issued more than a minute in the future. The clock of some node is wrong.",
    see: "The explanation says how far in the future it was issued. The `iat` claim is in seconds since the Unix epoch.",
    client: "Nothing; trying again later helps.",
    resource_server: "Check your clock if you verify tokens yourself.",
    administrator: "Synchronise the clocks of the nodes and the database with NTP. `/readyz` and `jeton doctor` report an offset.",
    commands: &[CLOCK, READY, DOCTOR],
};

pub(super) const WRONG_AUDIENCE: Advice = Advice {
    meaning: "The token is valid, but not for this resource server: its `aud` does not name it. The admin API accepts only \
              tokens for `{issuer}/admin/v1`.",
    see: "The explanation shows the token's audiences and the required one. A trailing slash makes a difference.",
    client: "Request a token with `resource` set to the resource server's audience. For the admin API, request a `jeton:` \
             scope.",
    resource_server: "Answer 401 `invalid_token`. Check which audience you require; a trailing slash makes a difference.",
    administrator: "Add the audience to the client. The list replaces the previous one.",
    commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --audiences https://api.example.com"],
};

pub(super) const INSUFFICIENT_SCOPE: Advice = Advice {
    meaning: "The token is valid, but its scope does not allow this.",
    see: "The explanation shows the required scope, the token's scope and what is missing. The challenge shows the required \
          `scope` too.",
    client: "Request a token with that scope. A refresh cannot add one: log in again.",
    resource_server: "Answer 403 `insufficient_scope` with the required `scope`, never 401.",
    administrator: "Add the scope to the client, and to the user if the user has a scope of its own. The list replaces the \
                    previous one.",
    commands: &[SHOW_CLIENT, "jeton client update CLIENT_ID --scope 'read write'"],
};

pub(super) const NEVER_ISSUED: Advice = Advice {
    meaning: "The token is authentic, but this database lacks the record behind it: it is a different database, or was \
              restored from a backup.",
    see: "The explanation says which record is missing.",
    client: "Log the user in again.",
    resource_server: REFUSE,
    administrator: "Check whether all nodes use the same database, and whether it was restored. After a restore, \
                    `jeton revoke --all --yes` makes a clean start.",
    commands: &["jeton config", DOCTOR],
};

pub(super) const COULD_NOT_CHECK: Advice = Advice {
    meaning: "The database did not respond, and what this node has in memory is too old to rely on. The token itself may be \
              valid.",
    see: "The answer is 503 with `Retry-After`; `/readyz` says how old the node's data is.",
    client: "Wait as long as `Retry-After` says, then repeat the request. Keep the token.",
    resource_server: "Answer 503, never 401: a client that gets 401 discards its token.",
    administrator: "Check whether the database responds. `JETON_MAX_STALENESS` limits the age of a node's data.",
    commands: &[READY, DOCTOR],
};
