//! docs/PROTOCOL.md against what the code cites and does.

use std::collections::BTreeSet;

use super::{files_below, read, table};

/// The numbers behind each `P` that stands for itself in `text`.
fn cited(text: &str) -> BTreeSet<u32> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('P') {
        let before = text[..at].chars().next_back().is_some_and(is_word);
        let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let after = text[at + 1 + digits.len()..].chars().next().is_some_and(is_word);
        if !before
            && !after
            && let Ok(number) = digits.parse()
        {
            found.insert(number);
        }
    }
    found
}

#[test]
fn citations_are_found_among_other_text() {
    assert_eq!(cited("(P1, P3–P4) and P10, but neither HTTP1 nor P5x nor Px"), BTreeSet::from([1, 3, 4, 10]));
}

#[test]
fn every_clause_that_is_cited_stands_in_the_protocol() {
    let protocol = read("docs/PROTOCOL.md");
    let headings: BTreeSet<u32> = protocol
        .lines()
        .filter_map(|line| line.strip_prefix("### P")?.split(':').next()?.parse().ok())
        .collect();
    assert_eq!(headings, (1..=12).collect());
    let mut anywhere = BTreeSet::new();
    for path in
        [files_below("src"), files_below("tests/it"), files_below("examples"), files_below("docs")].concat()
    {
        let cited = cited(&read(&path));
        // Of this very file, whose examples are none.
        if !path.ends_with("clauses.rs") {
            assert!(
                cited.is_subset(&headings),
                "{path} cites a clause that docs/PROTOCOL.md lacks: {cited:?}"
            );
            anywhere.extend(cited);
        }
    }
    assert_eq!(anywhere, headings, "a clause is cited nowhere");
}

/// An error that a client is told: errorCode, status (none where it is the peer's), message.
type Told = (u32, Option<u16>, String);

/// From src/proxy/respond.rs and src/ale/refusal.rs.
fn errors_of_the_code() -> BTreeSet<Told> {
    let refusal = read("src/ale/refusal.rs");
    let published = refusal.split("r#\"{\"errorCode\":").skip(1).map(|rest| {
        let (code, rest) = rest.split_once(",\"message\":\"").unwrap();
        (code.parse().unwrap(), Some(400), rest.split('"').next().unwrap().to_owned())
    });
    // However it is broken into lines.
    let respond = read("src/proxy/respond.rs").split_whitespace().collect::<Vec<_>>().join(" ");
    let respond = respond.replace("(*status, ", "(StatusCode::OF_THE_PEER, ");
    let own = respond.split("(StatusCode::").skip(1).filter_map(|rest| {
        let mut parts = rest.split(", ");
        let status = status(parts.next()?)?;
        let code = parts.next()?.parse().ok()?;
        let message = rest.split('"').nth(1)?.to_owned();
        Some((code, status, message))
    });
    published.chain(own).collect()
}

/// `None` for what is no status, `Some(None)` for the peer's.
fn status(name: &str) -> Option<Option<u16>> {
    let known = [
        ("BAD_GATEWAY", Some(502)),
        ("BAD_REQUEST", Some(400)),
        ("FORBIDDEN", Some(403)),
        ("GATEWAY_TIMEOUT", Some(504)),
        ("NOT_FOUND", Some(404)),
        ("OF_THE_PEER", None),
        ("PAYLOAD_TOO_LARGE", Some(413)),
        ("REQUEST_HEADER_FIELDS_TOO_LARGE", Some(431)),
        ("REQUEST_TIMEOUT", Some(408)),
        ("SERVICE_UNAVAILABLE", Some(503)),
    ];
    known.iter().find(|(known, _)| *known == name).map(|(_, status)| *status)
}

#[test]
fn table_of_errors_is_that_of_the_code() {
    let rows = table(&read("docs/PROTOCOL.md"), "| errorCode | status | message |");
    let documented: BTreeSet<Told> = rows
        .iter()
        .map(|row| {
            let status = (row[1] != "the peer's").then(|| row[1].parse().unwrap());
            (row[0].parse().unwrap(), status, row[2].trim_matches('`').to_owned())
        })
        .collect();
    assert_eq!(documented.len(), rows.len(), "an error stands twice");
    let code = errors_of_the_code();
    assert_eq!(documented, code);
    // Each arm of the code was understood: codes are the numbers from 100 on in its table.
    let respond = read("src/proxy/respond.rs");
    let numbers: BTreeSet<u32> = respond
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter_map(|word| word.parse().ok().filter(|number| (100..200).contains(number)))
        .collect();
    assert_eq!(numbers, code.iter().map(|(code, ..)| *code).filter(|code| *code >= 100).collect());
}

#[test]
fn table_of_deadlines_has_the_keys_and_defaults_of_the_example() {
    let example = read("config.example.toml");
    let (_, section) = example.split_once("[proxy.timeouts]").unwrap();
    let section = section.split("[proxy.limits]").next().unwrap();
    let expected: BTreeSet<(String, String)> = section
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(" = "))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    let rows = table(&read("docs/PROTOCOL.md"), "| `[proxy.timeouts]` | default |");
    let documented: BTreeSet<_> =
        rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone())).collect();
    assert_eq!(documented, expected);
}

#[test]
fn table_of_limits_has_the_keys_and_defaults_of_the_example() {
    let example = read("config.example.toml");
    let (_, section) = example.split_once("[proxy.limits]").unwrap();
    let section = section.split("\n#[").next().unwrap();
    let expected: Vec<(String, String)> = section
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once(" = "))
        .filter(|(key, _)| !key.contains(' '))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect();
    let rows = table(&read("docs/PROTOCOL.md"), "| `[proxy.limits]` | default |");
    let documented: Vec<_> =
        rows.iter().map(|row| (row[0].trim_matches('`').to_owned(), row[1].clone())).collect();
    assert_eq!(documented, expected);
    assert_eq!(documented.len(), alewife::metrics::Limit::ALL.len());
}

#[test]
fn fields_that_sealing_removes_are_named() {
    let forward = read("src/proxy/forward.rs");
    let protocol = read("docs/PROTOCOL.md");
    for function in ["fn is_hop_by_hop", "fn is_of_plain_bytes"] {
        let (_, function) = forward.split_once(function).unwrap();
        let (function, _) = function.split_once("\n}\n").unwrap();
        let names: Vec<_> = function.split('"').skip(1).step_by(2).collect();
        assert!(names.len() > 5, "the names are no longer found");
        for name in names {
            assert!(protocol.contains(&format!("`{name}`")), "docs/PROTOCOL.md does not name {name}");
        }
    }
}
