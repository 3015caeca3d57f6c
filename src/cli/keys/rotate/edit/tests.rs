use super::*;

const NOW: &str = "2026-06-10T12:00:00Z";

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn wishes() -> Wishes {
    Wishes {
        start: at("2026-06-10T12:10:00Z"),
        overlap: Duration::from_secs(24 * 3_600),
        keep: NonZeroUsize::new(2).unwrap(),
        algorithm: None,
        fingerprint: "new".parse().unwrap(),
    }
}

fn secret(algorithm: Algorithm) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(vec![9; algorithm.key_size.bytes()])
}

fn rotate_with(text: &str, wishes: &Wishes) -> Result<Rotated, EditFault> {
    rotate(text, "keys.toml", wishes, secret, at(NOW))
}

/// The file after its rotation, and what became of its keys.
fn rotated(text: &str) -> (String, Vec<(String, Fate)>) {
    let rotated = rotate_with(text, &wishes()).unwrap_or_else(|fault| panic!("{fault}"));
    let fates = rotated.fates.iter().map(|(name, fate)| (name.to_string(), *fate)).collect();
    (rotated.text.to_string(), fates)
}

/// An entry whose secret is made of `byte`.
fn entry(name: &str, byte: u8, window: &str) -> String {
    let secret = format!("{byte:02x}").repeat(32);
    format!(
        "[[key]]\nfingerprint = \"{name}\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"hex:{secret}\"\n{window}"
    )
}

const NEW: &str = "\n[[key]]\nfingerprint = \"new\"\nalgorithm = \"AES-256-GCM\"\n\
                   secret = \"base64:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=\"\nvalid_after = 2026-06-10T12:10:00Z\n";

fn end() -> Timestamp {
    at("2026-06-11T12:10:00Z")
}

fn bounded(name: &str, beyond_keep: bool) -> (String, Fate) {
    (name.to_owned(), Fate::Bounded { end: end(), beyond_keep })
}

#[test]
fn key_gets_a_successor_and_an_end() {
    let (text, fates) = rotated(&entry("old", 1, ""));
    assert_eq!(text, entry("old", 1, "valid_until = 2026-06-11T12:10:00Z\n") + NEW);
    assert_eq!(fates, [bounded("old", false)]);
}

#[test]
fn comments_and_layout_stay_as_they_are() {
    let text = "\
# Keys of the kitchen; ask Ada.

# The one of spring.
  [[key]] # first
algorithm   = 'AES-256-GCM'   # do not change
fingerprint =\"a\"
\"secret\" = \"hex:0101010101010101010101010101010101010101010101010101010101010101\"
valid_until = \"2027-01-01T00:00:00Z\"   # a year

[[key]]
fingerprint = \"b\\u0022\"
algorithm = \"AES-256-GCM\"
secret = \"hex:0202020202020202020202020202020202020202020202020202020202020202\"
valid_until = 2026-06-10T18:00:00+02:00 # in the evening

# The end.
";
    let expected = text.replace("\"2027-01-01T00:00:00Z\"", "2026-06-11T12:10:00Z") + NEW;
    let (text, fates) = rotated(text);
    assert_eq!(text, expected);
    let kept = Fate::Kept { end: at("2026-06-10T16:00:00Z"), beyond_keep: false };
    assert_eq!(fates, [bounded("a", true), ("b\"".to_owned(), kept)]);
}

#[test]
fn only_keys_that_have_ended_are_removed_and_their_comments_with_them() {
    let text = "# Keys of the kitchen.\n\n# The one of 2024.\n".to_owned()
        + &entry("a", 1, "valid_after = 2024-01-01T00:00:00Z\nvalid_until = 2025-01-01T00:00:00Z\n")
        + "\n# The one of 2025.\n"
        + &entry("b", 2, "valid_after = 2025-01-01T00:00:00Z\nvalid_until = 2026-06-10T12:00:01Z\n")
        + "\n# The one of 2026.\n"
        + &entry("c", 3, "valid_after = 2026-01-01T00:00:00Z\n");
    let expected = "# Keys of the kitchen.\n\n# The one of 2025.\n".to_owned()
        + &entry("b", 2, "valid_after = 2025-01-01T00:00:00Z\nvalid_until = 2026-06-10T12:00:01Z\n")
        + "\n# The one of 2026.\n"
        + &entry("c", 3, "valid_after = 2026-01-01T00:00:00Z\nvalid_until = 2026-06-11T12:10:00Z\n")
        + NEW;
    let (text, fates) = rotated(&text);
    assert_eq!(text, expected);
    let removed = ("a".to_owned(), Fate::Removed(at("2025-01-01T00:00:00Z")));
    let kept = ("b".to_owned(), Fate::Kept { end: at("2026-06-10T12:00:01Z"), beyond_keep: true });
    assert_eq!(fates, [removed, kept, bounded("c", false)]);
}

