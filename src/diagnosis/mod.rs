//! Why a presented text is no good: what its bytes show and what the keys prove. No input or output, no clock.
//!
//! A good token never comes here. What is refused is looked at in the order of the list of causes: damage on the way,
//! kind, origin, signature, issuer. Which cause is the first never depends on whether a repair was tried: the bytes alone
//! decide it; the keys add the proof, and with it what else speaks against the token.

pub mod advice;
mod claimed;
pub mod commands;
mod content;
mod damage;
pub mod explanation;
mod finding;
pub mod investigate;
pub mod judge;
mod no_token;
pub mod public;
mod shape;
mod wrapping;

use serde_json::Value;

pub use damage::Damage;
pub use finding::{Basis, Fact, Finding};

use crate::crypto::{base64url, from_base64url};
use crate::diagnosis::claimed::{Claimed, plain};
use crate::diagnosis::content::Content;
use crate::diagnosis::shape::{Prefixed, Shape};
use crate::jose::algorithm::SigningAlgorithm;
use crate::keys::token_key::KEY_ID_LENGTH;
use crate::protocol::cause::Cause;
use crate::protocol::claims::AccessClaims;
use crate::tokens::context::TokenContext;
use crate::tokens::verify::{self, Verified, VerifyError};

/// The most key operations that are spent on the proof of a repair.
pub const MOST_PROOFS: usize = 7;

/// Longer texts are not looked at, in bytes: whatever is wrapped around a token has room in them.
const LONGEST: usize = 80 * 1024;

/// All that is known of a presented text, and what speaks against it.
#[derive(Debug, Default)]
pub struct Diagnosis {
    /// What speaks against it, in the order of the list of causes; each cause once.
    pub findings: Vec<Finding>,
    /// What happened to it on the way.
    pub damage: Vec<Damage>,
    /// What is known of it.
    pub facts: Vec<Fact>,
    /// The id of the withdrawn key that it names, if it names one.
    pub retired: Option<String>,
    /// The token, if the text, or the text without the damage, was proved to be one.
    pub authentic: Option<Verified>,
}

impl Diagnosis {
    /// Reads a text of which it is known whether it is authentic as it stands. At most `proofs` key operations are spent
    /// on repairs.
    pub fn of(text: &str, found: Result<Verified, VerifyError>, origin: TokenContext<'_>, proofs: usize) -> Self {
        let mut reading = Self::default();
        reading.fact("length", text.chars().count());
        match found {
            Ok(authentic) => {
                if matches!(authentic, Verified::Refresh(_)) {
                    reading.findings.push(not_for_resource_servers(Prefixed::RefreshToken));
                }
                reading.proved(text, authentic, origin);
            }
            Err(unread) => reading.look(text, unread, origin, proofs),
        }
        reading.findings.sort_by_key(|finding| finding.cause);
        reading
    }

    /// What was found against an authentic access token.
    pub fn of_claims(claims: AccessClaims, findings: Vec<Finding>) -> Self {
        let mut diagnosis = Self { authentic: Some(Verified::Access(Box::new(claims))), ..Self::default() };
        diagnosis.add(findings);
        diagnosis
    }

