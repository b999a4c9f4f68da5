//! The files of a set: reads them, and says where in them something is wrong.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::admin::apply::{ApplyRequest, Object, SECRET_FILE, check_object};
use crate::cli::Failed;
use crate::cli::apply::location::{self, Step};
use crate::protocol::object::Kind;

/// The largest file, in bytes.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;
/// The most problems that are told at once.
const MOST_PROBLEMS: usize = 20;

/// The files of a set.
pub(super) struct Files {
    files: Vec<File>,
    objects: Vec<Origin>,
}

struct File {
    name: String,
    folder: PathBuf,
    text: String,
}

/// An object, and where it stands.
struct Origin {
    kind: Kind,
    file: usize,
    /// Its place in the list of its file.
    index: usize,
    object: Object,
    secret_file: Option<PathBuf>,
}

impl Files {
    /// Reads the files and checks each object by itself.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, Failed> {
        let mut files = Self { files: vec![], objects: vec![] };
        let mut problems = Vec::new();
        for path in paths {
            let file = File::read(path)?;
            files.files.push(file);
            files.add_objects(&mut problems);
        }
        for number in 0..files.objects.len() {
            let Origin { kind, object, .. } = &files.objects[number];
            if let Err(error) = check_object(*kind, object) {
                problems.push(files.about(number, &error.to_string()));
            }
        }
        match problems.len() {
            0 => Ok(files),
            1 => Err(Failed(problems.remove(0))),
            count => {
                let shown = problems.iter().take(MOST_PROBLEMS).map(|problem| format!("\n  {problem}"));
                let more = count.saturating_sub(MOST_PROBLEMS);
                let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
                Err(Failed(format!("{count} problems in the files:{}{more}", shown.collect::<String>())))
            }
        }
    }

    /// Reads the objects of the last file.
    fn add_objects(&mut self, problems: &mut Vec<String>) {
        let number = self.files.len() - 1;
        let file = &self.files[number];
        let lists = match file.lists() {
            Ok(lists) => lists,
            Err(problem) => {
                problems.push(problem);
                return;
            }
        };
        for (name, value) in lists {
            let at = |steps: &[Step], text: &str| {
                let path: Vec<Step> = [Step::Member(name.clone())].iter().chain(steps).cloned().collect();
                file.at(&path, text)
            };
            let Some(kind) = Kind::ALL.iter().copied().find(|kind| kind.list() == name) else {
                let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.list()).collect();
                problems.push(at(&[], &format!("unknown member `{name}`: a file has {}", known.join(", "))));
                continue;
            };
            let items = match value {
                Value::Null => continue,
                Value::Array(items) => items,
                _ => {
                    problems.push(at(&[], &format!("{name}: expected an array")));
                    continue;
                }
            };
            for (index, item) in items.into_iter().enumerate() {
                let Value::Object(mut object) = item else {
                    problems.push(at(&[Step::Item(index)], &format!("{name}[{index}]: expected an object")));
                    continue;
                };
                let mut secret_file = None;
                if kind == Kind::Client {
                    for name in ["client_secret", "client_secret_sha256"] {
                        if object.shift_remove(name).is_some() {
                            let text = format!("{name}: a file has no secrets; {SECRET_FILE} names one that does");
                            problems.push(at(&[Step::Item(index), Step::Member(name.into())], &text));
                        }
                    }
                    match object.shift_remove(SECRET_FILE) {
                        None | Some(Value::Null) => {}
                        Some(Value::String(path)) if !path.is_empty() => secret_file = Some(file.folder.join(path)),
                        Some(_) => {
                            let text = format!("{SECRET_FILE}: expected the name of a file");
                            problems.push(at(&[Step::Item(index), Step::Member(SECRET_FILE.into())], &text));
                        }
                    }
                }
                self.objects.push(Origin { kind, file: number, index, object, secret_file });
            }
        }
    }

    /// The objects of a kind, in the order of the request.
    fn of(&self, kind: Kind) -> impl Iterator<Item = (usize, &Origin)> {
        self.objects.iter().enumerate().filter(move |(_, origin)| origin.kind == kind)
    }

    /// Puts the objects into a request.
    pub(super) fn fill(&self, request: &mut ApplyRequest) {
        for kind in Kind::ALL {
            *request.objects_mut(*kind) = self.of(*kind).map(|(_, origin)| origin.object.clone()).collect();
        }
    }

    /// The file that a client names for its secret.
    pub(super) fn secret_file(&self, client_id: &str) -> Option<&Path> {
        let mut named = self
            .of(Kind::Client)
            .filter(|(_, origin)| origin.object.get(Kind::Client.id_member()).is_some_and(|id| id == client_id));
        named.find_map(|(_, origin)| origin.secret_file.as_deref())
    }

    /// A problem with an object, with the file and the line.
    fn about(&self, number: usize, problem: &str) -> String {
        let Origin { kind, file, index, object, .. } = &self.objects[number];
        let file = &self.files[*file];
        let mut path = vec![Step::Member(kind.list().to_owned()), Step::Item(*index)];
        path.extend(location::path_in(problem));
        let id = object.get(kind.id_member()).and_then(Value::as_str).unwrap_or_default();
        let named = if id.is_empty() { String::new() } else { format!(" {id}") };
        file.at(&path, &format!("{}{named}: {problem}", kind.name()))
    }

    /// The text of an error that names an object by its place in the request, such as `clients[3]: …`, with the file and the line instead.
    pub(super) fn located(&self, text: &str) -> String {
        let found = || {
            let (place, problem) = text.split_once(": ")?;
            let (list, index) = place.strip_suffix(']')?.split_once('[')?;
            let kind = Kind::ALL.iter().copied().find(|kind| kind.list() == list)?;
            let (number, _) = self.of(kind).nth(index.parse().ok()?)?;
            Some(self.about(number, problem))
        };
        found().unwrap_or_else(|| text.to_owned())
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Failed> {
        let is_input = path == Path::new("-");
        let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
        let mut text = String::new();
        let read = if is_input {
            std::io::stdin().lock().take(LARGEST_FILE + 1).read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text))
        };
        read.map_err(|error| Failed(format!("{name} cannot be read: {error}")))?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(Failed(format!("{name} is larger than 16 MiB")));
        }
        let folder = if is_input { PathBuf::new() } else { path.parent().unwrap_or(Path::new("")).to_owned() };
        Ok(Self { name, folder, text })
    }

    /// The lists of the file, by name.
    fn lists(&self) -> Result<Map<String, Value>, String> {
        let document: serde_yaml_ng::Value = serde_yaml_ng::from_str(&self.text).map_err(|error| {
            let text = error.to_string();
            let line = error.location().map(|location| location.line()).unwrap_or(1);
            let place = error.location().map(|at| format!(" at line {} column {}", at.line(), at.column()));
            let text = place.and_then(|place| text.strip_suffix(&place).map(str::to_owned)).unwrap_or(text);
            format!("{}:{line}: {text}", self.name)
        })?;
        let mut path = Vec::new();
        match to_json(document, &mut path) {
            Ok(Value::Null) => Ok(Map::new()),
            Ok(Value::Object(lists)) => Ok(lists),
            Ok(_) => Err(self.at(&[], "a file is an object of lists, such as clients")),
            Err(problem) => Err(self.at(&path, &problem)),
        }
    }

    fn at(&self, path: &[Step], text: &str) -> String {
        match location::line(&self.text, path) {
            Some(line) => format!("{}:{line}: {text}", self.name),
            None => format!("{}: {text}", self.name),
        }
    }
}

