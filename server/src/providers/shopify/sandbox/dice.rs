//! Chance that repeats itself: the same key gives the same rolls on every machine and with every version of every
//! library, so that a store's history does not depend on when or where the process starts.

/// A stream of rolls (splitmix64), begun from a key.
pub(crate) struct Dice(u64);

impl Dice {
    /// The stream for a shop, a purpose and numbers such as a day and a slot (FNV-1a over all of them).
    pub(crate) fn new(shop: &str, purpose: &str, numbers: &[i64]) -> Self {
        let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
        let bytes = shop.bytes().chain([0]).chain(purpose.bytes()).chain([0]).chain(numbers);
        let seed = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(seed)
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low + 1).unwrap_or(1);
        low + i64::try_from(self.roll() % width).unwrap_or(0)
    }

    /// True in so many of 1000 cases.
    pub(crate) fn chance(&mut self, per_mille: i64) -> bool {
        self.between(0, 999) < per_mille
    }

    /// One of the choices; there must be at least one.
    pub(crate) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let last = i64::try_from(choices.len()).unwrap_or(i64::MAX) - 1;
        let index = usize::try_from(self.between(0, last)).unwrap_or(0);
        &choices[index]
    }

    /// An index, each as likely as its weight says.
    pub(crate) fn weighted(&mut self, weights: &[i64]) -> usize {
        let mut point = self.between(0, weights.iter().sum::<i64>() - 1);
        for (index, weight) in weights.iter().enumerate() {
            if point < *weight {
                return index;
            }
            point -= weight;
        }
        0
    }
}
