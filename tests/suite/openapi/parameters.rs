//! Says once what several operations have.

use serde_json::{Map, Value, json};

/// Moves the parameters of all methods of a path to the path, and those of several paths to the components, which it gives.
pub(super) fn share(paths: &mut Map<String, Value>) -> Map<String, Value> {
    paths.values_mut().for_each(share_in_path);
    let mut shared = Map::new();
    let mut seen: Vec<Value> = Vec::new();
    // What all methods of a path have stands in it once now: what is seen again is that of another path.
    for parameter in paths.values_mut().flat_map(lists_of).flatten() {
        if seen.contains(parameter) {
            shared.insert(name_of(parameter), parameter.clone());
        } else {
            seen.push(parameter.clone());
        }
    }
    for parameter in paths.values_mut().flat_map(lists_of).flatten() {
        let name = name_of(parameter);
        if shared.get(&name) == Some(parameter) {
            *parameter = json!({"$ref": format!("#/components/parameters/{name}")});
        }
    }
    shared
}

fn share_in_path(path: &mut Value) {
    let Value::Object(operations) = path else { return };
    let first = operations.values().next().map(|operation| operation["parameters"].clone()).unwrap_or_default();
    let of_all = |parameter: &Value| {
        let has = |operation: &Value| operation["parameters"].as_array().is_some_and(|own| own.contains(parameter));
        operations.len() > 1 && operations.values().all(has)
    };
    let common: Vec<Value> = first.as_array().into_iter().flatten().filter(|own| of_all(own)).cloned().collect();
    if common.is_empty() {
        return;
    }
    for operation in operations.values_mut() {
        let Value::Object(operation) = operation else { continue };
        if let Some(Value::Array(own)) = operation.get_mut("parameters") {
            own.retain(|parameter| !common.contains(parameter));
            if own.is_empty() {
                operation.shift_remove("parameters");
            }
        }
    }
    operations.shift_insert(0, "parameters".to_owned(), common.into());
}

/// The list of parameters of a path and those of its methods.
fn lists_of(path: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
    let members = path.as_object_mut().into_iter().flatten();
    members.filter_map(|(name, member)| match name.as_str() {
        "parameters" => member.as_array_mut(),
        _ => member.get_mut("parameters")?.as_array_mut(),
    })
}

fn name_of(parameter: &Value) -> String {
    parameter["name"].as_str().unwrap_or_default().to_owned()
}
