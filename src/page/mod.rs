//! The pages that this process serves: each one document with nothing from elsewhere, and headers that hold the browser to that.

use std::borrow::Cow;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use crate::crypto::encoding;

/// The style that all pages have in common: colours in light and dark, type, buttons, the header.
pub const BASE_STYLE: &str = include_str!("base.css");

/// The media type of a page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

const KEPT_TO_ITSELF: [(HeaderName, &str); 6] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// What the scripts and styles of one answer bear, and those of no other (CSP 3, §8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// One of these 18 random bytes.
    pub fn of(random: [u8; 18]) -> Self {
        Self(encoding::base64_encode(&random))
    }
}

/// `document` with what each name in it stands for.
pub fn assembled(document: &str, parts: &[(&str, &str)]) -> String {
    let fill = |page: Cow<'_, str>, (name, content): &(&str, &str)| Cow::Owned(page.replace(name, content));
    parts.iter().fold(Cow::Borrowed(document), fill).into_owned()
}

/// The page for one answer: `{{nonce}}` in it becomes that of the answer's headers.
pub fn for_answer(page: &str, nonce: &Nonce) -> String {
    page.replace("{{nonce}}", &nonce.0)
}

/// Keeps other pages out of an answer, and in a page of it everything but its own scripts, styles and requests to where it
/// came from.
pub fn guard(headers: &mut HeaderMap, nonce: &Nonce) {
    let nonce = &nonce.0;
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    for (name, value) in KEPT_TO_ITSELF {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_bears_the_nonce_that_its_headers_allow_and_nothing_else_may_run() {
        let page =
            assembled("<style nonce=\"{{nonce}}\">{{base.css}}</style>", &[("{{base.css}}", BASE_STYLE)]);
        let (one, other) = (Nonce::of([1; 18]), Nonce::of([2; 18]));
        let mut headers = HeaderMap::new();
        guard(&mut headers, &one);
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        let bears = |nonce: &Nonce| policy.contains(&format!("style-src 'nonce-{}'", nonce.0));
        assert!(bears(&one) && !bears(&other));
        let page = for_answer(&page, &one);
        assert!(page.starts_with(&format!("<style nonce=\"{}\">:root", one.0)) && !page.contains("{{"));
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["cache-control"], "no-store");
    }
}
