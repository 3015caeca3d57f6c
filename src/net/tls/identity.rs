//! Who we are under TLS, towards those who ask.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::client::ResolvesClientCert;
use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::{Error, InconsistentKeys};
use zeroize::{Zeroize, Zeroizing};

use super::Validity;

/// A certificate, those of its issuers, and the key that belongs to it, as two PEM files had them.
///
/// Shows its paths at most. The key is where the provider of TLS keeps keys, and is wiped with the last clone.
#[derive(Clone)]
pub struct Identity {
    certificate_path: PathBuf,
    key_path: PathBuf,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads the certificates at `certificate_path`, our own first, and its key at `key_path`, which may be the same file.
    pub fn read(certificate_path: PathBuf, key_path: PathBuf) -> Result<Self, IdentityFault> {
        let chain = certificates(&certificate_path)?;
        let mut key = key(&key_path)?;
        let signing = any_supported_type(&key);
        key.zeroize();
        let certified = CertifiedKey::new(chain, signing.map_err(IdentityFault::Unusable)?);
        certified.keys_match().map_err(IdentityFault::from_rustls)?;
        Ok(Self { certificate_path, key_path, certified: Arc::new(certified) })
    }

    /// The same files as they are now.
    pub fn reread(&self) -> Result<Self, IdentityFault> {
        Self::read(self.certificate_path.clone(), self.key_path.clone())
    }

    /// Where the certificates were read.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// Where the key was read.
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// When our own certificate holds, if it says so.
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(self.certified.cert.first()?)
    }

    /// The names of DNS that our own certificate is for, in small letters; `*.` and the rest for all of one label.
    pub fn names(&self) -> Vec<Box<str>> {
        let own = self.certified.cert.first().and_then(|own| webpki::EndEntityCert::try_from(own).ok());
        let names = own.iter().flat_map(|own| own.valid_dns_names().collect::<Vec<_>>());
        names.map(|name| name.to_ascii_lowercase().into()).collect()
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Presents the certificate to whoever asks for one.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.certified)))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("certificate_path", &self.certificate_path)
            .field("key_path", &self.key_path)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Identity {
    /// The key needs no comparison: it is the one that the certificate names.
    fn eq(&self, other: &Self) -> bool {
        self.certificate_path == other.certificate_path
            && self.key_path == other.key_path
            && self.certified.cert == other.certified.cert
    }
}

