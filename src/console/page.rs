//! A page as plain data: a title and blocks, which one template shows. So every text is escaped in one place, and every page looks alike.

use crate::app::Failure;
use crate::console::chart::Chart;
use crate::protocol::time::Timestamp;

/// The address of the streams that keep parts of a page current.
pub(super) const LIVE: &str = "console/live";

/// Parts of a page that are kept current, by their names.
pub type Parts = Vec<(&'static str, Vec<Block>)>;

/// A page.
pub struct Page {
    /// Its title.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What it shows.
    pub blocks: Vec<Block>,
    /// Why something was not done, for the log.
    pub failure: Option<Failure>,
    /// The address, below the root, of what keeps its parts current, if it has any.
    pub live: Option<String>,
}

impl Page {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), status: 200, blocks: Vec::new(), failure: None, live: None }
    }

    /// The same with further blocks.
    pub(super) fn with(mut self, blocks: impl IntoIterator<Item = Block>) -> Self {
        self.blocks.extend(blocks);
        self
    }
}

/// A part of a page.
pub enum Block {
    /// A heading.
    Heading(String),
    /// A paragraph.
    Text(Vec<Cell>),
    /// What was done, or what is wrong.
    Notice {
        /// The text.
        text: String,
        /// Whether it is a problem.
        is_problem: bool,
    },
    /// Names and values.
    Facts(Vec<(String, Vec<Cell>)>),
    /// A table.
    Table(Table),
    /// What happened, in order.
    Timeline(Vec<Event>),
    /// A form.
    Form(Form),
    /// A text as it is, such as a secret that is shown once.
    Code(String),
    /// A text as it is that is shown on demand: the summary, and the text.
    Details(String, String),
    /// A table that is shown on demand: the summary, and the table.
    Folded(String, Table),
    /// A chart.
    Chart(Chart),
    /// A part of the page that is kept current, by its name. It holds no form and no such part.
    Live(&'static str, Vec<Block>),
}

impl IntoIterator for Block {
    type Item = Self;
    type IntoIter = std::iter::Once<Self>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl Block {
    pub(super) fn heading(text: impl Into<String>) -> Self {
        Self::Heading(text.into())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(vec![Cell::text(text)])
    }

    pub(super) fn notice(text: impl Into<String>) -> Self {
        Self::Notice { text: text.into(), is_problem: false }
    }

    pub(super) fn problem(text: impl Into<String>) -> Self {
        Self::Notice { text: text.into(), is_problem: true }
    }

    /// The heading, if it is one. (Templates ask one kind after the other.)
    pub fn as_heading(&self) -> Option<&str> {
        if let Self::Heading(text) = self { Some(text) } else { None }
    }

    /// The paragraph, if it is one.
    pub fn as_text(&self) -> Option<&[Cell]> {
        if let Self::Text(cells) = self { Some(cells) } else { None }
    }

    /// The notice, if it is none of a problem.
    pub fn as_notice(&self) -> Option<&str> {
        if let Self::Notice { text, is_problem: false } = self { Some(text) } else { None }
    }

    /// The problem, if it is one.
    pub fn as_problem(&self) -> Option<&str> {
        if let Self::Notice { text, is_problem: true } = self { Some(text) } else { None }
    }

    /// Names and values, if it has them.
    pub fn as_facts(&self) -> Option<&[(String, Vec<Cell>)]> {
        if let Self::Facts(facts) = self { Some(facts) } else { None }
    }

    /// The table, if it is one.
    pub fn as_table(&self) -> Option<&Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    /// What happened, if it tells that.
    pub fn as_timeline(&self) -> Option<&[Event]> {
        if let Self::Timeline(events) = self { Some(events) } else { None }
    }

    /// The form, if it is one.
    pub fn as_form(&self) -> Option<&Form> {
        if let Self::Form(form) = self { Some(form) } else { None }
    }

    /// The text as it is, if it is one.
    pub fn as_code(&self) -> Option<&str> {
        if let Self::Code(text) = self { Some(text) } else { None }
    }

    /// Summary and text, if it is shown on demand.
    pub fn as_details(&self) -> Option<(&str, &str)> {
        if let Self::Details(summary, text) = self { Some((summary, text)) } else { None }
    }

    /// Summary and table, if it is a table that is shown on demand.
    pub fn as_folded(&self) -> Option<(&str, &Table)> {
        if let Self::Folded(summary, table) = self { Some((summary, table)) } else { None }
    }

    /// The chart, if it is one.
    pub fn as_chart(&self) -> Option<&Chart> {
        if let Self::Chart(chart) = self { Some(chart) } else { None }
    }

    /// Name and blocks, if it is kept current.
    pub fn as_live(&self) -> Option<(&'static str, &[Block])> {
        if let Self::Live(name, blocks) = self { Some((*name, blocks)) } else { None }
    }
}

/// A short text: in a paragraph, a table, or beside a name.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// The address that it leads to, below the root.
    pub link: Option<String>,
    /// Whether it is an identifier, a token or the like.
    pub is_code: bool,
    /// Whether it stands out for a good state.
    pub is_good: bool,
    /// Whether it stands out for a bad state.
    pub is_bad: bool,
    /// The moment that it tells, in place of a text.
    pub at: Option<Timestamp>,
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    pub(super) fn code(text: impl Into<String>) -> Self {
        Self { is_code: true, ..Self::text(text) }
    }

    pub(super) fn link(text: impl Into<String>, address: impl Into<String>) -> Self {
        Self { link: Some(address.into()), ..Self::text(text) }
    }

