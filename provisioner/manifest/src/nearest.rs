//! The known name that an unknown one was probably meant to be.

/// The nearest of `known`: one that begins so, else by Damerau-Levenshtein distance, if it is near at all (a third of the letters).
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let farthest = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(name, candidate);
            let begun = name.chars().count() > 1 && candidate.starts_with(name);
            (begun || distance <= farthest).then_some((!begun, distance, candidate))
        })
        .min()
        .map(|(_, _, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_and_beginnings() {
        let known = ["production", "sandbox", "staging"];
        let told = |name| nearest(name, known);
        assert_eq!(told("prod").as_deref(), Some("production"));
        assert_eq!(told("stagin").as_deref(), Some("staging"));
        assert_eq!(told("snadbox").as_deref(), Some("sandbox"));
        assert_eq!(told("elsewhere"), None);
        assert_eq!(told(""), None);
    }
}
