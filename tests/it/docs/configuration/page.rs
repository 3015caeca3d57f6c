//! The reference, written down.

use std::fmt::Write;

use super::examples::{Entry, Examples, Key, Section};

/// As wide as the other documents are.
const WIDTH: usize = 125;

const INTRODUCTION: &str = "\
# Configuration: every key, its default and its variable

This page is made of the comments of the examples, which are configurations to begin with:
[config.example.toml](../config.example.toml) has every key but those of the three others,
[config.outbound.example.toml](../config.outbound.example.toml) those in which an outbound proxy differs,
[config.portal.example.toml](../config.portal.example.toml) those of keys from a portal, and
[config.profiles.example.toml](../config.profiles.example.toml) those of wire formats.
";

const VARIABLES: &str = "\
Each key has a variable of the environment, which goes over what the file says. `<NAME>` is the name of the proxy, the route, \
the key set, the profile or the certificate, in capitals and with `-` as `_`. A list is written with commas, or as in the file. \
[OPERATIONS.md](OPERATIONS.md#settings-from-the-environment) says more, and `alewife config --resolved` prints what holds.";

const OF_PROFILES: &str = "\
A profile is a preset with what differs from it. The defaults are those of the preset `ale`; under another, what that says holds. \
[PROFILES.md](PROFILES.md) says what the keys mean for messages.";

pub(super) fn made_of(examples: &Examples) -> String {
    let mut page = INTRODUCTION.to_owned();
    paragraph(&mut page, &escaped(&examples.values.replace("this file", "the file")));
    paragraph(&mut page, VARIABLES);
    let sections: Vec<_> = examples.sections.iter().filter(|section| !is_empty(section)).collect();
    page.push('\n');
    for section in &sections {
        let title = title(section);
        let _ = writeln!(page, "- [{title}](#{})", anchor(&title));
    }
    for section in sections {
        write_section(&mut page, section);
    }
    page
}

fn is_empty(section: &Section) -> bool {
    section.entries.is_empty() && section.text.is_empty()
}

fn write_section(page: &mut String, section: &Section) {
    let _ = writeln!(page, "\n## {}", title(section));
    paragraph(page, &escaped(&section.text));
    let levels = section.levels();
    if let ["keys", within @ ..] = &levels[..] {
        let of_set = [&["keyset", "NAME"], within].concat().join(".");
        let note = format!(
            "Under `[{of_set}]` the same, with `{}` in place of `{}`.",
            variable(&["keyset", "NAME"], ""),
            variable(&["keys"], "")
        );
        paragraph(page, &note);
    }
    if section.is_outbound {
        let note =
            "Every other key of `[[proxy]]` is as above, but for those that are for inbound proxies only.";
        paragraph(page, note);
    }
    match levels[..] {
        ["keys", "portal", "headers"] => {
            let one = variable(&levels, "<NAME>");
            let line = format!(
                "- In the environment, with `_` for each `-`: the value in `{one}`, or in a file that `{one}_FILE` names."
            );
            let _ = writeln!(page, "\n{line}");
        }
        ["profile", _] => paragraph(page, OF_PROFILES),
        ["keys", "document"] => {
            paragraph(page, &format!("Its variables begin with `{}`.", variable(&levels, "")));
        }
        _ => {}
    }
    for entry in &section.entries {
        write_entry(page, section, entry);
    }
}

fn write_entry(page: &mut String, section: &Section, entry: &Entry) {
    let names: Vec<_> = entry.keys.iter().map(|key| format!("`{}`", key.name)).collect();
    let _ = writeln!(page, "\n### {}\n", names.join(", "));
    for key in &entry.keys {
        let which = if entry.keys.len() == 1 { String::new() } else { format!("`{}`: ", key.name) };
        let _ = writeln!(page, "- {which}{}; {}", default(section, entry, key), environment(section, key));
    }
    paragraph(page, &escaped(before_example(&entry.text)));
}

