//! Password hashes as RabbitMQ stores and exports them: base64 of four octets of salt, then the digest of salt and
//! password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};

const SALT_BYTES: usize = 4;

/// The digests that RabbitMQ has had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// `rabbit_password_hashing_sha256`, the default.
    #[default]
    Sha256,
    /// `rabbit_password_hashing_sha512`
    Sha512,
    /// `rabbit_password_hashing_md5`, from before RabbitMQ 3.6.
    Md5,
}

impl Algorithm {
    /// The algorithm of that name in definitions.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "rabbit_password_hashing_sha256" => Some(Self::Sha256),
            "rabbit_password_hashing_sha512" => Some(Self::Sha512),
            "rabbit_password_hashing_md5" => Some(Self::Md5),
            _ => None,
        }
    }

    /// Its name in definitions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "rabbit_password_hashing_sha256",
            Self::Sha512 => "rabbit_password_hashing_sha512",
            Self::Md5 => "rabbit_password_hashing_md5",
        }
    }

    fn digest(self, salt: &[u8], password: &[u8]) -> Vec<u8> {
        fn of<D: Digest>(salt: &[u8], password: &[u8]) -> Vec<u8> {
            D::new()
                .chain_update(salt)
                .chain_update(password)
                .finalize()
                .to_vec()
        }
        match self {
            Self::Sha256 => of::<Sha256>(salt, password),
            Self::Sha512 => of::<Sha512>(salt, password),
            Self::Md5 => of::<Md5>(salt, password),
        }
    }
}

/// A hash that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHash;

impl std::fmt::Display for BadHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("password hash is not base64")
    }
}

impl std::error::Error for BadHash {}

/// What is kept of a password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    algorithm: Algorithm,
    /// Salt and digest. Shorter than the salt when no password is right, as RabbitMQ's empty hash.
    stored: Box<[u8]>,
}

impl PasswordHash {
    /// The hash of a user who cannot log in with a password.
    pub fn none() -> Self {
        Self {
            algorithm: Algorithm::default(),
            stored: Box::new([]),
        }
    }

    /// Hashes a password with a new random salt.
    pub fn new(password: &[u8]) -> Self {
        let mut salt = [0; SALT_BYTES];
        // Without randomness a fixed salt is still no worse for this one user.
        let _ = getrandom::fill(&mut salt);
        Self::salted(Algorithm::default(), salt, password)
    }

    fn salted(algorithm: Algorithm, salt: [u8; SALT_BYTES], password: &[u8]) -> Self {
        let mut stored = salt.to_vec();
        stored.extend(algorithm.digest(&salt, password));
        Self {
            algorithm,
            stored: stored.into(),
        }
    }

    /// Reads `password_hash` of definitions. An empty one is a user without password.
    ///
    /// # Errors
    /// It is not base64. Bytes that are no hash are taken, as RabbitMQ does: no password matches them.
    pub fn parse(base64: &str, algorithm: Algorithm) -> Result<Self, BadHash> {
        let stored = STANDARD.decode(base64).map_err(|_| BadHash)?.into();
        Ok(Self { algorithm, stored })
    }

    /// `password_hash` of definitions.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.stored)
    }

    /// The digest it was made with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this is the password. Takes as long for a wrong one as for the right one.
    pub fn is(&self, password: &[u8]) -> bool {
        let Some((salt, digest)) = self.stored.split_at_checked(SALT_BYTES) else {
            return false;
        };
        equal(&self.algorithm.digest(salt, password), digest)
    }
}

/// Equality that looks at every byte, wherever the first difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    // The compiler must not see that one bit would be enough to know.
    a.len() == b.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_and_every_other_is_wrong() {
        let hash = PasswordHash::new(b"secret");
        assert!(hash.is(b"secret"));
        for wrong in [&b""[..], b"secre", b"secret ", b"Secret"] {
            assert!(!hash.is(wrong));
        }
        assert_eq!(hash.to_base64().len(), 48);
        assert!(PasswordHash::parse(&hash.to_base64(), Algorithm::Sha256).unwrap() == hash);
        assert!(
            PasswordHash::new(b"secret") != hash,
            "another salt each time"
        );
    }

    /// From RabbitMQ's documentation of its own format: password test12, salt 908D C60A.
    #[test]
    fn hashes_are_those_of_rabbitmq() {
        let hash = PasswordHash::parse(
            "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
            Algorithm::Sha256,
        );
        assert!(hash.unwrap().is(b"test12"));
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512, Algorithm::Md5] {
            let hash = PasswordHash::salted(algorithm, [1, 2, 3, 4], b"pw");
            assert!(hash.is(b"pw") && !hash.is(b"wp"));
            let read = PasswordHash::parse(&hash.to_base64(), algorithm).unwrap();
            assert!(read == hash && read.algorithm() == algorithm);
            assert_eq!(Algorithm::find(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::find("plain"), None);
    }

    #[test]
    fn without_a_hash_no_password_is_right() {
        for hash in ["", "AAAA", "AQIDBA=="] {
            let hash = PasswordHash::parse(hash, Algorithm::Sha256).unwrap();
            assert!(!hash.is(b"") && !hash.is(b"x"), "{}", hash.to_base64());
        }
        assert!(!PasswordHash::none().is(b""));
        assert_eq!(PasswordHash::none().to_base64(), "");
        assert!(PasswordHash::parse("zz", Algorithm::Sha256).is_err());
    }
}