#[test]
fn key_that_may_open_by_the_skew_of_clocks_is_valid_still() {
    let ended = |end: &str| {
        let text = entry("a", 1, &format!("valid_until = {end}\n"))
            + &entry("b", 2, "valid_after = 2026-01-01T00:00:00Z\n");
        rotated(&text).1[0].1
    };
    let just = at("2026-06-10T11:59:31Z");
    assert_eq!(ended("2026-06-10T11:59:31Z"), Fate::Kept { end: just, beyond_keep: true });
    assert_eq!(ended("2026-06-10T11:59:30Z"), Fate::Removed(at("2026-06-10T11:59:30Z")));
}

#[test]
fn young_keys_stay_though_they_have_ended() {
    let old = |name, byte, year: u32| {
        entry(
            name,
            byte,
            &format!("valid_after = {year}-01-01T00:00:00Z\nvalid_until = {year}-02-01T00:00:00Z\n"),
        )
    };
    let text = old("a", 1, 2021) + &old("b", 2, 2023) + &old("c", 3, 2022) + &entry("d", 4, "");
    let left = |keep| {
        let wishes = Wishes { keep: NonZeroUsize::new(keep).unwrap(), ..wishes() };
        let rotated = rotate_with(&text, &wishes).ok().unwrap();
        let left = rotated.fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Removed(_)));
        left.map(|(name, _)| name.to_string()).collect::<String>()
    };
    // d has no beginning and counts as the oldest, but it is valid.
    assert_eq!([1, 2, 3, 4, 9].map(left), ["d", "bd", "bcd", "abcd", "abcd"]);
}

#[test]
fn key_that_begins_after_the_new_one_is_left_alone_and_counts_as_younger() {
    let text = entry("old", 1, "valid_after = 2026-01-01T00:00:00Z\nvalid_until = 2026-02-01T00:00:00Z\n")
        + &entry("now", 2, "")
        + &entry("later", 3, "valid_after = 2026-06-10T12:10:01Z\n")
        + &entry("with", 4, "valid_after = 2026-06-10T12:10:00Z\n");
    let (_, fates) = rotated(&text);
    let later = ("later".to_owned(), Fate::ToCome(at("2026-06-10T12:10:01Z")));
    let old = ("old".to_owned(), Fate::Removed(at("2026-02-01T00:00:00Z")));
    assert_eq!(fates, [old, bounded("now", true), later, bounded("with", true)]);
}

#[test]
fn heading_of_a_key_that_goes_is_kept_where_nothing_follows() {
    let text = entry("a", 1, "")
        + "\n# About all of them.\n\n# The last.\n"
        + &entry("b", 2, "valid_after = 2024-01-01T00:00:00Z\nvalid_until = 2025-01-01T00:00:00Z\n")
        + "# End.";
    let wishes = Wishes { keep: NonZeroUsize::MIN, ..wishes() };
    let text = rotate_with(&text, &wishes).ok().unwrap().text;
    let expected =
        entry("a", 1, "valid_until = 2026-06-11T12:10:00Z\n") + "\n# About all of them.\n\n# End.\n" + NEW;
    assert_eq!(*text, expected);
}

