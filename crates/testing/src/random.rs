//! Chance that is the same in every run.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum_users_core::{Random, RandomError};

/// Bytes that look like chance, and are the same in every run. Clones draw from the same sequence.
///
/// ```
/// use axum_users_core::Random;
/// use axum_users_testing::TestRandom;
///
/// let (mut first, mut second) = ([0; 16], [0; 16]);
/// TestRandom::seeded(7).fill(&mut first)?;
/// TestRandom::seeded(7).fill(&mut second)?;
/// assert_eq!(first, second);
/// # Ok::<(), axum_users_core::RandomError>(())
/// ```
///
/// # Security
/// Anybody can compute these bytes.
#[derive(Debug, Clone, Default)]
pub struct TestRandom(Arc<AtomicU64>);

impl TestRandom {
    /// The sequence that belongs to `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(AtomicU64::new(seed)))
    }
}

/// The step and the mix of `SplitMix64`.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        for chunk in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            for (to, from) in chunk.iter_mut().zip(word.to_le_bytes()) {
                *to = from;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(random: &TestRandom) -> [u8; 16] {
        let mut bytes = [0; 16];
        random.fill(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn every_draw_is_another_one() {
        let random = TestRandom::default();
        assert_ne!(draw(&random), draw(&random));
    }

    #[test]
    fn clones_never_draw_the_same() {
        let random = TestRandom::default();
        assert_ne!(draw(&random), draw(&random.clone()));
    }
}
