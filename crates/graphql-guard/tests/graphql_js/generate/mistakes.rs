//! Mistakes in the text of a document.

use super::Generator;

impl Generator {
    /// Deletes, doubles or swaps a few pieces of the text.
    pub(super) fn disturb(&mut self, query: &str) -> String {
        let mut words: Vec<String> = query.split(' ').map(ToOwned::to_owned).collect();
        for _ in 0..=self.random.below(2) {
            let at = self.random.below(words.len());
            let other = self.random.below(words.len());
            match self.random.below(6) {
                0 => drop(words.remove(at)),
                1 => words.insert(at, words[other].clone()),
                2 => words.swap(at, other),
                3 => "\"".clone_into(&mut words[at]),
                4 => words[at].push_str(
                    [
                        "}", "{", "$", "...", "@", ")", "é", "\u{FEFF}", "# ", "1a", "\"\"\"", "&",
                    ][self.random.below(12)],
                ),
                _ => {
                    let wrong = [
                        "1.",
                        "01",
                        "\"\\x\"",
                        "\"\\uD800\"",
                        "on",
                        "null",
                        "true",
                        "fragment",
                        "a:",
                        "-",
                        "1e5",
                    ];
                    wrong[self.random.below(11)].clone_into(&mut words[at]);
                }
            }
            if words.is_empty() {
                break;
            }
        }
        words.join(" ")
    }
}
