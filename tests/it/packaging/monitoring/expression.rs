//! What an expression of PromQL names: metrics, labels, and values of labels. promtool knows whether it is one.

/// A metric with the matchers in its braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) metric: String,
    /// Label, operator, value.
    pub(super) matchers: Vec<(String, String, String)>,
}

/// The selectors of an expression, by the prefixes that metrics have.
pub(super) fn selectors(expression: &str, prefixes: &[&str]) -> Vec<Selector> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| is_name(c)) {
        let word: String = rest[start..].chars().take_while(|c| is_name(*c)).collect();
        rest = &rest[start + word.len()..];
        if prefixes.iter().any(|prefix| word.starts_with(prefix)) {
            let inside = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let matchers = inside.map(|(inside, _)| matchers(inside)).unwrap_or_default();
            found.push(Selector { metric: word, matchers });
        }
        // What a matcher quotes is no metric.
        if let Some((_, after)) = rest.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            rest = after;
        }
    }
    found
}

/// The labels that an expression groups or joins by: `by (…)`, `on (…)`.
pub(super) fn groupings(expression: &str) -> Vec<String> {
    let lists = ["by (", "on ("].into_iter().flat_map(|word| expression.split(word).skip(1));
    let inside = lists.filter_map(|rest| Some(rest.split_once(')')?.0));
    inside.flat_map(|labels| labels.split(',')).map(|label| label.trim().to_owned()).collect()
}

/// `a="b", c=~"d|e"`; no value of ours bears a comma.
fn matchers(inside: &str) -> Vec<(String, String, String)> {
    let each = inside.split(',').filter(|matcher| !matcher.trim().is_empty());
    let parsed = each.map(|matcher| {
        let matcher = matcher.trim();
        let label: String = matcher.chars().take_while(|c| is_name(*c)).collect();
        let (operator, value) = matcher[label.len()..].split_once('"').expect("a quoted value");
        (label, operator.trim().to_owned(), value.trim_end_matches('"').to_owned())
    });
    parsed.collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

#[test]
fn expression_is_read_as_selectors_and_groupings() {
    let expression =
        "sum by (le, proxy) (rate(alewife_a_bucket{x=~\"b|c\", y=\"alewife_d\"}[5m])) / on (z) process_e";
    let matcher =
        |label: &str, operator: &str, value: &str| (label.to_owned(), operator.to_owned(), value.to_owned());
    let expected = [
        Selector {
            metric: "alewife_a_bucket".to_owned(),
            matchers: vec![matcher("x", "=~", "b|c"), matcher("y", "=", "alewife_d")],
        },
        Selector { metric: "process_e".to_owned(), matchers: Vec::new() },
    ];
    assert_eq!(selectors(expression, &["alewife_", "process_"]), expected);
    assert_eq!(groupings(expression), ["le", "proxy", "z"]);
}
