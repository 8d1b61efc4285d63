//! Tokens: JSON Web Tokens signed with HS256, and with nothing else.
//!
//! The algorithm is fixed here, not read from the token. The claims are required and of one type each: the library alone would take a
//! floating-point `exp` and a list in `aud`, so [`Claims`] is strict on top of it. Expiry is judged by our own clock.
//!
//! The same key signs [tickets](super::tickets). They are for another audience, so that neither can be taken for the other.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::SigningKey;
use crate::types::{Timestamp, TokenId, UserName};

/// How long a token is good, in seconds: a day.
pub(super) const LIFETIME_SECS: i64 = 24 * 60 * 60;

/// How far two machines' clocks may lie apart, in seconds.
const LEEWAY_SECS: i64 = 5;

/// Longest token that is looked at; ours have about 300 bytes.
const MAX_LEN: usize = 4096;

pub(super) const ISSUER: &str = "openrunner";
const AUDIENCE: &str = "openrunner-api";

/// What a token says. It names no role: that is the store's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// When it ends, in seconds since 1970.
    pub(super) exp: i64,
    /// When it was made, in seconds since 1970.
    pub(super) iat: i64,
    /// Whose it is.
    pub(super) sub: UserName,
    /// For whom it was made: this API.
    aud: String,
    /// Who made it: this program.
    iss: String,
    /// The token's own name, by which it can be revoked.
    pub(super) jti: TokenId,
    /// The generation of the user's password that it was got with.
    #[serde(rename = "gen")]
    pub(super) generation: i64,
    /// Whether it was got with a default password, so that it is good on this machine only.
    #[serde(rename = "dfl")]
    pub(super) default_password: bool,
}

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    /// Its time is over.
    Expired,
    /// It is not one of ours, or damaged.
    Invalid,
}

/// Makes and reads what is signed: tokens, and beneath them any claims for one audience.
pub(super) struct Tokens {
    signing: EncodingKey,
    checking: DecodingKey,
}

/// Claims of which it can be said from when to when they are good.
pub(super) trait Timed {
    /// How long they are good, in seconds.
    const LIFETIME_SECS: i64;

    /// When they were made and when they end, in seconds since 1970.
    fn times(&self) -> (i64, i64);
}

impl Timed for Claims {
    const LIFETIME_SECS: i64 = LIFETIME_SECS;

    fn times(&self) -> (i64, i64) {
        (self.iat, self.exp)
    }
}

impl Tokens {
    pub(super) fn new(key: &SigningKey) -> Self {
        Self { signing: EncodingKey::from_secret(key.as_bytes()), checking: DecodingKey::from_secret(key.as_bytes()) }
    }

    /// A token for `user`, good for a day from `now`. `None` if the library cannot sign, which no input brings about.
    pub(super) fn make(&self, user: &UserName, generation: i64, default_password: bool, now: Timestamp) -> Option<String> {
        let iat = seconds(now);
        let claims = Claims {
            exp: iat.saturating_add(LIFETIME_SECS),
            iat,
            sub: user.clone(),
            aud: AUDIENCE.to_owned(),
            iss: ISSUER.to_owned(),
            jti: TokenId::new(),
            generation,
            default_password,
        };
        self.sign(&claims)
    }

    /// What a token says, if it is ours and its time is not over.
    pub(super) fn read(&self, token: &str, now: Timestamp) -> Result<Claims, BadToken> {
        self.verify(token, AUDIENCE, now)
    }

    /// Any claims, signed.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Option<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).ok()
    }

    /// Claims that were signed here for `audience` and whose time is not over.
    pub(super) fn verify<C: Timed + DeserializeOwned>(&self, token: &str, audience: &str, now: Timestamp) -> Result<C, BadToken> {
        if token.len() > MAX_LEN {
            return Err(BadToken::Invalid);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "sub", "aud", "iss"]);
        validation.set_audience(&[audience]);
        validation.set_issuer(&[ISSUER]);
        // The library asks the system's clock; ours is compared with below.
        validation.validate_exp = false;
        let claims: C = jsonwebtoken::decode(token, &self.checking, &validation).map_err(|_reason| BadToken::Invalid)?.claims;
        let (now, (iat, exp)) = (seconds(now), claims.times());
        if exp.saturating_add(LEEWAY_SECS) <= now {
            return Err(BadToken::Expired);
        }
        // What comes from the future, or outlives what we give, was not made by us.
        if iat > now.saturating_add(LEEWAY_SECS) || exp > iat.saturating_add(C::LIFETIME_SECS) {
            return Err(BadToken::Invalid);
        }
        Ok(claims)
    }
}

