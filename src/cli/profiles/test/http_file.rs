//! Sample requests, in the form of editors' `.http` files.

use std::io;
use std::path::Path;
use std::str::FromStr;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::expect::Expected;

/// A request of the file.
pub(super) struct Sample {
    /// What stands behind its `###`.
    pub(super) title: String,
    /// The line of its request line.
    pub(super) line: usize,
    /// Its head without what frames the body.
    pub(super) head: Parts,
    pub(super) body: Vec<u8>,
    pub(super) expected: Option<Expected>,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[error("{line}: {problem}")]
pub(super) struct SampleFault {
    pub(super) line: usize,
    pub(super) problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error(
        "{file} cannot be read: {error}; a body `< FILE` begins at the directory of the file that it stands in"
    )]
    Body { file: String, error: io::Error },
    #[error(
        "this expects nothing that can happen; write `# expect: opens`, `# expect: bypass`, `# expect: no route`, `# expect: errorCode 2` or a reason such as `# expect: missing_value at query:phone`"
    )]
    Expectation,
    #[error("an expectation without a request; it stands before the request line")]
    ExpectationAlone,
    #[error("no header such as content-type: application/json; an empty line ends the headers")]
    Header,
    #[error("no request line such as POST /orders HTTP/1.1")]
    RequestLine,
    #[error("a second expectation of one request")]
    SecondExpectation,
}

/// Reads every request of `text`; bodies in files of their own are looked for from `directory` on.
pub(super) fn read(text: &str, directory: &Path) -> Result<Vec<Sample>, SampleFault> {
    let mut samples = Vec::new();
    let mut section = Section::default();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match line.strip_prefix("###") {
            Some(title) => {
                samples.extend(std::mem::take(&mut section).sample(directory)?);
                section.title = title.trim_matches(['#', ' ', '\t', '\r', '\n']).to_owned();
            }
            None => section.lines.push((index + 1, line)),
        }
    }
    samples.extend(section.sample(directory)?);
    Ok(samples)
}

/// What stands between two lines of `###`.
#[derive(Default)]
struct Section<'t> {
    title: String,
    lines: Vec<(usize, &'t str)>,
}

/// What a comment says, if the line is one.
fn comment(line: &str) -> Option<&str> {
    line.strip_prefix('#').or_else(|| line.strip_prefix("//")).map(str::trim)
}

impl Section<'_> {
    fn sample(self, directory: &Path) -> Result<Option<Sample>, SampleFault> {
        let mut lines = self.lines.into_iter();
        let mut expected = None;
        let mut expected_at = 0;
        let start = loop {
            let Some((number, line)) = lines.next() else {
                let alone = SampleFault { line: expected_at, problem: Problem::ExpectationAlone };
                return if expected.is_some() { Err(alone) } else { Ok(None) };
            };
            let fault = |problem| SampleFault { line: number, problem };
            match comment(line) {
                None if line.trim().is_empty() => {}
                None => break (number, line),
                Some(said) => {
                    let Some(text) = said.strip_prefix("expect:") else { continue };
                    if expected.is_some() {
                        return Err(fault(Problem::SecondExpectation));
                    }
                    expected_at = number;
                    let read = Expected::from_str(text.trim()).map_err(|_| fault(Problem::Expectation))?;
                    expected = Some(read);
                }
            }
        };
        let (line, request) = start;
        let request_line = SampleFault { line, problem: Problem::RequestLine };
        let mut head = request_head(request).ok_or(request_line)?;
        for (number, line) in lines.by_ref() {
            let line = line.trim_end_matches(['\r', '\n']);
            if line.trim().is_empty() {
                break;
            }
            if comment(line).is_none() {
                let (name, value) =
                    header(line).ok_or(SampleFault { line: number, problem: Problem::Header })?;
                head.headers.append(name, value);
            }
        }
        // A proxy frames the body itself, and an editor counts it.
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(TRANSFER_ENCODING);
        let body = body(lines.collect(), directory)?;
        Ok(Some(Sample { title: self.title, line, head, body, expected }))
    }
}

fn request_head(line: &str) -> Option<Parts> {
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let is_http = words.next().is_none_or(|version| version.starts_with("HTTP/"));
    let is_target = ["/", "http://", "https://"].iter().any(|start| target.starts_with(start));
    let is_method = method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-' || byte == b'_');
    if !(is_http && is_target && is_method && words.next().is_none()) {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(method.as_bytes()).ok()?;
    head.uri = target.parse::<Uri>().ok()?;
    Some(head)
}

fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim_end().parse().ok()?, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?))
}