    pub(super) fn moment(at: Timestamp) -> Self {
        Self { at: Some(at), ..Self::default() }
    }

    /// The moment, or what stands for none.
    pub(super) fn moment_or(at: Option<Timestamp>, none: &str) -> Self {
        at.map_or_else(|| Self::text(none), Self::moment)
    }

    /// A state that stands out.
    pub(super) fn state(text: impl Into<String>, is_good: bool) -> Self {
        Self { is_good, is_bad: !is_good, ..Self::text(text) }
    }

    /// Whether something is enabled.
    pub(super) fn enabled(is_enabled: bool) -> Self {
        Self::state(if is_enabled { "enabled" } else { "disabled" }, is_enabled)
    }

    /// A text in which code stands between backticks.
    pub(super) fn prose(text: &str) -> Vec<Self> {
        let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
        parts.map(|(index, part)| if index % 2 == 0 { Self::text(part) } else { Self::code(part) }).collect()
    }
}

/// Something that happened, or is still to come.
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: String,
    /// What else is known of it, in sentences.
    pub details: Vec<String>,
    /// How it is known.
    pub basis: Cell,
    /// Whether it stands out.
    pub is_bad: bool,
}

/// A table.
pub struct Table {
    /// What it lists, for screen readers.
    pub caption: &'static str,
    /// The names of its columns.
    pub columns: Vec<&'static str>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// What is said if there are none, and it does not go on.
    pub empty: &'static str,
    /// Where the list goes on: an address below the root.
    pub next: Option<String>,
}

/// A row of a table.
pub struct Row {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// What can be done about it.
    pub form: Option<Form>,
}

impl From<Vec<Cell>> for Row {
    fn from(cells: Vec<Cell>) -> Self {
        Self { cells, form: None }
    }
}

/// A form.
pub struct Form {
    /// Its name within the page.
    pub id: &'static str,
    /// Where it is sent, below the root.
    pub path: String,
    /// Whether it only asks for a page; otherwise it is posted, with the proof.
    pub is_query: bool,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Its buttons.
    pub buttons: Vec<Button>,
}

impl Form {
    /// A form that is sent here, with the proof.
    pub(super) fn post(id: &'static str, path: impl Into<String>, fields: Vec<Field>, buttons: Vec<Button>) -> Self {
        Self { id, path: path.into(), is_query: false, fields, buttons }
    }

    /// A form that only asks for a page.
    pub(super) fn query(id: &'static str, path: impl Into<String>, fields: Vec<Field>, buttons: Vec<Button>) -> Self {
        Self { is_query: true, ..Self::post(id, path, fields, buttons) }
    }
}

/// A field of a form.
#[derive(Clone, Debug, Default)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its label; none if it is hidden.
    pub label: &'static str,
    /// What it holds.
    pub value: String,
    /// What helps to fill it in.
    pub help: &'static str,
    /// What is wrong with what was typed.
    pub problem: Option<String>,
    /// Whether it must be filled in.
    pub is_required: bool,
    /// What kind of field it is.
    pub kind: FieldKind,
}

/// The kind of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldKind {
    /// One line.
    #[default]
    Text,
    /// Not shown.
    Hidden,
    /// A password.
    Password,
    /// A code of an authenticator.
    Code,
    /// Several lines.
    Area,
    /// Yes or no.
    Check,
    /// One of these values, with their names.
    Choice(Vec<(&'static str, &'static str)>),
}

impl Field {
    pub(super) fn hidden(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), kind: FieldKind::Hidden, ..Self::default() }
    }

    pub(super) fn new(name: &'static str, label: &'static str, value: impl Into<String>) -> Self {
        Self { name, label, value: value.into(), ..Self::default() }
    }

    /// Whether it is not shown.
    pub fn is_hidden(&self) -> bool {
        self.kind == FieldKind::Hidden
    }

    /// Whether it has several lines.
    pub fn is_area(&self) -> bool {
        self.kind == FieldKind::Area
    }

    /// Whether it is a yes or no.
    pub fn is_check(&self) -> bool {
        self.kind == FieldKind::Check
    }

    /// Whether a yes or no is a yes.
    pub fn is_checked(&self) -> bool {
        !self.value.is_empty()
    }

    /// Its values with their names, and whether each is chosen, if it has any.
    pub fn choices(&self) -> Option<Vec<(&'static str, &'static str, bool)>> {
        let FieldKind::Choice(choices) = &self.kind else { return None };
        Some(choices.iter().map(|(value, name)| (*value, *name, *value == self.value)).collect())
    }

    /// The type and the autocompletion of its input.
    pub fn input(&self) -> (&'static str, &'static str) {
        match self.kind {
            FieldKind::Password => ("password", "current-password"),
            FieldKind::Code => ("text", "one-time-code"),
            _ => ("text", "off"),
        }
    }
}

/// A button of a form.
#[derive(Clone, Debug)]
pub struct Button {
    /// The value of `action`; none if it is empty.
    pub action: &'static str,
    /// What it says.
    pub label: String,
    /// What it is about, for those who do not see the row.
    pub about: String,
    /// Whether it is not the main one.
    pub is_quiet: bool,
}

impl Button {
    pub(super) fn new(action: &'static str, label: impl Into<String>) -> Self {
        Self { action, label: label.into(), about: String::new(), is_quiet: false }
    }

    pub(super) fn quiet(action: &'static str, label: impl Into<String>) -> Self {
        Self { is_quiet: true, ..Self::new(action, label) }
    }

    pub(super) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }
}
