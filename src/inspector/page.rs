//! The page as one document. Its parts stand in `page/`, so that each can be read by itself.

use std::sync::LazyLock;

use crate::page::{self, BASE_STYLE, Nonce};

const DOCUMENT: &str = include_str!("page.html");

/// What `page.html` names, and what is put there.
const PARTS: [(&str, &str); 12] = [
    ("{{base.css}}", BASE_STYLE),
    ("{{style.css}}", include_str!("page/style.css")),
    ("{{detail.css}}", include_str!("page/detail.css")),
    ("{{base.js}}", include_str!("page/base.js")),
    ("{{bytes.js}}", include_str!("page/bytes.js")),
    ("{{store.js}}", include_str!("page/store.js")),
    ("{{list.js}}", include_str!("page/list.js")),
    ("{{body.js}}", include_str!("page/body.js")),
    ("{{detail.js}}", include_str!("page/detail.js")),
    ("{{messages.js}}", include_str!("page/messages.js")),
    ("{{panels.js}}", include_str!("page/panels.js")),
    ("{{live.js}}", include_str!("page/live.js")),
];

static PAGE: LazyLock<String> = LazyLock::new(|| page::assembled(DOCUMENT, &PARTS));

/// The document for one answer.
pub(super) fn page(nonce: &Nonce) -> String {
    page::for_answer(&PAGE, nonce)
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, Nonce, PARTS, page};

    #[test]
    fn every_part_has_its_place_and_none_is_left_empty() {
        for (name, _) in PARTS {
            assert_eq!(DOCUMENT.matches(name).count(), 1, "{name}");
        }
        let page = page(&Nonce::of([7; 18]));
        assert!(!page.contains("{{"), "a place was left empty");
        assert_eq!(page.matches(" nonce=\"BwcH").count(), 2);
    }

    #[test]
    fn nothing_in_the_page_needs_more_than_its_nonce() {
        let page = page(&Nonce::of([7; 18]));
        // Each would be refused by the policy, or be a way for what was received to become markup.
        for never in
            [" style=\"", " onclick=", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "://cdn"]
        {
            assert!(!page.contains(never), "{never}");
        }
    }
}
