//! One page of `store` or `keys`. It is read before the answer begins, since the link to the next
//! page stands in the head.

use dynarust_core::cursor::encode_page;
use dynarust_core::limits::PAGE_BYTES_MAX;
use dynarust_node::{Page, Scanner};
use http::header::LINK;
use http::{HeaderValue, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::records::{Form, Printer};
use crate::answer;
use crate::backend::Backend;
use crate::path::decode;
use crate::problem::Problem;
use crate::response_body::Body;

/// What cannot stand between the brackets of a link; escapes that are there stay as they are.
const LINK_ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

pub(crate) async fn answer(
    backend: &Backend,
    mut scanner: Scanner,
    records_max: usize,
    form: Form,
    uri: &Uri,
) -> Result<Response<Body>, Problem> {
    let mut share = backend.pages.take(PAGE_BYTES_MAX).await?;
    let page = scanner.page(records_max).await?;
    let next = next_page(&page, uri);
    let text = print(page, form);
    share.shrink_to(text.len());
    let body = Body::Page { bytes: text.into(), _share: share };
    let mut response = answer::with_body(StatusCode::OK, form.content_type(), body);
    if let Some(link) = next {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

fn print(page: Page, form: Form) -> Vec<u8> {
    let mut text = form.opening().to_vec();
    let mut printer = Printer::new(form);
    for stored in page.records {
        printer.push(&mut text, &stored);
    }
    text.extend_from_slice(form.closing());
    text
}

/// `</t/store?…&cursor=…>; rel="next"`, where more follows.
fn next_page(page: &Page, uri: &Uri) -> Option<HeaderValue> {
    let last = page.records.last().filter(|_| page.more)?;
    let mut target = format!("{}?", uri.path());
    for pair in uri.query().unwrap_or_default().split('&') {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if !pair.is_empty() && decode(name).as_deref() != Some("cursor") {
            target.push_str(pair);
            target.push('&');
        }
    }
    target.push_str("cursor=");
    target.push_str(&encode_page(last.name.key()));
    let target = utf8_percent_encode(&target, LINK_ESCAPED);
    HeaderValue::try_from(format!("<{target}>; rel=\"next\"")).ok()
}
