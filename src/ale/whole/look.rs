//! What makes a message a sealed one, for people to look at. Nothing of it is proven, and nothing is opened.

use http::Uri;
use http::header::HeaderMap;

use super::cipher;
use super::open::read_body;
use super::parts::{self, Body, Message, Text};
use super::values::{Change, Direction};
use crate::payload::json::{Kind, unescape};
use crate::profile::{Place, Scope, WholeProfile};

/// The envelope of a message that is held whole, as far as there is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WholeEnvelope {
    /// The name of the key, where the message bears it.
    pub fingerprint: Option<String>,
    /// What is beside each ciphertext: one, or one for each value that is sealed by itself.
    pub parts: Vec<EnvelopePart>,
}

/// What is beside one ciphertext.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvelopePart {
    /// The IV; absent where both sides know it.
    pub iv: Option<Vec<u8>>,
    /// The tag, where there is one.
    pub tag: Option<Vec<u8>>,
}

/// Looks at a message as it was on the wire; a reply has no target. `is_gcm` is whether its key's messages have a tag.
pub fn look_at_whole(
    profile: &WholeProfile,
    headers: &HeaderMap,
    target: Option<&Uri>,
    body: &[u8],
    is_gcm: bool,
) -> WholeEnvelope {
    let Ok(read) = read_body(&profile.scope, headers, body) else { return WholeEnvelope::default() };
    let message = Message { headers, target, body: &read };
    let fingerprint = message.fingerprint(profile).ok().flatten();
    let beside = message.beside(profile, is_gcm).ok();
    let part = |text: &[u8]| {
        let (iv, tag) = cipher::beside_in(profile, is_gcm, text);
        let of_message = beside.as_ref();
        EnvelopePart {
            iv: iv.or_else(|| Some(of_message?.iv.as_ref()?.as_bytes().to_vec())),
            tag: tag.or_else(|| of_message?.tag.clone()),
        }
    };
    let parts = sealed_texts(profile, &message, body).iter().map(|text| part(text)).collect();
    WholeEnvelope { fingerprint, parts }
}

/// Each ciphertext as it stands in the message.
fn sealed_texts(profile: &WholeProfile, message: &Message<'_>, body: &[u8]) -> Vec<Text> {
    let one = match (&profile.scope, message.body) {
        (Scope::Values(values), _) => {
            let own: Vec<_> = profile.own_places().collect();
            let direction = Direction::Opening { vouched_for: false };
            let change = Change { values, own, encoding: profile.encoding, direction };
            let mut found = Vec::new();
            let mut note = |text: &[u8]| {
                found.push(Text::new(text.to_vec()));
                Ok(Text::new(text.to_vec()))
            };
            // What was found before something went wrong is there all the same.
            let _ = change.apply(message.headers, message.target, body, &mut note);
            return found;
        }
        (Scope::Member(pointer, _), Body::Document(text, json)) => {
            let found = json.find(pointer).ok().flatten().filter(|found| found.kind == Kind::String);
            found.map(|found| unescape(&text[found.span]))
        }
        (Scope::Field(name, _), _) => {
            let text = message.text_at(&Place::Field(name.clone())).ok().flatten();
            text.map(|text| parts::with_plus(profile.encoding, &text))
        }
        (Scope::Body | Scope::Member(..), _) => (!body.is_empty()).then(|| Text::new(body.to_vec())),
    };
    one.into_iter().collect()
}