#[test]
fn new_key_has_the_algorithm_of_the_one_that_seals_unless_another_is_wished() {
    let ctr = entry("ctr", 1, "").replace("GCM", "CTR");
    let text = ctr + &entry("later", 2, "valid_after = 2026-07-01T00:00:00Z\n");
    assert_eq!(rotate_with(&text, &wishes()).ok().unwrap().algorithm.to_string(), "AES-256-CTR");
    let algorithm = Some("AES-128-GCM".parse().unwrap());
    let rotated = rotate_with(&text, &Wishes { algorithm, ..wishes() }).ok().unwrap();
    assert!(
        rotated
            .text
            .contains("\nalgorithm = \"AES-128-GCM\"\nsecret = \"base64:CQkJCQkJCQkJCQkJCQkJCQ==\"\n")
    );
}

#[test]
fn gap_before_the_new_key_is_told() {
    let gap = |window: &str| rotate_with(&entry("a", 1, window), &wishes()).ok().unwrap().gap;
    assert_eq!(gap(""), None);
    assert_eq!(gap("valid_until = 2026-06-10T12:10:00Z\n"), None);
    assert_eq!(gap("valid_until = 2026-06-10T12:04:00Z\n"), Some(at("2026-06-10T12:04:00Z")));
    assert_eq!(gap("valid_until = 2026-06-10T11:00:00Z\n"), Some(at(NOW)));
}

#[test]
fn what_does_not_rotate_is_refused() {
    let refused = |text: &str| rotate_with(text, &wishes()).err().unwrap();
    let named = "primary = \"a\"\n".to_owned() + &entry("a", 1, "");
    assert!(matches!(refused(&named), EditFault::Primary));
    // Also where it is wrong otherwise.
    assert!(matches!(refused(&(named + "nonsense = 1\n")), EditFault::Primary));
    for json in ["{\"encryption\":true,\"keys\":[]}", " \n{}"] {
        assert!(matches!(refused(json), EditFault::Json));
    }
    let secret = "01".repeat(32);
    let inline = format!(
        "key = [{{ fingerprint = \"a\", algorithm = \"AES-256-GCM\", secret = \"hex:{secret}\" }}]\n"
    );
    assert!(matches!(refused(&inline), EditFault::Inline));
    for wrong in ["", "[[key]]\n", "key = 1\n", "nonsense", &(entry("a", 1, "") + &entry("a", 2, ""))] {
        assert!(matches!(refused(wrong), EditFault::File(_)), "{wrong}");
    }
    let taken = Wishes { fingerprint: "a".parse().unwrap(), ..wishes() };
    assert!(matches!(rotate_with(&entry("a", 1, ""), &taken), Err(EditFault::Taken(_))));
    let endless = Wishes { overlap: Duration::from_secs(1 << 50), ..wishes() };
    assert!(matches!(rotate_with(&entry("a", 1, ""), &endless), Err(EditFault::OutOfRange)));
}

#[test]
fn no_fault_quotes_the_file() {
    let text = entry("a", 1, "").replace("hex:", "hex:zz-planted");
    let fault = rotate_with(&text, &wishes()).err().unwrap().to_string();
    assert!(!fault.contains("planted") && !fault.contains("0101"), "{fault}");
}

#[test]
fn passphrases_keep_their_parameters_in_either_layout() {
    let phrase = |name: &str, parameters: &str| {
        format!(
            "[[key]]\nfingerprint = \"{name}\"\nalgorithm = \"AES-256-GCM\"\nsecret = \"pbkdf2:phrase of {name}\"\n{parameters}"
        )
    };
    let inline = "pbkdf2 = { hash = \"sha256\", iterations = 10, salt = \"utf8:s\" } # weak\n";
    let table = "\n# weak as well\n[key.pbkdf2]\nhash = \"sha256\"\niterations = 10\nsalt = \"utf8:s\"\n";
    let end = "valid_until = 2026-06-11T12:10:00Z\n";
    let (text, fates) = rotated(&(phrase("a", inline) + "\n" + &phrase("b", table)));
    let expected =
        phrase("a", &(inline.to_owned() + end)) + "\n" + &phrase("b", &(end.to_owned() + table)) + NEW;
    assert_eq!(text, expected);
    assert_eq!(fates, [bounded("a", true), bounded("b", false)]);
}

