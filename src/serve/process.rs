//! What this process keeps from others on the same machine.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Makes sure that no core dump is written of this process, which holds keys: neither to a file, nor to a program that
/// collects them, nor by another process of the same user.
pub(crate) fn forbid_core_dumps() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
