//! Sealing the reply to a request that was opened.

use std::sync::Arc;

use http::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use rand::CryptoRng;

use crate::crypto::{Iv, Sealer, encoding};
use crate::keys::Key;
use crate::profile::Profile;

/// The right to answer one opened request, under the key that it came with.
///
/// It can only be had by opening a request, so a reply under another key cannot be written, and a reload
/// of the keys in mid-exchange changes nothing.
#[must_use]
pub struct ReplySealing {
    profile: Arc<Profile>,
    key: Arc<Key>,
    request_iv: Iv,
}

/// How the body of a reply goes out.
pub enum SealedReply {
    /// As it is: the profile's replies are plain.
    Plain,
    /// There is none, and nothing marks the reply as sealed (P5).
    Bodyless,
    /// Through this sealer, which adds so many bytes.
    Sealed(Sealer),
}

impl ReplySealing {
    pub(super) fn new(profile: Arc<Profile>, key: Arc<Key>, request_iv: Iv) -> Self {
        Self { profile, key, request_iv }
    }

    /// The key of the exchange.
    pub fn key(&self) -> &Arc<Key> {
        &self.key
    }

    /// Bytes that sealing adds to a reply's body.
    pub fn overhead(&self) -> u64 {
        if self.profile.seal_replies { self.key.secret.algorithm().tag_len() as u64 } else { 0 }
    }

    /// Turns the head of the application's reply into the head of the sealed one (P1, P2, P5, P6).
    pub fn seal<R: CryptoRng>(
        self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        rng: &mut R,
    ) -> SealedReply {
        for name in [&self.profile.iv, &self.profile.fingerprint, &self.profile.content_encoding] {
            headers.remove(name);
        }
        if !self.profile.seal_replies {
            return SealedReply::Plain;
        }
        self.rename_content_encoding(headers);
        if is_bodyless(method, status) {
            return SealedReply::Bodyless;
        }
        let iv = self.fresh_iv(rng);
        let sealer = self.key.secret.sealer(iv.as_bytes(), &[]).expect("the request's IV had this length");
        self.mark(headers, &iv);
        SealedReply::Sealed(sealer)
    }

    /// P1: random, of the request's length. P9: never the request's own.
    fn fresh_iv<R: CryptoRng>(&self, rng: &mut R) -> Iv {
        loop {
            let iv = Iv::random(self.request_iv.len(), rng);
            if iv != self.request_iv && !iv.is_all_zero() {
                return iv;
            }
        }
    }

    fn mark(&self, headers: &mut HeaderMap, iv: &Iv) {
        let iv = HeaderValue::from_str(encoding::iv_to_base64(iv).as_str()).expect("base64 is visible ASCII");
        let fingerprint = HeaderValue::from_str(self.key.fingerprint.as_str())
            .expect("a fingerprint is visible ASCII by its type");
        headers.insert(self.profile.iv.clone(), iv);
        headers.insert(self.profile.fingerprint.clone(), fingerprint);
    }

    /// P6; in replies without a body as well, so that HEAD names what GET names.
    fn rename_content_encoding(&self, headers: &mut HeaderMap) {
        let encodings: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().cloned().collect();
        headers.remove(CONTENT_ENCODING);
        for encoding in encodings {
            headers.append(self.profile.content_encoding.clone(), encoding);
        }
    }
}

/// P5: HEAD, 1xx, 204 and 304 have no body and bear neither header.
fn is_bodyless(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
