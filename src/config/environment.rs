//! Values of the configuration that stand in the environment: `ALEWIFE__SECTION__KEY`.
//!
//! Between two levels stand two underscores, so that what Kubernetes injects for a service called `alewife`, such as
//! `ALEWIFE_PORT`, is none of it. Members of lists go by their names.

use std::ffi::{OsStr, OsString};

use super::values::ProxyName;
use crate::document::{Assigned, Assignment, Fault, Step, Value, capitals};

/// With which the variables begin.
const PREFIX: &str = "ALEWIFE__";

/// Keys whose values are secrets: a file of them is named with this behind.
const SECRETS: [&str; 3] = ["cache_key", "replay_store_password", "static_iv"];

/// The variables of the process that are values of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    assignments: Vec<Assignment>,
    faults: Vec<Fault>,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// These variables; others than those with the prefix are none of its affair.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        let mut variables: Vec<_> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value)))
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        // So that faults are in an order, and a member is there before its members.
        variables.sort();
        for (name, value) in variables {
            match assignment(&name, value) {
                Ok(assignment) => environment.add(assignment),
                Err((problem, remedy)) => environment.refuse(&name, problem, remedy),
            }
        }
        environment
    }

    /// Whether a variable of this name is, or would be, part of a configuration.
    pub fn is_setting(name: &OsStr) -> bool {
        name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
    }

    pub(super) fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn add(&mut self, assignment: Assignment) {
        // A secret and a place of it are two ways to say one thing.
        let places = |outer: &Assignment, inner: &Assignment| {
            let key = inner.path.last().filter(|_| matches!(outer.value, Assigned::Table(..)));
            let is_place =
                key.is_some_and(|key| matches!(key, Step::Key(key) if key == "env" || key == "file"));
            is_place && inner.path[..inner.path.len() - 1] == outer.path[..]
        };
        let same = |known: &&Assignment| {
            known.path == assignment.path || places(known, &assignment) || places(&assignment, known)
        };
        match self.assignments.iter().find(same) {
            Some(known) => {
                let problem = format!("{} says the same already", known.origin);
                self.refuse(&assignment.origin.clone(), &problem, "set only one of the two");
            }
            None => self.assignments.push(assignment),
        }
    }

    fn refuse(&mut self, variable: &str, problem: impl Into<String>, remedy: &str) {
        self.faults.push(Fault {
            file: variable.into(),
            place: None,
            key_path: String::new(),
            problem: problem.into(),
            remedy: remedy.to_owned(),
        });
    }
}

type Refused = (&'static str, &'static str);

fn assignment(variable: &str, value: OsString) -> Result<Assignment, Refused> {
    let value = value.into_string().map_err(|_| ("not UTF-8", "write text, or leave it out"))?;
    let names: Vec<&str> = variable[PREFIX.len()..].split("__").collect();
    let is_name =
        |name: &&str| !name.is_empty() && capitals(name) == **name && ProxyName::from_text(name).is_ok();
    if !names.iter().all(is_name) {
        let remedy = "write ALEWIFE__SECTION__KEY in capitals, two underscores between levels";
        return Err(("not the name of a key", remedy));
    }
    let mut path = Vec::new();
    for name in &names {
        path.push(step(&path, name));
    }
    let value = match path.split_last_mut() {
        Some((Step::Key(key), _)) => match secret(key, &SECRETS) {
            Some(Secret::Itself) => Assigned::Table("env", variable.to_owned()),
            Some(Secret::File(own)) => {
                *key = own;
                Assigned::Table("file", value)
            }
            None => Assigned::Text(value),
        },
        // The headers of a portal are the only members that may be values, and they are secrets.
        Some((Step::Member(name), before)) if are_headers(before) => match name.strip_suffix("-FILE") {
            None => Assigned::Table("env", variable.to_owned()),
            Some(own) => {
                *name = own.to_owned();
                Assigned::Table("file", value)
            }
        },
        _ => return Err(("a name, and no key of it", "write a key behind it: two underscores and the key")),
    };
    Ok(Assignment { origin: variable.to_owned(), path, value })
}

/// What a name means behind these.
fn step(before: &[Step], name: &str) -> Step {
    let is_key = |step: &Step, key: &str| matches!(step, Step::Key(known) if known == key);
    match before {
        [list] if is_key(list, "proxy") => Step::Element(name.to_owned()),
        [list, Step::Element(_), inner] if is_key(list, "proxy") && is_key(inner, "route") => {
            Step::Element(name.to_owned())
        }
        [members] if is_key(members, "keyset") || is_key(members, "profile") => Step::Member(name.to_owned()),
        [.., tls, members] if is_key(tls, "tls") && is_key(members, "certificate") => {
            Step::Member(name.to_owned())
        }
        before if are_headers(before) => Step::Member(name.replace('_', "-")),
        _ => Step::Key(name.to_ascii_lowercase()),
    }
}

fn are_headers(path: &[Step]) -> bool {
    matches!(path, [.., Step::Key(portal), Step::Key(headers)] if portal == "portal" && headers == "headers")
}

enum Secret {
    Itself,
    /// A file of the secret of this key.
    File(String),
}

fn secret(key: &str, secrets: &[&str]) -> Option<Secret> {
    if secrets.contains(&key) {
        return Some(Secret::Itself);
    }
    key.strip_suffix("_file").filter(|own| secrets.contains(own)).map(|own| Secret::File(own.to_owned()))
}
