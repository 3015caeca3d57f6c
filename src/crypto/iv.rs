//! Initialization vectors as they travel with a message.

use rand::CryptoRng;

/// An IV of 12 or 16 bytes, held inline.
///
/// Has no `Debug`, so that it reaches no log by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Iv {
    len: IvLength,
    /// Zero beyond `len`.
    bytes: [u8; 16],
}

impl Iv {
    /// Takes `bytes`, when there are 12 or 16 of them (P1).
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let len = IvLength::of(bytes.len())?;
        let mut iv = Self { len, bytes: [0; 16] };
        iv.bytes[..len.bytes()].copy_from_slice(bytes);
        Some(iv)
    }

    /// A fresh IV from `rng`.
    pub fn random<R: CryptoRng>(len: IvLength, rng: &mut R) -> Self {
        let mut iv = Self { len, bytes: [0; 16] };
        rng.fill_bytes(&mut iv.bytes[..len.bytes()]);
        iv
    }

    /// The 12 or 16 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.bytes()]
    }

    /// How many bytes there are.
    pub fn len(&self) -> IvLength {
        self.len
    }

    /// Whether every byte is zero, which P1 has an opener refuse.
    pub fn is_all_zero(&self) -> bool {
        self.bytes == [0; 16]
    }
}

/// The lengths of an IV that travel (P1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IvLength {
    /// 12 bytes, the only length that .NET has for GCM.
    Twelve,
    /// 16 bytes, one AES block.
    Sixteen,
}

impl IvLength {
    /// The length as a number of bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Twelve => 12,
            Self::Sixteen => 16,
        }
    }

    fn of(bytes: usize) -> Option<Self> {
        match bytes {
            12 => Some(Self::Twelve),
            16 => Some(Self::Sixteen),
            _ => None,
        }
    }
}
