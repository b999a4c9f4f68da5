//! Messages that wait in a table until somebody delivers them. Whoever delivers one takes it for a while: if that node stops, another
//! takes it when the while is over.

/// The statement that takes at most `$4` messages of the receiver `$1` that are due at `$2`, the first that was due first, and counts
/// the attempt. They are due again at `$3`: nobody else takes them before.
macro_rules! take {
    ($dialect:expr, $table:literal, $receiver:literal, $message:literal) => {
        match $dialect {
            // As an array, because Postgres may run a subquery more than once, and each time lock other rows.
            $crate::store::database::Dialect::Postgres => {
                $crate::store::outbox::take!($table, $receiver, $message, "= ANY (ARRAY(", "FOR UPDATE SKIP LOCKED))")
            }
            $crate::store::database::Dialect::Sqlite => {
                $crate::store::outbox::take!($table, $receiver, $message, "IN (", ")")
            }
        }
    };
    ($table:literal, $receiver:literal, $message:literal, $before:literal, $after:literal) => {
        concat!(
            "UPDATE ",
            $table,
            " SET attempts = attempts + 1, due_at = $3 WHERE ",
            $receiver,
            " = $1 AND ",
            $message,
            " ",
            $before,
            "SELECT ",
            $message,
            " FROM ",
            $table,
            " WHERE ",
            $receiver,
            " = $1 AND due_at <= $2 AND expires_at > $2 ORDER BY due_at, ",
            $message,
            " LIMIT $4 ",
            $after,
            " RETURNING *"
        )
    };
}
pub(super) use take;
