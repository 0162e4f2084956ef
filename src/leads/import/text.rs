//! What a text file is written in: its encoding and its delimiter.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// The encoding of a text file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16 with a byte order mark, low byte first.
    Utf16Le,
    /// UTF-16 with a byte order mark, high byte first.
    Utf16Be,
    /// Windows-1252, taken for what is not valid UTF-8.
    Windows1252,
}

impl fmt::Display for TextEncoding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 (little endian)",
            Self::Utf16Be => "UTF-16 (big endian)",
            Self::Windows1252 => "Windows-1252",
        })
    }
}

/// What stands between the cells of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
    /// The tabulator.
    Tab,
    /// `|`
    Pipe,
}

impl std::str::FromStr for Delimiter {
    type Err = String;

    /// Reads `,`, `;`, `|`, `tab`, or a name of one of them.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "," | "comma" => Ok(Self::Comma),
            ";" | "semicolon" => Ok(Self::Semicolon),
            "\t" | "\\t" | "tab" => Ok(Self::Tab),
            "|" | "pipe" => Ok(Self::Pipe),
            _ => Err(format!(
                "unknown delimiter `{text}`; one of comma, semicolon, tab, pipe"
            )),
        }
    }
}

impl Delimiter {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    /// The byte in the file.
    pub fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
            Self::Pipe => "pipe",
        })
    }
}

/// What a look through the whole input found.
pub(super) enum Scan {
    Text(TextEncoding),
    /// A zero byte in what is not UTF-16, or too many control characters: no text.
    Binary,
}

/// Of so many bytes of text one at most is a control character: compressed data has one in ten.
const CONTROLS_OF: u64 = 50;

/// A byte that texts do not have, whatever their encoding; blanks, line ends, the page break, and the marks that old
/// systems put at the end of a file are none.
fn is_control(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0x1a | 0x1b)
}

/// Reads the input to its end to learn its encoding: whether it is UTF-8 is known only then.
pub(super) fn scan(input: &mut (impl Read + Seek)) -> io::Result<Scan> {
    input.seek(SeekFrom::Start(0))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut kept = 0;
    let mut first = true;
    let mut utf8 = true;
    let (mut bytes, mut controls) = (0_u64, 0_u64);
    loop {
        let read = input.read(&mut buffer[kept..])?;
        let filled = kept + read;
        let chunk = &buffer[..filled];
        if first && filled < 3 && read > 0 {
            kept = filled;
            continue;
        }
        if first {
            match chunk {
                [0xff, 0xfe, ..] => return Ok(Scan::Text(TextEncoding::Utf16Le)),
                [0xfe, 0xff, ..] => return Ok(Scan::Text(TextEncoding::Utf16Be)),
                _ => first = false,
            }
        }
        if chunk.contains(&0) {
            return Ok(Scan::Binary);
        }
        let fresh = &buffer[filled - read..filled];
        bytes += read as u64;
        controls += fresh.iter().filter(|byte| is_control(**byte)).count() as u64;
        if read == 0 && controls * CONTROLS_OF > bytes {
            return Ok(Scan::Binary);
        }
        if read == 0 {
            let whole = filled == 0 || std::str::from_utf8(chunk).is_ok();
            let encoding = if utf8 && whole {
                TextEncoding::Utf8
            } else {
                TextEncoding::Windows1252
            };
            return Ok(Scan::Text(encoding));
        }
        kept = 0;
        if utf8 && let Err(error) = std::str::from_utf8(chunk) {
            if error.error_len().is_some() {
                utf8 = false;
            } else {
                // A character is cut in two by the end of the buffer.
                let rest = error.valid_up_to()..filled;
                kept = rest.len();
                buffer.copy_within(rest, 0);
            }
        }
    }
}

/// The input as UTF-8 without a byte order mark.
pub(super) fn decoded<R: Read>(input: R, encoding: TextEncoding) -> DecodeReaderBytes<R, Vec<u8>> {
    let from = match encoding {
        TextEncoding::Utf8 => encoding_rs::UTF_8,
        TextEncoding::Utf16Le => encoding_rs::UTF_16LE,
        TextEncoding::Utf16Be => encoding_rs::UTF_16BE,
        TextEncoding::Windows1252 => encoding_rs::WINDOWS_1252,
    };
    DecodeReaderBytesBuilder::new()
        .encoding(Some(from))
        .strip_bom(true)
        .utf8_passthru(true)
        .build(input)
}

/// The delimiter that splits a beginning of the file best: the most columns, the same in the most rows.
/// A comma where the file has one column only.
pub(super) fn sniff_delimiter(beginning: &str) -> Delimiter {
    let mut best = (0.0, Delimiter::Comma);
    for delimiter in Delimiter::ALL {
        let mut reader = ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter.byte())
            .from_reader(beginning.as_bytes());
        let widths: Vec<usize> = reader
            .records()
            .map_while(Result::ok)
            .take(50)
            .map(|row| row.len())
            .collect();
        let Some(&columns) = widths.first() else { continue };
        if columns < 2 {
            continue;
        }
        let alike = widths.iter().filter(|&&width| width == columns).count();
        let share = alike as f64 / widths.len() as f64;
        let score = share * share * columns as f64;
        if score > best.0 {
            best = (score, delimiter);
        }
    }
    best.1
}
