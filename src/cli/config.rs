//! `alewife config --resolved`: every setting that holds, and where its value is from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use super::exit::Exit;
use super::{ConfigArg, complain, print};
use crate::config::{self, Config};
use crate::document::{Origin, Places, Setting};
use crate::sources::portal::PortalUrl;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is printed is a configuration that means the same. Behind each value stands where it is from: the line of the file, the \
variable of the environment, or that it is the default. Secrets are not shown: the configuration has places of secrets only, \
and what may bear one all the same, a header's value or a portal's URL, is masked.

Exit status: 0 if the configuration is right, 78 if it is not.

Example:
  alewife config --resolved --config config.toml")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Prints what holds, from wherever it is
    #[arg(long, required = true)]
    resolved: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let path = &args.config.config;
    let examined = config::examine(path);
    let config = match examined.config {
        Ok(config) => config,
        Err(faults) => {
            complain(&faults.to_string());
            return Exit::WrongConfiguration.into();
        }
    };
    // It could be read a moment ago; whoever changed it since gets the places of what is there now.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    print(&Page { file: path, text: &text, config: &config }.of(&examined.settings)).into()
}

/// What is printed, and what it is made of.
struct Page<'a> {
    file: &'a Path,
    text: &'a str,
    config: &'a Config,
}

impl Page<'_> {
    fn of(&self, settings: &[Setting]) -> String {
        let defaults = Defaults::of_examples();
        let mut page = String::new();
        for section in in_order(settings) {
            let header = header(section);
            if !header.is_empty() {
                let _ = writeln!(page, "\n{header}");
            }
            for setting in settings.iter().filter(|setting| setting.section == *section) {
                self.line(&mut page, setting, &defaults);
            }
        }
        page
    }

    fn line(&self, page: &mut String, setting: &Setting, defaults: &Defaults) {
        let Setting { section, key, origin } = setting;
        let (value, from) = match origin {
            Origin::File(span) => {
                let line = Places::of(self.text).at(span.start).line;
                let value = self.text.get(span.clone()).unwrap_or_default().to_owned();
                (Some(value), format!("{}:{line}", self.file.display()))
            }
            Origin::Elsewhere(variable) => {
                (Some(of_variable(setting, variable, defaults)), variable.to_string())
            }
            Origin::Default => (self.default(setting, defaults), "default".to_owned()),
        };
        let value = value.map(|value| masked(section, key, value));
        // Writing to a string does not fail.
        let _ = match value {
            // A comment behind a value of several lines stands behind its last.
            Some(value) => writeln!(page, "{key} = {value}  # {from}"),
            None => writeln!(page, "#{key}  # not set"),
        };
    }

    fn default(&self, setting: &Setting, defaults: &Defaults) -> Option<String> {
        match (setting.section.as_str(), setting.key) {
            ("", "workers") => Some(self.config.workers.to_string()),
            ("", "max_held") => Some(self.config.max_held.to_string()),
            (section, key) => defaults.value(section, key, self.config),
        }
    }
}

/// The text of a variable as TOML, or of a secret where it is.
fn of_variable(setting: &Setting, variable: &str, defaults: &Defaults) -> String {
    // A secret in a variable is the name of that variable to the configuration.
    if setting.key == "env" && !variable.ends_with("__ENV") {
        return quoted(variable);
    }
    // What is made by its variables alone is called as they call it.
    if setting.key == "name" && !variable.ends_with("__NAME") {
        return quoted(setting.section.rsplit('.').next().unwrap_or_default());
    }
    let text = std::env::var(variable).unwrap_or_default();
    if !text.starts_with('[') && defaults.is_list(setting.key) {
        let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty()).map(quoted);
        return format!("[{}]", elements.collect::<Vec<_>>().join(", "));
    }
    let is_toml = text.starts_with(['[', '{']) || text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok();
    let is_time = text.parse::<toml::value::Datetime>().is_ok();
    if (is_toml || is_time) && toml::de::DeValue::parse(&text).is_ok() { text } else { quoted(&text) }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// What may bear a secret is not shown.
fn masked(section: &str, key: &str, value: String) -> String {
    let is_portal = section.ends_with(".portal");
    if section.contains(".portal.headers.") && key == "value" {
        return "\"…\"".to_owned();
    }
    if is_portal && key == "url" {
        let url = value.trim_matches(['"', '\'']).parse::<PortalUrl>();
        return url.map_or_else(|_| "\"…\"".to_owned(), |url| quoted(&url.to_string()));
    }
    value
}

