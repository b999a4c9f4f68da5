//! The demonstration of a login, of servers that run with `--dev`: a client like any other, whose page is here.

use serde::{Deserialize, Serialize};

use crate::app::{App, Failure, Request, Result};
use crate::browser::form as browser_form;
use crate::crypto::{base64url, random, sha256};
use crate::endpoints::reply::{Demo, Reply, Shown};
use crate::endpoints::token;
use crate::grants::TokenResponse;
use crate::protocol::error::Refusal;
use crate::protocol::parameters::Parameters;
use crate::tokens::sealed::Purpose;

/// The client of the demo set.
const CLIENT: &str = "demo-web";
const SCOPE: &str = "openid profile email read:conversations";

/// What the page has to know when the browser comes back, sealed into `state`.
#[derive(Serialize, Deserialize)]
struct Started {
    verifier: String,
    /// Fits the cookie of the browser that began.
    proof: String,
}

/// Shows the page: the way to a login, and what came of it.
pub async fn answer(app: &App, request: &Request<'_>) -> Result<Reply> {
    // 1. Did a login come back?
    let asked = request.parameters;
    let (tokens, problem) = match (asked.one("error")?, asked.one("code")?) {
        (Some(error), _) => {
            let description = asked.one("error_description")?.unwrap_or_default();
            (Vec::new(), Some((error.to_owned(), description.to_owned())))
        }
        (None, Some(code)) => match redeem(app, request, code).await {
            Ok(tokens) => (tokens, None),
            Err(Failure::Refused(refusal)) => {
                (Vec::new(), Some((refusal.code.name().to_owned(), refusal.description.into_owned())))
            }
            Err(failure) => return Err(failure),
        },
        (None, None) => (Vec::new(), None),
    };
    // 2. The way to the next one, with a challenge of its own.
    let proof = browser_form::prove(app, request, "demo")?;
    let verifier = base64url(random::<32>());
    let challenge = base64url(sha256(verifier.as_bytes()));
    let started = Started { verifier, proof: proof.text };
    let state = browser_form::seal(app, request.issuer, Purpose::Demo, &started)?;
    let query = form(&[
        ("client_id", CLIENT),
        ("redirect_uri", &redirect_uri(request)),
        ("response_type", "code"),
        ("scope", SCOPE),
        ("state", &state),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let start = format!("{}/auth/authorize?{query}", request.issuer.path());
    Ok(Reply::from(Shown::Demo(Demo { start, tokens, problem })).with_cookie(proof.cookie))
}

/// Redeems the code, as any client does.
async fn redeem(app: &App, request: &Request<'_>, code: &str) -> Result<Vec<(&'static str, String)>> {
    let state = request.parameters.one("state")?.unwrap_or_default();
    let Some(started) = browser_form::open::<Started>(app, request, Purpose::Demo, state).await? else {
        return Err(Refusal::invalid_request("The state is not one of this page.").into());
    };
    let own = parameters(&[("proof", &started.proof)])?;
    browser_form::check(app, &Request { parameters: &own, ..*request }, "demo").await?;
    let asked = parameters(&[
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("redirect_uri", &redirect_uri(request)),
        ("code_verifier", &started.verifier),
    ])?;
    let asked = Request { parameters: &asked, headers: &[], method: "POST", target: "/auth/token", ..*request };
    let TokenResponse { access_token, refresh_token, id_token, .. } = token::answer(app, &asked).await?;
    let tokens = [("access_token", Some(access_token)), ("id_token", id_token), ("refresh_token", refresh_token)];
    Ok(tokens.into_iter().filter_map(|(name, token)| Some((name, token?))).collect())
}

/// The page itself, under the name by which the browser found it: any of this machine.
fn redirect_uri(request: &Request<'_>) -> String {
    let host = request.header("host").first().and_then(|host| std::str::from_utf8(host).ok());
    format!("http://{}/demo", host.unwrap_or_else(|| request.issuer.host()))
}

fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn parameters(pairs: &[(&str, &str)]) -> Result<Parameters> {
    Ok(Parameters::from_form(form(pairs).as_bytes())?)
}
