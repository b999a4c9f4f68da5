//! The requests to a node, and which answers are right.

use std::time::Instant;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::json;

use super::deck::{Session, take};
use super::{DEADLINE, STALENESS, Scene};
use crate::support::{Answer, TestClient};

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    IntrospectKnown,
    IntrospectFresh,
    IntrospectRevoked,
    KnownClient,
    FreshClient,
    WrongSecret,
    UnknownClient,
    Login,
    WrongPassword,
    Refresh,
    SpentRefresh,
    Revoke,
    Verify,
    VerifyRevoked,
    Explain,
    ExplainRevoked,
    AdminRead,
    AdminReadMissing,
    AdminWrite,
    Ready,
    Alive,
    Metrics,
    Keys,
    Metadata,
}

use Operation as Op;

impl Operation {
    pub(super) const ALL: [Self; 24] = [
        Op::IntrospectKnown,
        Op::IntrospectFresh,
        Op::IntrospectRevoked,
        Op::KnownClient,
        Op::FreshClient,
        Op::WrongSecret,
        Op::UnknownClient,
        Op::Login,
        Op::WrongPassword,
        Op::Refresh,
        Op::SpentRefresh,
        Op::Revoke,
        Op::Verify,
        Op::VerifyRevoked,
        Op::Explain,
        Op::ExplainRevoked,
        Op::AdminRead,
        Op::AdminReadMissing,
        Op::AdminWrite,
        Op::Ready,
        Op::Alive,
        Op::Metrics,
        Op::Keys,
        Op::Metadata,
    ];

    /// Whether it hashes a password.
    pub(super) fn is_dear(self) -> bool {
        matches!(self, Op::Login | Op::WrongPassword)
    }
}

/// The verdict on an answer.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// The same answer as without a fault.
    Right,
    /// 503, in the form of its API, with `Retry-After`.
    Unavailable,
    /// Any other answer, or none.
    Wrong(String),
}

/// The format of errors.
#[derive(Clone, Copy)]
enum Api {
    OAuth,
    Admin,
    Operators,
}

impl Api {
    fn is_unavailable(self, answer: &Answer) -> bool {
        match self {
            Self::OAuth => answer.is_unavailable(),
            Self::Admin => {
                answer.status == StatusCode::SERVICE_UNAVAILABLE
                    && answer.header("retry-after").is_some()
                    && answer.header("content-type") == Some("application/problem+json")
            }
            // It says what is wrong.
            Self::Operators => {
                answer.status == StatusCode::SERVICE_UNAVAILABLE
                    && answer.json["problems"].as_array().is_some_and(|problems| !problems.is_empty())
            }
        }
    }
}

/// Sends a request and judges the answer.
async fn ask(api: Api, request: RequestBuilder, is_right: impl Fn(&Answer) -> bool) -> (Verdict, Option<Answer>) {
    let begun = Instant::now();
    let answer = Answer::if_any(request).await;
    let took = begun.elapsed();
    let verdict = match &answer {
        Err(error) => Verdict::Wrong(format!("no answer after {took:?}: {error:?}")),
        Ok(answer) if took > DEADLINE => {
            Verdict::Wrong(format!("only after {took:?}: {} {}", answer.status, answer.body))
        }
        Ok(answer) if is_right(answer) => Verdict::Right,
        Ok(answer) if api.is_unavailable(answer) => Verdict::Unavailable,
        Ok(answer) => Verdict::Wrong(format!("after {took:?}: {} {}", answer.status, answer.body)),
    };
    (verdict, answer.ok())
}

fn is_ok(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
}

fn is_active(answer: &Answer) -> bool {
    is_ok(answer) && answer.json["active"] == json!(true)
}

fn is_inactive(answer: &Answer) -> bool {
    is_ok(answer) && answer.body == r#"{"active":false}"#
}

fn has_token(answer: &Answer) -> bool {
    is_ok(answer) && answer.json["access_token"].is_string()
}

fn is_error(answer: &Answer, status: u16, error: &str) -> bool {
    answer.status == status && answer.json["error"] == error
}

const FOR_ITSELF: [(&str, &str); 1] = [("grant_type", "client_credentials")];

impl Scene {
    fn at(&self, node: usize, path: &str) -> String {
        format!("{}{path}", self.nodes[node].base)
    }

    pub(super) fn form(&self, node: usize, path: &str, client: &TestClient, form: &[(&str, &str)]) -> RequestBuilder {
        self.http.post(self.at(node, path)).header("Authorization", client.basic()).form(form)
    }

    fn introspection(&self, node: usize, token: &str) -> RequestBuilder {
        self.form(node, "/auth/introspect", &self.asker, &[("token", token)])
    }

