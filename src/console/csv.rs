//! Comma-separated values (RFC 4180) that no spreadsheet takes for formulas.

/// What begins a formula in one spreadsheet or another.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A line, with its end.
pub(super) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

/// A cell. An apostrophe before a formula makes it a text.
fn cell(text: &str) -> String {
    let apostrophe = if text.trim_start_matches(' ').starts_with(FORMULA) { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_and_never_a_formula() {
        assert_eq!(line(["a", "b \"c\", d", ""]), "\"a\",\"b \"\"c\"\", d\",\"\"\r\n");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1"] {
            assert!(cell(formula).starts_with("\"'"), "{formula:?}");
        }
        assert_eq!(cell("client ops-1"), "\"client ops-1\"");
    }
}
