//! examples/kubernetes: built by kubectl, held against Kubernetes' schemas and against the configuration beside it.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{configuration, documents, faults, here, here_and_now, named, port, read};
use crate::support::{Connection, Program, Sidecar, TestKey, eventually};

const KITCHEN: &str = "examples/kubernetes/kitchen";
/// From the first version whose schemas know all that is written there to the newest whose schemas are at hand.
const VERSIONS: [&str; 3] = ["kubernetes", "1.30", "1.37"];

const KUBECTL: Program = Program {
    needs: "kubectl with kustomize (`kubectl`)",
    program: "kubectl",
    file: KITCHEN,
    probe: &["kustomize", "--help"],
};

/// What `kubectl apply -k` would apply to the cluster for the kitchen, by kind; `None` where a tool is missing.
fn applied() -> Option<impl Fn(&str) -> Value> {
    static BUILT: OnceLock<Option<Vec<Value>>> = OnceLock::new();
    let documents = BUILT.get_or_init(|| built(&here(KITCHEN))).as_ref()?;
    Some(move |kind: &str| of_kind(documents, kind).clone())
}

/// What kubectl makes of the kustomization in `directory`, held against the schemas.
fn built(directory: &Path) -> Option<Vec<Value>> {
    if !KUBECTL.is_here() {
        return None;
    }
    let built = Command::new("kubectl").arg("kustomize").arg(directory).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    documents(&VERSIONS, &built.stdout)
}

fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    documents.iter().find(|document| document["kind"] == kind).unwrap()
}

/// The sidecar's container.
fn sidecar(deployment: &Value) -> Value {
    named(&deployment["spec"]["template"]["spec"]["initContainers"], "alewife").clone()
}

#[test]
fn field_that_kubernetes_does_not_know_is_a_fault() {
    let typo = b"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {prots: []}\n";
    if let Some(faults) = faults(&VERSIONS, typo) {
        assert!(faults.contains("1.37: Service") && faults.contains("prots"), "{faults}");
    }
}