    pub(super) fn admin(&self, node: usize, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.at(node, path)).bearer_auth(&self.admin_token)
    }

    pub(super) async fn is_active(&self, node: usize, token: &str) -> Result<bool, String> {
        let known = |answer: &Answer| is_active(answer) || is_inactive(answer);
        match ask(Api::OAuth, self.introspection(node, token), known).await {
            (Verdict::Right, Some(answer)) => Ok(is_active(&answer)),
            (verdict, _) => Err(format!("{verdict:?}")),
        }
    }

    /// Performs it once; `None` if there is nothing left to perform it with.
    pub(super) async fn perform(&self, node: usize, operation: Operation, is_over: bool) -> Option<Verdict> {
        Some(match operation {
            Op::IntrospectKnown => {
                let token = self.any_known();
                ask(Api::OAuth, self.introspection(node, &token), is_active).await.0
            }
            Op::IntrospectFresh => {
                let token = take(&mut self.deck().fresh[node], is_over)?;
                ask(Api::OAuth, self.introspection(node, &token), is_active).await.0
            }
            Op::IntrospectRevoked => {
                let (token, by) = self.any_revoked(node)?;
                let told = ask(Api::OAuth, self.introspection(node, &token), is_inactive).await.0;
                explain_wrong(told, &format!("of a token that node {by} revoked"))
            }
            Op::KnownClient => self.gets_token(node, &self.app, &FOR_ITSELF).await.0,
            Op::FreshClient => {
                let client = take(&mut self.deck().clients[node], is_over)?;
                self.gets_token(node, &client, &FOR_ITSELF).await.0
            }
            Op::WrongSecret => {
                let wrong = self.app.with_secret("jcs_live_wrong");
                let request = self.form(node, "/auth/token", &wrong, &FOR_ITSELF);
                // This must not slow down the right secret of the same client from the same address.
                let right = |answer: &Answer| is_error(answer, 401, "invalid_client") || answer.is_slowed_down();
                ask(Api::OAuth, request, right).await.0
            }
            Op::UnknownClient => {
                // A different one each time, so that it is not throttled as guessing.
                let nobody = TestClient { id: format!("nobody-{}", self.turn()), ..self.app.clone() };
                let request = self.form(node, "/auth/token", &nobody, &FOR_ITSELF);
                ask(Api::OAuth, request, |answer| is_error(answer, 401, "invalid_client")).await.0
            }
            Op::Login => {
                let form = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
                let (verdict, answer) = self.gets_token(node, &self.app, &form).await;
                if let (Verdict::Right, Some(answer)) = (&verdict, answer) {
                    self.deck().sessions.push_back(session(&answer));
                }
                verdict
            }
            Op::WrongPassword => {
                // Not alice: after wrong guesses her right password has to wait too.
                let guest = super::scene::guest(self.turn());
                let form = [("grant_type", "password"), ("username", &guest), ("password", "looking-glass")];
                let request = self.form(node, "/auth/token", &self.app, &form);
                let right = |answer: &Answer| is_error(answer, 400, "invalid_grant") || answer.is_slowed_down();
                ask(Api::OAuth, request, right).await.0
            }
            Op::Refresh => {
                let session = take(&mut self.deck().sessions, is_over)?;
                self.refreshes(node, session).await
            }
            Op::SpentRefresh => {
                let session = take(&mut self.deck().spent, is_over)?;
                self.presents_spent(node, session).await
            }
            Op::Revoke => {
                let token = take(&mut self.deck().to_revoke, is_over)?;
                self.revokes(node, token).await
            }
            Op::Verify => {
                let request = self.http.get(self.at(node, VERIFY));
                ask(Api::OAuth, request.bearer_auth(self.any_known()), is_ok).await.0
            }
            Op::VerifyRevoked => {
                let (token, _) = self.any_revoked(node)?;
                let request = self.http.get(self.at(node, VERIFY));
                let names_it = |answer: &Answer| {
                    let page = answer.json["error_uri"].as_str().and_then(|uri| uri.rsplit('/').next());
                    page.is_some_and(|page| CAUSES.contains(&page))
                };
                let right = |answer: &Answer| is_error(answer, 401, "invalid_token") && names_it(answer);
                ask(Api::OAuth, request.bearer_auth(token), right).await.0
            }
            Op::Explain => {
                let request = self.form(node, "/auth/explain", &self.asker, &[("token", &self.any_known())]);
                ask(Api::OAuth, request, is_active).await.0
            }
            Op::ExplainRevoked => {
                let (token, _) = self.any_revoked(node)?;
                let request = self.form(node, "/auth/explain", &self.asker, &[("token", &token)]);
                let names_it = |answer: &Answer| answer.json["cause"].as_str().is_some_and(|it| CAUSES.contains(&it));
                let right = |answer: &Answer| is_ok(answer) && names_it(answer);
                ask(Api::OAuth, request, right).await.0
            }
            Op::AdminRead => {
                let right = |answer: &Answer| is_ok(answer) && answer.json["client_id"] == "app";
                ask(Api::Admin, self.admin(node, Method::GET, "/admin/v1/clients/app"), right).await.0
            }
            Op::AdminReadMissing => {
                let right = |answer: &Answer| answer.status == StatusCode::NOT_FOUND;
                ask(Api::Admin, self.admin(node, Method::GET, "/admin/v1/users/nobody"), right).await.0
            }
            Op::AdminWrite => self.makes_user(node).await,
            Op::Ready => ask(Api::Operators, self.http.get(self.ops(node, "/readyz")), is_ok).await.0,
            Op::Alive => ask(Api::Operators, self.http.get(self.ops(node, "/healthz")), is_ok).await.0,
            Op::Metrics => ask(Api::Operators, self.http.get(self.ops(node, "/metrics")), is_ok).await.0,
            Op::Keys => {
                let right = |answer: &Answer| is_ok(answer) && answer.json["keys"].is_array();
                ask(Api::OAuth, self.http.get(self.at(node, "/.well-known/jwks.json")), right).await.0
            }
            Op::Metadata => {
                let path = "/.well-known/oauth-authorization-server";
                let right = |answer: &Answer| is_ok(answer) && answer.json["issuer"] == "https://auth.example.com";
                ask(Api::OAuth, self.http.get(self.at(node, path)), right).await.0
            }
        })
    }

    fn ops(&self, node: usize, path: &str) -> String {
        format!("{}{path}", self.nodes[node].ops)
    }

    fn any_known(&self) -> String {
        let turn = self.turn();
        let deck = self.deck();
        deck.known[turn % deck.known.len()].clone()
    }

    /// One that this node must know as revoked: it took the revocation, or the bound has passed.
    fn any_revoked(&self, node: usize) -> Option<(String, usize)> {
        let turn = self.turn();
        let deck = self.deck();
        let must_know = |at: &Instant, by: &usize| *by == node || at.elapsed() > STALENESS;
        let all: Vec<_> = deck.revoked.iter().filter(|(_, at, by)| must_know(at, by)).collect();
        // Alternate between the newest ones and all of them.
        let index = if turn.is_multiple_of(2) { all.len().checked_sub(1 + turn % 8)? } else { turn % all.len().max(1) };
        all.get(index).map(|(token, _, by)| (token.clone(), *by))
    }

    /// The answer is a token that is always good.
    async fn gets_token(&self, node: usize, client: &TestClient, form: &[(&str, &str)]) -> (Verdict, Option<Answer>) {
        let (verdict, answer) = ask(Api::OAuth, self.form(node, "/auth/token", client, form), has_token).await;
        if let (Verdict::Right, Some(answer)) = (&verdict, &answer) {
            self.deck().issued.push(answer.text("access_token"));
        }
        (verdict, answer)
    }

    /// A refresh that is not acknowledged is repeated with the same token when the fault is over.
    pub(super) async fn refreshes(&self, node: usize, old: Session) -> Verdict {
        let form = [("grant_type", "refresh_token"), ("refresh_token", old.refresh.as_str())];
        let (verdict, answer) = self.gets_token(node, &self.app, &form).await;
        match (&verdict, answer) {
            (Verdict::Right, Some(answer)) => self.deck().sessions.push_back(session(&answer)),
            _ => self.deck().doubtful_sessions.push(old),
        }
        verdict
    }

    /// A spent refresh token ends its session; an acknowledged end holds.
    pub(super) async fn presents_spent(&self, node: usize, session: Session) -> Verdict {
        let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh.as_str())];
        let request = self.form(node, "/auth/token", &self.app, &form);
        let verdict = ask(Api::OAuth, request, |answer| is_error(answer, 400, "invalid_grant")).await.0;
        match verdict {
            Verdict::Right => self.deck().revoked.push((session.access, Instant::now(), node)),
            _ => self.deck().doubtful_spent.push(session),
        }
        verdict
    }

    async fn revokes(&self, node: usize, token: String) -> Verdict {
        let request = self.form(node, "/auth/revoke", &self.app, &[("token", &token)]);
        let verdict = ask(Api::OAuth, request, is_ok).await.0;
        if !matches!(verdict, Verdict::Right) {
            self.deck().doubtful.push(token);
            return verdict;
        }
        // The node that made the revocation honours it at once.
        let told = ask(Api::OAuth, self.introspection(node, &token), is_inactive).await.0;
        self.deck().revoked.push((token, Instant::now(), node));
        match told {
            Verdict::Wrong(_) => explain_wrong(told, "right after this node acknowledged the revocation"),
            _ => verdict,
        }
    }

    async fn makes_user(&self, node: usize) -> Verdict {
        let name = format!("user-{}", self.turn());
        let request = self.admin(node, Method::POST, "/admin/v1/users").json(&json!({"username": name}));
        let right = |answer: &Answer| answer.status == StatusCode::CREATED;
        let verdict = ask(Api::Admin, request, right).await.0;
        match verdict {
            Verdict::Right => self.deck().users.push(name),
            _ => self.deck().doubtful_users.push(name),
        }
        verdict
    }
}

/// Why tokens are refused here.
const CAUSES: [&str; 3] = ["token_revoked", "session_revoked", "refresh_reuse_detected"];
/// Asks for the audience of the tokens of `app`.
const VERIFY: &str = "/auth/verify?audience=https://auth.example.com/api";

pub(super) fn session(answer: &Answer) -> Session {
    Session { refresh: answer.text("refresh_token"), access: answer.text("access_token") }
}

fn explain_wrong(verdict: Verdict, when: &str) -> Verdict {
    match verdict {
        Verdict::Wrong(text) => Verdict::Wrong(format!("{when}: {text}")),
        other => other,
    }
}
