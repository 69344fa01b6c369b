//! One hash after the other, in one work area.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{self, Output, Salt},
};
use subtle::ConstantTimeEq;

use super::{
    Password,
    hash::{Argon2Hash, PasswordHash, Stored},
    hasher::{HashCounts, HashError, Verdict},
};
use crate::clock::Random;

/// RFC 9106 section 3.1: 16 bytes are recommended for password hashing.
const SALT_BYTES: usize = 16;
/// RFC 9106 section 4: a 256-bit tag.
pub(super) const TAG_BYTES: usize = 32;
/// bcrypt looks at no more.
const BCRYPT_MAX_BYTES: usize = 72;

/// What all threads of a pool have in common.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) params: Params,
    pub(super) random: Arc<dyn Random>,
    argon2: AtomicU64,
    bcrypt: AtomicU64,
}

impl Recipe {
    pub(super) fn new(params: Params, random: Arc<dyn Random>) -> Self {
        Self {
            params,
            random,
            argon2: AtomicU64::new(0),
            bcrypt: AtomicU64::new(0),
        }
    }

    pub(super) fn counts(&self) -> HashCounts {
        HashCounts {
            argon2: self.argon2.load(Ordering::Relaxed),
            bcrypt: self.bcrypt.load(Ordering::Relaxed),
        }
    }

    fn is_followed_by(&self, hash: &Argon2Hash) -> bool {
        hash.algorithm == Algorithm::Argon2id
            && hash.version == Version::V0x13
            && hash.params == self.params
            && hash.salt.len() == SALT_BYTES
    }
}

/// Whether a right password is to be hashed anew where its stored hash is of older settings.
#[derive(Clone, Copy)]
pub(super) enum Upgrade {
    Wanted,
    Unwanted,
}

/// What one thread hashes with.
pub(super) struct Engine {
    recipe: Arc<Recipe>,
    /// Kept from job to job and as large as a new hash needs, so that memory stays flat.
    area: Vec<Block>,
}

impl Engine {
    pub(super) fn new(recipe: Arc<Recipe>) -> Self {
        Self {
            recipe,
            area: Vec::new(),
        }
    }

