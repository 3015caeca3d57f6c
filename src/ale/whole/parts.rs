//! IV, tag, fingerprint and ciphertext where a profile has them stand: read, taken out, and put there.

use http::Uri;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use zeroize::Zeroizing;

use super::WholeFault;
use crate::ale::envelope;
use crate::crypto::Iv;
use crate::crypto::encoding::Encoding;
use crate::metrics::AleReason;
use crate::payload::json::{Json, Kind, escape, unescape};
use crate::payload::{Pointer, form};
use crate::profile::{Aad, KeyNaming, Place, TagPlace, WholeIv, WholeProfile};

/// What a message consists of; a reply has no target.
pub(super) struct Message<'m> {
    pub(super) headers: &'m HeaderMap,
    pub(super) target: Option<&'m Uri>,
    pub(super) body: &'m Body<'m>,
}

/// A body as a profile's scope reads it.
pub(super) enum Body<'b> {
    /// Nothing is looked for in it.
    Bytes,
    Document(&'b [u8], Json<'b>),
    Form(&'b [u8]),
}

/// What stands at places of its own.
pub(super) struct Beside {
    pub(super) iv: Option<Iv>,
    pub(super) tag: Option<Vec<u8>>,
}

/// A text at its place.
pub(super) type Text = Zeroizing<Vec<u8>>;

impl Message<'_> {
    /// What stands at `place`; an error where it stands there twice, or is no text.
    pub(super) fn text_at(&self, place: &Place) -> Result<Option<Text>, Unclear> {
        match (place, self.body) {
            (Place::Header(name), _) => {
                let mut values = self.headers.get_all(name).iter();
                match (values.next(), values.next()) {
                    (value, None) => Ok(value.map(|value| Text::new(value.as_bytes().to_vec()))),
                    (_, Some(_)) => Err(Unclear),
                }
            }
            (Place::Query(name), _) => {
                let query = self.target.and_then(Uri::query).unwrap_or_default();
                single_pair(query.as_bytes(), name)
            }
            (Place::Field(name), Body::Form(text)) => single_pair(text, name),
            (Place::Member(pointer), Body::Document(text, json)) => {
                let found = json.find(pointer).map_err(|_ambiguous| Unclear)?;
                match found.map(|found| (found.kind, found.span)) {
                    None => Ok(None),
                    Some((Kind::String, span)) => Ok(Some(unescape(&text[span]))),
                    Some(_) => Err(Unclear),
                }
            }
            (Place::Field(_) | Place::Member(_), _) => Ok(None),
        }
    }

    /// Reads what stands beside the ciphertext.
    pub(super) fn beside(&self, profile: &WholeProfile, is_gcm: bool) -> Result<Beside, WholeFault> {
        let iv = match &profile.iv {
            WholeIv::At(place, length) => {
                let text = self.required(place, AleReason::MissingIv, AleReason::BadIv)?;
                let iv = decode(profile.iv_encoding, place, &text).and_then(|bytes| Iv::from_slice(&bytes));
                let iv = iv.filter(|iv| length.is_none_or(|length| iv.len() == length));
                Some(iv.ok_or_else(|| WholeFault::headers(AleReason::BadIv, place))?)
            }
            WholeIv::Prefix(_) | WholeIv::Static(_) => None,
        };
        let tag = match &profile.tag {
            TagPlace::At(place) if is_gcm => {
                let text = self.required(place, AleReason::MissingTag, AleReason::BadTag)?;
                let tag = decode(profile.tag_encoding, place, &text);
                Some(tag.ok_or_else(|| WholeFault::headers(AleReason::BadTag, place))?)
            }
            _ => None,
        };
        Ok(Beside { iv, tag })
    }

    /// P2: the name of the key, where the message bears it.
    pub(super) fn fingerprint(&self, profile: &WholeProfile) -> Result<Option<String>, WholeFault> {
        let KeyNaming::At(place) = &profile.key else { return Ok(None) };
        let text = self.required(place, AleReason::MissingFingerprint, AleReason::BadFingerprint)?;
        let bad = || WholeFault::headers(AleReason::BadFingerprint, place);
        let text = Some(&text).filter(|text| envelope::is_fingerprint(text)).ok_or_else(bad)?;
        String::from_utf8(text.to_vec()).map(Some).map_err(|_| bad())
    }

    fn required(&self, place: &Place, missing: AleReason, bad: AleReason) -> Result<Text, WholeFault> {
        let text = self.text_at(place).map_err(|Unclear| WholeFault::headers(bad, place))?;
        text.ok_or_else(|| WholeFault::headers(missing, place))
    }

    /// The text that is authenticated besides, unless it is the context. Where it is absent there is none, which the tag
    /// proves as well.
    pub(super) fn aad(&self, aad: &Aad) -> Result<Vec<u8>, WholeFault> {
        match aad {
            Aad::At(place) => {
                let text = self
                    .text_at(place)
                    .map_err(|Unclear| WholeFault::headers(AleReason::BadEnvelope, place))?;
                Ok(text.map_or_else(Vec::new, |text| text.to_vec()))
            }
            Aad::Literal(text) => Ok(text.as_bytes().to_vec()),
            Aad::Context | Aad::None => Ok(Vec::new()),
        }
    }
}

/// A part that stands at its place more than once, or as something else than text.
pub(super) struct Unclear;

