//! A diagnosis as text for a terminal. Names and plaintexts are a stranger's: whatever cannot be shown is escaped.

use std::fmt::Write as _;

use super::finding::{Finding, Proof};
use super::{Capture, Diagnosis};

/// Bytes of a plaintext that are shown.
const MOST_SHOWN: usize = 4096;

impl Diagnosis {
    /// All of it, line by line. Plaintexts are in it only if `show` is set.
    pub fn lines(&self, capture: &Capture, show: bool) -> Vec<String> {
        let mut lines = vec![format!("The capture was read as {}.", capture.kind().label())];
        if self.findings.is_empty() {
            lines.push("Nothing opens it.".to_owned());
        }
        for (number, finding) in self.findings.iter().enumerate() {
            lines.push(String::new());
            lines.extend(told(number + 1, finding, show));
        }
        if !self.hints.is_empty() {
            lines.extend([String::new(), "What else was seen:".to_owned()]);
            lines.extend(self.hints.iter().map(|hint| format!("- {hint}")));
        }
        if self.is_cut_short {
            lines.extend([
                String::new(),
                "The time was over before everything had been tried; --salt leaves less to try.".to_owned(),
            ]);
        }
        lines.iter().map(|line| harmless(line)).collect()
    }
}

fn told(number: usize, finding: &Finding, show: bool) -> Vec<String> {
    let verdict = match finding.proof {
        Proof::Proven(bytes) => format!("proven: a tag of {bytes} bytes verifies"),
        Proof::Plausible(looks) => {
            format!("plausible, not proven: no tag vouches for it, but it opens to {}", looks.label())
        }
    };
    let mut lines = vec![format!("{number}. {verdict}")];
    lines.extend(finding.parts.iter().map(|(what, place)| format!("   {what}: {place}")));
    lines.extend([String::new(), "   # in the configuration".to_owned()]);
    lines.extend(finding.table().into_iter().map(|line| format!("   {line}")));
    lines.extend([String::new(), "   # in the key file; … is the key".to_owned()]);
    lines.extend(finding.entry.iter().map(|line| format!("   {line}")));
    lines.push(String::new());
    lines.extend(finding.notes.iter().map(|note| format!("   - {note}")));
    if finding.draft.differences(&finding.preset.draft()).is_empty() {
        lines.extend(finding.preset.notes.iter().map(|note| format!("   - {note}")));
    }
    if show {
        lines.push("   plaintext:".to_owned());
        for (place, plain) in finding.plaintexts() {
            lines.push(format!("   {place}: {}", shown(plain)));
        }
    }
    lines
}

fn shown(plain: &[u8]) -> String {
    let cut = &plain[..plain.len().min(MOST_SHOWN)];
    let mut text = String::with_capacity(cut.len());
    for chunk in cut.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    if cut.len() < plain.len() {
        let _ = write!(text, "… {} more bytes", plain.len() - cut.len());
    }
    text
}

/// The line with everything escaped that is not shown as itself, in a way that a string of TOML takes as well.
fn harmless(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars() {
        let is_plain = matches!(character, '"' | '\'' | '\\') || character.escape_debug().len() == 1;
        match u32::from(character) {
            _ if is_plain => text.push(character),
            // Writing to a string does not fail.
            small if small <= 0xffff => drop(write!(text, "\\u{small:04x}")),
            large => drop(write!(text, "\\U{large:08x}")),
        }
    }
    text
}
