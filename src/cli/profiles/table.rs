//! Profiles as lines of a list, and one as a table of a configuration.

use std::fmt::Write;

use crate::config::OwnProfile;
use crate::profile::{Draft, IvPlace, PRESETS, Preset, about};

/// The column in which comments begin, where what is before them leaves room.
const COMMENTS: usize = 46;

/// The names of all profiles, those of the file's own first.
pub(super) fn names(own: &[OwnProfile]) -> Vec<&str> {
    own.iter().map(|own| own.name.as_str()).chain(PRESETS.iter().map(|preset| preset.name)).collect()
}

/// Every profile with a line.
pub(super) fn list(own: &[OwnProfile]) -> String {
    let width = names(own).iter().map(|name| name.len()).max().unwrap_or_default().max("PROFILE".len());
    let mut text = format!("{:<width$}  MESSAGES  WHAT IT IS\n", "PROFILE");
    // Writing to a string does not fail.
    for profile in own {
        let _ = writeln!(text, "{:<width$}  {:<8}  {}", profile.name, way(&profile.draft), changes(profile));
    }
    for preset in PRESETS {
        let _ = writeln!(text, "{:<width$}  {:<8}  {}", preset.name, way(&preset.draft()), preset.about);
    }
    text.push_str(
        "\nstreamed: a body is sealed and opened as it passes; what GCM opens waits for its tag, up to max_body.\n\
         held: a message is there as a whole before anything of it is sealed or opened, up to max_body.\n",
    );
    text
}

/// How messages go.
fn way(draft: &Draft) -> &'static str {
    if draft.streams() { "streamed" } else { "held" }
}

/// What a profile of a file's own is, in a line.
fn changes(own: &OwnProfile) -> String {
    let preset = base(own);
    let keys: Vec<_> = own.draft.differences(&preset.draft()).into_iter().map(|(key, _)| key).collect();
    let errors = (own.draft.errors != preset.draft().errors).then_some("errors");
    let keys: Vec<_> = keys.into_iter().chain(errors).collect();
    match keys.len() {
        0 => format!("As {}.", preset.name),
        _ => format!("As {}, but for {}.", preset.name, keys.join(", ")),
    }
}

fn base(own: &OwnProfile) -> &'static Preset {
    own.preset.and_then(Preset::named).unwrap_or(&PRESETS[0])
}

/// The profile `name` as a table, if there is one.
pub(super) fn of(name: &str, own: &[OwnProfile]) -> Option<String> {
    if let Some(own) = own.iter().find(|own| own.name == name) {
        let static_iv = own.static_iv.as_ref().map(|source| match source {
            crate::sources::SecretSource::Environment(name) => reference("env", name),
            crate::sources::SecretSource::File(path) => reference("file", &path.display().to_string()),
        });
        return Some(written(&own.name, &own.draft, base(own), static_iv));
    }
    let preset = Preset::named(name)?;
    // A table of the preset's own name would be a fault.
    let own = format!("my-{name}");
    let draft = preset.draft();
    let static_iv = (draft.iv == IvPlace::Static).then(|| reference("file", &format!("{own}.iv")));
    Some(written(&own, &draft, preset, static_iv))
}

/// `{ file = "PATH" }`.
pub(super) fn reference(kind: &str, place: &str) -> String {
    format!("{{ {kind} = {} }}", toml::Value::from(place))
}

fn written(name: &str, draft: &Draft, preset: &Preset, static_iv: Option<String>) -> String {
    let mut text = format!("# {}: {}\n# Messages are {}.\n", preset.name, preset.about, way(draft));
    let settings = draft.settings().into_iter().flat_map(|(key, value)| {
        let before = match (key, &static_iv) {
            ("algorithm", _) => Some(("preset", toml::Value::from(preset.name).to_string())),
            ("danger_static_iv", Some(source)) => Some(("static_iv", source.clone())),
            ("danger_static_iv", None) => Some(("#static_iv", reference("file", "PATH"))),
            _ => None,
        };
        before.into_iter().chain([(key, value)])
    });
    // Writing to a string does not fail.
    let _ = writeln!(text, "[profile.{name}]");
    for (key, value) in settings {
        let about = about(key.trim_start_matches('#')).unwrap_or_default();
        let setting = format!("{key} = {value}");
        let _ = writeln!(text, "{setting:<COMMENTS$}  # {about}");
    }
    for (class, error) in draft.errors.classes() {
        let _ = writeln!(text, "\n[profile.{name}.errors.{class}]");
        for (key, value) in error.settings() {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    if !preset.notes.is_empty() || !preset.assumed.is_empty() {
        text.push('\n');
    }
    for note in preset.notes {
        let _ = writeln!(text, "# note: {note}");
    }
    for assumed in preset.assumed {
        let _ = writeln!(text, "# confirm with your vendor: {assumed}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_a_line_for_each_preset_with_how_its_messages_go() {
        let text = list(&[]);
        let line = |name: &str| {
            let line = text.lines().find(|line| line.split(' ').next() == Some(name));
            line.unwrap().split_whitespace().nth(1).unwrap().to_owned()
        };
        assert!(text.starts_with("PROFILE             MESSAGES  WHAT IT IS\n"));
        assert_eq!((line("ale"), line("kaleyra")), ("streamed".to_owned(), "held".to_owned()));
        assert_eq!(text.lines().count(), PRESETS.len() + 4);
    }

    #[test]
    fn what_a_vendor_does_not_publish_is_told_behind_each_table() {
        for preset in PRESETS {
            let text = of(preset.name, &[]).unwrap();
            let told = text.lines().filter_map(|line| line.strip_prefix("# confirm with your vendor: "));
            assert_eq!(told.collect::<Vec<_>>(), preset.assumed, "{}", preset.name);
            let notes = text.lines().filter_map(|line| line.strip_prefix("# note: "));
            assert_eq!(notes.collect::<Vec<_>>(), preset.notes, "{}", preset.name);
        }
        assert_eq!(of("payone", &[]), None);
    }

    #[test]
    fn each_key_has_a_line_that_says_what_it_is() {
        let text = of("payon", &[]).unwrap();
        for (key, value) in Preset::named("payon").unwrap().draft().settings() {
            let line = format!("{key} = {value}");
            let found = text.lines().find(|found| found.split("  # ").next().unwrap().trim_end() == line);
            assert!(found.unwrap().ends_with(about(key).unwrap()), "{key}");
        }
        assert!(text.contains("\n#static_iv = { file = \"PATH\" }"));
        assert!(of("kaleyra", &[]).unwrap().contains("\nstatic_iv = { file = \"my-kaleyra.iv\" }"));
    }
}
