//! Letters over an account's limit, and the stubs that stand for them on this disk.

use std::fs;
use std::path::Path;

/// The letter of that number, or a large one: every third is.
pub(crate) fn every_third_large(number: u32, mut letter: Vec<u8>) -> Vec<u8> {
    if number.is_multiple_of(3) {
        letter.extend(b"A line of a large letter.\r\n".repeat(4000));
    }
    letter
}

/// Is a file a stub, by its name?
pub(crate) fn is_stub(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().contains(",T="))
}

/// The name of a file without its flags.
pub(crate) fn name_of(file: &Path) -> String {
    let name = file.file_name().expect("a file").to_string_lossy().into_owned();
    name.split(':').next().expect("a name").to_owned()
}

/// Brings a file into a directory and gives it flags, as another program would.
pub(crate) fn bring(file: &Path, to: &Path, flags: &str) {
    fs::rename(file, to.join(format!("{}:2,{flags}", name_of(file)))).expect("it lies there");
}
