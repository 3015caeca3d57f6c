//! `[proxy.limits]`.

use super::*;
use crate::proxy::LimitsConfig;

fn limited(line: &str) -> String {
    format!("{SMALLEST}[proxy.limits]\n{line}\n")
}

fn limits(line: &str) -> LimitsConfig {
    parse(&limited(line)).unwrap_or_else(|faults| panic!("{faults}")).proxies[0].limits
}

#[test]
fn each_limit_is_read_where_it_is_written() {
    let written = limits(
        "header_bytes = \"8KiB\"\nheader_count = 50\nconnections = 1\nconnections_per_peer = 2\nrequests = 3\n\
         sessions = 4\nmin_body_rate = \"1KiB\"",
    );
    assert_eq!(written.values().map(|(_, value)| value), [8192, 50, 1, 2, 3, 4, 1024]);
    assert_eq!(limits(""), LimitsConfig::default());
}

#[test]
fn bounds_of_limits_are_within_and_what_lies_past_them_is_not() {
    assert_eq!(limits("header_bytes = 1024").header_bytes, 1024);
    assert_eq!(limits("header_bytes = \"128KiB\"").header_bytes, 128 * 1024);
    assert_eq!(limits("header_count = 1000").header_count, 1000);
    assert_eq!(limits("connections = 1000000").connections.get(), 1_000_000);
    assert_eq!(limits("min_body_rate = \"off\"").min_body_rate, None);
    for (line, problem) in [
        ("header_bytes = 1023", "1023 is no length of a head"),
        ("header_bytes = \"129KiB\"", "129KiB is no length of a head"),
        ("header_count = 0", "0 is not a number of fields"),
        ("header_count = 1001", "1001 is not a number of fields"),
        ("connections = 0", "0 is not a limit"),
        ("requests = -1", "-1 is not a limit"),
        ("sessions = 1000001", "1000001 is not a limit"),
        ("min_body_rate = 0", "no bytes at all"),
        ("min_body_rate = \"slow\"", "\"slow\" is not a size"),
    ] {
        let (key, value) = line.split_once(" = ").unwrap();
        let column = key.len() + 4;
        let expected = format!("9:{column}: proxy.kitchen.limits.{key}: {problem}");
        assert_eq!(faults(&limited(line)), [expected], "{value}");
    }
}

#[test]
fn more_of_a_head_is_read_than_is_taken_up_to_what_is_read_at_all() {
    assert_eq!(limits("header_bytes = \"8KiB\"").head_read(), 16 * 1024);
    assert_eq!(limits("header_bytes = \"100KiB\"").head_read(), 128 * 1024);
}
