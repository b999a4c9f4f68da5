//! How many connections the operating system lets this process hold.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most connections at a time.
const MOST: u64 = 20_000;
/// Open files other than client connections: those of the database, the operators' listener and the runtime.
const OTHERS: u64 = 512;
/// The most connections of operators at a time.
pub(super) const OPS_SLOTS: u32 = 256;

/// Raises this process's limit of open files as far as needed and allowed, and returns how many connections fit.
pub(super) fn slots() -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let mut allowed = limit.current.unwrap_or(u64::MAX);
    let wanted = (MOST + OTHERS).min(limit.maximum.unwrap_or(u64::MAX));
    if allowed < wanted {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => allowed = wanted,
            Err(error) => tracing::warn!(%error, allowed, "the limit of open files could not be raised"),
        }
    }
    let slots = slots_within(allowed);
    if slots < MOST {
        tracing::info!(
            places = slots,
            open_files = allowed,
            "fewer than {MOST} connections fit the limit of open files: raise it (ulimit -Hn, LimitNOFILE=)"
        );
    }
    u32::try_from(slots).unwrap_or(u32::MAX)
}

/// The connections that fit a limit of open files: at least half of it, however small it is.
fn slots_within(files: u64) -> u64 {
    files.saturating_sub(OTHERS).max(files / 2).clamp(1, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_other_files() {
        for (files, slots) in [(u64::MAX, 20_000), (20_512, 20_000), (20_000, 19_488), (1024, 512), (256, 128), (0, 1)]
        {
            assert_eq!(slots_within(files), slots, "{files}");
        }
    }

    #[test]
    fn the_limit_of_open_files_is_raised_as_far_as_needed_and_allowed() {
        let slots = slots();
        let limit = getrlimit(Resource::Nofile);
        let allowed = limit.current.unwrap_or(u64::MAX);
        assert!(allowed >= limit.maximum.unwrap_or(u64::MAX).min(MOST + OTHERS));
        assert_eq!(u64::from(slots), slots_within(allowed));
    }
}