    pub(super) fn hash(&mut self, password: &Password) -> Result<PasswordHash, HashError> {
        let mut salt = [0; SALT_BYTES];
        self.recipe
            .random
            .fill(&mut salt)
            .map_err(|_| HashError::Random)?;
        let tag = self.fresh_tag(password, &salt)?;
        let params = phc::ParamsString::try_from(&self.recipe.params).map_err(|_| HashError::Fault)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params,
            salt: Some(Salt::new(&salt).map_err(|_| HashError::Fault)?),
            hash: Some(Output::new(&tag).map_err(|_| HashError::Fault)?),
        };
        Ok(PasswordHash::from_stored(hash.to_string()))
    }

    pub(super) fn verify(
        &mut self,
        password: &Password,
        stored: Option<&str>,
        upgrade: Upgrade,
    ) -> Result<Verdict, HashError> {
        let recognised = stored.and_then(Stored::recognise);
        if stored.is_some_and(|stored| !PasswordHash::is_locked(stored)) && recognised.is_none() {
            tracing::warn!("a stored password hash is of no known kind, so no password is right");
        }
        let (is_right, is_current) = match recognised {
            None => {
                black_box(self.fresh_tag(password, &[0; SALT_BYTES])?);
                (false, false)
            }
            Some(Stored::Bcrypt) => (self.is_bcrypt_of(password, stored.unwrap_or_default()), false),
            Some(Stored::Argon2(hash)) => (
                self.is_argon2_of(password, &hash)?,
                self.recipe.is_followed_by(&hash),
            ),
        };
        Ok(match (is_right, is_current, upgrade) {
            (false, ..) => Verdict::Wrong,
            (true, false, Upgrade::Wanted) => Verdict::Right {
                upgrade: self.upgrade(password),
            },
            (true, ..) => Verdict::Right { upgrade: None },
        })
    }

    /// A right password stays right where its new hash cannot be made: the next login tries again.
    fn upgrade(&mut self, password: &Password) -> Option<PasswordHash> {
        self.hash(password)
            .inspect_err(|error| tracing::warn!(%error, "an old password hash could not be upgraded"))
            .ok()
    }

    fn is_argon2_of(&mut self, password: &Password, hash: &Argon2Hash) -> Result<bool, HashError> {
        let context = Argon2::new(hash.algorithm, hash.version, hash.params.clone());
        let mut computed = [0; Output::MAX_LENGTH];
        let computed = computed.get_mut(..hash.tag.len()).ok_or(HashError::Fault)?;
        self.argon2(&context, password, &hash.salt, computed)?;
        Ok(hash.tag.as_bytes().ct_eq(computed).into())
    }

    fn is_bcrypt_of(&self, password: &Password, stored: &str) -> bool {
        self.recipe.bcrypt.fetch_add(1, Ordering::Relaxed);
        let typed = password.expose();
        // A longer password is hashed all the same, so that it takes as long as any other.
        let matches = bcrypt::verify(typed, stored).unwrap_or(false);
        matches && typed.len() <= BCRYPT_MAX_BYTES
    }

    fn fresh_tag(
        &mut self,
        password: &Password,
        salt: &[u8; SALT_BYTES],
    ) -> Result<[u8; TAG_BYTES], HashError> {
        let context = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.recipe.params.clone());
        let mut tag = [0; TAG_BYTES];
        self.argon2(&context, password, salt, &mut tag)?;
        Ok(tag)
    }

    fn argon2(
        &mut self,
        context: &Argon2<'_>,
        password: &Password,
        salt: &[u8],
        tag: &mut [u8],
    ) -> Result<(), HashError> {
        self.recipe.argon2.fetch_add(1, Ordering::Relaxed);
        let kept = self.recipe.params.block_count();
        let needed = context.params().block_count();
        let mut larger = Vec::new();
        let area = if needed > kept {
            &mut larger
        } else {
            &mut self.area
        };
        let blocks = needed.max(kept);
        area.try_reserve_exact(blocks.saturating_sub(area.len()))
            .map_err(|_| HashError::Fault)?;
        area.resize(blocks, Block::new());
        context
            .hash_password_into_with_memory(password.expose().as_bytes(), salt, tag, area)
            .map_err(|_| HashError::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{RandomError, SystemRandom},
        password::Argon2Settings,
    };

    fn engine(settings: &Argon2Settings) -> Engine {
        Engine::new(Arc::new(Recipe::new(
            settings.params().unwrap(),
            Arc::new(SystemRandom),
        )))
    }

    fn quick() -> Engine {
        engine(&Argon2Settings::insecure_for_tests())
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    fn is_right(engine: &mut Engine, typed: &str, stored: &str) -> bool {
        engine
            .verify(&password(typed), Some(stored), Upgrade::Unwanted)
            .unwrap()
            .is_right()
    }

    fn upgrade(engine: &mut Engine, typed: &str, stored: &str) -> Option<PasswordHash> {
        match engine
            .verify(&password(typed), Some(stored), Upgrade::Wanted)
            .unwrap()
        {
            Verdict::Right { upgrade } => upgrade,
            Verdict::Wrong => panic!("the right password is right"),
        }
    }

    #[test]
    fn hash_is_a_phc_string_with_the_settings_in_it() {
        let hash = engine(&Argon2Settings::new())
            .hash(&password("correct horse"))
            .unwrap();
        let parsed = argon2::PasswordHash::new(hash.as_str()).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(parsed.salt.unwrap().len(), 16);
        assert_eq!(parsed.hash.unwrap().len(), 32);
    }

    #[test]
    fn hash_is_what_the_argon2_crate_accepts() {
        use argon2::PasswordVerifier;
        let hash = quick().hash(&password("correct horse")).unwrap();
        assert!(
            Argon2::default()
                .verify_password(b"correct horse", hash.as_str())
                .is_ok()
        );
    }

    #[test]
    fn right_password_is_right_and_any_other_is_wrong() {
        let mut engine = quick();
        let hash = engine.hash(&password("correct horse")).unwrap();
        assert!(upgrade(&mut engine, "correct horse", hash.as_str()).is_none());
        for typed in [
            "",
            "correct hors",
            "correct horse ",
            " correct horse",
            "Correct horse",
        ] {
            assert!(!is_right(&mut engine, typed, hash.as_str()), "{typed}");
        }
    }

    #[test]
    fn same_password_gets_another_salt_each_time() {
        let mut engine = quick();
        let salt = |hash: &PasswordHash| argon2::PasswordHash::new(hash.as_str()).unwrap().salt.unwrap();
        let first = engine.hash(&password("correct horse")).unwrap();
        let second = engine.hash(&password("correct horse")).unwrap();
        assert_ne!(salt(&first), salt(&second));
    }

    #[test]
    fn test_vectors_of_the_reference_implementation_are_right() {
        let mut engine = quick();
        for stored in [
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        ] {
            assert!(upgrade(&mut engine, "password", stored).is_some(), "{stored}");
            assert!(!is_right(&mut engine, "passwort", stored), "{stored}");
        }
    }

    #[test]
    fn other_settings_are_upgraded_in_both_directions() {
        let mut ours = quick();
        let mut theirs = engine(&Argon2Settings::new().memory(65_536).iterations(3).parallelism(4));
        let old = theirs.hash(&password("correct horse")).unwrap();
        let new = upgrade(&mut ours, "correct horse", old.as_str()).unwrap();
        assert!(new.as_str().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert!(upgrade(&mut ours, "correct horse", new.as_str()).is_none());
        let back = upgrade(&mut theirs, "correct horse", new.as_str()).unwrap();
        assert!(back.as_str().starts_with("$argon2id$v=19$m=65536,t=3,p=4$"));
        assert!(upgrade(&mut theirs, "correct horse", back.as_str()).is_none());
    }

    #[test]
    fn short_salt_and_short_tag_are_upgraded() {
        let mut engine = quick();
        for (salt, tag_bytes) in [(&b"8 bytes!"[..], 32), (b"16 bytes of salt", 16)] {
            use argon2::CustomizedPasswordHasher;
            let params = Params::new(8, 1, 1, Some(tag_bytes)).unwrap();
            let old = Argon2::default()
                .hash_password_customized(b"correct horse", salt, None, None, params)
                .unwrap();
            assert!(upgrade(&mut engine, "correct horse", &old.to_string()).is_some());
        }
    }

    #[test]
    fn bcrypt_is_verified_and_upgraded() {
        let mut engine = quick();
        let old = bcrypt::hash_with_salt("correct horse", 4, [7; 16]).unwrap();
        for version in [
            bcrypt::Version::TwoA,
            bcrypt::Version::TwoB,
            bcrypt::Version::TwoX,
            bcrypt::Version::TwoY,
        ] {
            let old = old.format_for_version(version);
            let new = upgrade(&mut engine, "correct horse", &old).unwrap();
            assert!(new.as_str().starts_with("$argon2id$v=19$"));
            assert!(is_right(&mut engine, "correct horse", new.as_str()));
            assert!(!is_right(&mut engine, "wrong horse", &old));
        }
        let counts = engine.recipe.counts();
        assert_eq!((counts.argon2, counts.bcrypt), (8, 8));
    }

    #[test]
    fn unwanted_upgrade_costs_nothing() {
        let mut engine = quick();
        let old = bcrypt::hash("correct horse", 4).unwrap();
        assert!(is_right(&mut engine, "correct horse", &old));
        let counts = engine.recipe.counts();
        assert_eq!((counts.argon2, counts.bcrypt), (0, 1));
    }

    #[test]
    fn bcrypt_takes_72_bytes_and_cuts_nothing_off() {
        let mut engine = quick();
        let old = bcrypt::hash("x".repeat(72), 4).unwrap();
        assert!(is_right(&mut engine, &"x".repeat(72), &old));
        assert!(!is_right(&mut engine, &"x".repeat(71), &old));
        assert!(!is_right(&mut engine, &"x".repeat(73), &old));
        assert_eq!(engine.recipe.counts().bcrypt, 3);
    }

    #[test]
    fn unknown_user_and_unusable_hash_cost_as_much_as_a_wrong_password() {
        let mut engine = quick();
        let hash = engine.hash(&password("correct horse")).unwrap();
        for stored in [
            Some(hash.as_str()),
            None,
            Some(""),
            Some("!"),
            Some("$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAA"),
            Some("$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u"),
        ] {
            let before = engine.recipe.counts();
            let verdict = engine
                .verify(&password("wrong horse"), stored, Upgrade::Wanted)
                .unwrap();
            let after = engine.recipe.counts();
            assert!(!verdict.is_right(), "{stored:?}");
            assert_eq!(
                (after.argon2 - before.argon2, after.bcrypt - before.bcrypt),
                (1, 0),
                "{stored:?}"
            );
        }
    }

    #[test]
    fn password_is_right_in_either_unicode_spelling() {
        let mut engine = quick();
        let hash = engine.hash(&password("caf\u{e9}")).unwrap();
        assert!(is_right(&mut engine, "cafe\u{301}", hash.as_str()));
        assert!(!is_right(&mut engine, "cafe", hash.as_str()));
    }

    #[test]
    fn work_area_is_kept_and_never_grows() {
        let mut engine = engine(&Argon2Settings::insecure_for_tests().memory(64));
        let shape = |engine: &Engine| (engine.area.as_ptr(), engine.area.len(), engine.area.capacity());
        let first = engine.hash(&password("one")).unwrap();
        let before = shape(&engine);
        assert_eq!((before.1, before.2), (64, 64));
        let smaller = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        let larger = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(!is_right(&mut engine, "two", smaller));
        assert!(is_right(&mut engine, "password", larger));
        assert!(is_right(&mut engine, "one", first.as_str()));
        assert_eq!(shape(&engine), before);
    }

    #[derive(Debug)]
    struct Dry;

    impl Random for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
            Err(RandomError)
        }
    }

    #[test]
    fn without_randomness_nothing_is_hashed_but_a_right_password_stays_right() {
        let params = Argon2Settings::insecure_for_tests().params().unwrap();
        let mut dry = Engine::new(Arc::new(Recipe::new(params, Arc::new(Dry))));
        assert!(matches!(
            dry.hash(&password("correct horse")),
            Err(HashError::Random)
        ));
        assert_eq!(dry.recipe.counts().argon2, 0);
        let old = bcrypt::hash("correct horse", 4).unwrap();
        assert!(upgrade(&mut dry, "correct horse", &old).is_none());
    }
}
