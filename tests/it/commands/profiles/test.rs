//! `alewife profiles test`.

use super::{Directory, config, run};
use crate::commands::Ended;

/// A published example of PAY.ON, whose key is not that of [`Directory`].
const PAYON: &str = "POST /notify HTTP/1.1
content-type: text/plain
X-Initialization-Vector: 000000000000000000000000
X-Authentication-Tag: CE573FB7A41AB78E743180DC83FF09BD

0A3471C72D9BE49A8520F79C66BBD9A12FF9
";
const PAYON_KEYS: &str = "[[key]]\nfingerprint = \"payon\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f\"\n";

fn test(directory: &Directory, samples: &str, args: &[&str]) -> Ended {
    let samples = directory.write("samples.http", samples);
    run([&["profiles", "test", &samples], args].concat(), b"")
}

fn payon(samples: &str) -> Ended {
    let directory = Directory::with("");
    let keys = directory.write("payon.toml", PAYON_KEYS);
    test(&directory, samples, &["--profile", "payon", "--keys", &keys])
}

#[test]
fn request_is_shown_before_and_after_with_what_changed_marked() {
    let ended = payon(&format!("### paid\n{PAYON}"));
    let expected = "### 1 paid (FILE:2), payon
  POST /notify HTTP/1.1
- content-type: text/plain
- x-initialization-vector: 000000000000000000000000
- x-authentication-tag: CE573FB7A41AB78E743180DC83FF09BD

- 0A3471C72D9BE49A8520F79C66BBD9A12FF9
=>
  POST /notify HTTP/1.1
+ content-type: application/json

+ {\"type\":\"PAYMENT\"}
* header:content-type: \"text/plain\" -> \"application/json\"
* header:x-initialization-vector: \"000000000000000000000000\" is gone
* header:x-authentication-tag: \"CE573FB7A41AB78E743180DC83FF09BD\" is gone
* body: \"0A3471C72D9BE49A8520F79C66BBD9A12FF9\" is gone
* json:/type: \"PAYMENT\" is new
=> opens, under the key payon
   as expected

1 request, all as expected
";
    let place = ended.text().split_once('(').unwrap().1.split_once(":2)").unwrap().0;
    assert_eq!(ended.text().replace(place, "FILE"), expected);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
fn exit_status_says_whether_all_came_as_expected() {
    let without_tag = PAYON.replace("X-Authentication-Tag", "X-Other");
    let forged = PAYON.replace("CE57", "CE58");
    for (samples, status) in [
        (format!("# expect: opens\n{PAYON}"), 0),
        (forged.clone(), 1),
        (format!("# expect: errorCode 2\n{forged}"), 0),
        (format!("# expect: errorCode 2: not_authentic at body\n{forged}"), 0),
        (format!("# expect: errorCode 1\n{forged}"), 1),
        (format!("# expect: missing_tag at header:x-authentication-tag\n{without_tag}"), 0),
        (format!("# expect: missing_tag at header:x-iv\n{without_tag}"), 1),
        (format!("# expect: errorCode 2\n{PAYON}"), 1),
        (format!("{PAYON}###\n# expect: not_authentic\n{forged}"), 0),
        (format!("{PAYON}###\n{forged}###\n{PAYON}"), 1),
    ] {
        let ended = payon(&samples);
        assert_eq!(ended.status, status, "{samples}\n{}{}", ended.text(), ended.stderr);
    }
    let ended = payon(&format!("{PAYON}###\n{forged}"));
    assert!(ended.text().contains(
        "=> refused: errorCode 2: not_authentic at body\n   NOT AS EXPECTED, which is that it passes\n"
    ));
    assert!(ended.text().ends_with("2 requests, 1 not as expected\n"), "{}", ended.text());
    let ended = payon(&format!("# expect: missing_iv\n{forged}"));
    assert!(ended.text().contains("   NOT AS EXPECTED, which is missing_iv\n"), "{}", ended.text());
}

const PLAIN: &str = "### an order
POST /orders?table=7 HTTP/1.1
content-type: application/json

{\"dish\":\"ragoût\"}
";

#[test]
fn sealed_request_opens_again_to_the_same_under_every_preset() {
    let ctr = "[[key]]\nfingerprint = \"k\"\nalgorithm = \"AES-256-CTR\"\nsecret = \"utf8:0123456789abcdef0123456789ABCDEF\"\n";
    for preset in ["ale", "enterprise-kitchen", "payon", "sibs", "wechatpay-v3", "ccavenue-gcm"] {
        let directory = Directory::with("");
        let keys = if preset == "enterprise-kitchen" {
            directory.write("ctr.toml", ctr)
        } else {
            directory.at("keys.toml")
        };
        let ended = test(&directory, PLAIN, &["--profile", preset, "--keys", &keys, "--outbound"]);
        assert_eq!(ended.status, 0, "{preset}: {}{}", ended.text(), ended.stderr);
        let again = "=> seals, under the key k, and opens again to the same request";
        assert!(ended.text().contains(again), "{preset}: {}", ended.text());
        let after = ended.text().split_once("=>\n").unwrap().1.split_once("\n* ").unwrap().0;
        assert!(!after.contains("ragoût"), "{preset}: {after}");
    }
}

const CALLS: &str = "[profile.calls]\npreset = \"kaleyra\"\nstatic_iv = { file = \"calls.iv\" }\n";

#[test]
fn values_under_one_iv_are_sealed_only_where_somebody_said_so() {
    let samples = "GET /call?phone=%2B49&note=a+b\n";
    for (danger, status) in [("", 1), ("danger_static_iv = true\n", 0)] {
        let directory = Directory::with(&format!("{CALLS}{danger}"));
        directory.write("calls.iv", "0123456789abcdef\n");
        let config = directory.at("config.toml");
        let ended = test(&directory, samples, &["--config", &config, "--profile", "calls", "--outbound"]);
        assert_eq!(ended.status, status, "{}{}", ended.text(), ended.stderr);
        if status == 0 {
            // The space is written otherwise then, and is the same.
            assert!(ended.text().contains("opens again to the same request\n"), "{}", ended.text());
        } else {
            assert!(ended.stderr.contains("the profile calls puts several values or messages under one iv"));
            assert_eq!(ended.text(), "");
        }
    }
}

#[test]
fn what_a_profile_cannot_seal_is_refused_as_outbound() {
    let directory = Directory::with(&format!("{CALLS}danger_static_iv = true\n"));
    directory.write("calls.iv", "0123456789abcdef\n");
    let samples = "# expect: bad_value at json:/**\nPOST /\ncontent-type: application/json\n\n{\"n\":1}\n";
    let ended = test(
        &directory,
        samples,
        &["--config", &directory.at("config.toml"), "--profile", "calls", "--outbound"],
    );
    assert_eq!(ended.status, 0, "{}{}", ended.text(), ended.stderr);
}

#[test]
fn body_that_is_no_text_comes_from_a_file_and_is_shown_as_a_dump() {
    let directory = Directory::with("");
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../vectors/profiles/python.json")).unwrap();
    let sealed = &vectors[0]["requests"][0];
    let body = alewife::crypto::encoding::base64_decode(sealed["body"].as_str().unwrap().as_bytes()).unwrap();
    std::fs::write(directory.at("body.bin"), body).unwrap();
    let key = vectors[0]["key"].as_str().unwrap();
    let keys = directory.write(
        "v.toml",
        &format!("[[key]]\nfingerprint = \"vector\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{key}\"\n"),
    );
    let samples = format!(
        "POST /orders HTTP/1.1\nsec-iv: {}\nsec-fingerprint: vector\n\n< body.bin\n",
        sealed["headers"]["sec-iv"].as_str().unwrap()
    );
    let ended = test(&directory, &samples, &["--keys", &keys]);
    assert_eq!(ended.status, 0, "{}{}", ended.text(), ended.stderr);
    assert!(
        ended.text().contains("- 0000  ") && ended.text().contains("+ {\"table\":7,\"dish\":\"ragoût\""),
        "{}",
        ended.text()
    );
}

#[test]
fn profile_and_keys_are_those_of_the_proxy_and_the_only_one_needs_no_name() {
    let sealed = "# expect: missing_iv\nPOST /orders HTTP/1.1\n\nsoup\n";
    let directory = Directory::with("");
    let config_file = directory.at("config.toml");
    assert_eq!(test(&directory, sealed, &["--config", &config_file]).status, 0);
    let two = directory.write("two.toml", &config(&["kitchen", "bar"]));
    let ended = test(&directory, sealed, &["--config", &two]);
    assert_eq!((ended.status, ended.text()), (64, ""));
    assert!(ended.stderr.contains("name one of the proxies with --proxy: kitchen, bar"), "{}", ended.stderr);
    assert_eq!(test(&directory, sealed, &["--config", &two, "--proxy", "bar"]).status, 0);
    let ended = test(&directory, sealed, &["--config", &two, "--proxy", "cellar"]);
    assert!(
        ended.status == 64 && ended.stderr.contains("there is no proxy \"cellar\"; there are kitchen, bar")
    );
    // With a profile and keys of its own no proxy is needed.
    let keys = directory.at("keys.toml");
    assert_eq!(test(&directory, sealed, &["--config", &two, "--profile", "ale", "--keys", &keys]).status, 0);
}

#[test]
fn requests_take_the_routes_of_their_proxy() {
    let directory = Directory::with(
        "[[proxy.route]]\nname = \"health\"\npath = \"/health\"\npolicy = \"bypass\"\n\
         [[proxy.route]]\npath = \"/notify\"\nprofile = \"payon\"\n",
    );
    let config = directory.at("config.toml");
    let samples = |expected: [&str; 3]| {
        let [health, other, notify] = expected;
        format!(
            "# expect: {health}\nGET /health/live HTTP/1.1\n\n###\n# expect: {other}\nGET /menu HTTP/1.1\n\n###\n\
             # expect: {notify}\nPOST /notify HTTP/1.1\n\n00\n"
        )
    };
    let ended = test(&directory, &samples(["bypass", "no route", "missing_iv"]), &["--config", &config]);
    assert_eq!(ended.status, 0, "{}{}", ended.text(), ended.stderr);
    assert!(ended.text().contains("=> passes as it is, by the route health"), "{}", ended.text());
    for wrong in [
        ["opens", "no route", "missing_iv"],
        ["bypass", "bypass", "missing_iv"],
        ["bypass", "no route", "opens"],
    ] {
        assert_eq!(test(&directory, &samples(wrong), &["--config", &config]).status, 1, "{wrong:?}");
    }
    // Without an expectation what is for no route is none that passes.
    assert_eq!(test(&directory, "GET /menu HTTP/1.1\n", &["--config", &config]).status, 1);
    assert_eq!(test(&directory, "GET /health HTTP/1.1\n", &["--config", &config]).status, 0);
    // Routes keep their hosts and paths, whatever the command line puts in the place of their profile.
    let args = ["--config", &config, "--profile", "ale"];
    assert_eq!(test(&directory, &samples(["bypass", "no route", "missing_iv"]), &args).status, 0);
}

#[test]
fn what_is_not_there_to_try_with_is_told() {
    let directory = Directory::with("");
    let (keys, config) = (directory.at("keys.toml"), directory.at("config.toml"));
    let told = |args: &[&str], status, problem: &str| {
        let ended = test(&directory, "GET /\n", args);
        assert_eq!((ended.status, ended.text()), (status, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    };
    told(&[], 64, "--config <FILE>");
    told(&["--keys", &keys, "--profile", "payone"], 64, "there is no profile \"payone\"; there are ale, ");
    told(
        &["--keys", &keys, "--profile", "kaleyra"],
        64,
        "the preset kaleyra lacks what only you know: static_iv: ",
    );
    told(&["--keys", "none/such", "--profile", "payon"], 78, "none/such");
    told(&["--config", "none/such"], 78, "none/such");
    told(&["--keys", &keys, "--proxy", "a"], 64, "--config <FILE>");
    let wrong =
        directory.write("wrong.toml", &format!("{}[profile.x]\ntag = 1\n", directory.read("config.toml")));
    told(&["--config", &wrong], 78, "profile.x.tag");
    told(
        &["--config", &config, "--profile", "enterprise-kitchen", "--outbound"],
        1,
        "no key of the profile's algorithm",
    );
}

#[test]
fn file_that_has_no_requests_or_wrong_ones_is_told_with_the_line() {
    let directory = Directory::with("");
    let keys = directory.at("keys.toml");
    for (samples, problem) in [
        ("# nothing\n", "samples.http: there is no request in it"),
        ("GET /\nno header\n\n", "samples.http:2: no header such as"),
        ("# expect: luck\nGET /\n", "samples.http:1: this expects nothing that can happen"),
    ] {
        let ended = test(&directory, samples, &["--keys", &keys]);
        assert_eq!((ended.status, ended.text()), (1, ""));
        assert!(ended.stderr.contains(problem), "{}", ended.stderr);
    }
    let ended = run(["profiles", "test", "none/such", "--keys", &keys], b"");
    assert!(ended.status == 1 && ended.stderr.contains("none/such: it cannot be read: "), "{}", ended.stderr);
}

#[test]
fn keys_of_a_portal_are_not_asked_for() {
    let directory = Directory::with("");
    let portal = "[keys.portal]\nurl = \"https://portal.example/\"\nalgorithm = \"AES-256-GCM\"\nencoding = \"base64\"\n";
    let text = config(&["kitchen"]).replace("[keys]\nfile = \"keys.toml\"\n", portal);
    let config = directory.write("portal.toml", &text);
    let ended = test(&directory, "GET /\n", &["--config", &config]);
    assert_eq!(ended.status, 64);
    assert!(ended.stderr.contains("the keys come from a portal, which is not asked"), "{}", ended.stderr);
}
