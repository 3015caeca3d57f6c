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

    /// A fresh IV of letters, digits, `-` and `_`, six random bits each, where bytes cannot stand.
    pub fn random_characters<R: CryptoRng>(len: IvLength, rng: &mut R) -> Self {
        const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut iv = Self::random(len, rng);
        iv.bytes[..len.bytes()].iter_mut().for_each(|byte| *byte = CHARACTERS[usize::from(*byte % 64)]);
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

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn iv_has_12_or_16_bytes_and_no_other_number() {
        for len in 0..40 {
            let iv = Iv::from_slice(&[7; 40][..len]);
            assert_eq!(iv.is_some(), len == 12 || len == 16, "{len} bytes");
            if let Some(iv) = iv {
                assert_eq!(iv.as_bytes(), &[7; 40][..len]);
                assert_eq!(iv.len().bytes(), len);
            }
        }
    }

    #[test]
    fn ivs_are_equal_when_length_and_bytes_are() {
        let iv = |bytes: &[u8]| Iv::from_slice(bytes).unwrap();
        assert!(iv(&[7; 16]) == iv(&[7; 16]));
        assert!(iv(&[0; 16]) != iv(&[0; 12]));
        for place in 0..16 {
            let mut other = [7; 16];
            other[place] = 8;
            assert!(iv(&[7; 16]) != iv(&other));
        }
    }

    #[test]
    fn iv_with_one_bit_set_anywhere_is_not_all_zero() {
        for len in [12, 16] {
            assert!(Iv::from_slice(&[0; 16][..len]).unwrap().is_all_zero());
            for bit in 0..len * 8 {
                let mut bytes = [0; 16];
                bytes[bit / 8] = 1 << (bit % 8);
                assert!(!Iv::from_slice(&bytes[..len]).unwrap().is_all_zero(), "bit {bit} of {len} bytes");
            }
        }
    }

    #[test]
    fn random_iv_takes_all_of_its_bytes_from_the_generator() {
        for len in [IvLength::Twelve, IvLength::Sixteen] {
            let mut rng = StdRng::seed_from_u64(1);
            let ivs: Vec<Iv> = (0..64).map(|_| Iv::random(len, &mut rng)).collect();
            assert!(ivs.iter().all(|iv| iv.len() == len));
            for place in 0..len.bytes() {
                assert!(
                    ivs.iter().any(|iv| iv.as_bytes()[place] != ivs[0].as_bytes()[place]),
                    "byte {place}"
                );
            }
        }
    }
}
