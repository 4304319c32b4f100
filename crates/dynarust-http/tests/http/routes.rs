//! Every route, with each thing that can be wrong with a request: the code of each, and that the node
//! answers as before afterwards.

use crate::client::{Answer, Client};
use crate::door::Door;

/// A route, and a request that it takes.
struct Route {
    method: &'static str,
    /// With `{table}` and `{key}` where names stand.
    path: &'static str,
    body: Option<Expected>,
}

/// What a route takes as its body.
struct Expected {
    content_type: &'static str,
    text: &'static str,
    /// How it calls JSON of another shape, and a body that is too large.
    wrong_shape: &'static str,
    too_large: &'static str,
}

const fn reading(method: &'static str, path: &'static str) -> Route {
    Route { method, path, body: None }
}

const fn writing(method: &'static str, path: &'static str, body: Expected) -> Route {
    Route { method, path, body: Some(body) }
}

const JSON: &str = "application/json";

const ROUTES: [Route; 19] = [
    writing(
        "PUT",
        "/{table}/key/{key}",
        Expected {
            content_type: JSON,
            text: r#"{"value":{}}"#,
            wrong_shape: "invalid_body",
            too_large: "value_too_large",
        },
    ),
    writing(
        "PATCH",
        "/{table}/key/{key}",
        Expected {
            content_type: "application/json-patch+json",
            text: r#"[{"op":"add","path":"/a","value":1}]"#,
            wrong_shape: "invalid_patch",
            too_large: "body_too_large",
        },
    ),
    reading("GET", "/{table}/key/{key}"),
    reading("HEAD", "/{table}/key/{key}"),
    reading("GET", "/{table}/store"),
    reading("GET", "/{table}/keys"),
    writing(
        "POST",
        "/{table}/keys",
        Expected {
            content_type: JSON,
            text: r#"["k"]"#,
            wrong_shape: "invalid_body",
            too_large: "body_too_large",
        },
    ),
    writing(
        "POST",
        "/{table}/batch",
        Expected {
            content_type: JSON,
            text: r#"[{"key":"k","value":{}}]"#,
            wrong_shape: "invalid_body",
            too_large: "body_too_large",
        },
    ),
    reading("HEAD", "/{table}/subscribe/{key}"),
    reading("HEAD", "/{table}/subscribe"),
    reading("HEAD", "/subscribe?table={table}&key={table}/{key}"),
    reading("GET", "/tables"),
    reading("GET", "/membership"),
    reading("GET", "/stats"),
    reading("GET", "/metrics"),
    reading("GET", "/livez"),
    reading("GET", "/readyz"),
    reading("GET", "/{table}/store?prefix=k&limit=10&reverse=true"),
    reading("DELETE", "/{table}/key/{key}"),
];

impl Route {
    fn target(&self, table: &str, key: &str) -> String {
        self.path.replace("{table}", table).replace("{key}", key)
    }

    /// The path alone.
    fn address(&self) -> String {
        let target = self.target("t", "k");
        target.split_once('?').map_or(target.as_str(), |(path, _)| path).to_owned()
    }

    fn with_parameter(&self, parameter: &str) -> String {
        let target = self.target("t", "k");
        let joint = if target.contains('?') { '&' } else { '?' };
        format!("{target}{joint}{parameter}")
    }

    async fn ask(&self, client: &mut Client, target: &str) -> Answer {
        match &self.body {
            None => client.ask(self.method, target, &[], "").await,
            Some(body) => {
                let header = ("Content-Type", body.content_type);
                client.ask(self.method, target, &[header], body.text).await
            }
        }
    }

    /// What a problem must look like: a HEAD has only its status.
    fn assert_problem(&self, answer: &Answer, status: u16, code: &str, what: &str) {
        assert_eq!(answer.status, status, "{} {} {what}: {answer:?}", self.method, self.path);
        if self.method != "HEAD" {
            answer.assert_problem(status, code);
        }
    }
}

async fn works(client: &mut Client) {
    for route in &ROUTES {
        let answer = route.ask(client, &route.target("t", "k")).await;
        assert_eq!(answer.status, 200, "{} {}: {answer:?}", route.method, route.path);
    }
}