fn single_pair(text: &[u8], name: &str) -> Result<Option<Text>, Unclear> {
    let mut pairs = form::pairs(text).filter(|pair| pair.name_is(name));
    match (pairs.next(), pairs.next()) {
        (None, _) => Ok(None),
        (Some(pair), None) => {
            let value = pair.value.map_or(&b""[..], |span| &text[span]);
            form::decode(value).map(Some).ok_or(Unclear)
        }
        (Some(_), Some(_)) => Err(Unclear),
    }
}

/// The bytes of a text that stands at `place`.
pub(super) fn decode(encoding: Encoding, place: &Place, text: &[u8]) -> Option<Vec<u8>> {
    match place {
        Place::Field(_) | Place::Query(_) => encoding.decode(&with_plus(encoding, text)),
        Place::Header(_) | Place::Member(_) => encoding.decode(text),
    }
}

/// A `+` that was not escaped reads as a space in queries and forms; in base64 there are no spaces.
pub(super) fn with_plus(encoding: Encoding, text: &[u8]) -> Text {
    let mut text = Text::new(text.to_vec());
    if encoding == Encoding::Base64 {
        text.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'+');
    }
    text
}

/// Takes parts out of the head of a message that was opened; those in its body go with it.
pub(super) fn strip_head(profile: &WholeProfile, headers: &mut HeaderMap, target: Option<&mut Uri>) {
    let mut names: Vec<&str> = Vec::new();
    for place in profile.own_places() {
        match place {
            Place::Header(name) => drop(headers.remove(name)),
            Place::Query(name) => names.push(name),
            Place::Field(_) | Place::Member(_) => {}
        }
    }
    if let Some(target) = target
        && let Some(query) = target.query()
        && !names.is_empty()
    {
        let rest = form::without(query.as_bytes(), &names);
        set_query(target, &rest);
    }
}

/// Puts another query into `target`; an empty one goes with its mark.
pub(super) fn set_query(target: &mut Uri, query: &[u8]) -> Option<()> {
    let query = std::str::from_utf8(query).ok()?;
    let path = match (target.path(), query) {
        (path, "") => path.to_owned(),
        (path, query) => format!("{path}?{query}"),
    };
    let mut parts = target.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    *target = Uri::from_parts(parts).ok()?;
    Some(())
}

/// Parts on their way into a message: those of the head are put there at once, the others into the body that is made.
pub(super) struct Placing<'m> {
    pub(super) headers: &'m mut HeaderMap,
    pub(super) target: Option<&'m mut Uri>,
    pub(super) members: Vec<(Pointer, Vec<u8>)>,
    pub(super) fields: Vec<(Box<str>, Vec<u8>)>,
}

impl Placing<'_> {
    /// Puts `text` to `place`; `None` where it cannot stand there.
    pub(super) fn put(&mut self, place: &Place, text: Vec<u8>) -> Option<()> {
        match place {
            Place::Header(name) => {
                self.headers.insert(name.clone(), HeaderValue::from_bytes(&text).ok()?);
            }
            Place::Query(name) => {
                let target = self.target.as_deref_mut()?;
                let query = target.query().unwrap_or_default();
                // One that the application wrote itself would stand there twice.
                let mut query = form::without(query.as_bytes(), &[name]);
                append_pair(&mut query, name, &text);
                set_query(target, &query)?;
            }
            Place::Member(pointer) => self.members.push((pointer.clone(), text)),
            Place::Field(name) => self.fields.push((name.clone(), text)),
        }
        Some(())
    }

    /// A body of nothing but these parts, and what it is.
    pub(super) fn body_of_parts(&self) -> Option<(Vec<u8>, HeaderValue)> {
        if self.members.is_empty() {
            let mut body = Vec::new();
            self.fields.iter().for_each(|(name, text)| append_pair(&mut body, name, text));
            return Some((body, HeaderValue::from_static("application/x-www-form-urlencoded")));
        }
        let body = self.members.iter().try_fold(b"{}".to_vec(), |body, (pointer, text)| {
            let token = escape(std::str::from_utf8(text).ok()?);
            with_member(&body, pointer, &token)
        });
        Some((body?, HeaderValue::from_static("application/json")))
    }
}

/// `document` with one more member; `None` where there is no place for it.
pub(super) fn with_member(document: &[u8], pointer: &Pointer, token: &[u8]) -> Option<Vec<u8>> {
    let json = Json::parse(document).ok()?;
    let (at, before, after) = json.insertion(pointer)?;
    Some([&document[..at], &before, token, &after, &document[at..]].concat())
}

/// Appends `name=value`, escaped.
pub(super) fn append_pair(pairs: &mut Vec<u8>, name: &str, value: &[u8]) {
    if !pairs.is_empty() {
        pairs.push(b'&');
    }
    pairs.extend_from_slice(&form::encode(name.as_bytes()));
    pairs.push(b'=');
    pairs.extend_from_slice(&form::encode(value));
}

/// What the `content-type` of a message says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Form,
    Json,
    Other,
}

/// Reads `content-type`; several are none.
pub(super) fn media(headers: &HeaderMap) -> Media {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return Media::Other };
    let media_type = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let media_type = media_type.to_ascii_lowercase();
    match &media_type[..] {
        b"application/x-www-form-urlencoded" => Media::Form,
        b"application/json" => Media::Json,
        other if other.starts_with(b"application/") && other.ends_with(b"+json") => Media::Json,
        _ => Media::Other,
    }
}

/// Sets the one `content-type`.
pub(super) fn set_media(headers: &mut HeaderMap, value: &HeaderValue) {
    headers.insert(CONTENT_TYPE, value.clone());
}
