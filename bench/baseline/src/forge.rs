//! Makes what each request needs anew: client assertions and DPoP proofs, which count once.

use std::error::Error;
use std::io::Write;

use aws_lc_rs::rand;

use crate::key::{Key, base64url};

/// Writes a new private key to a file, and prints its public half as a JSON Web Key.
pub fn key(alg: &str, file: &str) -> Result<(), Box<dyn Error>> {
    let pkcs8 = Key::generate(alg)?;
    std::fs::write(file, &pkcs8)?;
    println!("{}", Key::parse(alg, &pkcs8)?.jwk()?);
    Ok(())
}

/// Prints so many JWTs, one a line, which differ in their `jti`. HEADER and CLAIMS, two JSON objects, are in the environment.
pub fn tokens(alg: &str, file: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let key = Key::parse(alg, &std::fs::read(file)?)?;
    let (header, claims) = (base64url(variable("HEADER")?.as_bytes()), variable("CLAIMS")?);
    let claims = claims.trim_end().strip_suffix('}').ok_or("CLAIMS is no JSON object")?;
    let mut run = [0; 12];
    rand::fill(&mut run)?;
    let run = base64url(&run);
    let lines = |numbers: std::ops::Range<usize>| {
        let mut text = String::new();
        for number in numbers {
            let payload = base64url(format!(r#"{claims},"jti":"{run}{number:x}"}}"#).as_bytes());
            let input = format!("{header}.{payload}");
            let signature = base64url(&key.sign(input.as_bytes()));
            text.extend([&input, ".", &signature, "\n"]);
        }
        text
    };
    let threads = std::thread::available_parallelism()?.get();
    let parts = std::thread::scope(|scope| {
        let part = |index: usize| index * count / threads..(index + 1) * count / threads;
        let workers: Vec<_> = (0..threads).map(|index| scope.spawn(move || lines(part(index)))).collect();
        workers.into_iter().map(|worker| worker.join().expect("nothing fails in it")).collect::<Vec<String>>()
    });
    let mut output = std::io::stdout().lock();
    for part in parts {
        output.write_all(part.as_bytes())?;
    }
    Ok(())
}