#[test]
fn application_gets_a_native_sidecar_before_it() {
    let Some(applied) = applied() else { return };
    let deployment = applied("Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(sidecar(&deployment)["restartPolicy"], "Always");
    // The application is as it was, and bound to where the sidecar looks for it.
    let configuration = configuration("examples/kubernetes/sidecar/config.toml");
    let upstream = configuration["proxy"][0]["upstream"].as_str().unwrap();
    let listen = format!("-listen={}", upstream.strip_prefix("http://").unwrap());
    assert!(listen.starts_with("-listen=127.0.0.1:"), "{listen}");
    assert_eq!(named(&pod["containers"], "kitchen")["args"][0], listen);
    assert_eq!(pod["containers"].as_array().unwrap().len(), 1);
}

#[test]
fn ports_of_the_manifests_are_those_of_the_configuration() {
    let Some(applied) = applied() else { return };
    let configuration = configuration("examples/kubernetes/sidecar/config.toml");
    let (sealed, probes) =
        (port(&configuration["proxy"][0], "listen"), port(&configuration["admin"], "probes"));
    let deployment = applied("Deployment");
    let ports = &sidecar(&deployment)["ports"];
    assert_eq!(named(ports, "alewife")["containerPort"], sealed);
    assert_eq!(named(ports, "alewife-probes")["containerPort"], probes);
    let annotations = &deployment["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["prometheus.io/port"], probes.to_string());
    assert_eq!(applied("Service")["spec"]["ports"][0]["targetPort"], sealed);
    let policy = applied("NetworkPolicy");
    let open: Vec<&Value> =
        policy["spec"]["ingress"].as_array().unwrap().iter().map(|rule| &rule["ports"]).collect();
    assert_eq!(open, [&json!([{ "port": sealed }]), &json!([{ "port": probes }])]);
}

#[test]
fn service_and_network_policy_are_for_the_pods_of_the_deployment() {
    let Some(applied) = applied() else { return };
    let labels = applied("Deployment")["spec"]["template"]["metadata"]["labels"].clone();
    let chosen = [
        applied("Service")["spec"]["selector"].clone(),
        applied("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].clone(),
    ];
    for (name, value) in chosen.iter().flat_map(|selector| selector.as_object().unwrap()) {
        assert_eq!(&labels[name], value, "{name}");
    }
}

#[test]
fn each_probe_asks_the_page_that_is_for_it() {
    let Some(applied) = applied() else { return };
    let sidecar = sidecar(&applied("Deployment"));
    for (probe, page) in
        [("startupProbe", "/startupz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        assert_eq!(sidecar[probe]["httpGet"], json!({"path": page, "port": "alewife-probes"}), "{probe}");
    }
}

#[test]
fn probes_are_answered_by_the_configuration_of_the_sidecar() {
    let Some(applied) = applied() else { return };
    let key = TestKey::new("AES-256-GCM");
    let text = read("examples/kubernetes/sidecar/config.toml");
    let text = here_and_now(&text, &["0.0.0.0:8080", "127.0.0.1:9180", "0.0.0.0:9181"]);
    // The application does not run: none of the probes may ask it.
    let running = Sidecar::inbound().keys(&[&key]).configured(&text).start();
    let probes = || {
        let output = running.output();
        output.lines().find_map(|line| line.strip_prefix("probes: http://").map(str::to_owned))
    };
    eventually("the probes are announced", || probes().is_some());
    let probes = probes().unwrap();
    let asked = |path: &str| {
        let mut connection = Connection::to(probes.parse().unwrap());
        let request = format!("GET {path} HTTP/1.1\r\nhost: 10.0.0.7:9181\r\nconnection: close\r\n\r\n");
        connection.send(request.as_bytes());
        connection.reply("GET").status
    };
    let sidecar = sidecar(&applied("Deployment"));
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(asked(sidecar[probe]["httpGet"]["path"].as_str().unwrap()), 200, "{probe}");
    }
    let annotations = &applied("Deployment")["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(asked(annotations["prometheus.io/path"].as_str().unwrap()), 200);
    assert_eq!(asked("/status"), 404);
}

#[test]
fn sidecar_has_no_privileges_and_writes_nothing() {
    let Some(applied) = applied() else { return };
    let sidecar = sidecar(&applied("Deployment"));
    let user = super::dockerfile::user();
    let expected = json!({
        "runAsNonRoot": true, "runAsUser": user.0, "runAsGroup": user.1, "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false, "privileged": false, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    assert_eq!(sidecar["securityContext"], expected);
    for mount in sidecar["volumeMounts"].as_array().unwrap() {
        assert_eq!((&mount["readOnly"], &mount["subPath"]), (&json!(true), &Value::Null));
    }
}

#[test]
fn keys_are_a_secret_where_the_configuration_looks_for_them() {
    let Some(applied) = applied() else { return };
    let deployment = applied("Deployment");
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    let mounts = &sidecar(&deployment)["volumeMounts"];
    let keys = configuration("examples/kubernetes/sidecar/config.toml")["keys"]["file"].clone();
    let directory = named(mounts, "alewife-keys")["mountPath"].as_str().unwrap().to_owned();
    assert_eq!(keys.as_str().unwrap(), format!("{directory}/keys.toml"));
    let secret = named(volumes, "alewife-keys")["secret"]["secretName"].as_str().unwrap();
    let readme = read("examples/kubernetes/README.md");
    assert!(
        readme.contains(&format!("kubectl create secret generic {secret} --from-file=keys.toml")),
        "{secret}"
    );
    // The other volume is the generated configuration, under its generated name.
    let config = applied("ConfigMap");
    assert_eq!(named(volumes, "alewife-config")["configMap"]["name"], config["metadata"]["name"]);
    assert_eq!(config["data"]["config.toml"], read("examples/kubernetes/sidecar/config.toml"));
    let directory = named(mounts, "alewife-config")["mountPath"].as_str().unwrap().to_owned();
    assert_eq!(sidecar(&deployment)["args"], json!(["run", "--config", format!("{directory}/config.toml")]));
}

#[test]
fn deployments_and_services_without_the_label_stay_as_they_are() {
    // kubectl takes a component only from within the directory of its kustomization's tree.
    let directory = tempfile::tempdir().unwrap();
    for (file, name) in [
        ("examples/kubernetes/sidecar", "kustomization.yaml"),
        ("examples/kubernetes/sidecar", "deployment.yaml"),
        ("examples/kubernetes/sidecar", "service.yaml"),
        ("examples/kubernetes/sidecar", "config.toml"),
        (KITCHEN, "application.yaml"),
        (KITCHEN, "network-policy.yaml"),
        (KITCHEN, "kustomization.yaml"),
    ] {
        let to = directory.path().join(file);
        std::fs::create_dir_all(&to).unwrap();
        let text =
            read(&format!("{file}/{name}")).replace("encrypted-by: alewife\nspec", "plain: kitchen\nspec");
        std::fs::write(to.join(name), text).unwrap();
    }
    let Some(documents) = built(&directory.path().join(KITCHEN)) else { return };
    assert_eq!(of_kind(&documents, "Deployment")["spec"]["template"]["spec"]["initContainers"], Value::Null);
    assert_eq!(of_kind(&documents, "Service")["spec"]["ports"][0]["targetPort"], 3000);
}
