//! The examples of a configuration, read for what they say of each key.

use crate::docs::read;

/// Keys that stand together under one text.
pub(super) struct Entry {
    pub(super) keys: Vec<Key>,
    pub(super) text: String,
}

pub(super) struct Key {
    pub(super) name: String,
    /// As it is written in the example; absent where the text shows it.
    pub(super) value: Option<String>,
    /// Whether the example has it commented out.
    pub(super) is_commented: bool,
}

pub(super) struct Section {
    /// The line above it, such as `[proxy.tls]`; empty at the top.
    pub(super) header: String,
    pub(super) text: String,
    pub(super) entries: Vec<Entry>,
    /// Whether it shows how an outbound proxy differs.
    pub(super) is_outbound: bool,
}

impl Section {
    fn new(header: &str, text: String) -> Self {
        Self { header: header.to_owned(), text, entries: Vec::new(), is_outbound: false }
    }

    /// Its names, the outermost first.
    pub(super) fn levels(&self) -> Vec<&str> {
        self.header.trim_matches(['[', ']']).split('.').filter(|level| !level.is_empty()).collect()
    }
}

pub(super) struct Examples {
    /// How values are written, by the first example.
    pub(super) values: String,
    pub(super) sections: Vec<Section>,
}

/// All four, each with those sections that it is for, in the order of the reference.
pub(super) fn all() -> Examples {
    let mut first = Reader::of("config.example.toml");
    let [_, values] = &mut first.head[..] else { panic!("the first example has a head of two paragraphs") };
    let values = std::mem::take(values);
    let mut sections = first.sections;
    let mut put = |behind: &str, more: Vec<Section>| {
        let place = sections.iter().position(|section| section.header == behind).unwrap();
        sections.splice(place + 1..place + 1, more);
    };
    let mut outbound = Reader::of("config.outbound.example.toml").within("proxy");
    for section in &mut outbound {
        section.is_outbound = true;
    }
    put("[[proxy]]", outbound);
    let mut portal = Reader::of("config.portal.example.toml").within("keys");
    portal.retain(|section| section.header != "[keys]");
    put("[keys]", portal);
    sections.extend(Reader::of("config.profiles.example.toml").within("profile"));
    Examples { values, sections }
}

/// What has been read of an example.
struct Reader {
    /// What stands before the first key.
    head: Vec<String>,
    sections: Vec<Section>,
    /// Prose that is for what follows it.
    ahead: Vec<String>,
    /// Whether a key right below stands under the same text.
    is_open: bool,
}

impl Reader {
    fn of(path: &str) -> Self {
        let top = Section::new("", String::new());
        let mut reader = Self { head: Vec::new(), sections: vec![top], ahead: Vec::new(), is_open: false };
        for line in read(path).lines() {
            reader.line(line);
        }
        reader.end_paragraph();
        reader
    }

    fn within(self, outermost: &str) -> Vec<Section> {
        self.sections.into_iter().filter(|section| section.levels().first() == Some(&outermost)).collect()
    }

    fn line(&mut self, line: &str) {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if let Some(prose) = bare.strip_prefix(' ') {
            self.ahead.push(prose.to_owned());
            self.is_open = false;
        } else if bare.is_empty() {
            self.end_paragraph();
        } else if bare.starts_with('[') {
            let text = self.text();
            self.sections.push(Section::new(bare, text));
            self.is_open = false;
        } else {
            let (name, value) = bare.split_once(" = ").unwrap_or_else(|| panic!("{line:?} is no setting"));
            let is_commented = bare.len() < line.len();
            self.key(Key { name: name.to_owned(), value: Some(value.to_owned()), is_commented });
        }
    }

    fn key(&mut self, key: Key) {
        let text = self.text();
        let section = self.sections.last_mut().unwrap();
        match section.entries.last_mut().filter(|_| self.is_open) {
            Some(entry) => entry.keys.push(key),
            None => section.entries.push(Entry { keys: vec![key], text }),
        }
        self.is_open = true;
    }

    fn text(&mut self) -> String {
        std::mem::take(&mut self.ahead).join(" ")
    }

    /// What stands alone is the head, or says where it belongs.
    fn end_paragraph(&mut self) {
        self.is_open = false;
        let text = self.text();
        if text.is_empty() {
            return;
        }
        if self.sections.iter().all(|section| section.entries.is_empty()) {
            self.head.push(text);
        } else if text.contains(": derive = { ") {
            let portal = self.sections.iter_mut().find(|section| section.header == "[keys.portal]").unwrap();
            let key = Key { name: "derive".to_owned(), value: None, is_commented: true };
            portal.entries.push(Entry { keys: vec![key], text });
        } else if text.contains("[keys.document]") {
            self.sections.push(Section::new("[keys.document]", text));
        } else {
            panic!("what is this about: {text}");
        }
    }
}
