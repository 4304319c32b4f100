//! The document, put together; and the file, held against it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::described::{Described, described};
use super::parts::{self, PROBLEM, part};
use super::problems;
use super::schemas::schemas;
use crate::operation::Operation;
use crate::problem::Code;

/// With this in the environment the file is renewed.
const RENEW: &str = "DYNARUST_RENEW_OPENAPI";

fn document() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "DynaRust",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Tables of JSON records over HTTP; every change is pushed to live streams.",
            "description": "Answers grow: clients ignore members, headers and event names that they don't know. \
                            Unknown query parameters are refused, but for names that begin with `_`. \
                            OPTIONS is answered everywhere: 204, with the methods in `Allow`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "tags": [
            { "name": "records", "description": "One record by its key." },
            { "name": "tables", "description": "Many records." },
            { "name": "streams", "description": "Live streams." },
            { "name": "cluster", "description": "Between the nodes of a cluster, and for its operator." },
            { "name": "node", "description": "The node itself." },
        ],
        "paths": paths(),
        "components": {
            "parameters": parts::parameters(),
            "headers": parts::headers(),
            "responses": problems::shared(),
            "schemas": schemas(),
        },
    })
}

fn paths() -> Map<String, Value> {
    let mut paths = BTreeMap::<_, Map<String, Value>>::new();
    for operation in Operation::ALL {
        let (Some(route), Some(described)) = (operation.route(), described(*operation)) else {
            continue;
        };
        let methods = paths.entry(route.path).or_default();
        let method = route.method.to_ascii_lowercase();
        if method == "get" {
            methods.insert("head".to_owned(), told(*operation, &described, true));
        }
        methods.insert(method, told(*operation, &described, false));
    }
    paths.into_iter().map(|(path, methods)| (path.to_owned(), methods.into())).collect()
}

fn told(operation: Operation, described: &Described, head: bool) -> Value {
    let mut told = json!({
        "operationId": if head { format!("head_{}", operation.name()) } else { operation.name().to_owned() },
        "tags": [described.tag],
        "summary": described.summary,
        "description": if head { "As GET, without the body." } else { described.description },
        "parameters": references("parameters", &described.parameters),
        "responses": responses(described, head),
    });
    if !described.body.is_empty() {
        told["requestBody"] =
            json!({ "required": true, "content": parts::content(&described.body) });
    }
    told
}

fn responses(described: &Described, head: bool) -> Map<String, Value> {
    let mut responses = Map::new();
    for answered in &described.answers {
        let headers =
            answered.headers.iter().map(|name| ((*name).to_owned(), part("headers", name)));
        let mut response = json!({
            "description": answered.description,
            "headers": headers.collect::<Map<_, _>>(),
        });
        if !answered.content.is_empty() && !head {
            response["content"] = parts::content(&answered.content);
        }
        responses.insert(answered.status.as_str().to_owned(), response);
    }
    for (status, codes) in problems::by_status(&described.problems) {
        match responses.get_mut(status.as_str()) {
            None => {
                let mut problem = problems::response(status, &codes, head);
                if codes.contains("unsupported_media_type")
                    && described.problems.contains(&Code::InvalidPatch)
                {
                    problem["headers"]["Accept-Patch"] = part("headers", "Accept-Patch");
                }
                responses.insert(status.as_str().to_owned(), problem);
            }
            // Such as `/readyz`: not well, or overloaded.
            Some(response) if !head => {
                response["content"][PROBLEM] =
                    json!({ "schema": problems::schema(status, &codes) });
            }
            Some(_) => {}
        }
    }
    responses
}

fn references(kind: &str, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| part(kind, name)).collect()
}

/// With members in the order of their names, whatever order a map keeps.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            members.into_iter().map(|(name, member)| (name.clone(), sorted(member))).collect()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_file_is_as_the_code_has_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = document();
    if std::env::var_os(RENEW).is_some() {
        let text = serde_json::to_string_pretty(&sorted(&document)).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
        return;
    }
    let file: Value = serde_json::from_slice(super::DOCUMENT).unwrap();
    assert!(
        file == document,
        "crates/dynarust-http/openapi.json is not what the code has: renew it by \
         `{RENEW}=1 cargo test -p dynarust-http openapi`, and look at what changed"
    );
}

/// What is named is there, and what is there is named.
#[test]
fn every_part_is_used_and_every_reference_leads_somewhere() {
    let document = document();
    let text = document.to_string();
    let mut used = BTreeSet::new();
    for rest in text.split("\"#/").skip(1) {
        let pointer = rest.split('"').next().unwrap();
        assert!(document.pointer(&format!("/{pointer}")).is_some(), "{pointer}");
        used.insert(pointer);
    }
    for (kind, parts) in document["components"].as_object().unwrap() {
        for name in parts.as_object().unwrap().keys() {
            // Told in the text of the schema of a stream, which cannot refer to it.
            let told = name == "Change";
            assert!(told || used.contains(format!("components/{kind}/{name}").as_str()), "{name}");
        }
    }
}
