// Save it as src/main.rs; Cargo.toml needs:
// [dependencies]
// reqwest = { version = "0.13", default-features = false, features = ["blocking", "form", "rustls"] }
@if token
// serde_json = "1"
@end
@if environment
use std::env;
@end
use std::error::Error;
use std::time::Duration;

use reqwest::blocking::{Client, Response};
@if token
use serde_json::Value;
@end

fn read(answer: Response) -> Result<String, Box<dyn Error>> {
    let status = answer.status();
    let text = answer.text()?;
    if status.is_success() { Ok(text) } else { Err(format!("{status} {text}").into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let question = client.post(@url@).form(&[
        @fields@
    ]);
    let answer = read(question.send()?)?;
@if token
    let answer: Value = serde_json::from_str(&answer)?;
    let token = answer["access_token"].as_str().ok_or("There is no token in the answer.")?;
    let answer = client.get(@api@).bearer_auth(token).send()?;
    println!("{} {}", answer.status(), read(answer)?);
@end
@if answer
    println!("{answer}");
@end
    Ok(())
}
