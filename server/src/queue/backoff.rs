//! How long to wait before trying again.

use std::time::Duration;

use rand::Rng;

/// The longest pause between two attempts.
const LONGEST: u64 = 1024;

/// Full jitter: anything between a second and `min(2^attempt, 1024)` seconds, so that many runs that failed together
/// do not come back together. The pause is never shorter than a second, so that nothing spins.
pub(super) fn pause(attempt: i32, random: &mut impl Rng) -> Duration {
    let ceiling = 2u64.saturating_pow(attempt.clamp(1, 16).unsigned_abs()).min(LONGEST);
    Duration::from_millis(random.random_range(1_000..=ceiling * 1_000))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_never_vanish() {
        let mut random = StdRng::seed_from_u64(7);
        for (attempt, ceiling) in [(0, 2), (1, 2), (3, 8), (10, 1024), (12, 1024), (i32::MAX, 1024)] {
            let drawn = Vec::from_iter((0..200).map(|_| pause(attempt, &mut random)));
            assert!(drawn.iter().all(|pause| *pause >= Duration::from_secs(1)));
            assert!(drawn.iter().all(|pause| *pause <= Duration::from_secs(ceiling)));
            let spread = drawn
                .iter()
                .max()
                .zip(drawn.iter().min())
                .map(|(most, least)| *most - *least);
            assert!(spread > Some(Duration::from_secs(ceiling) / 4), "{spread:?}");
        }
    }
}