/// The sections as a file has them: each before those within it.
fn in_order(settings: &[Setting]) -> Vec<&String> {
    let mut sections: Vec<&String> = Vec::new();
    for Setting { section, .. } in settings {
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    let place = |whole: &str| {
        let outer = whole.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let is_within = |section: &&&String| {
            section.starts_with(&outer) && section.split('.').take(2).eq(outer.split('.'))
        };
        sections.iter().position(|section| is_within(&section)).unwrap_or_default()
    };
    let mut ordered: Vec<_> =
        sections.iter().map(|section| (place(section), section.matches('.').count(), *section)).collect();
    ordered.sort_by_key(|(place, depth, _)| (*place, *depth));
    ordered.into_iter().map(|(.., section)| section).collect()
}

/// The line above a section.
fn header(section: &str) -> String {
    let mut levels: Vec<&str> = section.split('.').collect();
    match levels[..] {
        [""] => return String::new(),
        ["proxy", _] => return "[[proxy]]".to_owned(),
        ["proxy", _, "route", _] => return "[[proxy.route]]".to_owned(),
        ["proxy", ..] => drop(levels.remove(1)),
        [first] if first.starts_with("proxy[") => return "[[proxy]]".to_owned(),
        _ => {}
    }
    format!("[{}]", levels.join("."))
}

/// The defaults, as the examples have them.
struct Defaults {
    inbound: BTreeMap<(String, String), String>,
    outbound: BTreeMap<(String, String), String>,
    portal: BTreeMap<(String, String), String>,
    /// The keys that have lists.
    lists: BTreeSet<String>,
}

impl Defaults {
    fn of_examples() -> Self {
        let inbound = include_str!("../../config.example.toml");
        let outbound = include_str!("../../config.outbound.example.toml");
        let portal = include_str!("../../config.portal.example.toml");
        let profiles = include_str!("../../config.profiles.example.toml");
        Self {
            inbound: commented(inbound),
            outbound: commented(outbound),
            portal: commented(portal),
            lists: listed(&[inbound, outbound, portal, profiles]),
        }
    }

    fn is_list(&self, key: &str) -> bool {
        self.lists.contains(key)
    }

    fn value(&self, section: &str, key: &str, config: &Config) -> Option<String> {
        // These are examples in the examples, and no defaults.
        let has_none = matches!(
            key,
            "ca_file"
                | "cert_file"
                | "client_ca_file"
                | "client_cert_file"
                | "client_key_file"
                | "key_file"
                | "from"
                | "until"
                | "quiet_for"
                | "replay_entries"
        ) || key.starts_with("replay_store");
        let levels: Vec<&str> = section.split('.').collect();
        if has_none || levels.contains(&"route") || levels.contains(&"certificate") || levels[0] == "profile"
        {
            return None;
        }
        let pattern = match levels[..] {
            ["keyset", _, ref rest @ ..] => [&["keys"], rest].concat(),
            ["proxy", _, ref rest @ ..] => [&["proxy"], rest].concat(),
            ref levels => levels.to_vec(),
        };
        let place = (pattern.join("."), key.to_owned());
        let is_outbound = levels.get(1).is_some_and(|name| {
            let is_outbound = |proxy: &&crate::proxy::ProxyConfig| proxy.mode.to_string() == "outbound";
            levels[0] == "proxy"
                && config.proxies.iter().filter(is_outbound).any(|proxy| &*proxy.name == *name)
        });
        let own = if is_outbound { self.outbound.get(&place) } else { None };
        let own = own.or_else(|| self.inbound.get(&place));
        own.or_else(|| self.portal.get(&place)).cloned()
    }
}

/// Whether the examples have a list there. A list of one is one as well.
fn listed(examples: &[&str]) -> BTreeSet<String> {
    let lines = examples.iter().flat_map(|example| example.lines());
    let lists = lines.filter_map(|line| {
        let (key, value) = line.trim_start_matches('#').split_once(" = ")?;
        (value.starts_with('[') && !key.contains(' ')).then(|| key.to_owned())
    });
    lists.collect()
}

/// Each commented line `#key = value`, by its section and key, but those below "For example:".
fn commented(example: &str) -> BTreeMap<(String, String), String> {
    let (mut section, mut found) = (String::new(), BTreeMap::new());
    let mut is_example = false;
    for line in example.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if line.is_empty() || bare.starts_with(' ') {
            is_example = line.ends_with("or example:");
        }
        if bare.starts_with('[') {
            section = bare.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = bare.split_once(" = ")
            && line.starts_with('#')
            && !is_example
            && !key.contains(' ')
        {
            found.insert((section.clone(), key.to_owned()), value.to_owned());
        }
    }
    found
}
