//! The raw rate of Argon2id with Jeton's parameters (19 MiB, two passes, one lane, memory reused by each thread) and the
//! priority of Jeton's hashing threads, the lowest.

use std::error::Error;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

pub fn run(threads: u32, seconds: u32) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds.into());
    let workers: Vec<_> = (0..threads).map(|_| std::thread::spawn(move || hash_until(end))).collect();
    let mut hashes = 0;
    for worker in workers {
        hashes += worker.join().map_err(|_| "a thread that hashes failed")?;
    }
    println!(r#"{{"hashes":{hashes},"seconds":{}}}"#, begun.elapsed().as_secs_f64());
    Ok(())
}

fn hash_until(end: Instant) -> u32 {
    let params = Params::default();
    let mut blocks = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    let mut hashes = 0;
    while Instant::now() < end {
        argon2
            .hash_password_into_with_memory(b"bench-password", b"sixteen bytes...", &mut output, &mut blocks)
            .expect("the parameters are legal");
        hashes += 1;
    }
    hashes
}
