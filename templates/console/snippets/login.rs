// Save it as src/main.rs; Cargo.toml needs:
// [dependencies]
// base64 = "0.22"
// getrandom = { version = "0.4", features = ["std"] }
// reqwest = { version = "0.13", default-features = false, features = ["blocking", "form", "rustls"] }
// serde_json = "1"
// sha2 = "0.10"
@if environment
use std::env;
@end
use std::error::Error;
@if paste
use std::io;
@end
@if listen
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
@end
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use reqwest::blocking::{Client, Response};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn random() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read(answer: Response) -> Result<String, Box<dyn Error>> {
    let status = answer.status();
    let text = answer.text()?;
    if status.is_success() { Ok(text) } else { Err(format!("{status} {text}").into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
@if listen
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let redirect_uri = format!("{}:{}{}", @redirect_origin@, listener.local_addr()?.port(), @redirect_path@);
@end
@if paste
    let redirect_uri = @redirect_uri@;
@end
    let (state, verifier) = (random()?, random()?);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
    let question = Url::parse_with_params(@authorization_endpoint@, [
        @question@
    ])?;
    println!("Open this address in a browser, and log in:\n{question}");
@if listen
    let (mut browser, _) = listener.accept()?;
    let lines = BufReader::new(&browser).lines().map_while(Result::ok);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    browser.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\nConnection: close\r\n\r\nYou can close this window.")?;
    let target = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let address = Url::parse(&redirect_uri)?.join(target)?;
@end
@if paste
    println!("Paste the address to which the browser was sent, whatever it shows:");
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let address = Url::parse(line.trim())?;
@end
    let parameter = |name: &str| {
        let found = address.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    if parameter("state") != state || parameter("iss") != @issuer@ {
        return Err("This is no answer to this login.".into());
    }
    let code = parameter("code");
    if code.is_empty() {
        return Err(format!("{}: {}", parameter("error"), parameter("error_description")).into());
    }

    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let question = client.post(@url@).form(&[
        @fields@
    ]);
    let answer: Value = serde_json::from_str(&read(question.send()?)?)?;
    let token = answer["access_token"].as_str().ok_or("There is no token in the answer.")?;
    let answer = client.get(@api@).bearer_auth(token).send()?;
    println!("{} {}", answer.status(), read(answer)?);
    Ok(())
}
