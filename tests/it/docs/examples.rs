//! Every file in examples/ is held by a test.

use super::{files_below, read};

/// Each example, and the test that runs or reads it.
const HELD: [(&str, &str); 16] = [
    ("examples/bridge/README.md", "tests/it/docs/examples.rs"),
    ("examples/bridge/compose.yaml", "tests/it/docs/bridge.rs"),
    ("examples/bridge/kitchen.toml", "tests/it/docs/bridge.rs"),
    ("examples/bridge/pos.toml", "tests/it/docs/bridge.rs"),
    ("examples/clients/AleClient.java", "tests/it/clients/http.rs"),
    ("examples/clients/AleWebSocket.java", "tests/it/clients/websocket.rs"),
    ("examples/clients/README.md", "tests/it/docs/examples.rs"),
    ("examples/clients/curl-openssl.sh", "tests/it/clients/http.rs"),
    ("examples/clients/node.mjs", "tests/it/clients/http.rs"),
    ("examples/clients/php.php", "tests/it/clients/http.rs"),
    ("examples/clients/python.py", "tests/it/clients/http.rs"),
    ("examples/clients/websocket-node.mjs", "tests/it/clients/websocket.rs"),
    ("examples/clients/websocket-python.py", "tests/it/clients/websocket.rs"),
    ("examples/portal/README.md", "tests/it/docs/examples.rs"),
    ("examples/portal/site.toml", "tests/it/docs/portal.rs"),
    ("examples/portal/vault.toml", "tests/it/docs/portal.rs"),
];

#[test]
fn every_example_is_held_by_a_test_that_names_it() {
    assert_eq!(files_below("examples"), HELD.map(|(example, _)| example));
    for (example, test) in HELD {
        let name = example.rsplit('/').next().unwrap();
        assert!(read(test).contains(&format!("{name}\"")), "{test} does not name {name}");
    }
}

#[test]
fn readme_of_each_directory_names_every_file() {
    for (example, _) in HELD.into_iter().filter(|(example, _)| !example.ends_with("README.md")) {
        let (directory, name) = example.rsplit_once('/').unwrap();
        let readme = read(&format!("{directory}/README.md"));
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in the table of {directory}");
    }
}
