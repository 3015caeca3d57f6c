//! Links, private paths and unfinished work, in every file that people wrote.

use std::path::Path;

use super::{files_below, read, root};

/// Text that people wrote: not the published vectors, not the lock file, not what a build leaves behind.
fn written() -> Vec<String> {
    let tops =
        std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let ours = tops.filter(|name| name != ".git" && name != "Cargo.lock" && !name.starts_with("target"));
    let files: Vec<_> = ours.flat_map(|name| files_below(&name)).collect();
    files.into_iter().filter(|path| !path.starts_with("tests/vectors/")).collect()
}

#[test]
fn no_private_path_and_no_unfinished_mark_is_left() {
    // Put together here, so that this file does not bear them.
    let private = [["/ro", "ot/"], ["/wo", "rk/"], ["/tmp/", "team"], ["/ho", "me/"], ["/Use", "rs/"]];
    let unfinished = [["TO", "DO"], ["FIX", "ME"], ["XX", "X:"]];
    let written = written();
    assert!(written.iter().any(|path| path == "README.md") && written.len() > 50, "the tree was not read");
    for path in written.iter().filter(|path| *path != ".ci/run") {
        // What is no text has nothing to say.
        let Ok(text) = std::fs::read_to_string(root().join(path)) else { continue };
        for mark in private.iter().chain(&unfinished).map(|pieces| pieces.concat()) {
            assert!(!text.contains(&mark), "{path} contains {mark:?}");
        }
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let mut followed = 0;
    for path in written().into_iter().filter(|path| path.ends_with(".md")) {
        let text = read(&path);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            // Without a file it leads to another place of the same.
            let file = match file {
                "" => Path::new(&path).to_owned(),
                file => Path::new(&path).parent().unwrap().join(file),
            };
            let linked = root().join(&file);
            assert!(linked.exists(), "{path} links to {target}, which is not there");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&linked).unwrap();
                assert!(
                    text.lines().any(|line| anchor_of(line) == Some(anchor.to_owned())),
                    "{path}: no {target}"
                );
            }
            followed += 1;
        }
    }
    assert!(followed > 10, "links are no longer found");
}

/// How a heading is linked to.
fn anchor_of(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}