#[tokio::test]
async fn every_route_tells_what_is_wrong_with_a_head() {
    let door = Door::open().await;
    let mut client = door.client().await;
    works(&mut client).await;
    for route in &ROUTES {
        let address = route.address();
        let other = client.ask("BREW", &address, &[], "").await;
        other.assert_problem(405, "method_not_allowed");
        let allow = other.header("allow").unwrap();
        assert!(allow.split(", ").any(|method| method == route.method), "{address}: {allow}");
        let told = client.ask("OPTIONS", &address, &[], "").await;
        assert_eq!((told.status, told.header("allow")), (204, Some(allow)));
        for longer in [format!("{address}/x/y"), format!("{address}//"), format!("/x/y{address}")] {
            let answer = route.ask(&mut client, &longer).await;
            route.assert_problem(&answer, 404, "not_found", &longer);
        }
        for parameter in ["unknown=1", "consistenci=one", "x", "limit=%", "prefix=%ff", "%zz=1"] {
            let answer = route.ask(&mut client, &route.with_parameter(parameter)).await;
            route.assert_problem(&answer, 400, "invalid_parameter", parameter);
        }
        let passed = route.ask(&mut client, &route.with_parameter("_=1&_x=%&access_token=y")).await;
        assert!(matches!(passed.status, 200 | 404), "{address}: {passed:?}");
        for table in ["_t", ".t", "%C3%A9", "a%2Fb", "a b".replace(' ', "%20").as_str()] {
            if route.path.contains("{table}") {
                let answer = route.ask(&mut client, &route.target(table, "k")).await;
                route.assert_problem(&answer, 400, "invalid_table", table);
            }
        }
        let long = "k".repeat(1025);
        for key in ["", "%FF", "%C3%28", "%ED%A0%80", &long] {
            if route.path.contains("{key}") {
                let answer = route.ask(&mut client, &route.target("t", key)).await;
                // A wrong escape in a query is the parameter's, not the key's.
                let in_query = route.path.contains('?') && key.contains('%');
                let code = if in_query { "invalid_parameter" } else { "invalid_key" };
                route.assert_problem(&answer, 400, code, key);
            }
        }
    }
    works(&mut client).await;
}

#[tokio::test]
async fn every_route_with_a_body_tells_what_is_wrong_with_it() {
    let door = Door::open().await;
    let mut client = door.client().await;
    works(&mut client).await;
    door.put("/t/key/k", "{}").await;
    let with_body = ROUTES.iter().filter_map(|route| Some((route, route.body.as_ref()?)));
    for (route, body) in with_body {
        let target = route.target("t", "k");
        let right = ("Content-Type", body.content_type);
        let types: [&[(&str, &str)]; 6] = [
            &[],
            &[("Content-Type", "text/plain")],
            &[("Content-Type", "")],
            &[("Content-Type", "application/x-www-form-urlencoded")],
            &[right, right],
            &[right, ("Content-Encoding", "gzip")],
        ];
        for headers in types {
            let answer = client.ask(route.method, &target, headers, body.text).await;
            route.assert_problem(&answer, 415, "unsupported_media_type", "type");
        }
        let plain = [right, ("Content-Encoding", "identity")];
        let plain = client.ask(route.method, &target, &plain, body.text).await;
        assert_eq!(plain.status, 200);
        for text in ["", "{", "[", "nul", "{\"a\":1,}", "[1]x", "\u{feff}[]", "'a'", "[\"\\x\"]"] {
            let answer = client.ask(route.method, &target, &[right], text).await;
            route.assert_problem(&answer, 400, "invalid_json", text);
        }
        for text in ["null", "1", "\"a\"", "[1]", "{\"a\":1}", "[{}]"] {
            // Of a batch each item stands for itself.
            if !(target.ends_with("batch") && text.starts_with('[')) {
                let answer = client.ask(route.method, &target, &[right], text).await;
                route.assert_problem(&answer, 400, body.wrong_shape, text);
            }
        }
        let head = |length: &str| {
            format!(
                "{} {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {}\r\nContent-Length: {length}\r\n\r\n",
                route.method, body.content_type
            )
        };
        // No UTF-8.
        client.send([head("4").as_bytes(), b"[\"\xFF\""].concat()).await;
        route.assert_problem(&client.answer(route.method).await, 400, "invalid_json", "UTF-8");
        // Larger than may be, as announced; nothing of it need come.
        let mut apart = door.client().await;
        apart.send(head("100000000")).await;
        route.assert_problem(&apart.answer(route.method).await, 413, body.too_large, "length");
        // Less than announced: nobody is left to be told.
        let mut cut = door.client().await;
        cut.send([head("100").as_bytes(), body.text.as_bytes()].concat()).await;
        drop(cut);
        for length in ["-1", "x", "1, 2", "99999999999999999999999"] {
            let mut apart = door.client().await;
            apart.send(head(length)).await;
            let status = apart.answer(route.method).await.status;
            assert!(matches!(status, 400 | 413), "{length}: {status}");
        }
    }
    works(&mut client).await;
}
