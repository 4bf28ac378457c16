//! The signing key's file.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use evidence::key::{KeyFileError, generate, load, store};

#[test]
fn a_key_is_made_kept_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signing");
    let key = generate().unwrap();
    assert_ne!(generate().unwrap().fingerprint(), key.fingerprint());
    store(&key, &path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(load(&path, None).unwrap().fingerprint(), key.fingerprint());
    let line = std::fs::read_to_string(folder.path().join("signing.pub")).unwrap();
    assert_eq!(approval::fingerprint_of(&line).unwrap(), key.fingerprint());
    // Never over another one.
    assert!(matches!(store(&key, &path), Err(KeyFileError::File { .. })));

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        load(&path, None),
        Err(KeyFileError::Open { mode: 0o640, .. })
    ));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(load(&link, None), Err(KeyFileError::File { .. })));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    std::fs::set_permissions(&empty, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(load(&empty, None), Err(KeyFileError::Key { .. })));
}
