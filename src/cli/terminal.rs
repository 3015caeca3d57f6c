//! What people read on a terminal: columns, ages, and strangers' words made fit for it.

use std::time::Duration;

use jiff::Timestamp;

use crate::keys::Roughly;

/// `text` in visible ASCII, of `widest` characters at most: what a stranger wrote must not command a terminal. What is none of
/// it is shown by its number.
pub(super) fn fit(text: &str, widest: usize) -> String {
    let (mut fit, mut length) = (String::new(), 0);
    for character in text.chars() {
        let shown = match character {
            ' '..='~' | '…' => String::from(character),
            _ => character.escape_unicode().to_string(),
        };
        length += shown.chars().count();
        if length > widest {
            fit.push('…');
            break;
        }
        fit += &shown;
    }
    fit
}

/// Rows whose columns stand below each other, two spaces apart.
pub(super) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or_default());
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  "));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

/// The time that a text is, if it is one.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// How long ago a time is, by the clock of who tells it.
pub(super) fn ago(time: Timestamp, now: Option<Timestamp>) -> String {
    since(time, now).map_or_else(|| time.to_string(), |age| format!("{} ago", Roughly(age)))
}

/// How long it is since then; nothing where the clock was set back.
pub(super) fn since(time: Timestamp, now: Option<Timestamp>) -> Option<Duration> {
    now.map(|now| Duration::try_from(now.duration_since(time)).unwrap_or_default())
}

/// From when until when something holds.
pub(super) fn window(after: Option<&str>, until: Option<&str>) -> String {
    match (after.map(to_the_minute), until.map(to_the_minute)) {
        (None, None) => "always".to_owned(),
        (Some(after), None) => format!("from {after}"),
        (None, Some(until)) => format!("until {until}"),
        (Some(after), Some(until)) => format!("{after} to {until}"),
    }
}

/// A time without its seconds where these are none.
fn to_the_minute(time: &str) -> String {
    time.strip_suffix(":00Z").map_or_else(|| time.to_owned(), |minute| format!("{minute}Z"))
}

/// JSON that means the same, in visible ASCII and line ends.
pub(super) fn in_ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | ' '..='~' => text.push(character),
            // Between the members, since strings bear none.
            '\t' | '\r' => text.push(' '),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    text += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_ascii_means_the_same() {
        let json = "{\"id\":\t\"a…b\u{9b}\u{1f35c}\u{7f}\\n\"}\r\n";
        let text = in_ascii(json);
        assert_eq!(text, "{\"id\": \"a\\u2026b\\u009b\\ud83c\\udf5c\\u007f\\n\"} \n");
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&text), read(json));
    }

    #[test]
    fn text_is_made_fit_and_cut_where_it_is_too_long() {
        assert_eq!(fit("plain…", 6), "plain…");
        assert_eq!(fit("\u{1b}[2J\u{202e}k\n", 60), "\\u{1b}[2J\\u{202e}k\\u{a}");
        assert_eq!(fit("kitchen", 4), "kitc…");
        // A number is shown whole or not at all.
        assert_eq!(fit("ab\u{1b}c", 5), "ab…");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["a", "b", ""], ["long", "…", "end"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "a     b\nlong  …  end\n");
        assert_eq!(columns::<2>(&[]), "");
    }
}