pub(super) fn seconds(moment: Timestamp) -> i64 {
    moment.as_millis().div_euclid(1000)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::encode;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Secret;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_800_000_000;

    fn now() -> Timestamp {
        Timestamp::from_millis(NOW * 1000)
    }

    fn tokens() -> Tokens {
        let key = SigningKey::load(Some(&Secret::new(SECRET.to_owned())), std::path::Path::new("/nowhere")).unwrap();
        Tokens::new(&key)
    }

    fn good_claims() -> Value {
        json!({"exp": NOW + 60, "iat": NOW, "sub": "admin", "aud": AUDIENCE, "iss": ISSUER, "jti": TokenId::new(), "gen": 1, "dfl": false})
    }

    fn signed(header: &Header, claims: &Value) -> String {
        encode(header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    }

    fn read(claims: &Value) -> Result<Claims, BadToken> {
        tokens().read(&signed(&Header::new(Algorithm::HS256), claims), now())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good_claims();
        claims[name] = value;
        claims
    }

    /// Unpadded base64url, for forging tokens that no library would make.
    fn base64url(bytes: &[u8]) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for place in 0..=chunk.len() {
                text.push(char::from(ALPHABET[(word >> (18 - 6 * place)) as usize & 63]));
            }
        }
        text
    }

    #[test]
    fn a_token_reads_back_what_was_put_in_until_its_day_is_over() {
        let tokens = tokens();
        let token = tokens.make(&"admin".parse().unwrap(), 7, true, now()).unwrap();
        let claims = tokens.read(&token, now()).unwrap();
        assert_eq!((claims.sub.as_str(), claims.generation, claims.default_password), ("admin", 7, true));
        assert_eq!(claims.exp - claims.iat, LIFETIME_SECS);
        let at = |secs: i64| Timestamp::from_millis((NOW + secs) * 1000);
        assert!(tokens.read(&token, at(LIFETIME_SECS - 1)).is_ok());
        assert_eq!(tokens.read(&token, at(LIFETIME_SECS + LEEWAY_SECS)), Err(BadToken::Expired));
        assert_eq!(tokens.read(&token, at(-60)), Err(BadToken::Invalid));
    }

    #[test]
    fn i4_the_algorithm_is_ours_to_choose() {
        let claims = good_claims();
        assert!(read(&claims).is_ok());
        for algorithm in [Algorithm::HS384, Algorithm::HS512] {
            assert_eq!(tokens().read(&signed(&Header::new(algorithm), &claims), now()), Err(BadToken::Invalid), "{algorithm:?}");
        }
        let hs256 = signed(&Header::new(Algorithm::HS256), &claims);
        let mut parts = hs256.split('.');
        let (_header, payload, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        for header in [r#"{"alg":"none","typ":"JWT"}"#, r#"{"alg":"None"}"#, r#"{"alg":"RS256","typ":"JWT"}"#, r#"{"typ":"JWT"}"#, "{}", ""]
        {
            for signature in ["", signature] {
                let forged = format!("{}.{payload}.{signature}", base64url(header.as_bytes()));
                assert_eq!(tokens().read(&forged, now()), Err(BadToken::Invalid), "{header} {signature}");
            }
        }
    }

    #[test]
    fn i4_every_claim_is_required_and_of_its_own_type() {
        for name in ["exp", "iat", "sub", "aud", "iss", "jti", "gen", "dfl"] {
            let mut claims = good_claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(read(&claims), Err(BadToken::Invalid), "without {name}");
            assert_eq!(read(&with(name, Value::Null)), Err(BadToken::Invalid), "{name} null");
            assert_eq!(read(&with(name, json!([name]))), Err(BadToken::Invalid), "{name} as a list");
        }
        let wrong = [
            with("exp", json!((NOW + 60).to_string())),
            with("exp", json!(1.9e9)),
            with("exp", json!(u64::MAX)),
            with("exp", json!(NOW + 365 * LIFETIME_SECS)),
            with("iat", json!("now")),
            with("iat", json!(NOW + 3600)),
            with("sub", json!("../admin")),
            with("sub", json!("")),
            with("aud", json!("another-api")),
            with("aud", json!([AUDIENCE])),
            with("iss", json!("someone")),
            with("jti", json!("1")),
            with("jti", json!(1)),
            with("dfl", json!("false")),
            with("gen", json!("1")),
        ];
        for claims in wrong {
            assert_eq!(read(&claims), Err(BadToken::Invalid), "{claims}");
        }
        assert_eq!(read(&with("exp", json!(NOW - 60))), Err(BadToken::Expired));
        assert!(read(&with("exp", json!(i64::MIN))).is_err());
    }

    #[test]
    fn i4_another_key_or_a_changed_letter_is_refused() {
        let token = encode(&Header::new(Algorithm::HS256), &good_claims(), &EncodingKey::from_secret(&[7; 32])).unwrap();
        assert_eq!(tokens().read(&token, now()), Err(BadToken::Invalid));
        let token = signed(&Header::new(Algorithm::HS256), &good_claims());
        for wrong in [token[1..].to_owned(), format!("{token}A"), token.replace('.', ""), format!("{token}.x"), "a".repeat(MAX_LEN + 1)] {
            assert_eq!(tokens().read(&wrong, now()), Err(BadToken::Invalid), "{wrong}");
        }
    }

    #[test]
    fn i4_a_role_in_the_token_changes_nothing() {
        let mut claims = good_claims();
        let without = read(&claims);
        claims["role"] = json!("admin");
        assert!(without.is_ok());
        assert_eq!(read(&claims), without);
    }

    proptest! {
        #[test]
        fn no_text_is_a_token_or_a_panic(text in ".{0,300}") {
            prop_assert!(tokens().read(&text, now()).is_err());
        }
    }
}
