//! What expires, when, and the statements that remove it.

use crate::protocol::event::EVENT_LIFE;
use crate::protocol::figures::FIGURES_LIFE;
use crate::protocol::time::Timestamp;

/// The least seconds for which a revocation is kept after everything it covers has expired. If a clock that is ahead
/// removed it early, the token would be valid again once the clock is corrected.
const REVOCATIONS_KEPT: i64 = 30 * 24 * 3600;
/// Seconds after which a code that was not redeemed is forgotten. Until then its row has the request behind it answered once, which
/// can come again for an hour; a node whose clock is behind may see it for a little longer.
const UNREDEEMED_LIFE: i64 = 2 * 3600;
/// Seconds for which audit records are kept.
const AUDIT_LIFE: i64 = 400 * 24 * 3600;
/// Seconds after which a silent node is forgotten.
const NODE_LIFE: i64 = 3600;
/// Seconds after the last failed login to an account until its failures are removed; by then they are forgiven.
const FAILURES_LIFE: i64 = 30 * 24 * 3600;
/// Seconds after the last login for which a user stays known on a network.
const NETWORK_LIFE: i64 = 180 * 24 * 3600;

/// The moment before which rows must have expired to be removed at the time of the first argument. The second argument
/// is how long, in seconds, expired rows are kept to explain refusals.
pub(super) type Limit = fn(Timestamp, i64) -> Timestamp;

/// A kind of row that expires.
pub(super) struct Kind {
    /// Its name in the metrics and the log.
    pub(super) name: &'static str,
    pub(super) over_before: Limit,
    pub(super) walk: Walk,
}

