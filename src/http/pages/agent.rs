//! A browser in words, from what it calls itself: good enough for people to recognise their own.

use crate::http::pages::look::Look;

/// What a name contains, and what it is called; the first that fits counts, since browsers also call themselves like others.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

impl Look<'_> {
    /// The browser that calls itself so.
    pub(super) fn browser(&self, agent: &str) -> String {
        let find =
            |known: &[(&str, &'static str)]| known.iter().find(|(part, _)| agent.contains(part)).map(|(_, name)| *name);
        let unknown = self.say("Unknown browser", "Navigateur inconnu");
        let browser = find(&BROWSERS).unwrap_or(&unknown);
        match find(&SYSTEMS) {
            Some(system) => format!("{browser}{}{system}", self.say(" on ", " sur ")),
            None => browser.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::pages::tests::look;

    #[test]
    fn a_browser_is_named_by_its_name_and_system() {
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            ("curl/8.5.0", "Unknown browser"),
            ("", "Unknown browser"),
        ] {
            assert_eq!(look("en").browser(agent), words);
        }
        assert_eq!(look("fr").browser("Firefox/140.0 Windows"), "Firefox sur Windows");
    }
}