impl Eq for Identity {}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityFault> {
    let text = Zeroizing::new(std::fs::read(path).map_err(IdentityFault::CertificateUnreadable)?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(IdentityFault::CertificateNotPem)?;
    if chain.is_empty() { Err(IdentityFault::NoCertificate) } else { Ok(chain) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityFault> {
    let text = Zeroizing::new(std::fs::read(path).map_err(IdentityFault::KeyUnreadable)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => IdentityFault::NoKey,
        error => IdentityFault::KeyNotPem(error),
    })
}

/// Why two files give no identity. Tells nothing of what stands in the key's.
#[derive(Debug, thiserror::Error)]
pub enum IdentityFault {
    /// The frames or the base64 of the certificates are broken.
    #[error("its certificate is not PEM: {0}")]
    CertificateNotPem(pem::Error),
    /// The system refused the certificates.
    #[error("its certificate cannot be read: {0}")]
    CertificateUnreadable(io::Error),
    /// The frames or the base64 of the key are broken.
    #[error("its key is not PEM: {0}")]
    KeyNotPem(pem::Error),
    /// The system refused the key.
    #[error("its key cannot be read: {0}")]
    KeyUnreadable(io::Error),
    /// The certificate is for another key.
    #[error("its certificate is for another key")]
    Mismatch,
    /// There is no certificate in the file.
    #[error("its certificate's file has no certificate in it")]
    NoCertificate,
    /// There is no key in the file.
    #[error("its key's file has no key in it")]
    NoKey,
    /// Certificate or key are nothing that TLS could use.
    #[error("its certificate or key cannot be used: {0}")]
    Unusable(Error),
}

impl IdentityFault {
    fn from_rustls(error: Error) -> Self {
        match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Self::Mismatch,
            error => Self::Unusable(error),
        }
    }

    /// Whether it is the key's file that is to be looked at.
    pub fn is_of_key(&self) -> bool {
        matches!(self, Self::KeyNotPem(_) | Self::KeyUnreadable(_) | Self::NoKey)
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::CertificateUnreadable(_) | Self::KeyUnreadable(_) => {
                "see that the path is right and that this user may read the file"
            }
            Self::CertificateNotPem(_) | Self::NoCertificate => {
                "name a PEM file with the certificate and after it those of its issuers: -----BEGIN CERTIFICATE-----"
            }
            Self::KeyNotPem(_) | Self::NoKey => {
                "name a PEM file with the key, not under a passphrase: -----BEGIN PRIVATE KEY-----"
            }
            Self::Mismatch => {
                "name the certificate and the key that were made for each other, our own certificate first"
            }
            Self::Unusable(_) => {
                "use an RSA key of 2048 bits or more, an ECDSA key or an Ed25519 key, in PKCS #8"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    struct Files {
        directory: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn write(&self, name: &str, content: &str) -> PathBuf {
            let path = self.directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        }
    }

    /// The PEM of a certificate and of its key.
    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["pos.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn certificate_and_key_are_read_from_two_files_or_one() {
        let files = Files::new();
        let (certificate, key) = pair();
        let both = files.write("both.pem", &format!("{key}{certificate}{certificate}"));
        let (certificate, key) = (files.write("a.pem", &certificate), files.write("a.key", &key));
        let identity = Identity::read(certificate.clone(), key.clone()).unwrap();
        assert_eq!(identity.certificate_path(), certificate);
        assert_eq!(identity.key_path(), key);
        assert_eq!(identity.certified.cert.len(), 1);
        let identity = Identity::read(both.clone(), both).unwrap();
        assert_eq!(identity.certified.cert.len(), 2);
    }

    #[test]
    fn identity_that_was_renewed_is_another_one() {
        let files = Files::new();
        let (certificate, key) = pair();
        let paths = (files.write("a.pem", &certificate), files.write("a.key", &key));
        let old = Identity::read(paths.0, paths.1).unwrap();
        assert_eq!(old, old.reread().unwrap());
        let (certificate, key) = pair();
        files.write("a.pem", &certificate);
        // The one is there, the other is still to come.
        assert!(matches!(old.reread(), Err(IdentityFault::Mismatch)));
        files.write("a.key", &key);
        assert_ne!(old, old.reread().unwrap());
    }

    #[test]
    fn files_that_are_no_identity_are_refused_for_what_they_are() {
        let files = Files::new();
        let (certificate, key) = pair();
        let broken = |text: &str| text.replacen("\nMI", "\n?!", 1);
        let read = |certificate: &str, key: &str| {
            Identity::read(files.write("b.pem", certificate), files.write("b.key", key)).unwrap_err()
        };
        assert!(matches!(read("", &key), IdentityFault::NoCertificate));
        assert!(matches!(read(&key, &key), IdentityFault::NoCertificate));
        assert!(matches!(read(&broken(&certificate), &key), IdentityFault::CertificateNotPem(_)));
        assert!(matches!(read(&certificate, ""), IdentityFault::NoKey));
        assert!(matches!(read(&certificate, &certificate), IdentityFault::NoKey));
        assert!(matches!(read(&certificate, &broken(&key)), IdentityFault::KeyNotPem(_)));
        assert!(matches!(read(&certificate, &pair().1), IdentityFault::Mismatch));
        let empty_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(read(&certificate, empty_key), IdentityFault::Unusable(_)));
        let (here, none) = (files.write("c.pem", &certificate), files.directory.path().join("none"));
        let unread = Identity::read(none.clone(), here.clone()).unwrap_err();
        assert!(matches!(unread, IdentityFault::CertificateUnreadable(_)));
        let unread = Identity::read(here, none).unwrap_err();
        assert!(matches!(unread, IdentityFault::KeyUnreadable(_)));
    }

    #[test]
    fn identity_shows_its_paths_and_nothing_of_its_key() {
        let files = Files::new();
        let (certificate, key) = pair();
        let identity =
            Identity::read(files.write("a.pem", &certificate), files.write("a.key", &key)).unwrap();
        let shown = format!("{identity:?}");
        assert!(shown.contains("a.pem") && shown.contains("a.key"), "{shown}");
        assert!(shown.len() < 2 * files.directory.path().as_os_str().len() + 90, "{shown}");
    }
}
