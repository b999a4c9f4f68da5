//! Parameters of requests, as a form and as JSON.

use jeton::protocol::parameters::Parameters;
use serde_json::{Map, Value};

/// Forms to begin with.
pub const FORMS: &[&str] = &[
    "grant_type=password&username=demo&password=demo-password&scope=read+write",
    "resource=a&resource=b&scope=&token=%F0%9F%98%80",
    "a=1&a=2&b&=&&scope=%zz",
    "username=%FF&client_id=%2B%25%26%3D",
];
/// JSON to begin with.
pub const OBJECTS: &[&str] = &[
    r#"{"grant_type":"password","username":"demo","password":"x","scope":null}"#,
    r#"{"resource":["a","b"],"token":"\ud83d\ude00\u0000"}"#,
    r#"{"a":1,"a":2}"#,
    r#" {"scope" : "a" , "b":{"c":[1e400]}} x"#,
];

/// Names that are asked for.
const NAMES: [&str; 9] = ["grant_type", "username", "password", "scope", "token", "client_id", "resource", "a", "b"];

fn values(parameters: &Parameters, name: &'static str) -> Vec<String> {
    parameters.all(name).map(str::to_owned).collect()
}

/// What holds of any parameters: one value or none is given out, several are refused, and no value is ever shown.
fn of_any(parameters: &Parameters, names: &[&str]) {
    for name in NAMES {
        let all = values(parameters, name);
        assert!(all.iter().all(|value| !value.is_empty()), "an empty value counts as absent");
        match parameters.one(name) {
            Ok(value) => assert_eq!(value.map(str::to_owned), all.first().cloned()),
            Err(_) => assert!(all.len() > 1),
        }
        assert_eq!(parameters.one(name).is_err(), all.len() > 1);
        let is_named = names.contains(&name);
        assert_eq!(parameters.one_or_empty(name).is_ok_and(|value| value.is_some()), is_named && all.len() < 2);
    }
    assert_eq!(format!("{parameters:?}"), format!("{names:?}"), "names are shown, values never");
}

/// A form: as browsers read it, or refused; and the same pairs in JSON are the same parameters.
pub fn form(bytes: &[u8]) {
    let any = Parameters::from_any_form(bytes).expect("any form is read");
    let as_browsers_do: Vec<(String, String)> = form_urlencoded::parse(bytes).into_owned().collect();
    let names: Vec<&str> = as_browsers_do.iter().map(|(name, _)| name.as_str()).collect();
    of_any(&any, &names);
    let Ok(parameters) = Parameters::from_form(bytes) else { return };
    of_any(&parameters, &names);
    for name in NAMES {
        let expected: Vec<String> = as_browsers_do
            .iter()
            .filter(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
            .collect();
        assert_eq!(values(&parameters, name), expected);
    }
    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&as_browsers_do).finish();
    let again = Parameters::from_form(written.as_bytes()).expect("what was read can be written and read");
    assert_eq!(format!("{again:?}"), format!("{parameters:?}"));
    as_json(&parameters, &as_browsers_do);
}

fn as_json(parameters: &Parameters, pairs: &[(String, String)]) {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::String(value.clone());
        match object.get_mut(name) {
            None if name == "resource" => drop(object.insert(name.clone(), Value::Array(vec![value]))),
            None => drop(object.insert(name.clone(), value)),
            Some(Value::Array(held)) => held.push(value),
            // A name that repeats cannot stand in JSON.
            Some(_) => return,
        }
    }
    let text = Value::Object(object).to_string();
    let from_json = Parameters::from_json(text.as_bytes()).expect("a flat object is read");
    for name in NAMES {
        assert_eq!(values(&from_json, name), values(parameters, name), "{name} in {text}");
        assert_eq!(from_json.one(name).is_err(), parameters.one(name).is_err());
    }
}

/// JSON: whatever is accepted is one flat object of texts, with each name once, and reads as any other parser reads it.
pub fn json(bytes: &[u8]) {
    let read = Parameters::from_json(bytes);
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        assert!(read.is_err(), "what is no JSON is refused");
        return;
    };
    let Ok(parameters) = read else {
        // The form of the same pairs would have been read: JSON was refused for its own reasons only.
        assert!(!is_flat(&value) || has_a_name_twice(bytes, &value), "a flat object is read: {value}");
        return;
    };
    let Value::Object(members) = &value else { panic!("only an object is read") };
    assert!(is_flat(&value) && !has_a_name_twice(bytes, &value), "only a flat object is read: {value}");
    let mut names = Vec::new();
    for (name, value) in members {
        match value {
            Value::String(_) => names.push(name.as_str()),
            Value::Array(items) => names.extend(items.iter().map(|_| name.as_str())),
            _ => {}
        }
    }
    of_any(&parameters, &names);
    for name in NAMES {
        let expected: Vec<String> = match members.get(name) {
            Some(Value::String(text)) => vec![text.clone()],
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => vec![],
        };
        let expected: Vec<String> = expected.into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(values(&parameters, name), expected);
    }
}

fn is_flat(value: &Value) -> bool {
    let Value::Object(members) = value else { return false };
    members.iter().all(|(name, value)| match value {
        Value::String(_) | Value::Null => true,
        Value::Array(items) => name == "resource" && items.iter().all(Value::is_string),
        _ => false,
    })
}

/// Whether the outermost object of this JSON has fewer members than it has colons at its own depth.
fn has_a_name_twice(bytes: &[u8], value: &Value) -> bool {
    let (mut depth, mut colons, mut within, mut escaped) = (0, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if within => escaped = true,
            b'"' => within = !within,
            _ if within => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b':' if depth == 1 => colons += 1,
            _ => {}
        }
    }
    value.as_object().is_some_and(|members| members.len() < colons)
}
