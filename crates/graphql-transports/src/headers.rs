//! Parsers of header values that several modules use: lists, weights, origins.

use axum::http::{HeaderMap, header};

/// The items of a list header, across all its lines.
pub fn list(request: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = request
        .get_all(name)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// An item of a list with weights, such as `gzip;q=0.5`: its name, and its weight in thousandths. `None` where the
/// weight is invalid.
pub fn weighted(item: &str) -> Option<(&str, u16)> {
    let (name, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
    let (key, value) = parameter.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    Some((name.trim(), read_weight(value.trim())?))
}

/// `0` to `1` with at most three digits after the point, as thousandths.
pub fn read_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = digits.fold(0, |sum, digit| 10 * sum + u16::from(digit - b'0'));
    match (whole, thousandths) {
        ("0", _) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

/// Whether an `Origin` is in the list, in which `*` means any.
pub fn is_listed_origin(listed: &[String], origin: &str) -> bool {
    listed
        .iter()
        .any(|entry| entry == "*" || entry.trim_end_matches('/').eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::weighted;

    #[test]
    fn a_weight_is_a_number_from_0_to_1_with_three_digits() {
        for (item, expected) in [
            ("gzip", Some(("gzip", 1000))),
            ("gzip ; Q = 0.25", Some(("gzip", 250))),
            ("gzip;q=1.000", Some(("gzip", 1000))),
            ("gzip;q=0", Some(("gzip", 0))),
            ("gzip;q=inf", None),
            ("gzip;q=1e0", None),
            ("gzip;q=1.001", None),
            ("gzip;q=0.1234", None),
            ("gzip;q=-0", None),
            ("gzip;level=9", None),
        ] {
            assert_eq!(weighted(item), expected, "{item}");
        }
    }
}
