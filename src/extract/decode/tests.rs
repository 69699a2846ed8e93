use std::io::Write;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

use super::*;
use crate::error::Blame;

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(text, 1).unwrap()
}

fn zip_of(files: &[(&str, &[u8])], options: SimpleFileOptions) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        archive.start_file(*name, options).unwrap();
        archive.write_all(text).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Reads a file of these bytes to its end.
fn read(bytes: &[u8], compression: Compression) -> Result<String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut text = Vec::new();
    open_text(file.path(), compression, 200)?
        .read_to_end(&mut text)
        .map_err(|e| read_error(e, "s3://bucket/file"))?;
    Ok(String::from_utf8(text).unwrap())
}

fn refused(bytes: &[u8], compression: Compression) -> String {
    let error = read(bytes, compression).unwrap_err();
    assert_eq!(error.blame(), Blame::Data, "{error}");
    assert!(error.hint_text().is_some(), "{error}");
    error.to_string()
}

/// Text that hardly compresses.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + (state % 26) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn reads_every_wrapping() {
    let deflated = SimpleFileOptions::default();
    let stored = deflated.compression_method(zip::CompressionMethod::Stored);
    let members = [gzip(b"a,b\n1,2\n"), gzip(b"3,4\n")].concat();
    let frames = [zstd(b"a,b\n1,2\n"), zstd(b"3,4\n")].concat();
    for (bytes, compression) in [
        (b"a,b\n1,2\n3,4\n".to_vec(), Compression::None),
        (b"\xef\xbb\xbfa,b\n1,2\n3,4\n".to_vec(), Compression::None),
        (members.clone(), Compression::Gzip),
        (members, Compression::None),
        (gzip(b"\xef\xbb\xbfa,b\n1,2\n3,4\n"), Compression::Gzip),
        (frames.clone(), Compression::Zstd),
        (frames, Compression::None),
        (
            zip_of(&[("r/cur.csv", b"a,b\n1,2\n3,4\n")], deflated),
            Compression::Zip,
        ),
        (
            zip_of(&[("CUR.CSV", b"a,b\n1,2\n3,4\n"), ("notes.txt", b"x")], stored),
            Compression::Zip,
        ),
        (
            zip_of(
                &[("cur.csv", b"a,b\n1,2\n3,4\n"), ("__MACOSX/._cur.csv", b"x")],
                deflated,
            ),
            Compression::Zip,
        ),
    ] {
        assert_eq!(read(&bytes, compression).unwrap(), "a,b\n1,2\n3,4\n");
    }
    assert_eq!(read(b"", Compression::None).unwrap(), "");
    assert_eq!(read(&gzip(b""), Compression::Gzip).unwrap(), "");
}

#[test]
fn reads_more_than_a_buffer() {
    let text = noise(3 << 20);
    let expected = String::from_utf8(text.clone()).unwrap();
    assert!(read(&gzip(&text), Compression::Gzip).unwrap() == expected);
    assert!(
        read(
            &zip_of(&[("a.csv", &text)], SimpleFileOptions::default()),
            Compression::Zip
        )
        .unwrap()
            == expected
    );
}

#[test]
fn truncated_and_corrupt_gzip_is_a_fault_of_the_data() {
    let whole = gzip(&noise(1 << 20));
    assert!(refused(&whole[..whole.len() / 2], Compression::Gzip).contains("truncated"));
    assert!(refused(&whole[..whole.len() - 3], Compression::Gzip).contains("truncated"));
    let two = [gzip(b"a\n"), gzip(b"b\n")].concat();
    assert!(refused(&two[..two.len() - 9], Compression::Gzip).contains("truncated"));

    let mut wrong_sum = whole.clone();
    let sum = wrong_sum.len() - 8;
    wrong_sum[sum] ^= 1;
    assert!(refused(&wrong_sum, Compression::Gzip).contains("corrupt"));
    assert!(refused(b"a,b\n", Compression::Gzip).contains("no gzip"));
    assert!(refused(b"", Compression::Gzip).contains("empty"));
}

#[test]
fn truncated_and_corrupt_zstandard_is_a_fault_of_the_data() {
    let whole = zstd(&noise(1 << 20));
    assert!(refused(&whole[..whole.len() / 2], Compression::Zstd).contains("truncated"));
    let mut changed = whole.clone();
    changed[20..40].fill(0xff);
    assert!(refused(&changed, Compression::Zstd).contains("corrupt"));
    assert!(refused(b"a,b\n", Compression::Zstd).contains("no Zstandard"));
    assert!(refused(b"", Compression::Zstd).contains("empty"));
}

#[test]
fn truncated_and_corrupt_zip_is_a_fault_of_the_data() {
    let whole = zip_of(&[("a.csv", &noise(1 << 20))], SimpleFileOptions::default());
    assert!(refused(&whole[..whole.len() / 2], Compression::Zip).contains("truncated"));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut changed = zip_of(&[("a.csv", b"a,b\n1,2\n")], stored);
    let position = changed.windows(3).position(|window| window == b"1,2").unwrap();
    changed[position] = b'7';
    assert!(refused(&changed, Compression::Zip).contains("checksum"));
    assert!(refused(b"a,b\n", Compression::Zip).contains("no ZIP"));
}

#[test]
fn a_zip_holds_one_csv() {
    let options = SimpleFileOptions::default();
    assert!(
        refused(
            &zip_of(&[("a.csv", b"x"), ("b.csv", b"y")], options),
            Compression::Zip
        )
        .contains("2 CSV")
    );
    assert!(refused(&zip_of(&[("a.txt", b"x")], options), Compression::Zip).contains("0 CSV"));
    assert!(refused(&zip_of(&[], options), Compression::Zip).contains("0 CSV"));
}

#[test]
fn a_bomb_is_stopped() {
    let mut guard = Guard::new(std::io::repeat(0), 1000, 200);
    let error = std::io::copy(&mut guard, &mut std::io::sink()).unwrap_err();
    assert!(error.to_string().contains("bomb"));
    assert_eq!(read_error(error, "bill.csv.gz").blame(), Blame::Data);

    let mut dense = Guard::new(std::io::repeat(0).take(HARMLESS_BYTES + 1), 2 << 20, 200);
    assert_eq!(
        std::io::copy(&mut dense, &mut std::io::sink()).unwrap(),
        HARMLESS_BYTES + 1
    );
}

#[test]
fn utf_16_is_refused_by_name() {
    for bytes in [b"\xff\xfea\0,\0b\0".as_slice(), b"\xfe\xff\0a\0,\0b"] {
        assert!(refused(bytes, Compression::None).contains("UTF-16"));
    }
}

#[test]
fn faults_of_the_disk_are_outside() {
    let gone = open_text(Path::new("/no/such/file.csv"), Compression::None, 200)
        .err()
        .unwrap();
    assert_eq!(gone.blame(), Blame::External);
    let input_output = decoder_error(io::Error::from_raw_os_error(5));
    assert_eq!(read_error(input_output, "bill.csv.gz").blame(), Blame::External);
    let invalid_text = io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8");
    assert_eq!(read_error(invalid_text, "bill.csv").blame(), Blame::Data);
}
