//! The work behind a request and nothing besides: what it costs at least, however a server does the rest.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::ParsedPublicKey;

use crate::key::Key;

/// What is signed and hashed: as long as a usual token.
const MESSAGE: [u8; 500] = [b'x'; 500];

/// One step.
pub enum Step {
    /// SHA-256, by which a token that was verified before is recognised.
    Hash,
    Sign(Key),
    Verify {
        key: ParsedPublicKey,
        signature: Vec<u8>,
    },
}

impl Step {
    /// Reads `hash`, `sign-ALG` or `verify-ALG`.
    pub fn read(name: &str) -> Result<Self, Box<dyn Error>> {
        let key = |alg: &str| Key::parse(alg, &Key::generate(alg)?);
        Ok(match name.split_once('-') {
            None if name == "hash" => Self::Hash,
            Some(("sign", alg)) => Self::Sign(key(alg)?),
            Some(("verify", alg)) => {
                let key = key(alg)?;
                Self::Verify { key: key.public()?, signature: key.sign(&MESSAGE) }
            }
            _ => return Err(format!("{name} is none of hash, sign-ALG, verify-ALG").into()),
        })
    }

    pub fn run(&self) {
        match self {
            Self::Hash => {
                black_box(digest(&SHA256, black_box(&MESSAGE)));
            }
            Self::Sign(key) => {
                black_box(key.sign(black_box(&MESSAGE)));
            }
            Self::Verify { key, signature } => {
                key.verify_sig(black_box(&MESSAGE), signature).expect("it was signed by this key");
            }
        }
    }
}

/// How often a step can be done by so many threads.
pub fn rate(step: &str, threads: u32, seconds: u32) -> Result<(), Box<dyn Error>> {
    let step = Step::read(step)?;
    let begun = Instant::now();
    let end = begun + Duration::from_secs(seconds.into());
    let until_end = || {
        let mut done = 0_u64;
        while Instant::now() < end {
            step.run();
            done += 1;
        }
        done
    };
    let done: u64 = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(until_end)).collect();
        workers.into_iter().map(|worker| worker.join().expect("nothing fails in it")).sum()
    });
    println!(r#"{{"done":{done},"seconds":{}}}"#, begun.elapsed().as_secs_f64());
    Ok(())
}
