//! Whether time tells who has an account: interleaved samples, a rank test, and a leak that is planted to see that it is found.

use std::time::Instant;

use axum_users::{Random as _, SystemRandom};

use crate::{
    Result,
    database::{Postgres, older_hash},
    load::{Connection, count, json, login},
    measure::Bench,
    report::{Expected, Figure},
    server::Kind,
};

/// Registration and mails that do not tell, and a mail server that nobody asks for anything.
const SETTINGS: &[(&str, &str)] = &[("SILENT", "true"), ("MAIL_URL", "smtp://127.0.0.1:9?tls=none")];
/// How many users of each class there are.
const EACH: usize = 250;
/// Two-sided, 1 % for all eight comparisons together (Bonferroni): 0.125 % for each.
const CRITICAL: f64 = 3.227;
const WRONG: &str = "wrongwrongwrong";

/// Who is asked about.
#[derive(Clone, Copy, PartialEq)]
enum Who {
    Existing,
    Inactive,
    Missing,
    /// Exists, with a hash of older settings that takes a little less time: the planted leak.
    Older,
}

impl Who {
    fn email(self, number: usize, run: u64) -> String {
        let user = |from: usize| format!("user{}@bench.example", from + number % EACH + 1);
        match self {
            Self::Existing => user(0),
            Self::Inactive => user(EACH),
            Self::Older => user(2 * EACH),
            Self::Missing => format!("nobody{run:x}x{number}@bench.example"),
        }
    }
}

#[derive(Clone, Copy)]
enum Asked {
    Login,
    Forgot,
    Verify,
    Register,
}

impl Asked {
    const ALL: [Self; 4] = [Self::Login, Self::Forgot, Self::Verify, Self::Register];

    const fn name(self) -> &'static str {
        match self {
            Self::Login => "failed login",
            Self::Forgot => "forgot-password",
            Self::Verify => "request-verify-token",
            Self::Register => "silent registration",
        }
    }

    fn request(self, email: &str) -> (Vec<u8>, u16) {
        let body = format!(r#"{{"email":"{email}","password":"excalibur in the lake"}}"#);
        match self {
            Self::Login => (login("/auth/db/login", email, WRONG), 400),
            Self::Forgot => (json("/auth/forgot-password", &body), 202),
            Self::Verify => (json("/auth/request-verify-token", &body), 202),
            Self::Register => (json("/auth/register", &body), 202),
        }
    }
}

impl Bench<'_> {
    /// Whether somebody who measures answers learns who has an account.
    pub(crate) async fn enumeration(&mut self) -> Result<()> {
        self.classes().await?;
        let target = self
            .start_with(Kind::App, self.small, "enumeration", "warn", SETTINGS)
            .await?;
        let mut connection = Connection::open(target.server.address).await?;
        let mut chance = Chance::new()?;
        let run = chance.next();
        for asked in Asked::ALL {
            crate::progress(&format!("enumeration: {}", asked.name()));
            let mut classes = vec![Who::Existing, Who::Inactive, Who::Missing];
            if let Asked::Login = asked {
                classes.push(Who::Older);
            }
            let mut samples: Vec<(Who, Vec<f64>)> = classes.iter().map(|who| (*who, Vec::new())).collect();
            for number in 0..self.settings.samples + 5 {
                chance.shuffle(&mut samples);
                for (who, times) in &mut samples {
                    let (request, expected) = asked.request(&who.email(number, run));
                    let begun = Instant::now();
                    let status = connection.send(&request).await?.status;
                    let took = begun.elapsed();
                    if status != expected {
                        return Err(format!("{} is answered with {status}", asked.name()).into());
                    }
                    // The first ones fill caches.
                    if number >= 5 {
                        times.push(took.as_secs_f64() * 1e6);
                    }
                }
            }
            self.compare(asked, &samples);
        }
        Ok(())
    }

    fn compare(&mut self, asked: Asked, samples: &[(Who, Vec<f64>)]) {
        let of = |who: Who| {
            let found = samples.iter().find(|(other, _)| *other == who);
            found.map_or(&[][..], |(_, times)| times)
        };
        let missing = of(Who::Missing);
        for (who, name) in [
            (Who::Existing, "an account and none"),
            (Who::Inactive, "an inactive one and none"),
            (Who::Older, "a planted leak and none"),
        ] {
            let times = of(who);
            if times.is_empty() {
                continue;
            }
            let expected = match who {
                Who::Older => Expected::AtLeast(CRITICAL),
                _ => Expected::AtMost(CRITICAL),
            };
            let what = format!("{}: {name}, rank test", asked.name());
            self.figures
                .push(Figure::new(what, "|z|", z(times, missing).abs()).expect(expected));
            let (with, without) = (middle(times), middle(missing));
            self.figures
                .push(Figure::new("… medians", "µs", with).floor(without));
        }
    }

    /// Makes some of the users unconfirmed, some inactive, and gives some a hash of other settings.
    async fn classes(&self) -> Result<()> {
        let postgres: Postgres = self.admin.postgres.clone();
        let numbered = "(regexp_match(email, '\\d+'))[1]::int";
        let each = EACH;
        postgres
            .run(
                &self.small.name,
                &[
                    format!("UPDATE account SET is_verified = false WHERE {numbered} <= {each}"),
                    format!(
                        "UPDATE account SET is_active = false WHERE {numbered} BETWEEN {} AND {}",
                        each + 1,
                        2 * each
                    ),
                    format!(
                        "UPDATE account SET hashed_password = '{}' WHERE {numbered} BETWEEN {} AND {}",
                        older_hash()?,
                        2 * each + 1,
                        3 * each
                    ),
                    "VACUUM ANALYZE account".to_owned(),
                ],
            )
            .await
    }
}