/// The lines without the empty ones at the end; a line `< FILE` alone is the content of that file.
fn body(lines: Vec<(usize, &str)>, directory: &Path) -> Result<Vec<u8>, SampleFault> {
    let first = lines.first().map_or(0, |(number, _)| *number);
    let text: String = lines.into_iter().map(|(_, line)| line).collect();
    let text = text.trim_end_matches(['\r', '\n']);
    match text.strip_prefix("< ") {
        Some(file) if !file.contains('\n') => {
            let file = file.trim();
            std::fs::read(directory.join(file)).map_err(|error| SampleFault {
                line: first,
                problem: Problem::Body { file: file.to_owned(), error },
            })
        }
        _ => Ok(text.as_bytes().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(text: &str) -> Vec<Sample> {
        read(text, Path::new("")).unwrap_or_else(|fault| panic!("{fault}"))
    }

    fn fault(text: &str) -> (usize, String) {
        let fault = read(text, Path::new("none")).err().expect("a fault");
        (fault.line, fault.problem.to_string())
    }

    #[test]
    fn requests_are_parted_by_lines_of_three_hashes_and_titled_by_them() {
        let text = "// of nothing\n\n### first ###\n# why\nPOST /a?b=c HTTP/1.1\r\nX-A:  1 \r\nx-a: 2\r\n\r\nbody\r\n\n# of it\n\n\
                    ###\n\nGET https://host/d\n###\n###   last\nDELETE /\n// no header\nx-b: 3";
        let read = samples(text);
        let told: Vec<_> = read
            .iter()
            .map(|sample| {
                let headers: Vec<_> =
                    sample.head.headers.values().map(|value| value.to_str().unwrap()).collect();
                let request = format!("{} {} {}", sample.head.method, sample.head.uri, headers.join(","));
                (sample.title.as_str(), sample.line, request, sample.body.as_slice())
            })
            .collect();
        assert_eq!(
            told,
            [
                ("first", 5, "POST /a?b=c 1,2".to_owned(), &b"body\r\n\n# of it"[..]),
                ("", 15, "GET https://host/d ".to_owned(), b""),
                ("last", 18, "DELETE / 3".to_owned(), b""),
            ]
        );
        assert!(read.iter().all(|sample| sample.expected.is_none()));
    }

    #[test]
    fn what_frames_the_body_is_left_to_whoever_sends_it() {
        let read = samples("POST /\ncontent-length: 7\ntransfer-encoding: chunked\n\nx");
        assert!(read[0].head.headers.is_empty());
    }

    #[test]
    fn body_in_a_file_of_its_own_is_that_file_byte_for_byte() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("body.bin"), b"\x00\xff\n").unwrap();
        let read = read("POST /\n\n< body.bin\n", directory.path()).ok().unwrap();
        assert_eq!(read[0].body, b"\x00\xff\n");
        let two = samples("POST /\n\n< a\n< b\n");
        assert_eq!(two[0].body, b"< a\n< b");
        assert!(fault("POST /\n\n< body.bin").1.starts_with("body.bin cannot be read: "));
    }

    #[test]
    fn file_without_a_request_has_none() {
        for text in ["", "\n\n", "###\n###\n", "# only a comment"] {
            assert!(samples(text).is_empty());
        }
    }

    #[test]
    fn expectation_before_the_request_line_is_of_that_request() {
        let read = samples("# expect: opens\nGET /\n###\n// expect: errorCode 2\nGET /\n###\nGET /");
        let told: Vec<_> = read.iter().map(|sample| sample.expected.is_some()).collect();
        assert_eq!(told, [true, true, false]);
    }

    #[test]
    fn wrong_lines_are_told_with_their_number() {
        let table = [
            ("\nPOST\n", 2, "no request line"),
            ("post /", 1, "no request line"),
            ("GET orders", 1, "no request line"),
            ("GET {{host}}/x", 1, "no request line"),
            ("GET / HTTP/1.1 x", 1, "no request line"),
            ("GET / 1.1", 1, "no request line"),
            ("GET /\nx-a: 1\nno header\n", 3, "no header"),
            ("# expect: to open\nGET /", 1, "this expects nothing"),
            ("# expect: opens\n\n# expect: opens\nGET /", 3, "a second expectation"),
            ("GET /\n###\n\n# expect: opens\n", 4, "an expectation without a request"),
        ];
        for (text, line, problem) in table {
            let (at, told) = fault(text);
            assert!(at == line && told.starts_with(problem), "{text:?}: {at}: {told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "([#/a-zGET :<\r\n]|\\PC){0,60}") {
            if let Ok(read) = read(&text, Path::new("none")) {
                proptest::prop_assert!(read.len() <= text.lines().count());
            }
        }
    }
}
