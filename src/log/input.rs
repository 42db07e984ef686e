//! A log's bytes from a file or from standard input, compressed or not.
//!
//! The first bytes tell the compression, so that no name is needed. The
//! decoders are written in Rust alone: effllm builds without a C compiler and runs as one file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::error::Error;

/// A log that is open for reading.
pub struct Input {
    name: String,
    bytes: Box<dyn Read>,
}

impl Input {
    /// Opens a file, or standard input.
    ///
    /// # Errors
    /// There is no such file, it is a folder, or it cannot be read.
    pub fn open(file: Option<&Path>) -> Result<Self, Error> {
        let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
        let mut source: Box<dyn Read> = match file {
            Some(file) => Box::new(open(file)?),
            None => Box::new(io::stdin()),
        };
        let mut head = Vec::new();
        // Not more than needed: the rest may be all for now.
        if let Err(error) = source.by_ref().take(4).read_to_end(&mut head) {
            return Err(cannot_read(&name, &error));
        }
        let compression = Compression::of(&head);
        let source = BufReader::new(io::Cursor::new(head).chain(source));
        let bytes: Box<dyn Read> = match compression {
            None => Box::new(source),
            Some(Compression::Gzip) => Box::new(MultiGzDecoder::new(source)),
            Some(Compression::Zstd) => Box::new(Zstd::new(source)),
        };
        Ok(Self { name, bytes })
    }

    /// Reads some bytes; none at the end.
    ///
    /// # Errors
    /// The file's, or its compression is damaged. All that comes before the damage has been read.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.bytes.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map_err(|error| cannot_read(&self.name, &error)),
            }
        }
    }
}

/// Opens a file for reading, which a folder is not.
///
/// # Errors
/// Names the file, the cause, and what to do.
pub fn open(file: &Path) -> Result<File, Error> {
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| cannot_read(&name, &error))?;
    match opened.metadata() {
        Ok(found) if found.is_dir() => {
            Err(Error::usage(format!("cannot read {name}: it is a folder")).help("name a file in it"))
        }
        _ => Ok(opened),
    }
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// The compression that the first four bytes of a file show (RFC 1952; RFC 8878, skippable frames included).
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Self::Zstd),
            _ => None,
        }
    }
}

fn cannot_read(name: &str, error: &io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::UnexpectedEof => "it is compressed, and its end is missing".to_owned(),
        _ => error.to_string(),
    };
    let help = match error.kind() {
        io::ErrorKind::PermissionDenied => "'ls -l' shows who may read it",
        io::ErrorKind::UnexpectedEof => "copy it again; the part that could be read is above",
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => "it is damaged; copy it again",
        _ => "name the file that the output of the command goes to",
    };
    Error::usage(format!("cannot read {name}: {what}")).help(help)
}

/// Decompresses the frames of a zstd file, one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    within_a_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), within_a_frame: false }
    }

    /// Begins the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(self.damage(error)),
            }
        }
        Ok(false)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.within_a_frame = false;
        let stated = self.decoder.get_checksum_from_data();
        if stated.is_some() && stated != self.decoder.get_calculated_checksum() {
            return Err(io::Error::other("it is compressed, and its checksum is not right"));
        }
        Ok(())
    }

    /// The error in the compression: most often the end is missing.
    fn damage(&mut self, error: FrameDecoderError) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => io::ErrorKind::UnexpectedEof.into(),
            _ => io::Error::other(format!("its compression is damaged: {error}")),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.within_a_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.within_a_frame = true;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            if self.decoder.is_finished() {
                self.end_frame()?;
            } else if let Err(error) =
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
            {
                return Err(self.damage(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn text() -> Vec<u8> {
        (0..5_000).flat_map(|i| format!("iteration {i} of {}\n", i * 7919 % 1013).into_bytes()).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    /// All that can be read of a file with these bytes, and the error that it ends with.
    fn read(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let mut input = Input::open(Some(file.path())).unwrap();
        let (mut all, mut buffer) = (Vec::new(), [0; 5000]);
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(n) => all.extend_from_slice(&buffer[..n]),
                Err(error) => return (all, Some(error.message)),
            }
        }
    }

    #[test]
    fn compressed_files_are_read_as_what_they_hold_one_part_after_the_other() {
        let (text, skippable) = (text(), b"\x5a\x2a\x4d\x18\x03\0\0\0abc");
        let twice = [&text[..], &text[..]].concat();
        for (bytes, expected) in [
            (text.clone(), &text),
            (gzip(&text), &text),
            (zstd(&text), &text),
            ([gzip(&text), gzip(&text)].concat(), &twice),
            ([zstd(&text), skippable.to_vec(), zstd(&text)].concat(), &twice),
            ([skippable.to_vec(), zstd(&text)].concat(), &text),
        ] {
            let (read, error) = read(&bytes);
            assert_eq!((read == *expected, error), (true, None));
        }
        for short in [&b""[..], b"a", b"\n\n", b"\x1f", b"\x28\xb5"] {
            assert_eq!(read(short), (short.to_vec(), None));
        }
    }

    #[test]
    fn what_comes_before_the_damage_is_read() {
        let text = text();
        for compressed in [gzip(&text), zstd(&text)] {
            let (read_of_half, error) = read(&compressed[..compressed.len() / 2]);
            assert!(text.starts_with(&read_of_half));
            assert!(error.is_some_and(|error| error.ends_with("its end is missing")));
            let mut damaged = compressed.clone();
            let at = damaged.len() - 6; // in the checksum
            damaged[at] ^= 0x55;
            assert!(read(&damaged).1.is_some());
        }
        assert!(read(&[0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]).1.is_some());
        assert!(read(&[0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff]).1.is_some());
    }
}
