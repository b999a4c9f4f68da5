//! The priority of the threads with which Jeton hashes passwords.

/// Lets all others go before the calling thread.
pub fn take() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy};
        use thread_priority::{ThreadPriority, set_thread_priority_and_policy, thread_native_id};
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, policy).expect("everybody may go last");
    }
}

/// So many threads do nothing but take what time of the processors is left: what a machine without an idle processor
/// does to the latency of others.
pub fn spin(threads: u32, seconds: u32) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds.into());
    let spin = move || {
        take();
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
    };
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(spin)).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("nothing fails in it"));
}
