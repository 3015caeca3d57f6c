//! Long pieces are worked on in strides that stay in the first-level cache.

use bytes::BytesMut;

/// Bytes that are copied, ciphered and hashed in turn.
const STRIDE: usize = 8 * 1024;

/// Appends `input` to `out`, and lets `work` change each stride where it stands. `work` also sees the
/// stride as it came.
pub(super) fn append<E>(
    input: &[u8],
    out: &mut BytesMut,
    mut work: impl FnMut(&[u8], &mut [u8]) -> Result<(), E>,
) -> Result<(), E> {
    out.reserve(input.len());
    for stride in input.chunks(STRIDE) {
        let start = out.len();
        out.extend_from_slice(stride);
        work(stride, &mut out[start..])?;
    }
    Ok(())
}
