//! The compose files of examples/, held against the schema of Compose and, where it is at hand, `docker compose config`.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{configuration, dockerfile, documents, faults, here, here_and_now, port, read};
use crate::support::{Sidecar, TestKey};

const BESIDE: &str = "examples/compose/compose.yaml";
const BRIDGE: &str = "examples/bridge/compose.yaml";

fn compose(path: &str) -> Option<Value> {
    Some(documents(&["compose"], read(path).as_bytes())?.remove(0))
}

#[test]
fn compose_files_are_as_the_schema_has_them() {
    for path in [BESIDE, BRIDGE] {
        if let Some(document) = compose(path) {
            assert!(!document["services"].as_object().unwrap().is_empty(), "{path}");
        }
    }
    if let Some(faults) = faults(&["compose"], b"services: {a: {image: b, read_onyl: true}}") {
        assert!(faults.contains("services.a") && faults.contains("read_onyl"), "{faults}");
    }
}

/// The client of Docker on a machine may be without its plugin for Compose; then the schema has to do.
#[test]
fn docker_compose_takes_the_files_where_it_is_at_hand() {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::piped()).output();
    if !quiet(Command::new("docker").args(["compose", "version"])).is_ok_and(|output| output.status.success())
    {
        return;
    }
    for path in [BESIDE, BRIDGE] {
        let output =
            quiet(Command::new("docker").args(["compose", "-f"]).arg(here(path)).args(["config", "-q"]));
        let output = output.unwrap();
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn sidecar_in_a_container_has_no_privileges_and_writes_nothing() {
    let Some(document) = compose(BESIDE) else { return };
    let sidecar = &document["services"]["alewife"];
    let (user, group) = dockerfile::user();
    assert_eq!(sidecar["user"], format!("{user}:{group}"));
    assert_eq!((&sidecar["read_only"], &sidecar["cap_drop"]), (&json!(true), &json!(["ALL"])));
    assert_eq!(sidecar["security_opt"], json!(["no-new-privileges:true"]));
    let mut health = vec![json!("CMD")];
    health.extend(dockerfile::health_check().into_iter().map(Value::from));
    assert_eq!(sidecar["healthcheck"]["test"], Value::from(health));
}

#[test]
fn containers_are_mounted_and_meet_where_the_configuration_says() {
    let Some(document) = compose(BESIDE) else { return };
    let configuration = configuration("examples/compose/config.toml");
    let sidecar = &document["services"]["alewife"];
    let (config, secret) = (&sidecar["configs"][0], &sidecar["secrets"][0]);
    assert_eq!(sidecar["command"], json!(["run", "--config", config["target"]]));
    assert_eq!(document["configs"][config["source"].as_str().unwrap()]["file"], "./config.toml");
    assert_eq!(document["secrets"][secret["source"].as_str().unwrap()]["file"], "./keys.toml");
    let keys = configuration["keys"]["file"].as_str().unwrap();
    assert_eq!(keys, format!("/run/secrets/{}", secret["target"].as_str().unwrap()));
    let listen = port(&configuration["proxy"][0], "listen");
    assert_eq!(sidecar["ports"], json!([format!("{listen}:{listen}")]));
    // The application is reached by its name, on the network that leads nowhere else, and publishes nothing.
    let upstream = port(&configuration["proxy"][0], "upstream");
    assert_eq!(
        configuration["proxy"][0]["upstream"].as_str(),
        Some(&*format!("http://application:{upstream}"))
    );
    let application = &document["services"]["application"];
    assert_eq!(application["command"][0], format!("-listen=0.0.0.0:{upstream}"));
    assert_eq!((&application["networks"], &application["ports"]), (&json!(["plain"]), &Value::Null));
    assert_eq!(document["networks"]["plain"]["internal"], true);
    assert_eq!(sidecar["depends_on"], json!(["application"]));
}

#[test]
fn configuration_of_the_container_is_right() {
    let text = here_and_now(&read("examples/compose/config.toml"), &[]);
    let sidecar = Sidecar::inbound().keys(&[&TestKey::new("AES-256-GCM")]).configured(&text);
    let (status, told, complaints) = sidecar.run(&["check"]);
    assert_eq!(status, 0, "{complaints}");
    assert!(told.contains("no faults") && !complaints.contains("warning"), "{told}{complaints}");
}
