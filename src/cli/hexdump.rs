//! Bytes for the eye: offset, hex and ASCII in rows of sixteen.

/// Bytes in a row.
const ROW: usize = 16;

/// The first `rows` rows of `bytes`, and a last one that says how much more there is.
pub(super) fn excerpt(bytes: &[u8], rows: usize) -> Vec<String> {
    let shown = &bytes[..bytes.len().min(rows * ROW)];
    let mut lines: Vec<String> = shown.chunks(ROW).enumerate().map(|(index, row)| line(index, row)).collect();
    if shown.len() < bytes.len() {
        lines.push(format!("… {} more bytes", bytes.len() - shown.len()));
    }
    lines
}

fn line(index: usize, row: &[u8]) -> String {
    let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
    let ascii: String =
        row.iter().map(|&byte| if matches!(byte, 0x20..=0x7e) { char::from(byte) } else { '.' }).collect();
    format!("{:04x}  {:<47}  {ascii}", index * ROW, hex.join(" "))
}

/// Text as lines if a terminal can show it, else its hex dump; either way not more than `rows` lines.
pub(super) fn readable(bytes: &[u8], rows: usize) -> Vec<String> {
    let plain = |text: &&str| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    let Some(text) = std::str::from_utf8(bytes).ok().filter(plain) else { return excerpt(bytes, rows) };
    let mut lines: Vec<String> = text.lines().take(rows).map(shortened).collect();
    if text.lines().count() > rows {
        lines.push(format!("… {} bytes in all", bytes.len()));
    }
    lines
}

fn shortened(line: &str) -> String {
    const LONGEST: usize = 200;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_show_offset_hex_and_ascii_and_the_rest_is_counted() {
        let bytes: Vec<u8> = (0x3f..0x3f + 35).collect();
        let expected =
            ["0000  3f 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e  ?@ABCDEFGHIJKLMN", "… 19 more bytes"];
        assert_eq!(excerpt(&bytes, 1), expected);
        assert_eq!(excerpt(b"\x00\xffA", 2), [format!("0000  {:<47}  ..A", "00 ff 41")]);
        assert!(excerpt(b"", 2).is_empty());
    }

    #[test]
    fn what_a_terminal_could_obey_is_shown_as_hex() {
        assert_eq!(readable("Ragoût\ntwo".as_bytes(), 5), ["Ragoût", "two"]);
        assert_eq!(readable(b"a\nb\nc", 2), ["a", "b", "… 5 bytes in all"]);
        assert!(readable(b"\x1b[31m", 5)[0].starts_with("0000  1b 5b"));
    }
}
