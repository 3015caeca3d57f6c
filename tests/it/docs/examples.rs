//! Every file in examples/ is held by a test.

use super::{files_below, read};

/// Each example, and the test that runs or reads it.
const HELD: [(&str, &str); 36] = [
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
    ("examples/compose/README.md", "tests/it/docs/examples.rs"),
    ("examples/compose/compose.yaml", "tests/it/packaging/compose.rs"),
    ("examples/compose/config.toml", "tests/it/packaging/compose.rs"),
    ("examples/grafana/README.md", "tests/it/docs/examples.rs"),
    ("examples/grafana/dashboard.json", "tests/it/packaging/monitoring.rs"),
    ("examples/kubernetes/README.md", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/kitchen/application.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/kitchen/kustomization.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/kitchen/network-policy.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/sidecar/config.toml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/sidecar/deployment.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/sidecar/kustomization.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/kubernetes/sidecar/service.yaml", "tests/it/packaging/kubernetes.rs"),
    ("examples/portal/README.md", "tests/it/docs/examples.rs"),
    ("examples/portal/site.toml", "tests/it/docs/portal.rs"),
    ("examples/portal/vault.toml", "tests/it/docs/portal.rs"),
    ("examples/prometheus/README.md", "tests/it/docs/examples.rs"),
    ("examples/prometheus/alerts.yaml", "tests/it/packaging/monitoring.rs"),
    ("examples/systemd/README.md", "tests/it/packaging/systemd.rs"),
    ("examples/systemd/alewife.service", "tests/it/packaging/systemd.rs"),
    ("examples/systemd/alewife.socket", "tests/it/packaging/systemd.rs"),
    ("examples/systemd/before-253.conf", "tests/it/packaging/systemd.rs"),
    ("examples/systemd/config.toml", "tests/it/packaging/systemd.rs"),
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
        // The second folder of the path has the README, whatever is below it.
        let (top, rest) = example.split_at("examples/".len());
        let (directory, name) = rest.split_once('/').unwrap();
        let readme = read(&format!("{top}{directory}/README.md"));
        assert!(readme.contains(&format!("| `{name}` |")), "{name} is not in the table of {directory}");
    }
}
