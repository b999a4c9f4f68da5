//! The verdict of the token doctor as plain data: to show it, and to keep it for colleagues (`kept_verdict.rs`). It never
//! holds the text that it is about.

use serde::{Deserialize, Serialize};

use crate::console::figures::cell_of_cause;
use crate::console::page::{Block, Cell, Event, Row, Table};
use crate::diagnosis::explanation::{Expect, Explanation};
use crate::diagnosis::pasted;
use crate::diagnosis::timeline::Moment;
use crate::protocol::time::Timestamp;

/// A verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The id of the request for it, by which it is found in the audit trail.
    request_id: String,
    /// What is wrong with the request: the text, and what to do.
    problems: Vec<(String, String)>,
    /// What is said of its token, if it has one.
    token: Option<OfToken>,
    /// What helps, to copy. Older nodes keep none.
    #[serde(default)]
    commands: Vec<String>,
}

/// What is said of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct OfToken {
    is_good: bool,
    title: String,
    detail: String,
    cause: Option<String>,
    other_causes: Vec<String>,
    damage: Vec<String>,
    /// Who, and what to do.
    fixes: Vec<(String, String)>,
    /// What, its value, and whether this server vouches for it.
    evidence: Vec<(String, String, bool)>,
    /// Older nodes keep none.
    #[serde(default)]
    timeline: Vec<Then>,
    expected: Vec<(String, String)>,
    challenge: Option<String>,
}

/// A moment in the life of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Then {
    /// In milliseconds since the epoch.
    at: i64,
    what: String,
    details: Vec<String>,
    verified: bool,
    refuses: bool,
}

impl Verdict {
    pub(super) fn new(
        request_id: String,
        problems: &[pasted::Problem],
        explained: Option<&Explanation>,
        commands: Vec<String>,
    ) -> Self {
        let problem = |problem: &pasted::Problem| {
            let name = problem.cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
            (format!("The request{name}: {}", problem.detail), problem.fix.to_owned())
        };
        let (problems, token) = (problems.iter().map(problem).collect(), explained.map(OfToken::new));
        Self { request_id, problems, token, commands }
    }

    /// What it is called in the audit trail.
    pub(super) fn target(&self) -> String {
        format!("explanation {}", self.request_id)
    }

    /// As it is shown.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        for (problem, fix) in &self.problems {
            blocks.extend([Block::problem(problem.as_str()), Block::Text(Cell::prose(fix))]);
        }
        match &self.token {
            Some(token) => {
                blocks.extend(token.verdict());
                blocks.extend(self.commands());
                blocks.extend(token.reasons());
            }
            None => {
                blocks.push(Block::problem("There is no token in the request."));
                blocks.extend(self.commands());
            }
        }
        blocks
    }

    /// What helps, to copy.
    fn commands(&self) -> Vec<Block> {
        if self.commands.is_empty() {
            return Vec::new();
        }
        let text = "Commands that help, with what this server knows of the token. Tokens and secrets are read from variables, such as \
                    TOKEN and CLIENT_SECRET; other words in capitals stand for what you have to fill in.";
        let commands = self.commands.iter().map(|command| Block::Code(command.clone()));
        [Block::heading("Commands"), Block::text(text)].into_iter().chain(commands).collect()
    }
}

impl OfToken {
    fn new(explained: &Explanation) -> Self {
        let title = match explained.cause {
            Some(cause) => format!("{} ({cause})", explained.title),
            None => explained.title.to_owned(),
        };
        let damage = explained.damage.iter().map(|damage| {
            let proof =
                if damage.proved { "proved: without it, the text is a token of this server" } else { "not proved" };
            format!("Damage ({proof}): {} {}", damage.detail, damage.repair)
        });
        let evidence = explained.evidence.iter().map(|fact| {
            let value = fact.value.as_str().map_or_else(|| fact.value.to_string(), str::to_owned);
            (fact.fact.replace('_', " "), value, fact.verified)
        });
        let fix = &explained.fix;
        let fixes = [
            ("The client", &fix.client),
            ("The resource server", &fix.resource_server),
            ("The administrator", &fix.administrator),
        ];
        Self {
            is_good: explained.active,
            title,
            detail: explained.detail.clone(),
            cause: explained.cause.map(|cause| cause.name().to_owned()),
            other_causes: explained.all_causes.iter().skip(1).map(|cause| cause.name().to_owned()).collect(),
            damage: damage.collect(),
            fixes: fixes.map(|(who, what)| (who.to_owned(), what.clone())).into(),
            evidence: evidence.collect(),
            timeline: explained.timeline.iter().map(Then::new).collect(),
            expected: explained.expect.as_ref().map(expected).unwrap_or_default(),
            challenge: explained
                .www_authenticate
                .as_ref()
                .map(|challenge| format!("{}\nWWW-Authenticate: {challenge}", explained.status)),
        }
    }

