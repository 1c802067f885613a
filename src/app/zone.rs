//! The zone that dates are shown in, read from the one file that tells it. The crate would first list all zones that
//! there are, which costs a short command a tenth of its time. Whatever is out of the ordinary it is asked for all
//! the same.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;

/// What stands for the zone of this machine: a link to one of the files of all zones.
const LOCAL: &str = "/etc/localtime";

/// The zone of the user, else of the machine.
pub(super) fn system() -> TimeZone {
    let by_user = std::env::var_os("TZ");
    linked(by_user.as_deref(), Path::new(LOCAL)).unwrap_or_else(TimeZone::system)
}

/// The zone that a link names and leads to, where the user has not said another one.
fn linked(by_user: Option<&OsStr>, link: &Path) -> Option<TimeZone> {
    if by_user.is_some() {
        return None;
    }
    let target = fs::read_link(link).ok()?;
    let (_, name) = target.to_str()?.rsplit_once("zoneinfo/")?;
    TimeZone::tzif(name, &fs::read(link).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tells_name_and_rules_and_everything_else_is_left_to_the_crate() {
        let directory = tempfile::tempdir().unwrap();
        let zones = directory.path().join("zoneinfo/Made");
        fs::create_dir_all(&zones).unwrap();
        let (file, link) = (zones.join("Up"), directory.path().join("localtime"));
        assert_eq!(linked(None, &link), None, "there is none");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(linked(None, &link), None, "it leads nowhere");
        fs::write(&file, "this is no zone").unwrap();
        assert_eq!(linked(None, &link), None, "it leads to something else");
        fs::write(&file, two_hours_ahead()).unwrap();
        let zone = linked(None, &link).unwrap();
        assert_eq!(zone.iana_name(), Some("Made/Up"));
        assert_eq!(zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds(), 7_200);
        assert_eq!(linked(Some(OsStr::new("Asia/Tokyo")), &link), None, "the user's word wins");
        assert_eq!(linked(None, &file), None, "a file tells no name");
    }

    /// The shortest file that tells a zone (RFC 9636): no changes, one type of time, and the rule for all time.
    fn two_hours_ahead() -> Vec<u8> {
        let head = |kinds: u32, letters: u32| {
            let counts = [0, 0, 0, 0, kinds, letters];
            let mut bytes = b"TZif2".to_vec();
            bytes.extend([0; 15]);
            bytes.extend(counts.iter().flat_map(|count: &u32| count.to_be_bytes()));
            bytes
        };
        let kind = [0, 0, 0x1c, 0x20, 0, 0];
        let part = [head(1, 4), kind.to_vec(), b"UPT\0".to_vec()].concat();
        [part.clone(), part, b"\nUPT-2\n".to_vec()].concat()
    }
}
