//! The known name that an unknown one was probably meant to be.

/// The nearest of `known` by Damerau-Levenshtein distance, if it is near at all (a third of the letters).
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let farthest = (name.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= farthest)
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}
