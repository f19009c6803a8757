//! Names with numbers in them: `key.%d`, `perf.%b.%d`. Pure; used for queues, routing keys, binding keys and header values.
//!
//! `%d` is the number itself, `%b` the number modulo the count of groups (bindings). Routing keys are padded with zeros to
//! one width, so that a prebuilt frame keeps its length while the number in it changes.

/// Where a number stands in an expanded name, so that it can be overwritten in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Bytes from the start of the expanded name.
    pub offset: usize,
    /// Digits, padded with zeros.
    pub width: usize,
    /// The number written is the message's number modulo this; never 0.
    pub modulus: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Number { modulus: u64, width: usize },
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Numbers run over `0..numbers`, groups over `0..groups`; each is written with the digits of its largest value.
    pub fn padded(text: &str, numbers: u64, groups: u64) -> Pattern {
        Pattern::parse(text, numbers, groups, true)
    }

    /// The same without padding: for names that are only expanded, never patched.
    pub fn plain(text: &str, numbers: u64) -> Pattern {
        Pattern::parse(text, numbers, numbers, false)
    }

    fn parse(text: &str, numbers: u64, groups: u64, padded: bool) -> Pattern {
        let width = |count: u64| if padded { digits(count.max(1) - 1) } else { 0 };
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            let modulus = match rest.as_bytes().get(at + 1) {
                Some(b'd') => numbers.max(1),
                Some(b'b') => groups.max(1),
                _ => {
                    literal.push('%');
                    rest = &rest[at + 1..];
                    continue;
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Number {
                modulus,
                width: width(modulus),
            });
            rest = &rest[at + 2..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Pattern { pieces }
    }

    /// The name for one number.
    pub fn expand(&self, number: u64) -> String {
        let mut name = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Number { modulus, width } => {
                    name.push_str(&format!("{:0width$}", number % modulus, width = *width));
                }
            }
        }
        name
    }

    /// The places to patch when the number changes; none when there is only one number.
    pub fn sites(&self) -> Vec<Site> {
        let mut offset = 0;
        let mut sites = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => offset += text.len(),
                Piece::Number { modulus, width } => {
                    if *modulus > 1 {
                        sites.push(Site {
                            offset,
                            width: *width,
                            modulus: *modulus,
                        });
                    }
                    offset += width;
                }
            }
        }
        sites
    }
}

/// Writes `number` over all of `digits`, padded with zeros. Digits that do not fit are cut off at the left.
#[inline]
pub fn overwrite(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn digits(mut number: u64) -> usize {
    let mut count = 1;
    while number >= 10 {
        number /= 10;
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_to_one_width_and_groups_wrap() {
        let pattern = Pattern::padded("perf.%b.%d", 100_000, 1000);
        assert_eq!(pattern.expand(7), "perf.007.00007");
        assert_eq!(pattern.expand(99_999), "perf.999.99999");
    }

    #[test]
    fn patching_the_sites_gives_the_same_name_as_expanding() {
        let pattern = Pattern::padded("a%b.%d!", 1234, 17);
        let mut name = pattern.expand(0).into_bytes();
        for number in [0, 1, 16, 17, 999, 1233] {
            for site in pattern.sites() {
                overwrite(
                    &mut name[site.offset..site.offset + site.width],
                    number % site.modulus,
                );
            }
            assert_eq!(String::from_utf8_lossy(&name), pattern.expand(number));
        }
    }

    #[test]
    fn a_single_number_and_a_plain_percent_need_no_patching() {
        assert!(Pattern::padded("key.%d", 1, 1).sites().is_empty());
        assert_eq!(Pattern::padded("100%%d%x", 1, 1).expand(3), "100%0%x");
        assert_eq!(Pattern::plain("q-%d", 200).expand(7), "q-7");
    }
}