/// YAML that means the same as JSON. Where it does not, `path` leads there.
fn to_json(value: serde_yaml_ng::Value, path: &mut Vec<Step>) -> Result<Value, String> {
    use serde_yaml_ng::Value as Yaml;
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => value.into(),
        Yaml::String(text) => text.into(),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(whole), _, _) => whole.into(),
            (None, Some(whole), _) => whole.into(),
            (None, None, Some(other)) if other.is_finite() => other.into(),
            _ => return Err("the number is none that JSON knows".into()),
        },
        Yaml::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                path.push(Step::Item(index));
                list.push(to_json(item, path)?);
                path.pop();
            }
            list.into()
        }
        Yaml::Mapping(members) => {
            let mut object = Map::new();
            for (name, value) in members {
                let Yaml::String(name) = name else {
                    return Err("the name of a member is not a text: put it in quotes".into());
                };
                path.push(Step::Member(name.clone()));
                object.insert(name, to_json(value, path)?);
                path.pop();
            }
            object.into()
        }
        Yaml::Tagged(tagged) => return Err(format!("the tag {} means nothing here", tagged.tag)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.yaml");
        std::fs::write(&path, text).unwrap();
        let Err(Failed(problem)) = Files::read(&[path]) else { return String::new() };
        problem.replace(&format!("{}/", folder.path().display()), "")
    }

    #[test]
    fn an_error_names_file_line_and_member() {
        for (text, expected) in [
            ("", ""),
            ("# nothing\n", ""),
            ("clients:\n", ""),
            ("clients:\n  - client_id: a\n    scope: read\n", ""),
            ("- a\n", "set.yaml:1: a file is an object of lists"),
            ("clients: [\n", "set.yaml:2: "),
            ("clients:\n  - client_id: a\n    client_id: b\n", "set.yaml:2: "),
            ("colours:\n  - red\n", "set.yaml:1: unknown member `colours`: a file has clients, resources, issuers"),
            ("clients: 1\n", "set.yaml:1: clients: expected an array"),
            ("clients:\n  - a\n", "set.yaml:2: clients[0]: expected an object"),
            ("clients:\n  - scope: read\n", "set.yaml:2: client: missing field `client_id`"),
            ("clients:\n  - client_id: a\n    colour: red\n", "set.yaml:3: client a: unknown member `colour`"),
            ("clients:\n  - client_id: a\n    access_token_ttl: 0\n", "set.yaml:3: client a: access_token_ttl is"),
            ("clients:\n  - client_id: a\n    scope: [read]\n", "set.yaml:3: client a: scope: expected a string"),
            ("clients:\n  - client_id: a\n    client_secret: x\n", "set.yaml:3: client_secret: a file has no secrets"),
            ("clients:\n  - client_id: a\n    client_secret_file: 7\n", "set.yaml:3: client_secret_file: expected"),
            ("clients:\n  - client_id: a\n    claims: {1: x}\n", "set.yaml:3: the name of a member is not a text"),
            ("clients:\n  - client_id: a\n    claims: {x: !y 1}\n", "set.yaml:3: the tag !y means nothing here"),
            ("clients:\n  - client_id: a\n    claims: {x: .nan}\n", "set.yaml:3: the number is none"),
            ("resources:\n  - resource: /api\n", "set.yaml:2: resource /api: resource: "),
            (
                "resources:\n  - resource: urn:a\n    scopes:\n      \"a b\": x\n",
                "set.yaml:3: resource urn:a: scopes: ",
            ),
            (
                "clients:\n  - client_id: a\n    scope: 1\nresources:\n  - resource: urn:a\n    x: 1\n",
                "2 problems in the files:\n  set.yaml:3: client a: scope: expected a string\n  set.yaml:6: ",
            ),
        ] {
            let found = problem(text);
            assert!(found.starts_with(expected) && found.is_empty() == expected.is_empty(), "{text}: {found}");
        }
    }

    #[test]
    fn a_problem_is_never_a_value() {
        let text = "clients:\n  - client_id: a\n    client_secret: hunter2\n    scope: {hunter2: 1}\n";
        assert!(!problem(text).contains("hunter2"), "{}", problem(text));
    }
}
