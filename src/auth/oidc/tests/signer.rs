//! Keys of a provider, and tokens signed with them.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::provider::Algorithm;
use super::{CLIENT_ID, NOW};

/// A key pair with its name.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));
pub(super) static RSA_2: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-2"));
pub(super) static P256: LazyLock<Signer> = LazyLock::new(|| {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    Signer { kid: "p256-1", pair: Pair::P256(pair) }
});
pub(super) static ED25519: LazyLock<Signer> =
    LazyLock::new(|| Signer { kid: "ed-1", pair: Pair::Ed25519(Ed25519KeyPair::generate().unwrap()) });

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn rsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    /// The algorithm that it signs by unless told otherwise.
    pub(super) fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::P256(_) => Algorithm::Es256,
            Pair::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Its public key, as providers publish it.
    pub(super) fn jwk(&self) -> Value {
        let (kid, alg) = (self.kid, self.algorithm().name());
        match &self.pair {
            Pair::Rsa(pair) => {
                let public: RsaPublicKeyComponents<Vec<u8>> = pair.public_key().into();
                let (n, e) = (b64(public.n), b64(public.e));
                json!({"kty": "RSA", "use": "sig", "kid": kid, "n": n, "e": e})
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (b64(&point[1..33]), b64(&point[33..65]));
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": kid, "x": x, "y": y})
            }
            Pair::Ed25519(pair) => {
                let x = b64(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": alg, "kid": kid, "x": x})
            }
        }
    }

    /// The signature over a message by one of the algorithms of its kind.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let pss = algorithm == Algorithm::Ps256;
                let padding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
            Pair::P256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// The header of its tokens.
    pub(super) fn header(&self) -> Value {
        json!({"alg": self.algorithm().name(), "typ": "JWT", "kid": self.kid})
    }

    /// A token over any header and payload, genuinely signed.
    pub(super) fn token_of(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.token_by(self.algorithm(), header, payload)
    }

    /// The same, signed by one of the algorithms of its kind.
    pub(super) fn token_by(
        &self,
        algorithm: Algorithm,
        header: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
    ) -> String {
        let signed = format!("{}.{}", b64(header), b64(payload));
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", b64(signature))
    }

    /// A token with these claims.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_of(self.header().to_string(), claims.to_string())
    }

    /// The private key as a publishing mistake would show it, if it is an RSA key.
    pub(super) fn private_exponent(&self) -> Option<String> {
        match &self.pair {
            Pair::P256(pair) => Some(b64(pair.private_key().as_be_bytes().unwrap().as_ref())),
            _ => None,
        }
    }
}

/// What the tests change one thing of: claims that are accepted.
pub(super) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer,
        "aud": CLIENT_ID,
        "sub": "subject-1",
        "iat": NOW - 5,
        "exp": NOW + 600,
        "email": "ada@company.com",
        "email_verified": true,
        "name": "Ada Lovelace",
    })
}

/// A key set of these keys.
pub(super) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// The same object with one member set, or taken away by `null`.
pub(super) fn with(object: &Value, name: &str, value: Value) -> Value {
    let mut changed = object.clone();
    let members = changed.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    changed
}