/// The Mann-Whitney test: how far the ranks of the first sample are from those of the second, in standard deviations of what
/// chance does to two samples of one distribution. Ties share their rank, and are corrected for.
fn z(first: &[f64], second: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = first.iter().map(|value| (*value, true)).collect();
    all.extend(second.iter().map(|value| (*value, false)));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut ranks, mut ties, mut below) = (0.0, 0.0, 0);
    for tied in all.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let size = count(tied.len());
        let rank = count(below) + f64::midpoint(size, 1.0);
        ranks += rank * count(tied.iter().filter(|(_, of_first)| *of_first).count());
        ties += size.powi(3) - size;
        below += tied.len();
    }
    let (n, m) = (count(first.len()), count(second.len()));
    let total = n + m;
    let u = ranks - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    (u - n * m / 2.0) / variance.sqrt()
}

fn middle(values: &[f64]) -> f64 {
    crate::report::Spread::of(values.iter().copied()).median
}

/// Which comes first, at random; nothing that has to be secret.
struct Chance(u64);

impl Chance {
    fn new() -> Result<Self> {
        let mut seed = [0; 8];
        SystemRandom.fill(&mut seed)?;
        Ok(Self(u64::from_le_bytes(seed) | 1))
    }

    /// Marsaglia's xorshift.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            list.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rank_test_is_that_of_the_text_books() {
        // Two samples of Hollander and Wolfe, "Nonparametric Statistical Methods", example 4.1: W = 30 of ranks, U = 15 of 50.
        let (term, early) = (
            [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46],
            [1.15, 0.88, 0.90, 0.74, 1.21],
        );
        let found = z(&early, &term);
        assert!((found - -1.224_744_871).abs() < 1e-6, "{found}");
        assert!((z(&early, &term) + z(&term, &early)).abs() < 1e-9);
        assert!(z(&[1.0, 1.0, 2.0], &[1.0, 2.0, 1.0]).abs() < 1e-9);
    }

    #[test]
    fn a_leak_is_found_and_chance_is_none() {
        let mut chance = Chance(88_172_645_463_325_252);
        let mut noise = |shift: f64| -> Vec<f64> {
            (0..400)
                .map(|_| shift + count(usize::try_from(chance.next() % 1000).unwrap()))
                .collect()
        };
        assert!(z(&noise(0.0), &noise(0.0)).abs() < CRITICAL);
        assert!(z(&noise(100.0), &noise(0.0)) > CRITICAL);
    }
}
