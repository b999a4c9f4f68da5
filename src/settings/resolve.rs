//! Finds the value of each setting and where it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::settings::file::ConfigFile;
use crate::settings::table::{Definition, TABLE, similar};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// An environment variable.
    Environment(String),
    /// A file that an environment variable or a setting names.
    SecretFile(String),
    /// The configuration file.
    File(PathBuf),
    /// The default.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => formatter.write_str("flag"),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::SecretFile(name) => write!(formatter, "file named by {name}"),
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// The sources of the settings.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Whether `--dev` was given.
    pub dev: bool,
    /// Flags, by setting.
    pub flags: BTreeMap<&'static str, String>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The configuration file, if one was named; otherwise `jeton.toml` is read if it exists.
    pub config: Option<PathBuf>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub struct Value {
    /// The text, empty if there is none. It is cleared on drop, since it may be a secret.
    pub text: Zeroizing<String>,
    /// Where it came from.
    pub source: Source,
}

/// The values of all settings, not yet checked.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    /// Whether `--dev` was given.
    pub dev: bool,
    /// The values, by setting.
    pub values: BTreeMap<&'static str, Value>,
    /// Problems with the sources themselves.
    pub problems: Vec<String>,
    /// Variables that look odd and are ignored.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// Reads the sources.
    pub fn read(sources: &Sources) -> Self {
        let mut resolved = Self { dev: sources.dev, ..Self::default() };
        let file = ConfigFile::read(sources.config.as_ref(), &mut resolved.problems);
        resolved.check_unknown_variables(sources);
        for definition in &TABLE {
            let value = resolved.find(definition, sources, &file);
            resolved.values.insert(definition.name, value);
        }
        resolved
    }

    /// The text of a setting, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }

    fn find(&mut self, definition: &Definition, sources: &Sources, file: &ConfigFile) -> Value {
        if let Some(text) = sources.flags.get(definition.name) {
            return Value { text: text.clone().into(), source: Source::Flag };
        }
        let variable = definition.variable();
        let file_variable = format!("{variable}_FILE");
        let set = |name: &String| sources.environment.get(name).filter(|text| !text.is_empty()).cloned();
        match (set(&variable), set(&file_variable)) {
            (Some(_), Some(_)) => {
                self.problems.push(format!("{variable} and {file_variable} are both set: set one of them"));
            }
            (Some(text), None) => return Value { text: text.into(), source: Source::Environment(variable) },
            (None, Some(path)) => return self.read_secret(&file_variable, &path),
            (None, None) => {}
        }
        if let Some(variable) = definition.also.filter(|_| !sources.dev).map(str::to_owned)
            && let Some(text) = set(&variable)
        {
            return Value { text: text.into(), source: Source::Environment(variable) };
        }
        let key_file = format!("{}_file", definition.name);
        match (file.values.get(definition.name), file.values.get(&key_file)) {
            (Some(_), Some(_)) => {
                self.problems.push(format!("{} and {key_file} are both set: set one of them", definition.name));
            }
            (Some(text), None) => {
                return Value { text: text.clone(), source: Source::File(file.path.clone()) };
            }
            (None, Some(path)) => return self.read_secret(&key_file, path),
            (None, None) => {}
        }
        let text = match definition.dev_default {
            Some(text) if sources.dev => text,
            _ => definition.default,
        };
        Value { text: text.to_owned().into(), source: Source::Default }
    }

    fn read_secret(&mut self, name: &str, path: &str) -> Value {
        let text = Zeroizing::new(std::fs::read_to_string(path).unwrap_or_else(|error| {
            self.problems.push(format!("{name}: the file {path} cannot be read: {error}"));
            String::new()
        }));
        if text.trim().is_empty() && !self.problems.iter().any(|problem| problem.starts_with(name)) {
            self.problems.push(format!("{name}: the file {path} is empty"));
        }
        Value { text: text.trim().to_owned().into(), source: Source::SecretFile(name.to_owned()) }
    }

    /// A misspelt variable is an error. One that resembles no setting only gets a warning: container platforms set such
    /// variables on their own (Kubernetes sets `JETON_PORT` for a service named jeton).
    fn check_unknown_variables(&mut self, sources: &Sources) {
        for variable in sources.environment.keys() {
            let Some(name) = variable.strip_prefix("JETON_") else { continue };
            let name = name.to_lowercase();
            let base = name.strip_suffix("_file").unwrap_or(&name);
            if TABLE.iter().any(|setting| setting.name == base) {
                continue;
            }
            match similar(base) {
                Some(meant) => self
                    .problems
                    .push(format!("unknown setting {variable}; did you mean JETON_{}?", meant.to_uppercase())),
                None => {
                    self.warnings.push(format!("the environment variable {variable} is not a setting and is ignored"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(environment: &[(&str, &str)]) -> Sources {
        Sources {
            environment: environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Sources::default()
        }
    }

    #[test]
    fn flags_override_the_environment_which_overrides_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("jeton.toml");
        std::fs::write(&config, "listen = '1.1.1.1:1'\nissuer = 'https://file'\nenvironment = 'file'").unwrap();
        let mut sources = sources(&[("JETON_LISTEN", "2.2.2.2:2"), ("JETON_ISSUER", "https://environment")]);
        sources.config = Some(config);
        sources.flags.insert("listen", "3.3.3.3:3".into());
        let resolved = Resolved::read(&sources);
        assert_eq!(resolved.problems, Vec::<String>::new());
        assert_eq!(resolved.get("listen"), Some("3.3.3.3:3"));
        assert_eq!(resolved.get("issuer"), Some("https://environment"));
        assert_eq!(resolved.get("environment"), Some("file"));
        assert_eq!(resolved.values["session_ttl"].source, Source::Default);
    }

    #[test]
    fn a_misspelt_variable_is_a_problem_and_an_unrelated_one_is_not() {
        let resolved = Resolved::read(&sources(&[("JETON_ACESS_TOKEN_TTL", "1m"), ("JETON_PORT", "tcp://1")]));
        assert_eq!(resolved.problems, ["unknown setting JETON_ACESS_TOKEN_TTL; did you mean JETON_ACCESS_TOKEN_TTL?"]);
        assert_eq!(resolved.warnings.len(), 1);
    }

    #[test]
    fn an_unknown_key_in_the_file_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("jeton.toml");
        std::fs::write(&config, "lisen = 'x'\nfoo = 1").unwrap();
        let resolved = Resolved::read(&Sources { config: Some(config), ..Sources::default() });
        assert_eq!(resolved.problems.len(), 2);
        assert!(resolved.problems[1].contains("did you mean listen"), "{:?}", resolved.problems);
    }

    #[test]
    fn the_plain_variable_of_the_database_is_read_except_in_development() {
        let mut sources = sources(&[("DATABASE_URL", "postgres://x/y")]);
        assert_eq!(Resolved::read(&sources).get("database_url"), Some("postgres://x/y"));
        sources.dev = true;
        assert_eq!(Resolved::read(&sources).get("database_url"), Some("sqlite://jeton-dev.db"));
    }

    #[test]
    fn a_secret_file_that_cannot_be_read_is_named() {
        let resolved = Resolved::read(&sources(&[("JETON_MASTER_KEY_FILE", "/no/such/file")]));
        assert_eq!(resolved.problems.len(), 1);
        assert!(resolved.problems[0].contains("JETON_MASTER_KEY_FILE"));
    }
}
