//! The priority of Jeton's password hashing threads.

/// Gives the calling thread the lowest priority.
pub fn take() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};
        use thread_priority::{ThreadPriority, set_thread_priority_and_policy, thread_native_id};
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).expect("any user may lower a priority");
    }
}

/// Runs threads that only use up idle processor time, to show what a machine without an idle processor does to the latency
/// of others.
pub fn spin(threads: u32, seconds: u32) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds.into());
    let spin = move || {
        take();
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
    };
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(spin)).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("spinning cannot fail"));
}