#[test]
fn file_without_a_line_end_or_with_those_of_windows_is_rotated() {
    let (text, _) = rotated(entry("old", 1, "").trim_end());
    assert!(text.ends_with(NEW), "{text}");
    let windows = entry("old", 1, "# its end\nvalid_until = 2030-01-01T00:00:00Z\n");
    let (text, fates) = rotated(&windows.replace('\n', "\r\n"));
    assert_eq!(fates, [bounded("old", false)]);
    let end = "# its end\r\nvalid_until = 2026-06-11T12:10:00Z\r\n".to_owned();
    assert!(text.ends_with(&(end + &NEW.replace('\n', "\r\n"))), "{text:?}");
}

mod any_number_of_times {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// When it is rotated after the time before, with which wait, overlap and number of keys, in minutes.
    type Turn = (i64, i64, i64, usize);

    /// One rotation, as it turned out.
    struct Turned {
        at: Timestamp,
        start: Timestamp,
        overlap: Duration,
        ring: KeyRing,
    }

    fn minutes(count: i64) -> Duration {
        Duration::from_secs(count as u64 * 60)
    }

    fn turn_by_turn(turns: &[Turn]) -> Vec<Turned> {
        let (mut text, mut now) = (Zeroizing::new(entry("0", 255, "")), at(NOW));
        let mut turned = Vec::new();
        for (number, (pause, wait, overlap, keep)) in (1..).zip(turns) {
            now += minutes(*pause);
            let wishes = Wishes {
                start: now + minutes(*wait),
                overlap: minutes(*overlap),
                keep: NonZeroUsize::new(*keep).unwrap(),
                algorithm: None,
                fingerprint: number.to_string().parse().unwrap(),
            };
            let secret =
                |algorithm: Algorithm| Zeroizing::new(vec![number as u8; algorithm.key_size.bytes()]);
            text = rotate(&text, "keys.toml", &wishes, secret, now)
                .unwrap_or_else(|fault| panic!("{fault}"))
                .text;
            let ring = parse_key_file(&text, "keys.toml", RingPolicy::default(), now).ok().unwrap().ring;
            let Wishes { start, overlap, .. } = wishes;
            turned.push(Turned { at: now, start, overlap, ring });
        }
        turned
    }

    #[test]
    fn key_that_was_to_begin_later_seals_again_when_it_begins() {
        let turned = turn_by_turn(&[(0, 16, 1, 1), (0, 0, 1, 1)]);
        let sealing =
            |minute| turned[1].ring.sealing_key(at(NOW) + minutes(minute)).unwrap().fingerprint.to_string();
        assert_eq!((sealing(1), sealing(16), sealing(17)), ("2".to_owned(), "2".to_owned(), "1".to_owned()));
    }

    proptest! {
        #[test]
        fn some_key_seals_at_every_moment_and_who_sealed_is_heard_for_the_overlap(
            turns in vec((0..600_i64, 0..60_i64, 1..600_i64, 1..4_usize), 1..12)
        ) {
            let turned = turn_by_turn(&turns);
            for (index, turn) in turned.iter().enumerate() {
                let until = turned.get(index + 1).map_or(turn.at + minutes(2_000), |next| next.at);
                // Every minute, and each end and beginning is at a whole one.
                let moments = (0..).map(|minute| turn.at + minutes(minute)).take_while(|now| *now <= until);
                for now in moments {
                    let sealing = turn.ring.sealing_key(now);
                    prop_assert!(sealing.is_some(), "nothing seals at {}", now);
                    let name = sealing.map(|key| key.fingerprint.to_string()).unwrap_or_default();
                    // The key of this name was made by the turn of this number, its successors by those that follow.
                    let successors = turned[name.parse::<usize>().unwrap()..].iter();
                    let heard_until = successors.map(|next| next.start + next.overlap).min();
                    // A key that was to begin later takes over again when it does, long after its successor began.
                    let Some(heard_until) = heard_until.filter(|until| *until > now) else { continue };
                    for later in turned[index..].iter().filter(|later| later.at < heard_until) {
                        let end = turned.iter().map(|next| next.at).find(|next| *next > later.at);
                        let last = heard_until.min(end.unwrap_or(heard_until)) - minutes(1);
                        prop_assert!(last < later.at || later.ring.opening_key(&name, last).is_ok(), "{} at {}", name, last);
                    }
                }
            }
        }
    }
}
