//! When something that was sent to others and not taken is sent again.

/// Seconds until it is sent again after so many attempts, all of which failed; `None` if that was the last. Each pause is three times
/// the one before, and the first is ten seconds.
pub(crate) fn pause(attempts: i64, most_attempts: i64) -> Option<i64> {
    let failed = u32::try_from(attempts).unwrap_or(u32::MAX);
    (attempts < most_attempts).then(|| 10_i64.saturating_mul(3_i64.saturating_pow(failed.saturating_sub(1))))
}