/// What holds if the key is not written.
fn default(section: &Section, entry: &Entry, key: &Key) -> String {
    let text = before_example(&entry.text);
    let is_example = text.len() < entry.text.len();
    let said = |word: &str| {
        let mut sentences =
            text.split_inclusive(". ").map(|sentence| sentence.trim_end().trim_end_matches('.'));
        sentences
            .find(|sentence| sentence.starts_with(word))
            .map(|sentence| sentence.replacen(word, &word.to_lowercase(), 1))
    };
    let example = match &key.value {
        Some(value) => format!(" (for example `{value}`)"),
        None => String::new(),
    };
    if let Some(required) = said("Required") {
        return format!("{}{example}", escaped(&required));
    }
    assert!(key.is_commented, "{} does not say that it is required", key.name);
    let levels = section.levels();
    let is_of_examples = levels.contains(&"route") || levels.contains(&"tls");
    match said("By default") {
        Some(said) if is_of_examples || key.name == "mask" => return format!("{}{example}", escaped(&said)),
        Some(said) => return escaped(&said),
        None => {}
    }
    // What their examples say of all of them together, or do not need to say.
    let has_none = matches!(
        &*key.name,
        "ca_file" | "client_cert_file" | "client_key_file" | "from" | "until" | "derive"
    ) || key.name.starts_with("replay_store");
    match (&key.value, &levels[..]) {
        (_, [.., "certificate", _]) => format!("required{example}"),
        (_, ["proxy", "route"]) => format!("by default as the proxy has it{example}"),
        (Some(value), _) if !is_example && !has_none => format!("by default `{value}`"),
        _ => format!("by default none{example}"),
    }
}

/// How the key is set from the environment.
fn environment(section: &Section, key: &Key) -> String {
    let levels = section.levels();
    if key.name == "name" {
        return "the `<NAME>` in variables".to_owned();
    }
    let variable = variable(&levels, &key.name);
    // What is written as a place is a secret.
    match &key.value {
        Some(value) if value.starts_with("{ ") => {
            format!("the secret itself in `{variable}`, or in a file that `{variable}_FILE` names")
        }
        _ => format!("`{variable}`"),
    }
}

/// The variable of a key, or without one what those of the section begin with.
fn variable(levels: &[&str], key: &str) -> String {
    let mut names = vec!["ALEWIFE".to_owned()];
    for level in levels {
        match *level {
            "orders" | "vendor" | "NAME" => names.push("<NAME>".to_owned()),
            "proxy" | "route" => names.extend([level.to_uppercase(), "<NAME>".to_owned()]),
            level => names.push(level.to_uppercase()),
        }
    }
    names.push(key.to_uppercase());
    names.join("__")
}

fn title(section: &Section) -> String {
    let header = section.header.replace("orders", "NAME").replace("vendor", "NAME");
    match &*header {
        "" => "At the top".to_owned(),
        "[keys]" => "`[keys]` and `[keyset.NAME]`".to_owned(),
        header if header.starts_with("[keys.") => {
            format!("`{header}` and `{}`", header.replace("[keys.", "[keyset.NAME."))
        }
        header if section.is_outbound => format!("`{header}` with `mode = \"outbound\"`"),
        header => format!("`{header}`"),
    }
}

/// How a heading is linked to.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The text without the announcement that an example follows.
fn before_example(text: &str) -> &str {
    text.strip_suffix("For example:").map_or(text, str::trim_end)
}

/// What Markdown would take for its own marks, outside back-quotes.
fn escaped(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(place, part)| match place % 2 {
        0 => part.replace('*', "\\*").replace('<', "\\<"),
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The text in lines, below an empty one; nothing of nothing.
fn paragraph(page: &mut String, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        match column {
            0 => page.push('\n'),
            column if column + 1 + width > WIDTH => page.push('\n'),
            _ => page.push(' '),
        }
        column = if column == 0 || column + 1 + width > WIDTH { width } else { column + 1 + width };
        page.push_str(word);
    }
    if column > 0 {
        page.push('\n');
    }
}
