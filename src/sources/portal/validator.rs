//! What names a document, so that it need not be sent twice.

use http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

/// Longer ones are kept by nobody.
const LONGEST: usize = 1024;

/// The portal's own name or time for a document that it sent (RFC 9110 §8.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    kind: Kind,
    value: HeaderValue,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ETag,
    LastModified,
}

impl Validator {
    /// Of a reply's head; its tag rather than its time. A tag that is none is passed over: `*` would match everything.
    pub fn of(head: &HeaderMap) -> Option<Self> {
        let tag = head.get(ETAG).and_then(|value| Self::checked(Kind::ETag, value));
        tag.or_else(|| head.get(LAST_MODIFIED).and_then(|value| Self::checked(Kind::LastModified, value)))
    }

    /// As one line of text, to be kept beside the document.
    pub fn to_line(&self) -> String {
        let name = match self.kind {
            Kind::ETag => "etag",
            Kind::LastModified => "last-modified",
        };
        // Both kinds are ASCII, so the alternative never comes into play.
        format!("{name}: {}", self.value.to_str().unwrap_or_default())
    }

    /// Reads what [`Validator::to_line`] writes.
    pub fn from_line(line: &str) -> Option<Self> {
        let (name, value) = line.split_once(": ")?;
        let value = HeaderValue::from_str(value).ok()?;
        match name {
            "etag" => Self::checked(Kind::ETag, &value),
            "last-modified" => Self::checked(Kind::LastModified, &value),
            _ => None,
        }
    }

    /// The field that asks for the document only if it is another one by now.
    pub(super) fn condition(&self) -> (HeaderName, HeaderValue) {
        let name = match self.kind {
            Kind::ETag => IF_NONE_MATCH,
            Kind::LastModified => IF_MODIFIED_SINCE,
        };
        (name, self.value.clone())
    }

    fn checked(kind: Kind, value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok().filter(|text| (1..=LONGEST).contains(&text.len()))?;
        let fits = match kind {
            Kind::ETag => is_entity_tag(text),
            Kind::LastModified => true,
        };
        fits.then(|| Self { kind, value: value.clone() })
    }
}

/// RFC 9110 §8.8.3, in ASCII.
fn is_entity_tag(text: &str) -> bool {
    let opaque = text.strip_prefix("W/").unwrap_or(text);
    let inner = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(HeaderName, &'static str)]) -> Option<Validator> {
        let fields = fields.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        Validator::of(&fields.collect())
    }

    #[test]
    fn tag_is_preferred_to_the_time_of_the_last_change() {
        let time = (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT");
        let both = of(&[time.clone(), (ETAG, "\"a\"")]).unwrap();
        assert_eq!(both.condition(), (IF_NONE_MATCH, HeaderValue::from_static("\"a\"")));
        let condition = of(std::slice::from_ref(&time)).unwrap().condition();
        assert_eq!(condition, (IF_MODIFIED_SINCE, HeaderValue::from_static(time.1)));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn tag_that_is_none_is_passed_over() {
        for tag in ["\"\"", "\"a!#~\"", "W/\"a\""] {
            assert!(of(&[(ETAG, tag)]).is_some(), "{tag}");
        }
        for tag in ["*", "", "a", "\"", "\"a", "\"a\", \"b\"", "w/\"a\"", "\"a b\""] {
            assert_eq!(of(&[(ETAG, tag)]), None, "{tag}");
        }
        let long: HeaderMap =
            [(ETAG, HeaderValue::from_str(&format!("\"{}\"", "a".repeat(LONGEST))).unwrap())]
                .into_iter()
                .collect();
        assert_eq!(Validator::of(&long), None);
    }

    #[test]
    fn validator_is_read_back_from_its_line() {
        for field in [(ETAG, "W/\"a:b\""), (ETAG, "\"a\""), (LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:37 GMT")]
        {
            let validator = of(&[field]).unwrap();
            assert_eq!(Validator::from_line(&validator.to_line()), Some(validator));
        }
        for line in ["", "etag", "etag: *", "etag: \"a\n\"", "other: \"a\"", "last-modified: "] {
            assert_eq!(Validator::from_line(line), None, "{line}");
        }
    }
}