    /// Adds what was found later.
    pub fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            if self.findings.iter().all(|known| known.cause != finding.cause) {
                self.findings.push(finding);
            }
        }
        self.findings.sort_by_key(|finding| finding.cause);
    }

    /// Tells more of a cause that was found.
    pub fn tell(&mut self, cause: Cause, detail: String, remedy: Option<&'static str>) {
        for finding in self.findings.iter_mut().filter(|finding| finding.cause == cause) {
            finding.detail.push_str(&detail);
            finding.remedy = finding.remedy.or(remedy);
        }
    }

    /// The same for whoever takes any kind of token: that it is a refresh token does not speak against it.
    #[must_use]
    pub fn of_any_kind(mut self) -> Self {
        self.findings.retain(|finding| finding.cause != Cause::RefreshTokenAsAccessToken);
        self
    }

    /// The first cause, if anything speaks against the token.
    pub fn cause(&self) -> Option<Cause> {
        self.findings.first().map(|finding| finding.cause)
    }

    /// The claims, if it was proved to be an access token.
    pub fn claims(&self) -> Option<&AccessClaims> {
        match &self.authentic {
            Some(Verified::Access(claims)) => Some(claims),
            _ => None,
        }
    }

    fn fact(&mut self, fact: &'static str, value: impl Into<Value>) {
        self.facts.push(Fact::claimed(fact, value));
    }

    /// What an authentic text says is true.
    fn proved(&mut self, text: &str, authentic: Verified, origin: TokenContext<'_>) {
        self.form(text, shape::of(text));
        match &authentic {
            Verified::Access(claims) => self.claims_are_true(claims),
            Verified::Refresh(token) => {
                self.facts.push(Fact::verified("session", token.session.to_string()));
                self.facts.push(Fact::verified("generation", token.generation));
            }
        }
        if let Some(key) = text.split('.').next().and_then(|header| origin.ring.signing_key_of(header)) {
            self.facts.retain(|fact| !matches!(fact.fact, "algorithm" | "kid" | "type"));
            self.facts.push(Fact::verified("algorithm", key.algorithm.name()));
            self.facts.push(Fact::verified("kid", key.kid.as_str()));
        }
        // It is authenticated with the rest.
        for fact in self.facts.iter_mut().filter(|fact| fact.fact == "environment") {
            *fact = Fact::verified("environment", fact.value.take());
        }
        self.authentic = Some(authentic);
    }

    fn claims_are_true(&mut self, claims: &AccessClaims) {
        let Ok(Value::Object(claims)) = serde_json::to_value(claims) else { return };
        let known = Claimed { claims: Some(claims), ..Claimed::default() }.facts();
        self.facts.retain(|fact| known.iter().all(|(name, _)| *name != fact.fact));
        self.facts.extend(known.into_iter().map(|(name, value)| Fact::verified(name, value)));
    }

    fn look(&mut self, text: &str, unread: VerifyError, origin: TokenContext<'_>, proofs: usize) {
        if text.len() > LONGEST {
            let detail = "It is longer than any token with all that could be wrapped around it.";
            self.findings.push(Finding::shown(Cause::NotAToken, detail));
            return;
        }
        let peeled = wrapping::peel(text);
        let was_removed = peeled.damage.iter().any(|damage| damage.cause == Cause::InvisibleCharacter);
        if (peeled.core.is_empty() && !was_removed) || peeled.core.eq_ignore_ascii_case("bearer") {
            self.findings.push(Finding::shown(Cause::Missing, "There is no token in what was sent."));
            return;
        }
        let mut core = peeled.core;
        let mut shape = shape::of(&core);
        let content = content::look(text, &core, shape);
        if shape == Shape::Nothing && !content.damage.is_empty() {
            shape = content.candidates.first().map_or(shape, |first| shape::of(first));
        }
        if shape == Shape::Nothing {
            return self.no_token(&core, peeled.is_deeper);
        }
        let is_whole = content.is_whole() && content.changed.is_none();
        if let Some(what) = content.changed {
            self.findings.push(Finding::shown(Cause::BadSignature, format!("A part of it was changed: {what}.")));
        }
        let Content { damage, candidates, .. } = content;
        self.damage = peeled.damage;
        self.damage.extend(damage);
        let mut was_tried = self.damage.is_empty();
        let mut other_issuer = if let VerifyError::OtherIssuer(claims) = unread { Some(claims) } else { None };
        if !was_tried && !self.damage.iter().any(|damage| damage.cause == Cause::Truncated) {
            let mut proved = vec![];
            for candidate in candidates.iter().take(proofs) {
                was_tried = true;
                match verify::verify(candidate, origin) {
                    Ok(authentic) => proved.push((candidate, authentic)),
                    Err(VerifyError::OtherIssuer(claims)) => other_issuer = Some(claims),
                    Err(VerifyError::UnknownKey | VerifyError::NotOurs) => {}
                }
            }
            // Of several, an access token is what is meant.
            proved.sort_by_key(|(_, authentic)| matches!(authentic, Verified::Refresh(_)));
            if !proved.is_empty() || other_issuer.is_some() {
                self.damage_is_proved();
            }
            if let Some((candidate, authentic)) = proved.into_iter().next() {
                if matches!(authentic, Verified::Refresh(_)) {
                    self.kind(&core, shape::of(candidate), None, origin);
                }
                return self.proved(candidate, authentic, origin);
            }
        }
        self.damage_is_found();
        if let Some(first) = candidates.into_iter().next() {
            core = first;
        }
        self.form(&core, shape);
        let claimed = if shape == Shape::Jwt { Claimed::read(&core) } else { Claimed::default() };
        self.kind(&core, shape, Some(&claimed), origin);
        if let Some(claims) = other_issuer {
            let (theirs, ours) = (plain(&claims.iss), origin.issuer);
            let detail = format!("A key of this server signed it, but for the issuer {theirs}; this server is {ours}.");
            self.findings.push(Finding::known(Cause::WrongIssuer, detail));
            self.claims_are_true(&claims);
            self.authentic = Some(Verified::Access(claims));
            return;
        }
        self.origin(&core, shape, &claimed, origin);
        if is_whole {
            self.signature(&core, shape, &claimed, origin, was_tried);
        }
        if self.findings.is_empty() {
            let (detail, _) = no_token::what(&core);
            self.findings.push(Finding::shown(Cause::NotAToken, detail));
        }
    }

    fn no_token(&mut self, core: &str, is_deeper: bool) {
        if is_deeper {
            let detail = "It was encoded so many times that nothing can be told of it.";
            let repair = "Do not encode a token: a header takes it as it is.";
            self.damage.push(Damage::new(Cause::PercentEncoded, detail, repair));
        }
        let (detail, repair) = no_token::what(core);
        self.damage.push(Damage::new(Cause::NotAToken, detail, repair));
        self.damage_is_found();
    }

    fn damage_is_proved(&mut self) {
        for damage in &mut self.damage {
            damage.proved = true;
        }
        self.damage_is_found();
    }

    fn damage_is_found(&mut self) {
        for damage in &self.damage {
            if self.findings.iter().all(|finding| finding.cause != damage.cause) {
                self.findings.push(Finding::shown(damage.cause, damage.detail.clone()));
            }
        }
    }

    /// What kind of thing it is, and what it claims.
    fn form(&mut self, core: &str, shape: Shape) {
        let form = match shape {
            Shape::Jwt => "JWT",
            Shape::Prefixed(Prefixed::AccessToken) => "opaque access token",
            Shape::Prefixed(Prefixed::RefreshToken) => "refresh token",
            Shape::Prefixed(Prefixed::ClientSecret) => "client secret",
            Shape::Headless => "token without its beginning",
            Shape::Foreign(_) => "token of another maker",
            Shape::Nothing => return,
        };
        self.fact("form", form);
        match shape {
            Shape::Jwt => {
                for (fact, value) in Claimed::read(core).facts() {
                    self.fact(fact, value);
                }
            }
            Shape::Prefixed(_) => {
                if let (Some(environment), _) = shape::parts(core) {
                    self.fact("environment", environment.to_string());
                }
            }
            Shape::Foreign(maker) => self.fact("maker", maker),
            Shape::Headless | Shape::Nothing => {}
        }
    }

    fn kind(&mut self, core: &str, shape: Shape, claimed: Option<&Claimed>, origin: TokenContext<'_>) {
        match shape {
            Shape::Prefixed(kind) if kind != Prefixed::AccessToken => {
                self.findings.push(not_for_resource_servers(kind));
            }
            Shape::Headless if core.starts_with("rt_") => {
                self.findings.push(not_for_resource_servers(Prefixed::RefreshToken));
            }
            Shape::Jwt if claimed.is_some_and(|claimed| claimed.is_id_token(origin.issuer)) => {
                self.findings.push(Finding::shown(
                    Cause::IdTokenAsAccessToken,
                    "It is an ID token: it tells a client who logged in, and permits nothing.",
                ))
            }
            _ => {}
        }
    }

    fn origin(&mut self, core: &str, shape: Shape, claimed: &Claimed, origin: TokenContext<'_>) {
        let found = match shape {
            Shape::Foreign(maker) => Some((Cause::ForeignToken, format!("It begins like a token of {maker}."))),
            Shape::Prefixed(_) => {
                shape::parts(core).0.filter(|environment| environment != origin.environment).map(|theirs| {
                    let ours = origin.environment;
                    let cause = origin.of_environment(&theirs);
                    (cause, format!("It is of the environment {theirs}; this server is the environment {ours}."))
                })
            }
            Shape::Jwt => match (claimed.issuer(), &claimed.claims) {
                (Some(issuer), _) if issuer == origin.issuer => None,
                (Some(issuer), _) => {
                    let cause = origin.of_issuer(issuer);
                    let sibling = origin.siblings.iter().find(|sibling| sibling.issuer == issuer);
                    let name = sibling
                        .map(|sibling| format!(" (the environment {})", sibling.environment))
                        .unwrap_or_default();
                    let (issuer, ours) = (plain(issuer), origin.issuer);
                    Some((cause, format!("It names the issuer {issuer}{name}; this server is {ours}.")))
                }
                (None, Some(_)) => {
                    Some((Cause::ForeignToken, "It names no issuer; every token of this server does.".into()))
                }
                (None, None) => None,
            },
            Shape::Headless | Shape::Nothing => None,
        };
        self.findings.extend(found.map(|(cause, detail)| Finding::shown(cause, detail)));
    }

    fn signature(&mut self, core: &str, shape: Shape, claimed: &Claimed, origin: TokenContext<'_>, was_tried: bool) {
        match shape {
            Shape::Jwt => {
                let algorithm = claimed.algorithm();
                let kid = claimed.kid();
                let key = kid.and_then(|kid| origin.ring.signing_key(kid));
                let name = plain(algorithm.unwrap_or("none at all"));
                if !SigningAlgorithm::OWN.iter().any(|known| Some(known.name()) == algorithm) {
                    let detail = format!("Its header names the algorithm {name}, which this server never accepts.");
                    self.findings.push(Finding::shown(Cause::AlgorithmNotAllowed, detail));
                } else if let Some(key) = key.filter(|key| Some(key.algorithm.name()) != algorithm) {
                    let detail =
                        format!("Its header names the algorithm {name}, but its key is for {}.", key.algorithm);
                    self.findings.push(Finding::known(Cause::AlgorithmNotAllowed, detail));
                }
                let id = kid.map(plain);
                self.key(id.as_deref(), key.is_some(), origin, was_tried);
            }
            Shape::Prefixed(kind) if kind != Prefixed::ClientSecret => {
                let (environment, body) = shape::parts(core);
                if environment.as_ref() != Some(origin.environment) {
                    return;
                }
                let bytes = from_base64url(body).unwrap_or_default();
                let id: Option<[u8; KEY_ID_LENGTH]> = bytes.get(1..=KEY_ID_LENGTH).and_then(|id| id.try_into().ok());
                let Some(id) = id else {
                    let detail = "It is not written as such tokens are: a character was changed.";
                    self.findings.push(Finding::known(Cause::BadSignature, detail));
                    return;
                };
                self.key(Some(&base64url(id)), origin.ring.token_key(id).is_some(), origin, was_tried);
            }
            _ => {}
        }
    }

    fn key(&mut self, kid: Option<&str>, is_ours: bool, origin: TokenContext<'_>, was_tried: bool) {
        let retired = kid.and_then(|kid| origin.ring.retired(kid));
        match (kid, retired) {
            (None, _) => {
                let detail = "Its header names no key; every token of this server does.";
                self.findings.push(Finding::known(Cause::UnknownKey, detail));
            }
            (Some(kid), _) if is_ours => {
                if was_tried {
                    let detail = format!("It names the key {kid} of this server, and the signature does not fit.");
                    self.findings.push(Finding::known(Cause::BadSignature, detail));
                }
            }
            (Some(kid), Some(at)) => {
                let detail = format!("It names the key {kid}, which was withdrawn at {at}.");
                self.retired = Some(kid.to_owned());
                self.findings.push(Finding::known(Cause::RetiredKey, detail).since(at));
            }
            (Some(kid), None) => {
                let detail = format!("It names the key {kid}, which is none of this server's.");
                self.findings.push(Finding::known(Cause::UnknownKey, detail));
            }
        }
    }
}

/// The place of a byte of a part of what was sent, counted in characters from one; nothing where the part does not stand there
/// as it is, because something was decoded or removed.
fn place(sent: &str, part: &str, at: usize) -> String {
    match (sent.find(part), part.get(..at)) {
        (Some(start), Some(before)) => {
            format!(" as character {}", sent[..start].chars().count() + before.chars().count() + 1)
        }
        _ => String::new(),
    }
}

fn not_for_resource_servers(kind: Prefixed) -> Finding {
    if kind == Prefixed::ClientSecret {
        return Finding::shown(Cause::ClientSecretAsToken, "It is a client secret, told by its prefix `jcs_`.");
    }
    Finding::shown(
        Cause::RefreshTokenAsAccessToken,
        "It is a refresh token, told by its prefix `jrt_`: only the token endpoint takes it.",
    )
}

#[cfg(test)]
mod tests;
