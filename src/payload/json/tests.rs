//! The scanner against serde_json, and edits against edits of values.

use proptest::prelude::*;
use serde_json::Value;

use super::super::Splice;
use super::*;

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap()
}

/// Any document, with names that repeat now and then.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        "\\PC{0,8}|[\\x00-\\x7f]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec(("[a-d\"\\\\~/\n]{0,2}", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn leaves_of(value: &Value, path: &mut Vec<String>, out: &mut Vec<(Pointer, Value)>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            path.push(name.clone());
            leaves_of(value, path, out);
            path.pop();
        }),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(index, value)| {
            path.push(index.to_string());
            leaves_of(value, path, out);
            path.pop();
        }),
        leaf => out.push((Pointer::of(path), leaf.clone())),
    }
}

fn pretty(value: &Value, is_pretty: bool) -> String {
    if is_pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) }.unwrap()
}

proptest! {
    #[test]
    fn leaves_are_those_of_the_document_in_its_order(value in document(), is_pretty: bool) {
        let text = pretty(&value, is_pretty);
        let json = Json::parse(text.as_bytes()).unwrap();
        let mut expected = Vec::new();
        leaves_of(&value, &mut Vec::new(), &mut expected);
        let read: Vec<_> = json
            .leaves()
            .map(|leaf| (leaf.pointer(), serde_json::from_str(&text[leaf.span.clone()]).unwrap()))
            .collect();
        prop_assert_eq!(&read, &expected);
        for leaf in json.leaves() {
            let exact: PointerPattern = leaf.pointer().to_string().parse().unwrap_or("/x".parse().unwrap());
            prop_assert!(leaf.matches(&exact) || leaf.pointer().to_string().contains('*') || leaf.pointer().segments().is_empty());
            let found = json.find(&leaf.pointer()).unwrap().unwrap();
            prop_assert_eq!((found.span, found.kind), (leaf.span, leaf.kind));
        }
    }

    #[test]
    fn texts_near_to_documents_are_judged_as_by_serde_json(
        value in document(), at in any::<proptest::sample::Index>(), byte: u8, cut: bool,
    ) {
        let mut text = pretty(&value, false).into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        let ours = Json::parse(&text).is_ok();
        // It lets lone surrogates and numbers beyond f64 be no document either, and so a value is read.
        let oracle = serde_json::from_slice::<Value>(&text);
        let is_out_of_range = oracle.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert!(ours == oracle.is_ok() || is_out_of_range, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn strings_are_written_as_serde_json_writes_them_and_read_back(text in "\\PC{0,20}|[\\x00-\\x7f]{0,20}") {
        let token = escape(&text);
        let expected = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(&**token, expected.as_bytes());
        prop_assert_eq!(&**unescape(&token), text.as_bytes());
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        let escaped = format!("\"{units}\"");
        prop_assert!(Json::parse(escaped.as_bytes()).is_ok());
        prop_assert_eq!(&**unescape(escaped.as_bytes()), text.as_bytes());
        prop_assert!(strings::is_text(escaped.as_bytes(), &text));
    }

    #[test]
    fn members_that_are_cut_are_gone_and_the_rest_is_as_it_was(
        members in proptest::collection::vec(("[a-f]", any::<i32>()), 0..6), gone in "[a-f]{0,4}", is_pretty: bool,
    ) {
        let value = Value::Object(members.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect());
        let outer = serde_json::json!({ "x": 1, "in": value, "y": [2] });
        let text = pretty(&outer, is_pretty);
        let json = Json::parse(text.as_bytes()).unwrap();
        let pointers: Vec<_> = gone.chars().map(|name| pointer(&format!("/in/{name}"))).collect();
        let mut edits = Splice::of(text.as_bytes());
        for cut in json.without(&pointers.iter().collect::<Vec<_>>()).unwrap() {
            edits.replace(cut, Vec::new());
        }
        let mut expected = outer;
        gone.chars().for_each(|name| drop(expected["in"].as_object_mut().unwrap().remove(&name.to_string())));
        let left = edits.finish();
        prop_assert_eq!(serde_json::from_slice::<Value>(&left).unwrap(), expected, "{}", String::from_utf8_lossy(&left));
    }

    #[test]
    fn member_that_is_inserted_is_cut_again_to_the_same_bytes(value in document(), is_pretty: bool) {
        let outer = serde_json::json!({ "a": value, "o": {}, "s": "text" });
        let text = pretty(&outer, is_pretty);
        let json = Json::parse(text.as_bytes()).unwrap();
        for place in ["/iv", "/o/iv", "/o/\"~1/iv", "/n/m/iv"] {
            let (at, before, after) = json.insertion(&pointer(place)).unwrap();
            let longer = [&text.as_bytes()[..at], &before, b"\"1\"", &after, &text.as_bytes()[at..]].concat();
            let read: Value = serde_json::from_slice(&longer).unwrap();
            prop_assert_eq!(read.pointer(place), Some(&Value::from("1")));
            if place == "/iv" {
                let json = Json::parse(&longer).unwrap();
                let cuts = json.without(&[&pointer(place)]).unwrap();
                let mut edits = Splice::of(&longer);
                cuts.into_iter().for_each(|cut| edits.replace(cut, Vec::new()));
                prop_assert_eq!(edits.finish(), text.as_bytes());
            }
        }
        for place in ["", "/a", "/s/x", "/o"] {
            prop_assert_eq!(json.insertion(&pointer(place)), None);
        }
    }
}

#[test]
fn texts_that_are_no_documents_are_refused_where_they_end_to_be_some() {
    let cases: [(&[u8], usize); 14] = [
        (b"", 0),
        (b"{", 1),
        (b"[1,]", 3),
        (b"[,1]", 1),
        (b"{\"a\":1,}", 7),
        (b"01", 1),
        (b"1.", 2),
        (b"-", 1),
        (b"\"\n\"", 1),
        (b"\"\\ud800\"", 1),
        (b"\"\\udc00\"", 1),
        (b"tru", 0),
        (b"1 2", 2),
        (b"\xef\xbb\xbf1", 0),
    ];
    for (text, at) in cases {
        assert_eq!(Json::parse(text).err(), Some(NotJson { at }), "{}", text.escape_ascii());
    }
}

#[test]
fn documents_are_as_deep_as_128_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(nested(128).as_bytes()).is_ok());
    assert!(Json::parse(nested(129).as_bytes()).is_err());
    assert!(Json::parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn name_that_stands_twice_leads_nowhere_whatever_its_escapes() {
    let json = Json::parse(br#"{"a":{"iv":1},"b":2,"\u0062":3}"#).unwrap();
    assert_eq!(json.find(&pointer("/b")), Err(Ambiguous));
    assert!(json.find(&pointer("/a/iv")).unwrap().is_some());
    assert_eq!(json.without(&[&pointer("/b")]), Err(Ambiguous));
}

#[test]
fn index_is_written_without_leading_zeros() {
    let json = Json::parse(b"[10,11]").unwrap();
    assert!(json.find(&pointer("/1")).unwrap().is_some());
    for other in ["/01", "/-", "/2", "/+1", "/"] {
        assert_eq!(json.find(&pointer(other)), Ok(None), "{other}");
    }
}

#[test]
fn literal_is_one_number_or_word_and_nothing_around_it() {
    for text in ["1", "-0.5e3", "true", "false", "null"] {
        assert!(is_literal(text.as_bytes()), "{text}");
    }
    for text in ["", " 1", "1\n", "\"1\"", "[1]", "NaN", "1,2", "True"] {
        assert!(!is_literal(text.as_bytes()), "{text}");
    }
}
