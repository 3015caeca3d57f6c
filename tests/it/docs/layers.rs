//! The table of rooms in ARCHITECTURE.md against the imports of the code.

use std::collections::{BTreeMap, BTreeSet};

use super::{files_below, quoted, read, table};

/// Rooms by their layer, as ARCHITECTURE.md has them.
fn layers() -> BTreeMap<String, u32> {
    let rows = table(&read("ARCHITECTURE.md"), "| layer | rooms |");
    let rooms = rows.iter().flat_map(|row| {
        let layer: u32 = row[0].parse().unwrap();
        quoted(&row[1]).into_iter().map(move |room| (room, layer))
    });
    rooms.collect()
}

/// A source file without its tests and comments.
struct Source {
    path: String,
    room: String,
    code: String,
}

fn sources() -> Vec<Source> {
    let is_code =
        |path: &String| path.ends_with(".rs") && !path.ends_with("tests.rs") && !path.contains("/tests/");
    files_below("src").into_iter().filter(is_code).map(source).collect()
}

fn source(path: String) -> Source {
    let text = read(&path);
    let tested: Vec<_> = text.lines().take_while(|line| *line != "mod tests {").collect();
    let code: Vec<_> = tested.into_iter().filter(|line| !line.trim_start().starts_with("//")).collect();
    let room = path.strip_prefix("src/").unwrap().split(['/', '.']).next().unwrap().to_owned();
    Source { room, code: code.join("\n"), path }
}

/// The rooms that come after `prefix` in `code`: `crate::keys::…`, `crate::{keys, net}`.
fn rooms_after(prefix: &str, code: &str) -> Vec<String> {
    let after = code.match_indices(prefix).map(|(at, _)| &code[at + prefix.len()..]);
    after.flat_map(names).collect()
}

/// The first name of `rest`, or of each member of the group that it begins with.
fn names(rest: &str) -> Vec<String> {
    let first =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![first(rest)] };
    let mut depth = 0;
    let end = group.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth < 0
    });
    let mut members = vec![String::new()];
    let mut depth = 0;
    for c in group[..end.unwrap()].chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            members.push(String::new());
        } else {
            members.last_mut().unwrap().push(c);
        }
    }
    members.iter().map(|member| first(member)).filter(|name: &String| !name.is_empty()).collect()
}

/// Which room uses which other.
fn uses() -> BTreeSet<(String, String)> {
    let mut uses = BTreeSet::new();
    for source in sources().into_iter().filter(|source| source.room != "lib") {
        let own = if source.room == "main" { "alewife::" } else { "crate::" };
        for target in rooms_after(own, &source.code).into_iter().filter(|target| *target != source.room) {
            uses.insert((source.room.clone(), target));
        }
    }
    uses
}

#[test]
fn every_file_stands_in_a_room_of_the_table() {
    let layers = layers();
    for source in sources() {
        assert!(
            source.room == "lib" || layers.contains_key(&source.room),
            "{} is in no layer of ARCHITECTURE.md",
            source.path
        );
    }
    let rooms: BTreeSet<_> = sources().into_iter().map(|source| source.room).collect();
    for room in layers.keys() {
        assert!(rooms.contains(room), "ARCHITECTURE.md has a room {room} that is not there");
    }
}

#[test]
fn imports_only_point_down() {
    let layers = layers();
    let uses = uses();
    for room in ["admin", "app", "config", "net", "proxy"] {
        assert!(
            uses.iter().any(|(user, _)| user == room),
            "no import of {room} was found: the reading is broken"
        );
    }
    for (user, used) in uses {
        let (from, to) = (layers[&user], layers.get(&used));
        let to = to.unwrap_or_else(|| panic!("{user} uses {used}, which is no room"));
        assert!(*to <= from, "{user} in layer {from} uses {used} in layer {to}");
    }
}

#[test]
fn rooms_use_each_other_in_no_circle() {
    let mut uses = uses();
    // Whoever uses nobody that is left can go; a circle is what stays.
    while let Some(room) =
        uses.iter().map(|(_, used)| used.clone()).find(|used| !uses.iter().any(|(user, _)| user == used))
    {
        uses.retain(|(_, used)| *used != room);
    }
    assert!(uses.is_empty(), "there is a circle among {uses:?}");
}

#[test]
fn protocol_layers_name_neither_runtime_nor_files_nor_sockets_nor_clocks() {
    const OUTSIDE: [&str; 8] =
        ["hyper", "hyper_util", "notify", "rustix", "socket2", "tempfile", "tokio", "tokio_util"];
    const OF_STD: [&str; 6] = ["env", "fs", "net", "os", "process", "thread"];
    const CLOCKS: [&str; 3] = ["Instant", "SystemTime", "Timestamp::now"];
    let layers = layers();
    for Source { path, room, code } in sources() {
        if room == "lib" || layers[&room] > 3 {
            continue;
        }
        let words: BTreeSet<_> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        for name in OUTSIDE {
            assert!(!words.contains(name), "{path} names {name}");
        }
        if room == "telemetry" {
            // It owns the thread that writes the log, looks for NO_COLOR, and stamps lines.
            continue;
        }
        for module in rooms_after("std::", &code) {
            assert!(!OF_STD.contains(&module.as_str()), "{path} names std::{module}");
        }
        for clock in CLOCKS {
            assert!(!code.contains(clock), "{path} names {clock}");
        }
    }
}

#[test]
fn table_in_the_crate_is_that_of_the_architecture() {
    let library = read("src/lib.rs").replace("//! ", "").replace("[`", "`").replace("`]", "`");
    let rooms = |rows: Vec<Vec<String>>| -> Vec<(String, Vec<String>)> {
        let without_main =
            |row: &Vec<String>| quoted(&row[1]).into_iter().filter(|room| room != "main").collect();
        rows.iter().map(|row| (row[0].clone(), without_main(row))).collect()
    };
    let architecture = rooms(table(&read("ARCHITECTURE.md"), "| layer | rooms |"));
    assert_eq!(rooms(table(&library, "| layer | rooms |")), architecture);
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let code =
        "use crate::{keys::{Key, KeyRing}, net, proxy::{self, body::{a, b}}};\nlet x = crate::ale::open();";
    assert_eq!(rooms_after("crate::", code), ["keys", "net", "proxy", "ale"]);
}
