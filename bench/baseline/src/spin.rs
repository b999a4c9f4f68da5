//! Threads that do nothing but keep the processors busy, as other programs on a machine may.

pub fn run(threads: u32, seconds: u32) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds.into());
    let spin = move || {
        while std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
    };
    let threads: Vec<_> = (0..threads).map(|_| std::thread::spawn(spin)).collect();
    threads.into_iter().for_each(|thread| thread.join().expect("nothing fails in it"));
}
