//! What one source holds: read and right by itself, before it becomes part of a ring.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::ring::{self, Candidate};
use super::whereabouts::{Origins, Whereabouts};
use super::{Derivations, Fingerprint, Key, RingFault, RingPolicy, Validity};
use crate::crypto::{Algorithm, DerivationId, Pbkdf2, SecretKey};
use crate::document::{Fault, Faults};

/// The keys of one source. [`merge`](super::merge) makes a ring of one or several.
///
/// Each key is whole. Whether they are right together, the ring says.
pub struct SourceKeys {
    /// What the source is called in faults: the path of a file, the address of a portal.
    pub name: Arc<str>,
    /// The keys in their order; rings share them.
    pub keys: Vec<Arc<Key>>,
    /// The key that is named to seal; only key files name one.
    pub primary: Option<Fingerprint>,
    /// What the document says of whether the service is secured; absent where the source says nothing. Only a portal's counts.
    pub encryption: Option<bool>,
    /// What is allowed but seldom meant.
    pub warnings: Vec<Fault>,
    pub(super) whereabouts: Whereabouts,
    /// What its passphrases gave.
    pub(super) derived: Vec<DerivationId>,
}

/// Whether the keys of a source make a ring by themselves. A source with faults is examined as far as it can be
/// judged alone, so that they are all told at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// It is the only one, so it must have keys, and the one that it names to seal.
    Alone,
    /// There are others, whose keys are not known here.
    Others,
}

impl Company {
    /// Whether the keys at hand are enough to tell that this is wrong.
    pub(super) fn can_tell(self, fault: &RingFault) -> bool {
        self == Self::Alone || !matches!(fault, RingFault::NoKeys | RingFault::UnknownPrimary)
    }
}

/// A source as far as it could be read.
pub(super) struct Draft<'f> {
    pub(super) keys: Vec<DraftKey<'f>>,
    pub(super) primary: Option<Fingerprint>,
    pub(super) encryption: Option<bool>,
    pub(super) warnings: Vec<Fault>,
    pub(super) faults: Vec<Fault>,
    /// Something stands where the keys should, so that they may only seem to be missing.
    pub(super) misshapen: bool,
    pub(super) whereabouts: Whereabouts,
}

/// A key as far as it could be read.
pub(super) struct DraftKey<'f> {
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) secret: Option<DraftSecret<'f>>,
    pub(super) validity: Validity,
}

/// What a source gives for a key.
pub(super) enum DraftSecret<'f> {
    /// A passphrase, of which nothing is derived unless the whole source is sound: that takes time.
    Passphrase { algorithm: Algorithm, passphrase: Zeroizing<Vec<u8>>, pbkdf2: Cow<'f, Pbkdf2> },
    /// The key.
    Ready(SecretKey),
}

impl Draft<'_> {
    /// The keys, if nothing is wrong; otherwise all that is, with what is wrong among the keys.
    pub(super) fn settle(
        self,
        company: Company,
        policy: RingPolicy,
        now: Timestamp,
        derivations: &mut Derivations,
    ) -> Result<SourceKeys, Faults> {
        if !self.faults.is_empty() {
            return Err(self.all_faults(company, policy, now));
        }
        let Self { keys, primary, encryption, warnings, whereabouts, .. } = self;
        let mut derived = Vec::new();
        let keys: Option<Vec<_>> =
            keys.into_iter().map(|key| key.into_key(derivations, &mut derived).map(Arc::new)).collect();
        let name = Arc::clone(&whereabouts.file);
        let keys = keys.ok_or_else(|| Faults::from(whereabouts.incomplete()))?;
        Ok(SourceKeys { name, keys, primary, encryption, warnings, whereabouts, derived })
    }

    fn all_faults(self, company: Company, policy: RingPolicy, now: Timestamp) -> Faults {
        let candidates: Vec<_> = self.keys.iter().map(DraftKey::candidate).collect();
        let findings = ring::examine(&candidates, self.primary.as_ref(), policy, now);
        let can_be_told =
            |fault: &RingFault| company.can_tell(fault) && !(self.misshapen && *fault == RingFault::NoKeys);
        let origins = Origins::of_one(&self.whereabouts);
        let placed = findings.faults.into_iter().filter(can_be_told);
        let faults = self.faults.iter().cloned().chain(placed.map(|fault| origins.fault(fault).1)).collect();
        // There are faults already, so the alternative does not come up.
        Faults::check(faults).err().unwrap_or_else(|| Faults::from(self.whereabouts.incomplete()))
    }
}

impl DraftKey<'_> {
    fn candidate(&self) -> Candidate<'_> {
        let (algorithm, secret) = match &self.secret {
            None => (None, None),
            Some(DraftSecret::Passphrase { algorithm, .. }) => (Some(*algorithm), None),
            Some(DraftSecret::Ready(secret)) => (Some(secret.algorithm()), Some(secret)),
        };
        Candidate { fingerprint: self.fingerprint.as_ref(), algorithm, secret, validity: self.validity }
    }

    fn into_key(self, derivations: &mut Derivations, derived: &mut Vec<DerivationId>) -> Option<Key> {
        let secret = match self.secret? {
            DraftSecret::Passphrase { algorithm, passphrase, pbkdf2 } => {
                let (id, key) = derivations.key(&pbkdf2, &passphrase, algorithm.key_size.bytes());
                derived.push(id);
                // It has the algorithm's length.
                SecretKey::new(algorithm, key).ok()?
            }
            DraftSecret::Ready(secret) => secret,
        };
        Some(Key::new(self.fingerprint?, secret, self.validity))
    }
}
