//! Programs in some languages, made of templates: names between `@` are filled in, and each value is written as the language wants it, so
//! that no id or address can be anything but a text in the program.
//!
//! A part between the lines `@if NAME` and `@end` is there if that holds; `@fields@` and `@question@` stand for a line each.

use crate::console::snippets::program::{Program, Value, secrets};

/// A language.
pub(super) struct Language {
    /// Its name.
    pub(super) name: &'static str,
    request: &'static str,
    login: &'static str,
    /// Whether its programs can sign.
    signs: bool,
    syntax: Syntax,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    Shell,
    Python,
    JavaScript,
    Go,
    Java,
    Php,
    Rust,
}

macro_rules! template {
    ($name:literal) => {
        include_str!(concat!("../../../templates/console/snippets/", $name))
    };
}

/// The languages. All but Rust do without anything to install.
pub(super) const LANGUAGES: [Language; 7] = [
    Language {
        name: "curl",
        request: template!("request.sh"),
        login: template!("login.sh"),
        signs: false,
        syntax: Syntax::Shell,
    },
    Language {
        name: "Python",
        request: template!("request.py"),
        login: template!("login.py"),
        signs: false,
        syntax: Syntax::Python,
    },
    Language {
        name: "Node.js",
        request: template!("request.mjs"),
        login: template!("login.mjs"),
        signs: true,
        syntax: Syntax::JavaScript,
    },
    Language {
        name: "Go",
        request: template!("request.go"),
        login: template!("login.go"),
        signs: true,
        syntax: Syntax::Go,
    },
    Language {
        name: "Java",
        request: template!("request.java"),
        login: template!("login.java"),
        signs: true,
        syntax: Syntax::Java,
    },
    Language {
        name: "PHP",
        request: template!("request.php"),
        login: template!("login.php"),
        signs: false,
        syntax: Syntax::Php,
    },
    Language {
        name: "Rust",
        request: template!("request.rs"),
        login: template!("login.rs"),
        signs: false,
        syntax: Syntax::Rust,
    },
];

impl Language {
    /// The program in this language, if it can be written in it.
    pub(super) fn write(&self, program: &Program) -> Option<String> {
        if program.signer.is_some() && !self.signs {
            return None;
        }
        let template = if program.login.is_some() { self.login } else { self.request };
        let (mut text, mut shown) = (String::new(), true);
        for line in template.lines() {
            if let Some(name) = line.strip_prefix("@if ") {
                shown = program.has(name);
            } else if line == "@end" {
                shown = true;
            } else if shown {
                let indentation = &line[..line.len() - line.trim_start().len()];
                let (fields, behind) = match line.trim_start() {
                    "@question@" => (program.login.as_ref().map(|login| &login.question), ""),
                    rest => match rest.strip_prefix("@fields@") {
                        Some(behind) => (Some(&program.fields), behind),
                        None => (None, ""),
                    },
                };
                match fields {
                    Some(fields) => {
                        let lines: Vec<String> =
                            self.syntax.lines(fields).iter().map(|field| format!("{indentation}{field}")).collect();
                        text.push_str(&lines.join(if self.syntax == Syntax::Shell { " \\\n" } else { "\n" }));
                        text.push_str(behind);
                    }
                    None => text.push_str(&fill(line, |name| self.value(program, name))),
                }
                text.push('\n');
            }
        }
        Some(text)
    }

    /// What a name in the template stands for.
    fn value(&self, program: &Program, name: &str) -> Option<String> {
        let syntax = self.syntax;
        if name == "stdin" {
            return Some(piped(&program.fields));
        }
        if let ("api", Some(api)) = (name, &program.api) {
            return Some(syntax.value(api));
        }
        if name == "url" {
            return Some(syntax.quote(&program.url));
        }
        let text = match (name, &program.signer) {
            ("client_id", Some(signer)) => Some(&signer.client_id),
            ("issuer", Some(signer)) => Some(&signer.issuer),
            _ => None,
        };
        if let Some(text) = text {
            return Some(syntax.quote(text));
        }
        let login = program.login.as_ref()?;
        let text = match (name, &login.listens) {
            ("issuer", _) => login.issuer.clone(),
            ("encoded_issuer", _) => form_urlencoded::byte_serialize(login.issuer.as_bytes()).collect(),
            ("authorization_endpoint", _) => login.endpoint.clone(),
            ("authorize", _) => login.address(),
            ("redirect_uri", _) => login.redirect_uri.clone(),
            ("redirect_origin", Some((origin, _))) => origin.clone(),
            ("redirect_path", Some((_, path))) => path.clone(),
            _ => return None,
        };
        Some(syntax.quote(&text))
    }
}

