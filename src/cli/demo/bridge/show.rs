//! The panels of the bridge.

use bytes::Bytes;

use super::tour::{Tour, WISH};
use crate::cli::demo::panels;
use crate::cli::demo::wire::Message;
use crate::cli::paint::Paint;

/// Characters of a sealed message that are shown.
const SHOWN: usize = 96;

/// The whole tour as text.
pub(super) fn render(tour: &Tour, paint: Paint) -> String {
    let Tour { sent, there, seen, back, got, talk, .. } = tour;
    let request = format!("{} {} HTTP/1.1", seen.method, seen.target);
    let panels = [
        ("What the point of sale sent", plain(sent, paint)),
        ("What was heard on the line between the sidecars", panels::sealed(there, paint)),
        ("What the kitchen saw", panels::plain(&request, &seen.headers, &seen.body, paint)),
        ("What was heard of the answer on the line", panels::sealed(back, paint)),
        ("What the point of sale got", plain(got, paint)),
        ("A WebSocket: what was said", {
            vec![
                format!("point of sale: {}", paint.plain(WISH)),
                format!("kitchen heard: {}", paint.plain(&String::from_utf8_lossy(&talk.said.heard))),
                format!("kitchen: {}", paint.plain(&talk.said.answered)),
                format!("point of sale heard: {}", paint.plain(&String::from_utf8_lossy(&talk.told))),
            ]
        }),
        ("What was heard of it on the line", {
            let mut lines: Vec<String> = talk.handshake.head.lines().map(str::to_owned).collect();
            lines.push(String::new());
            lines.extend(talk.there.iter().map(|message| format!("▶ {}", paint.sealed(&cut(message)))));
            lines.extend(talk.back.iter().map(|message| format!("◀ {}", paint.sealed(&cut(message)))));
            lines
        }),
    ];
    panels::numbered(&panels, paint)
}

fn plain(message: &Message, paint: Paint) -> Vec<String> {
    let first = message.head.lines().next().unwrap_or_default();
    panels::plain(first, &message.headers(), &message.body, paint)
}

/// The beginning of a text, fit for a terminal.
fn cut(message: &Bytes) -> String {
    let text = String::from_utf8_lossy(message);
    let mut shown: String = text.chars().filter(|character| !character.is_control()).take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