/// How a round finds the rows of a kind.
pub(super) enum Walk {
    /// Along an index on the moment at which they expire. `$1`: the moment to begin at; `$2`: the moment before which
    /// they must have expired; `$3`: the most rows. Returns the moments of the removed rows, as `position`.
    ByMoment { postgres: &'static str, sqlite: &'static str },
    /// Along the primary key, past all rows, because no index shows which have expired. `part` finds the last id of the
    /// `$2` rows after `$1`. The others remove the rows after `$1` up to `$2` that expired before `$3`; or before `$4`, the limit
    /// of those that go `sooner`.
    ById { part: &'static str, postgres: &'static str, sqlite: &'static str, sooner: Option<Limit> },
}

/// Removes the rows of a table whose moment has passed. The moment has an index.
#[rustfmt::skip]
macro_rules! by_moment {
    ($table:literal, $moment:literal $(, $condition:literal)?) => {
        Walk::ByMoment {
            postgres: concat!(
                "DELETE FROM ", $table, " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", $table, " WHERE ", $moment,
                " >= $1 AND ", $moment, " < $2 ", $("AND ", $condition,)? " ORDER BY ", $moment,
                " LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING ", $moment, " AS position"
            ),
            sqlite: concat!(
                "DELETE FROM ", $table, " WHERE rowid IN (SELECT rowid FROM ", $table, " WHERE ", $moment,
                " >= $1 AND ", $moment, " < $2 ", $("AND ", $condition,)? " ORDER BY ", $moment,
                " LIMIT $3) RETURNING ", $moment, " AS position"
            ),
        }
    };
}

/// Removes the rows of a table that meet a condition, part by part.
#[rustfmt::skip]
macro_rules! by_id {
    ($table:literal, $condition:literal, $sooner:expr) => {
        Walk::ById {
            sooner: $sooner,
            part: concat!("SELECT id AS position FROM ", $table, " WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2"),
            postgres: concat!(
                "DELETE FROM ", $table, " WHERE ctid = ANY (ARRAY(SELECT ctid FROM ", $table,
                " WHERE id > $1 AND id <= $2 AND (", $condition, ") FOR UPDATE SKIP LOCKED)) RETURNING 1 AS one"
            ),
            sqlite: concat!(
                "DELETE FROM ", $table, " WHERE id > $1 AND id <= $2 AND (", $condition, ") RETURNING 1 AS one"
            ),
        }
    };
}

/// Everything that expires; a new kind is a new line here.
///
/// Conditions on another table are scalar subqueries. For EXISTS, Postgres may read that whole table in each batch.
#[rustfmt::skip]
pub(super) const KINDS: [Kind; 19] = [
    // When an unused session ends changes at each refresh, so no index has it. A session that was ended is kept for as
    // long as one that expired; the log has the moment. Of a code that was not redeemed, there is nothing to explain. While the
    // browser session of another lasts, its client is told when that ends.
    Kind { name: "sessions", over_before: |now, history| now.plus_seconds(-history), walk: by_id!(
        "sessions",
        "CASE WHEN generation = 0 AND login IS NOT NULL THEN expires_at < $4 OR idle_expires_at < $4 ELSE \
         (expires_at < $3 OR idle_expires_at < $3 OR (ended AND (SELECT min(changes.created_at) FROM changes \
         WHERE changes.target_id = sessions.id AND changes.kind = 'session') < $3)) AND (browser_session IS NULL OR \
         (SELECT browser_sessions.id FROM browser_sessions WHERE browser_sessions.id = sessions.browser_session) IS NULL) END",
        Some(|now, _| now.plus_seconds(-UNREDEEMED_LIFE))
    ) },
    Kind { name: "token_revocations", over_before: revocations, walk: by_moment!("changes", "covers_until", "kind = 'token'") },
    // After the sessions, because the cause of its end can be given for as long as a session is kept. The list of kinds is
    // that of the index.
    Kind { name: "session_revocations", over_before: revocations, walk: by_moment!(
        "changes", "covers_until",
        "kind IN ('token', 'session', 'user', 'client', 'key', 'all') AND kind = 'session' AND \
         (SELECT sessions.id FROM sessions WHERE sessions.id = changes.target_id) IS NULL"
    ) },
    Kind { name: "log_entries", over_before: |now, _| now, walk: by_moment!("changes", "expires_at", "kind <> 'token'") },
    Kind { name: "audit_records", over_before: |now, _| now.plus_seconds(-AUDIT_LIFE), walk: by_moment!("audit", "at") },
    Kind { name: "nodes", over_before: |now, _| now.plus_seconds(-NODE_LIFE), walk: by_moment!("nodes", "heartbeat_at") },
    Kind { name: "guesses", over_before: |now, _| now.plus_seconds(-FAILURES_LIFE), walk: by_moment!("login_failures", "last_at") },
    // As long as clients have what ends with it, the person can log out. Such rows could be many in one place of an index.
    Kind { name: "browser_sessions", over_before: |now, _| now, walk: by_id!(
        "browser_sessions",
        "expires_at < $3 AND (SELECT min(sessions.expires_at) FROM sessions WHERE sessions.browser_session = browser_sessions.id \
         AND NOT sessions.ended AND NOT sessions.offline AND sessions.idle_expires_at >= $3 AND sessions.expires_at >= $3) IS NULL",
        None
    ) },
    Kind { name: "known_networks", over_before: |now, _| now.plus_seconds(-NETWORK_LIFE), walk: by_moment!("known_networks", "last_login_at") },
    Kind { name: "password_links", over_before: |now, _| now, walk: by_moment!("password_links", "expires_at") },
    Kind { name: "logout_notices", over_before: |now, _| now, walk: by_moment!("logout_notices", "expires_at") },
    Kind { name: "device_requests", over_before: |now, _| now, walk: by_moment!("device_requests", "expires_at") },
    Kind { name: "client_assertions", over_before: |now, _| now, walk: by_moment!("client_assertions", "expires_at") },
    Kind { name: "dpop_proofs", over_before: |now, _| now, walk: by_moment!("dpop_proofs", "expires_at") },
    Kind { name: "events", over_before: |now, _| now.plus_seconds(-EVENT_LIFE), walk: by_moment!("events", "created_at") },
    Kind { name: "figures", over_before: |now, _| now.plus_seconds(-FIGURES_LIFE), walk: by_moment!("figures", "at") },
    Kind { name: "figures_by_day", over_before: |now, _| now.plus_seconds(-FIGURES_LIFE), walk: by_moment!("figures_by_day", "at") },
    Kind { name: "node_figures", over_before: |now, _| now.plus_seconds(-NODE_LIFE), walk: by_moment!("node_figures", "at") },
    Kind { name: "verdicts", over_before: |now, _| now, walk: by_moment!("verdicts", "expires_at") },
];

fn revocations(now: Timestamp, history: i64) -> Timestamp {
    now.plus_seconds(-history.max(REVOCATIONS_KEPT))
}

/// The names of the kinds of rows that cleanup removes.
pub(crate) fn swept_kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}
