//! The pages of the console: one template shows them all.

use axum::http::StatusCode;
use axum::response::Response;

use crate::console::{Block, Frame, Page, SCRIPT_ADDRESS};
use crate::http::pages::look::Look;
use crate::http::pages::policy::Policy;
use crate::http::pages::{answer, shown_by};

/// A page in its frame. Its forms post `proof` and what they hold to where they say, below the root.
pub(crate) struct ConsolePage<'a> {
    /// The page.
    pub(crate) page: &'a Page,
    /// What is around it.
    pub(crate) frame: &'a Frame,
}

shown_by!(ConsolePage, "console/page.html", |shown| Policy {
    runs_own_files: shown.page.live.is_some(),
    ..Policy::default()
});

impl ConsolePage<'_> {
    /// The address of the script, below the root.
    fn script(&self) -> &'static str {
        SCRIPT_ADDRESS.as_str()
    }
}

/// A part of a page that is kept current, as it stands in the page.
#[derive(askama::Template)]
#[template(path = "console/part.html")]
pub(crate) struct ConsolePart<'a> {
    /// How pages look.
    pub(crate) look: &'a Look<'a>,
    /// What is around the part.
    pub(crate) frame: &'a Frame,
    /// What is in it.
    pub(crate) blocks: &'a [Block],
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::console::{Bar, Button, Cell, Chart, Field, FieldKind, Form, NavigationEntry, Row, Table};
    use crate::http::pages::Brand;
    use crate::protocol::role::Role;
    use crate::protocol::time::Timestamp;

    const HOSTILE: &str = "\"><script>alert(1)</script>'&";

    fn form(id: &'static str, is_query: bool) -> Form {
        let field = |name, kind| Field {
            name,
            label: "A label",
            value: format!("value{HOSTILE}"),
            problem: Some(format!("problem{HOSTILE}")),
            kind,
            ..Field::default()
        };
        let choices = FieldKind::Choice(vec![("none", "none"), ("read", "read")]);
        Form {
            id,
            path: "console/x".to_owned(),
            is_query,
            fields: vec![
                field("hidden", FieldKind::Hidden),
                field("line", FieldKind::Text),
                field("password", FieldKind::Password),
                field("code", FieldKind::Code),
                field("area", FieldKind::Area),
                field("check", FieldKind::Check),
                Field { value: "read".to_owned(), ..field("choice", choices) },
            ],
            buttons: vec![Button {
                action: "delete",
                label: "Delete".to_owned(),
                about: format!("it{HOSTILE}"),
                is_quiet: true,
            }],
        }
    }

    /// A page with every block, in which every text that may come from outside is hostile.
    fn page() -> Page {
        let text = |text: &str| format!("{text}{HOSTILE}");
        let now = Timestamp::from_seconds(1_800_000_000);
        let cells = || {
            let plain = Cell { text: text("plain"), ..Cell::default() };
            vec![
                Cell { is_code: true, ..plain.clone() },
                Cell { link: Some("console/y?id=1&x=2".to_owned()), ..plain.clone() },
                Cell { is_good: true, ..plain.clone() },
                Cell { is_bad: true, ..plain.clone() },
                Cell { at: Some(now), ..Cell::default() },
                plain,
            ]
        };
        let table =
            |rows, next| Table { caption: "A table", columns: vec!["One"], rows, empty: "There are none.", next };
        let row = Row { cells: cells(), form: Some(form("row", false)) };
        Page {
            title: text("A title"),
            status: 409,
            blocks: vec![
                Block::Heading(text("A heading")),
                Block::Text(cells()),
                Block::Notice { text: text("It is done"), is_problem: false },
                Block::Notice { text: text("It is not done"), is_problem: true },
                Block::Facts(vec![(text("A name"), cells())]),
                Block::Table(table(vec![row], Some("console/y?cursor=z".to_owned()))),
                Block::Table(table(Vec::new(), None)),
                Block::Table(table(Vec::new(), Some("console/y?cursor=on".to_owned()))),
                Block::Form(form("one", true)),
                Block::Form(form("two", false)),
                Block::Code(text("code")),
                Block::Details(text("summary"), text("details")),
                Block::Folded(text("summary"), table(vec![Row { cells: cells(), form: None }], None)),
                Block::Chart(Chart {
                    title: "A chart",
                    summary: text("at most"),
                    bars: vec![Bar { label: text("bar"), x: 2, y: 40, height: 60 }],
                }),
                Block::Live(
                    "a-part",
                    vec![Block::Heading(text("A heading")), Block::Facts(vec![(text("A name"), cells())])],
                ),
            ],
            failure: None,
            live: None,
        }
    }

    fn frame() -> Frame {
        Frame {
            username: format!("ada{HOSTILE}"),
            role: Some(Role::Admin),
            navigation: vec![NavigationEntry { path: "console", name: "Overview", is_current: true }],
            proof: format!("proof{HOSTILE}"),
            cookie: None,
            now: Timestamp::from_seconds(1_800_000_060),
        }
    }

    fn look() -> Look<'static> {
        let brand = Brand { name: "A & B", logo: None, color: None };
        Look::new(brand, "/auth", &[b"fr"]).of_console()
    }

    #[tokio::test]
    async fn a_page_is_whole_escaped_and_at_peace_with_its_policy() {
        let (frame, look) = (frame(), look());
        let page = page();
        let response = ConsolePage { page: &page, frame: &frame }.respond(StatusCode::CONFLICT, &look);
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(parts.status, StatusCode::CONFLICT);
        assert!(html.trim_start().starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"), "{html}");
        assert!(html.contains("<html lang=\"en\">") && html.matches("<h1>").count() == 1, "{html}");
        assert!(!html.contains("<script") && !html.contains("'&") && !html.contains(" style=\""), "{html}");
        for part in [
            "1 minute ago",
            "href=\"/auth/console/y?id=1&#38;x=2\"",
            "href=\"/auth/console/y?cursor=z\">More</a>",
            "There are none.",
            "None so far",
            "href=\"/auth/console/y?cursor=on\">Look on</a>",
            "aria-current=\"page\"",
            "<option value=\"read\" selected>",
            "name=\"action\" value=\"delete\"",
            "role admin",
            "<rect x=\"2\" y=\"40\" width=\"16\" height=\"60\">",
            "<div data-part=\"a-part\"><h2>A heading",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        // A form that only asks for a page has no proof in its address.
        assert_eq!(html.matches("name=\"proof\"").count(), 2);
        assert_eq!(html.matches("method=\"get\"").count(), 1);
        // Each field that people fill in has a label, and what describes it is there.
        for id in html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(id.ends_with("-problem") || html.contains(&format!("<label for=\"{id}\">")), "{id} in {html}");
        }
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        assert_eq!(policy.matches("'sha256-").count(), html.matches("<style>").count(), "{policy}");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("script-src"), "{policy}");
        assert_eq!(parts.headers["x-frame-options"], "DENY");
        assert_eq!(parts.headers["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn a_page_that_is_kept_current_runs_the_one_script_and_nothing_else() {
        let (frame, look) = (frame(), look());
        let page = Page { live: Some("console/live?revocation=1&x=\"".to_owned()), ..page() };
        let (parts, body) = ConsolePage { page: &page, frame: &frame }.respond(StatusCode::OK, &look).into_parts();
        let body = axum::body::to_bytes(body, 1_000_000).await.unwrap();
        let html = String::from_utf8(body.to_vec()).unwrap();
        let script = format!("<script src=\"/auth/{}\" defer></script>", SCRIPT_ADDRESS.as_str());
        assert_eq!((html.matches(&script).count(), html.matches("<script").count()), (1, 1), "{html}");
        assert!(html.contains("data-live=\"/auth/console/live?revocation=1&#38;x=&#34;\""), "{html}");
        assert!(html.contains("data-live-state"), "{html}");
        let policy = parts.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("; script-src 'self'; connect-src 'self'; ") && !policy.contains("unsafe"), "{policy}");
        // A part is sent as it stands in the page.
        let Some(Block::Live(_, blocks)) = page.blocks.iter().find(|block| block.as_live().is_some()) else { panic!() };
        let now = frame.now;
        let part =
            askama::Template::render(&ConsolePart { look: &look, frame: &Frame::of_parts(now), blocks }).unwrap();
        assert!(
            html.contains(part.trim()) && part.contains("&#60;script") && !part.contains("<script"),
            "{part}\n{html}"
        );
    }
}
