//! Paths within a vendored tree.

/// Files that steer git. Kept, they would act on the project that vendors them: hide files from it or change their bytes.
const OF_GIT: [&str; 4] = [".git", ".gitattributes", ".gitignore", ".gitmodules"];
/// Longer names are refused by common file systems.
const NAME: usize = 255;

/// Whether a relative path can be kept: names of ordinary characters, none of them `.` or `..`.
pub(crate) fn is_plain(path: &str) -> bool {
    path.split('/').all(|name| {
        !matches!(name, "" | "." | "..")
            && name.len() <= NAME
            && !name.contains(|c: char| c.is_control() || c == '\\')
    })
}

/// Whether a path leads through something that steers git.
pub(crate) fn steers_git(path: &str) -> bool {
    path.split('/')
        .any(|name| OF_GIT.iter().any(|of| name.eq_ignore_ascii_case(of)))
}

/// Where a link at `path` with this target points to, in the tree; `None` if it leads out.
pub(crate) fn link(path: &str, target: &str) -> Option<String> {
    if target.is_empty() || target.starts_with('/') || target.contains(['\\', '\0']) {
        return None;
    }
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ordinary_names_are_kept() {
        for path in ["a", "a/b c.yaml", ".github/x", "ä"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb", "a\\b"] {
            assert!(!is_plain(path), "{path:?}");
        }
        assert!(steers_git("a/.GitAttributes"));
        assert!(steers_git(".git/config"));
        assert!(!steers_git(".github/config"));
    }

    #[test]
    fn links_stay_within() {
        assert_eq!(link("a/b", "../c").as_deref(), Some("c"));
        assert_eq!(link("a/b", "..").as_deref(), Some(""));
        assert_eq!(link("a/b", "../../c"), None);
        assert_eq!(link("b", "/etc/passwd"), None);
        assert_eq!(link("a/b", "x/../../../c"), None);
    }
}