/// What curl reads from a pipe: the secret, or several as a part of the form.
fn piped(fields: &[(&'static str, Value)]) -> String {
    let shell = |value: &Value| Syntax::Shell.value(value);
    match secrets(fields)[..] {
        [] => String::new(),
        [(_, secret)] => format!("printf %s {} | ", shell(secret)),
        ref several => {
            let names: Vec<String> = several.iter().map(|(name, _)| format!("{name}=%s")).collect();
            let values = several.iter().map(|&(_, secret)| match secret {
                // It is encoded in the address that it came with.
                Value::Variable("code") => shell(secret),
                _ => format!("\"$(encode {})\"", shell(secret)),
            });
            format!("printf '{}' {} | ", names.join("&"), values.collect::<Vec<String>>().join(" "))
        }
    }
}

/// A text as one quoted word of a shell.
pub(in crate::console) fn shell_quote(text: &str) -> String {
    Syntax::Shell.quote(text)
}

impl Syntax {
    /// The lines of a form.
    fn lines(self, fields: &[(&'static str, Value)]) -> Vec<String> {
        let longest = fields.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        let line = |(name, value): &(&'static str, Value)| {
            let text = self.value(value);
            match (self, value) {
                (Self::Shell, Value::Text(text)) => {
                    format!("--data-urlencode {}", self.quote(&format!("{name}={text}")))
                }
                (Self::Shell, _) => format!("--data-urlencode {name}={text}"),
                (Self::Python, _) => format!("\"{name}\": {text},"),
                (Self::JavaScript, _) => format!("{name}: {text},"),
                (Self::Go, _) => format!("\"{name}\":{}{{{text}}},", " ".repeat(longest - name.len() + 1)),
                (Self::Java, _) => format!("{{\"{name}\", {text}}},"),
                (Self::Php, _) => format!("'{name}' => {text},"),
                (Self::Rust, _) => format!("(\"{name}\", {text}),"),
            }
        };
        if self != Self::Shell {
            return fields.iter().map(line).collect();
        }
        let open = fields.iter().filter(|(_, value)| !value.is_secret()).map(line);
        let secret = match secrets(fields)[..] {
            [] => None,
            [(name, _)] => Some(format!("--data-urlencode {name}@-")),
            _ => Some("-d @-".to_owned()),
        };
        open.chain(secret).collect()
    }

    /// A value as an expression.
    fn value(self, value: &Value) -> String {
        match value {
            Value::Text(text) => self.quote(text),
            Value::Environment(name) => match self {
                Self::Shell => format!("\"${name}\""),
                Self::Python => format!("os.environ[\"{name}\"]"),
                Self::JavaScript => format!("process.env.{name}"),
                Self::Go => format!("os.Getenv(\"{name}\")"),
                Self::Java => format!("System.getenv(\"{name}\")"),
                Self::Php => format!("getenv('{name}')"),
                Self::Rust => format!("&*env::var(\"{name}\")?"),
            },
            Value::Variable(name) => match (self, *name) {
                (Self::Shell, name) => format!("\"${}\"", name.to_ascii_uppercase()),
                (Self::JavaScript | Self::Java, "redirect_uri") => "redirectUri".to_owned(),
                (Self::Go, "redirect_uri") => "redirectURI".to_owned(),
                (Self::Php, name) => format!("${name}"),
                (Self::Rust, name) => format!("&*{name}"),
                (_, name) => name.to_owned(),
            },
        }
    }

    /// A text as a literal.
    fn quote(self, text: &str) -> String {
        match self {
            Self::Shell => format!("'{}'", text.replace('\'', "'\\''")),
            Self::Php => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Self::Python | Self::JavaScript | Self::Go | Self::Java | Self::Rust => {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            }
        }
    }
}

/// A line with its names filled in, each once: what is filled in is not looked at again.
fn fill(line: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once('@') {
        filled.push_str(before);
        match after.split_once('@').and_then(|(name, behind)| Some((value(name)?, behind))) {
            Some((text, behind)) => {
                filled.push_str(&text);
                rest = behind;
            }
            None => {
                filled.push('@');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::snippets::program::{Login, Signer};

    /// Printable characters with a meaning in some language, and the forms of what templates fill in.
    const HOSTILE: &str = "a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?";

    fn program(login: bool) -> Program {
        let question = vec![("client_id", Value::Text(HOSTILE.to_owned())), ("state", Value::Variable("state"))];
        let login = login.then(|| Login {
            issuer: HOSTILE.to_owned(),
            endpoint: HOSTILE.to_owned(),
            question,
            redirect_uri: HOSTILE.to_owned(),
            listens: None,
        });
        Program {
            url: HOSTILE.to_owned(),
            fields: vec![
                ("client_id", Value::Text(HOSTILE.to_owned())),
                ("client_secret", Value::Environment("CLIENT_SECRET")),
            ],
            api: Some(Value::Environment("API_URL")),
            login,
            signer: None,
        }
    }

    #[test]
    fn a_value_is_a_text_of_the_language_and_nothing_else() {
        for (name, literal) in [
            ("curl", r#"'a'\''b"c\d$(e)`f`${g}#{h}%i @api@ \u0041 */ // <?'"#),
            ("Python", r#""a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?""#),
            ("Node.js", r#""a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?""#),
            ("Go", r#""a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?""#),
            ("Java", r#""a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?""#),
            ("Rust", r#""a'b\"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?""#),
            ("PHP", r#"'a\'b"c\\d$(e)`f`${g}#{h}%i @api@ \\u0041 */ // <?'"#),
        ] {
            let language = LANGUAGES.iter().find(|language| language.name == name).unwrap();
            let text = language.write(&program(false)).unwrap();
            assert!(text.contains(literal), "{literal} in {text}");
        }
    }

    #[test]
    fn curl_gets_what_is_secret_by_a_pipe_alone() {
        let secret = |name, variable| (name, Value::Environment(variable));
        let (id, code) = (("client_id", Value::Text("app".to_owned())), ("code", Value::Variable("code")));
        for (fields, piped, arguments) in [
            (vec![id.clone()], "$(curl", "--data-urlencode 'client_id=app')"),
            (
                vec![id.clone(), secret("client_secret", "CLIENT_SECRET")],
                "$(printf %s \"$CLIENT_SECRET\" | curl",
                "--data-urlencode client_secret@-)",
            ),
            (
                vec![code, secret("client_secret", "CLIENT_SECRET"), id],
                "$(printf 'code=%s&client_secret=%s' \"$CODE\" \"$(encode \"$CLIENT_SECRET\")\" | curl",
                "--data-urlencode 'client_id=app' \\\n  -d @-)",
            ),
        ] {
            let text = LANGUAGES[0].write(&Program { fields, ..program(false) }).unwrap();
            assert!(text.contains(piped) && text.contains(arguments), "{text}");
        }
    }

    #[test]
    fn every_login_takes_the_answer_of_its_issuer_only() {
        let mut program = program(true);
        program.login.as_mut().unwrap().issuer = "https://auth.example.com/a*b".to_owned();
        for language in &LANGUAGES {
            let text = language.write(&program).unwrap();
            let issuer = match language.syntax {
                Syntax::Shell => "iss='https%3A%2F%2Fauth.example.com%2Fa*b'",
                _ => "https://auth.example.com/a*b",
            };
            assert!(text.contains(issuer), "{text}");
        }
    }

    #[test]
    fn no_name_of_a_template_is_left() {
        for language in &LANGUAGES {
            for (login, prints, signs) in
                [(false, false, false), (false, true, false), (false, true, true), (true, false, false)]
            {
                let mut program = program(login);
                program.signer = signs.then(|| Signer { client_id: HOSTILE.to_owned(), issuer: HOSTILE.to_owned() });
                if prints {
                    program.api = None;
                }
                let Some(text) = language.write(&program) else { continue };
                let text = text.replace("@api@ \\", "");
                for name in [
                    "client_id",
                    "fields",
                    "question",
                    "url",
                    "issuer",
                    "encoded_issuer",
                    "redirect_uri",
                    "authorize",
                    "stdin",
                    "if ",
                    "end",
                ] {
                    assert!(!text.contains(&format!("@{name}")), "{name}: {text}");
                }
            }
        }
    }
}
