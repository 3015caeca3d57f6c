//! Names whose values are masked.

/// The names that are masked unless that is switched off: as `[inspector] mask` writes them.
pub const DEFAULT_NAMES: [&str; 31] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*secret*",
    "*token*",
    "*credential*",
    "*api-key*",
    "*private-key*",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "session",
    "session-id",
    "*jsessionid",
    "pin",
    "otp",
    "pan",
    "*card-number*",
    "cvv",
    "cvv2",
    "cvc",
    "cvc2",
    "*security-code*",
    "*card-cvv",
    "*card-holder*",
    "iban",
    "*account-number*",
    "track1",
    "track2",
    "ssn",
];

/// A longer one is no name that anybody would write down, and its value is masked.
const LONGEST: usize = 256;

/// The names whose values are not shown. Case, and whatever is no letter and no digit, make no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: String,
    /// Whether anything may stand before it.
    before: bool,
    /// Whether anything may stand after it.
    after: bool,
}

/// A text that names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no letter and no digit, or an asterisk elsewhere than at its ends")]
pub struct NotAName;

impl Mask {
    /// Nothing is masked, and everything is shown.
    pub fn none() -> Self {
        Self::default()
    }

    /// Masks as well what bears this name; an asterisk at an end stands for anything.
    pub fn and(mut self, name: &str) -> Result<Self, NotAName> {
        let bare = name.strip_prefix('*').unwrap_or(name);
        let bare = bare.strip_suffix('*').unwrap_or(bare);
        let text = bare_of(bare);
        if text.is_empty() || bare.contains('*') {
            return Err(NotAName);
        }
        self.0.push(Pattern {
            text,
            before: name.starts_with('*'),
            after: name.len() > 1 && name.ends_with('*'),
        });
        Ok(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether values of this name are masked; `card[number]` and `card.number` have several names in them, each of which
    /// counts, and the last two together.
    pub(in crate::inspector) fn hides(&self, name: &str) -> bool {
        if name.len() > LONGEST {
            return true;
        }
        let is_number = |step: &&str| step.bytes().all(|byte| byte.is_ascii_digit());
        let steps: Vec<_> = name.split(['[', ']', '.', '/']).filter(|step| !is_number(step)).collect();
        let pair = steps.last_chunk::<2>().is_some_and(|[of, own]| self.hides_within(own, of));
        pair || self.is_one(name) || steps.iter().any(|step| self.is_one(step))
    }

    /// Whether a value is masked by its name together with that of what it stands in.
    pub(super) fn hides_within(&self, name: &str, around: &str) -> bool {
        around.len() <= LONGEST && self.is_one(&format!("{around}{name}"))
    }

    fn is_one(&self, name: &str) -> bool {
        let name = bare_of(name);
        self.0.iter().any(|Pattern { text, before, after }| match (before, after) {
            (false, false) => name == *text,
            (true, false) => name.ends_with(text),
            (false, true) => name.starts_with(text),
            (true, true) => name.contains(text),
        })
    }
}

/// Letters and digits, in small letters.
fn bare_of(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
