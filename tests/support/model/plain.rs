//! The life of tokens in plain Rust: what each operation must do according to the documentation.

use std::collections::BTreeSet;

use jeton::protocol::cause::Cause;

/// Seconds.
pub(super) const ACCESS_TTL: u64 = 900;
pub(super) const REFRESH_TTL: u64 = 3600;
pub(super) const SESSION_TTL: u64 = 7200;
/// The longest time after which a refresh may be repeated, for each client.
pub(super) const RETRY_WINDOWS: [u64; CLIENTS] = [30, 0, 10];
const MOST_REPEATS: u32 = 3;
/// The same for all refreshes of a session within an hour.
const MOST_REPEATS_IN_AN_HOUR: u32 = 12;
/// How long an expired access token can still be revoked, since the node's clock may be ahead.
const REVOCABLE: u64 = 300;

pub(super) const USERS: usize = 2;
/// A confidential one with JWTs, a confidential one with opaque tokens, and a public one.
pub(super) const CLIENTS: usize = 3;
/// The client without a secret.
pub(super) const PUBLIC: usize = 2;

/// A user or a client.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) exists: bool,
    pub(super) enabled: bool,
    /// How often its password was changed.
    pub(super) password: u32,
}

impl Holder {
    pub(super) const fn new() -> Self {
        Self { exists: true, enabled: true, password: 0 }
    }

    pub(super) const fn is_good(&self) -> bool {
        self.exists && self.enabled
    }
}

/// An access token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) client: usize,
    user: Option<usize>,
    session: Option<usize>,
    expires: u64,
    /// The revocations that cover it.
    pub(super) causes: BTreeSet<Cause>,
}

/// A session, with all its refresh tokens.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) client: usize,
    user: usize,
    /// By generation; the last is the newest.
    pub(super) tokens: Vec<String>,
    repeats: u32,
    /// How many repeats of all its refreshes in the hour that began then.
    hour: (u32, u64),
    rotated: u64,
    idle_ends: u64,
    ends: u64,
    causes: BTreeSet<Cause>,
}

/// The outcome of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refreshed {
    /// A new refresh token.
    Rotated,
    /// The newest one again.
    Repeated,
    Refused,
}

/// The state of the model.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Seconds since the start.
    pub(super) now: u64,
    pub(super) users: [Holder; USERS],
    pub(super) clients: [Holder; CLIENTS],
    pub(super) tokens: Vec<Token>,
    pub(super) sessions: Vec<Session>,
}

impl Model {
    pub(super) const fn new() -> Self {
        Self {
            now: 0,
            users: [const { Holder::new() }; USERS],
            clients: [const { Holder::new() }; CLIENTS],
            tokens: vec![],
            sessions: vec![],
        }
    }

    pub(super) fn issued(&mut self, text: String, client: usize, session: Option<usize>) {
        let end = session.map_or(u64::MAX, |session| self.session_end(session));
        let user = session.map(|session| self.sessions[session].user);
        let expires = (self.now + ACCESS_TTL).min(end);
        self.tokens.push(Token { text, client, user, session, expires, causes: BTreeSet::new() });
    }

    pub(super) fn may_log_in(&self, user: usize, password: u32) -> bool {
        self.users[user].is_good() && self.users[user].password == password
    }

    pub(super) fn logged_in(&mut self, user: usize, client: usize, refresh: String) {
        let (tokens, causes, now) = (vec![refresh], BTreeSet::new(), self.now);
        let (idle_ends, ends) = (now + REFRESH_TTL, now + SESSION_TTL);
        let (repeats, hour, rotated) = (0, (0, now), now);
        self.sessions.push(Session { client, user, tokens, repeats, hour, rotated, idle_ends, ends, causes });
    }

    /// A limit of the newest session: of the repeats of its refresh, of the newest access token, of itself.
    pub(super) fn limit(&self, which: usize) -> Option<u64> {
        let newest = self.sessions.len().checked_sub(1)?;
        let session = &self.sessions[newest];
        match which {
            0 => Some(session.rotated + RETRY_WINDOWS[session.client]),
            1 => self.tokens.last().map(|token| token.expires),
            _ => Some(self.session_end(newest)),
        }
    }

    fn session_end(&self, session: usize) -> u64 {
        self.sessions[session].idle_ends.min(self.sessions[session].ends)
    }

