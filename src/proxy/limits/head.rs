//! How large the head of a request is.

use http::request::Parts;

use super::LimitsConfig;

/// Whether a head is within the limits.
pub(crate) fn check_head(head: &Parts, limits: &LimitsConfig) -> Result<(), HeadFault> {
    let fields = head.headers.len();
    if fields > limits.header_count as usize {
        return Err(HeadFault::Fields);
    }
    if size(head) > limits.header_bytes as usize { Err(HeadFault::Bytes) } else { Ok(()) }
}

/// Bytes of a head as HTTP/1 writes it, but for its version and the space around values.
fn size(head: &Parts) -> usize {
    let uri = &head.uri;
    let authority = uri.authority().map_or(0, |authority| authority.as_str().len());
    let target = authority + uri.path_and_query().map_or(0, |path| path.as_str().len());
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    head.method.as_str().len() + target + fields.sum::<usize>()
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadFault {
    /// It is too long.
    #[error("has more than header_bytes")]
    Bytes,
    /// It has too many fields.
    #[error("has more fields than header_count")]
    Fields,
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
        let request = fields
            .iter()
            .fold(Request::builder().uri(target), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn limits(header_bytes: u32, header_count: u32) -> LimitsConfig {
        LimitsConfig { header_bytes, header_count, ..LimitsConfig::default() }
    }

    #[test]
    fn every_byte_of_target_names_and_values_counts() {
        let head = head("http://a.test/b?c", &[("x-a", "12"), ("x-a", "345"), ("y", "")]);
        let length = 3 + 6 + 4 + (3 + 2 + 4) + (3 + 3 + 4) + (1 + 4);
        assert_eq!(check_head(&head, &limits(length, 3)), Ok(()));
        assert_eq!(check_head(&head, &limits(length - 1, 3)), Err(HeadFault::Bytes));
    }

    #[test]
    fn repeated_fields_count_each() {
        let head = head("/", &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]);
        assert_eq!(check_head(&head, &limits(1000, 3)), Ok(()));
        assert_eq!(check_head(&head, &limits(1000, 2)), Err(HeadFault::Fields));
    }
}