    /// The verdict, why, and what to do.
    fn verdict(&self) -> Vec<Block> {
        let title = self.title.as_str();
        let verdict = if self.is_good { Block::notice(title) } else { Block::problem(title) };
        let mut blocks = vec![verdict, Block::Text(Cell::prose(&self.detail))];
        if !self.other_causes.is_empty() {
            blocks.push(Block::text(format!("Also: {}.", self.other_causes.join(", "))));
        }
        blocks.extend(self.damage.iter().map(|damage| Block::text(damage.as_str())));
        blocks.push(Block::heading("What to do"));
        let fixes = self.fixes.iter().map(|(who, what)| (who.clone(), Cell::prose(what)));
        blocks.push(Block::Facts(fixes.collect()));
        if let Some(cause) = &self.cause {
            let link = cell_of_cause(cause).link;
            blocks.extend(link.map(|link| Block::Text(vec![Cell::link("More about this cause", link)])));
        }
        blocks
    }

    /// What the verdict follows from.
    fn reasons(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        // What tells no time has but the present.
        if self.timeline.len() > 1 {
            blocks.push(Block::heading("Time line"));
            blocks.push(Block::Timeline(self.timeline.iter().map(Then::event).collect()));
        }
        blocks.push(Block::heading("Evidence"));
        blocks.push(Block::Table(self.evidence()));
        if !self.expected.is_empty() {
            blocks.push(Block::heading("What the resource server must expect"));
            let expected = self.expected.iter().map(|(name, value)| (name.clone(), vec![Cell::code(value.as_str())]));
            blocks.push(Block::Facts(expected.collect()));
        }
        if let Some(challenge) = &self.challenge {
            blocks.push(Block::heading("What the resource server should answer"));
            blocks.push(Block::Code(challenge.clone()));
        }
        blocks
    }

    fn evidence(&self) -> Table {
        let rows = self.evidence.iter().map(|(fact, value, is_verified)| {
            Row::from(vec![Cell::text(fact.as_str()), Cell::code(value.as_str()), basis(*is_verified)])
        });
        Table {
            caption: "Evidence",
            columns: vec!["What", "Value", "Basis"],
            rows: rows.collect(),
            empty: "The text shows nothing.",
            next: None,
        }
    }
}

impl Then {
    fn new(moment: &Moment) -> Self {
        let Moment { at, what, details, verified, refuses } = moment;
        Self {
            at: at.millis(),
            what: (*what).to_owned(),
            details: details.clone(),
            verified: *verified,
            refuses: *refuses,
        }
    }

    fn event(&self) -> Event {
        Event {
            at: Timestamp::from_millis(self.at),
            what: self.what.clone(),
            details: self.details.clone(),
            basis: basis(self.verified),
            is_bad: self.refuses,
        }
    }
}

/// Whether this server vouches for something, or a text merely claims it.
fn basis(is_verified: bool) -> Cell {
    if is_verified { Cell::state("verified", true) } else { Cell::state("claimed", false) }
}

fn expected(expect: &Expect) -> Vec<(String, String)> {
    let or_none = |value: Option<&str>| value.unwrap_or("none (opaque token)").to_owned();
    let facts = [
        ("Issuer", expect.issuer.clone()),
        ("Audience", expect.audience.join(" ")),
        ("Algorithm", or_none(expect.algorithm)),
        ("Key", or_none(expect.kid.as_deref())),
        ("Keys", expect.jwks_uri.clone()),
        ("Introspection", expect.introspection_endpoint.clone()),
        ("Time of this server", expect.server_time.to_string()),
        ("Seconds left", expect.seconds_left.to_string()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into()
}
