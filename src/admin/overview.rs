//! `/status` as a page for people: it asks for that every few seconds, shows it, and has nothing done.

use std::sync::LazyLock;

use http::{HeaderValue, StatusCode};

use super::pages::{Reply, body};
use crate::page::{self, BASE_STYLE, CONTENT_TYPE, Nonce};

const DOCUMENT: &str = include_str!("overview/page.html");

/// What `page.html` names, and what is put there.
const PARTS: [(&str, &str); 4] = [
    ("{{base.css}}", BASE_STYLE),
    ("{{style.css}}", include_str!("overview/style.css")),
    ("{{tables.js}}", include_str!("overview/tables.js")),
    ("{{live.js}}", include_str!("overview/live.js")),
];

static PAGE: LazyLock<String> = LazyLock::new(|| page::assembled(DOCUMENT, &PARTS));

/// The page, with the headers that it needs.
pub(super) fn answer() -> Reply {
    let nonce = Nonce::of(rand::random());
    let mut reply =
        body(StatusCode::OK, HeaderValue::from_static(CONTENT_TYPE), page::for_answer(&PAGE, &nonce));
    page::guard(reply.headers_mut(), &nonce);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place_and_nothing_needs_more_than_the_nonce() {
        for (name, _) in PARTS {
            assert_eq!(DOCUMENT.matches(name).count(), 1, "{name}");
        }
        let page = page::for_answer(&PAGE, &Nonce::of([7; 18]));
        assert_eq!((page.matches("{{").count(), page.matches(" nonce=\"BwcH").count()), (0, 2));
        // What names and addresses are shown as is text, and what the policy forbids is not tried.
        for never in [
            " style=\"",
            " onclick=",
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "://cdn",
            "POST",
        ] {
            assert!(!page.contains(never), "{never}");
        }
    }
}
