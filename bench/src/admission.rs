//! The cost of authenticating each request: Broadsheet with a static token and with a JWT, compared with itself
//! without.

use std::fmt::{Result as Written, Write as _};

use crate::measure::Measurement;
use crate::options::Contestant;

/// A row for each group of measurements with and without a token.
pub(crate) fn write(text: &mut String, groups: &[&[Measurement]]) -> Written {
    let mut rows = String::new();
    for group in groups {
        let find = |contestant| {
            let found = group.iter().find(|one| one.contestant == contestant);
            found.filter(|one| one.failure.is_none())
        };
        let Some(without) = find(Contestant::Broadsheet) else {
            continue;
        };
        for contestant in [Contestant::Token, Contestant::Jwt] {
            let Some(with) = find(contestant) else {
                continue;
            };
            writeln!(
                rows,
                "| {}, {} | {} | {:.3} | {} |",
                without.database.title(),
                without.workload.title(),
                contestant.title(),
                paired(&with.rounds, &without.rounds),
                match (with.server_cpu_us, without.server_cpu_us) {
                    (Some(with), Some(without)) =>
                        format!("{:+.1} %", (with / without - 1.0) * 100.0),
                    _ => "–".to_owned(),
                }
            )?;
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "## Admission\n\nThe median over all rounds of the ratio to Broadsheet without a token in the same round.\n\n\
         | workload | called with | × without | CPU of the server |\n| --- | --- | ---: | ---: |\n{rows}"
    )
}

/// The median of the ratios per round, so that disturbances of the machine affect both.
fn paired(with: &[f64], without: &[f64]) -> f64 {
    let mut ratios: Vec<_> = with.iter().zip(without).map(|(a, b)| a / b).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let middle = ratios.len() / 2;
    match (ratios.get(middle.wrapping_sub(1)), ratios.get(middle)) {
        (Some(low), Some(high)) if ratios.len().is_multiple_of(2) => f64::midpoint(*low, *high),
        (_, Some(middle)) => *middle,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_those_of_each_round() {
        assert!((paired(&[1.0, 9.0, 4.0], &[1.0, 10.0, 2.0]) - 1.0).abs() < 1e-9);
        assert!((paired(&[1.0, 9.0], &[1.0, 10.0]) - 0.95).abs() < 1e-9);
        assert!(paired(&[], &[]).is_nan());
    }
}