    pub(super) fn is_over(&self, session: usize) -> bool {
        !self.sessions[session].causes.is_empty() || !self.users[self.sessions[session].user].is_good()
    }

    /// A refresh by the session's own client, with the token this many generations before the newest.
    pub(super) fn refresh(&mut self, index: usize, back: usize) -> Refreshed {
        if self.is_over(index) || self.now >= self.session_end(index) {
            return Refreshed::Refused;
        }
        let now = self.now;
        let session = &mut self.sessions[index];
        let hour = if now - session.hour.1 < 3600 { session.hour } else { (0, now) };
        let is_soon = now - session.rotated < RETRY_WINDOWS[session.client];
        match back {
            0 => {
                (session.repeats, session.rotated, session.idle_ends) = (0, now, now + REFRESH_TTL);
                Refreshed::Rotated
            }
            1 if is_soon && session.repeats < MOST_REPEATS && hour.0 < MOST_REPEATS_IN_AN_HOUR => {
                session.repeats += 1;
                session.hour = (hour.0 + 1, if hour.0 == 0 { now } else { hour.1 });
                Refreshed::Repeated
            }
            _ => {
                self.revoke_session(index, Cause::RefreshReuseDetected);
                Refreshed::Refused
            }
        }
    }

    /// Its client revokes an access token: one that is revoked already, or expired some minutes ago, is left as it is.
    pub(super) fn revoke_token(&mut self, index: usize) {
        let token = &mut self.tokens[index];
        if token.causes.is_empty() && self.now < token.expires + REVOCABLE {
            token.causes.insert(Cause::TokenRevoked);
        }
    }

    pub(super) fn revoke_session(&mut self, index: usize, cause: Cause) {
        self.sessions[index].causes.insert(cause);
        self.tokens.iter_mut().filter(|token| token.session == Some(index)).for_each(|token| {
            token.causes.insert(cause);
        });
    }

    /// The session's own client revokes one of its refresh tokens: an ended session has nothing left to revoke.
    pub(super) fn revoke_refresh_token(&mut self, index: usize) {
        if !self.is_over(index) {
            self.revoke_session(index, Cause::SessionRevoked);
        }
    }

    pub(super) fn revoke_user(&mut self, user: usize, cause: Cause) {
        self.revoke_all_of(cause, |of, _| of == Some(user));
    }

    /// A user that is made again has another id: what is revoked of it covers nothing of the one before.
    pub(super) fn make_user_again(&mut self, user: usize) {
        self.users[user] = Holder::new();
        self.tokens.iter_mut().filter(|token| token.user == Some(user)).for_each(|token| token.user = Some(USERS));
        self.sessions.iter_mut().filter(|session| session.user == user).for_each(|session| session.user = USERS);
    }

    pub(super) fn revoke_client(&mut self, client: usize, cause: Cause) {
        self.revoke_all_of(cause, |_, of| of == client);
    }

    pub(super) fn revoke_all(&mut self) {
        self.revoke_all_of(Cause::AllRevoked, |_, _| true);
    }

    fn revoke_all_of(&mut self, cause: Cause, is_meant: impl Fn(Option<usize>, usize) -> bool) {
        for session in self.sessions.iter_mut().filter(|session| is_meant(Some(session.user), session.client)) {
            add(&mut session.causes, cause);
        }
        for token in self.tokens.iter_mut().filter(|token| is_meant(token.user, token.client)) {
            add(&mut token.causes, cause);
        }
    }

    /// The causes against an access token; none if it is active.
    pub(super) fn causes(&self, token: usize) -> BTreeSet<Cause> {
        let token = &self.tokens[token];
        let expired = (token.expires <= self.now).then_some(Cause::Expired);
        token.causes.iter().copied().chain(expired).collect()
    }

    /// Whether a refresh token this many generations before the newest is active.
    pub(super) fn refresh_token_is_active(&self, session: usize, back: usize) -> bool {
        back == 0 && !self.is_over(session) && self.now < self.session_end(session)
    }
}

/// Only the last change of a user or client is reported.
fn add(causes: &mut BTreeSet<Cause>, cause: Cause) {
    let is_of_a_user = |cause: Cause| matches!(cause, Cause::UserDisabled | Cause::UserDeleted);
    if cause.is_about_the_subject() {
        causes.retain(|other| !other.is_about_the_subject() || is_of_a_user(*other) != is_of_a_user(cause));
    }
    causes.insert(cause);
}
