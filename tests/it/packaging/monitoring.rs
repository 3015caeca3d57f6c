//! examples/prometheus and examples/grafana against what the code exports.

mod exported;
mod expression;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use self::exported::Exported;
use super::{documents, here, read};
use crate::support::Program;

const ALERTS: &str = "examples/prometheus/alerts.yaml";
const DASHBOARD: &str = "examples/grafana/dashboard.json";

const PROMTOOL: Program = Program {
    needs: "Prometheus' promtool (`promtool`)",
    program: "promtool",
    file: ALERTS,
    probe: &["--version"],
};

/// The rules of the alerts; `None` where Python is missing.
fn rules() -> Option<Vec<Value>> {
    let document = documents(&["plain"], read(ALERTS).as_bytes())?.remove(0);
    let groups = document["groups"].as_array().unwrap().iter();
    Some(groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect())
}

/// Every expression of the dashboard with the name of its panel, Grafana's variables replaced by what they could be.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let expressions = panels.flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| (title.clone(), plain(target["expr"].as_str().unwrap())))
    });
    expressions.collect()
}

fn plain(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$proxy", ".*")
}

/// Fails with what `promtool` has against the rules in `text`.
fn promtool(text: &str) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn alerts_name_only_what_is_exported() {
    let Some(rules) = rules() else { return };
    assert!(rules.len() > 10);
    let exported = Exported::by_a_running_sidecar();
    for rule in &rules {
        exported.hold(rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
    }
}

#[test]
fn dashboard_names_only_what_is_exported() {
    let panels = panels();
    assert!(panels.len() > 20);
    let exported = Exported::by_a_running_sidecar();
    for (title, expression) in &panels {
        exported.hold(title, expression);
    }
}

#[test]
fn dashboard_shows_every_metric() {
    let shown: String = panels().into_iter().map(|(_, expression)| expression + "\n").collect();
    for family in Exported::by_a_running_sidecar().families() {
        // What of `process_*` an operator needs is a choice.
        assert!(shown.contains(&family) || family.starts_with("process_"), "{family} is in no panel");
    }
}

#[test]
fn dashboard_has_panels_that_stand_beside_each_other() {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{panel} stands on another");
            }
        }
    }
    // No data source of somebody's own is left in it.
    let own: Vec<_> = read(DASHBOARD).matches("\"uid\": \"").map(|_| ()).collect();
    let chosen = read(DASHBOARD).matches("\"uid\": \"${datasource}\"").count();
    assert_eq!(own.len(), chosen + 1, "a data source that is not chosen above");
}

#[test]
fn prometheus_takes_the_alerts_and_every_expression_of_the_dashboard() {
    if !PROMTOOL.is_here() {
        return;
    }
    promtool(&read(ALERTS));
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, (_, expression)) in panels().iter().enumerate() {
        let expression = serde_json::to_string(expression).unwrap();
        rules.push_str(&format!("      - record: panel:number:{number}\n        expr: {expression}\n"));
    }
    promtool(&rules);
}

#[test]
fn each_alert_says_whom_it_wakes_and_where_to_read_on() {
    let Some(rules) = rules() else { return };
    for rule in &rules {
        let alert = rule["alert"].as_str().unwrap();
        assert!(matches!(rule["labels"]["severity"].as_str(), Some("page" | "ticket")), "{alert}");
        for text in ["summary", "description"] {
            assert!(rule["annotations"][text].is_string(), "{alert} has no {text}");
        }
        let anchor = format!("docs/RUNBOOK.md#{}", alert.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"], anchor.as_str());
    }
}

#[test]
fn runbook_has_a_section_for_each_alert_and_none_for_others() {
    let Some(rules) = rules() else { return };
    let runbook = read("docs/RUNBOOK.md");
    let sections: Vec<&str> = runbook.split("\n### ").skip(1).collect();
    let headed = |section: &&str| section.lines().next().unwrap().to_owned();
    let alerts: Vec<_> = rules.iter().map(|rule| rule["alert"].as_str().unwrap().to_owned()).collect();
    assert_eq!(sections.iter().map(headed).collect::<Vec<_>>(), alerts);
    for section in sections {
        for part in ["**Means.**", "**Look.**", "**Do.**"] {
            assert!(section.contains(part), "{} lacks {part}", headed(&section));
        }
    }
    assert!(here("docs/RUNBOOK.md").is_file());
}
