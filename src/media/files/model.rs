//! Names and ages of uploads.

use entity::Timestamp;
use entity::id::UploadId;

/// Days that an upload is kept.
pub const KEPT_DAYS: i64 = 7;
/// What the name of a file ends in while it is being received.
pub(super) const PART: &str = ".part";
/// Characters of a file name that are kept.
const NAME_CHARS: usize = 255;

/// The file name as it is kept: without folders and control characters; `upload` when nothing is left.
pub(super) fn clean_name(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last
        .chars()
        .filter(|ch| !ch.is_control())
        .take(NAME_CHARS)
        .collect();
    match name.trim() {
        "" | "." | ".." => "upload".to_owned(),
        name => name.to_owned(),
    }
}

/// Uploads from before this moment have expired.
pub(super) const fn expiry(now: Timestamp) -> Timestamp {
    now.plus_days(-KEPT_DAYS)
}

/// Whether a file of the uploads directory, received or half received, has expired: its name tells when it was begun.
/// What has another name is not ours.
pub(super) fn file_has_expired(file_name: &str, now: Timestamp) -> bool {
    let id = file_name.strip_suffix(PART).unwrap_or(file_name);
    let begun = id
        .parse::<UploadId>()
        .ok()
        .and_then(|id| id.0.get_timestamp())
        .and_then(|at| i64::try_from(at.to_unix().0).ok());
    begun.is_some_and(|seconds| Timestamp::from_micros(0).plus_seconds(seconds) < expiry(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_keeps_no_folders_and_no_control_characters() {
        assert_eq!(clean_name("leads.csv"), "leads.csv");
        assert_eq!(clean_name("C:\\temp\\leads Ä.xlsx"), "leads Ä.xlsx");
        assert_eq!(clean_name("../../etc/passwd"), "passwd");
        assert_eq!(clean_name("a\u{0}b\n.csv"), "ab.csv");
        assert_eq!(clean_name("folder/.."), "upload");
        assert_eq!(clean_name("x".repeat(300).as_str()).len(), 255);
    }

    #[test]
    fn a_file_expires_by_the_moment_in_its_name() {
        let begun = Timestamp::from_micros(1_780_000_000_000_000);
        let id = UploadId::at(begun).to_string();
        assert!(!file_has_expired(&id, begun.plus_days(7)));
        assert!(file_has_expired(&id, begun.plus_days(7).plus_seconds(1)));
        assert!(file_has_expired(&format!("{id}.part"), begun.plus_days(8)));
        assert!(!file_has_expired("notes.txt", begun.plus_days(8)));
    }
}
